//! Permissions that are nothing without another one, and the defaults of a new tree's roles.

use std::collections::BTreeSet;

use crate::domain::nouns::Permission;
use crate::sharing::Conflict;

/// What holds only together: whoever gets one of the first gets the second too (I10).
const IMPLIES: [(&[&str], &str); 11] = [
    (
        &[
            "OWN_DEVICES_CONTROL",
            "OWN_DEVICES_EDIT",
            "OWN_DEVICES_DELETE",
            "OWN_DEVICE_DATA_DELETE",
            "OWN_DEVICES_REPORT",
            "OWN_DEVICES_TIMELINE_VIEW",
            "SET_AUTH_TOKEN",
        ],
        "OWN_DEVICES_VIEW",
    ),
    (&["SET_AUTH_TOKEN"], "OWN_DEVICES_EDIT"),
    (
        &[
            "ORG_DEVICES_CONTROL",
            "ORG_DEVICES_EDIT",
            "ORG_DEVICES_DELETE",
            "ORG_DEVICE_DATA_DELETE",
            "ORG_DEVICES_REPORT",
            "ORG_DEVICES_TIMELINE_VIEW",
            "ORG_DEVICES_SERVICE",
        ],
        "ORG_DEVICES_VIEW",
    ),
    (&["ORG_SWITCH", "ORG_CREATE", "ORG_EDIT", "ORG_DELETE", "ORG_TRANSFER", "OWN_ORG_EDIT"], "ORG_VIEW"),
    (
        &[
            "ORG_INVITE_USERS",
            "ORG_EDIT_USERS",
            "ORG_DELETE_USERS",
            "USER_PASSWORD_CHANGE",
            "USER_FORCE_LOGOUT",
            "USER_LOG_VIEW",
            "USER_TRANSFER",
            "USERS_DOWNLOAD",
            "USER_SUSPEND",
        ],
        "ORG_VIEW_USERS",
    ),
    (&["ROLE_CREATE", "ROLE_EDIT", "ROLE_DELETE"], "ROLE_VIEW"),
    (&["OTA_START", "OTA_STOP"], "OTA_VIEW"),
    (&["AUTOMATION_CREATE", "AUTOMATION_EDIT", "AUTOMATION_DELETE", "AUTOMATION_EXECUTE"], "AUTOMATION_VIEW"),
    (&["OAUTH_CREATE", "OAUTH_EDIT", "OAUTH_DELETE"], "OAUTH_VIEW"),
    (&["MANAGE_DASHBOARDS"], "ANALYTICS_VIEW"),
    (&["TIMELINE_EDIT"], "ORG_DEVICES_TIMELINE_VIEW"),
];

/// What administrators need so that somebody can undo what was done to roles.
pub const ADMIN_KEEPS: [&str; 4] = ["ROLE_VIEW", "ROLE_EDIT", "ORG_VIEW_USERS", "ORG_EDIT_USERS"];

/// What the staff of a new tree may do (section 2 of the sharing model).
pub const STAFF: [&str; 8] = [
    "OWN_DEVICES_VIEW",
    "OWN_DEVICES_CONTROL",
    "ORG_DEVICES_VIEW",
    "ORG_DEVICES_CONTROL",
    "OWN_ORG_EDIT",
    "ORG_SWITCH",
    "ORG_TRANSFER",
    "ORG_VIEW",
];

/// A change to the permissions of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// What is switched on.
    pub add: BTreeSet<Permission>,
    /// What is switched off.
    pub remove: BTreeSet<Permission>,
}

impl Edit {
    /// The permissions afterwards: what is on brings what it needs, what is off takes what needs it.
    pub fn apply(&self, held: &BTreeSet<Permission>) -> Result<BTreeSet<Permission>, Conflict> {
        let added = completed(&self.add);
        let taken = dependents(&self.remove);
        if let Some(both) = added.intersection(&taken).next() {
            let detail = format!("`{both}` would be both on and off: permissions depend on each other");
            return Err(Conflict::broken("permission-contradiction", detail));
        }
        Ok(held.difference(&taken).cloned().chain(added).collect())
    }
}

/// The set with everything that its members need.
#[must_use]
pub fn completed(set: &BTreeSet<Permission>) -> BTreeSet<Permission> {
    grow(set, |set, (from, to)| from.iter().any(|it| set.contains(*it)).then(|| vec![*to]))
}

/// The set with everything that needs one of its members.
fn dependents(set: &BTreeSet<Permission>) -> BTreeSet<Permission> {
    grow(set, |set, (from, to)| set.contains(*to).then(|| from.to_vec()))
}

type Dependency = (&'static [&'static str], &'static str);

fn grow(
    set: &BTreeSet<Permission>,
    more: fn(&BTreeSet<Permission>, &Dependency) -> Option<Vec<&'static str>>,
) -> BTreeSet<Permission> {
    let mut grown = set.clone();
    loop {
        let found: Vec<_> = IMPLIES.iter().filter_map(|it| more(&grown, it)).flatten().collect();
        let before = grown.len();
        grown.extend(found.into_iter().map(str::to_owned));
        if grown.len() == before {
            return grown;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<Permission> {
        names.iter().map(|it| (*it).to_owned()).collect()
    }

    #[test]
    fn control_implies_view_and_view_carries_control() {
        let on = Edit { add: set(&["OWN_DEVICES_CONTROL"]), ..Edit::default() };
        assert_eq!(on.apply(&set(&[])).unwrap(), set(&["OWN_DEVICES_CONTROL", "OWN_DEVICES_VIEW"]));
        let token = Edit { add: set(&["SET_AUTH_TOKEN"]), ..Edit::default() };
        let held = token.apply(&set(&[])).unwrap();
        assert_eq!(held, set(&["SET_AUTH_TOKEN", "OWN_DEVICES_EDIT", "OWN_DEVICES_VIEW"]));
        let off = Edit { remove: set(&["OWN_DEVICES_VIEW"]), ..Edit::default() };
        assert_eq!(off.apply(&held).unwrap(), set(&[]));
        let switch = Edit { remove: set(&["ORG_VIEW"]), ..Edit::default() };
        assert_eq!(
            switch.apply(&set(&["ORG_VIEW", "ORG_SWITCH", "ORG_CREATE", "PRODUCT_VIEW"])).unwrap(),
            set(&["PRODUCT_VIEW"])
        );
    }

    #[test]
    fn nothing_is_both_on_and_off() {
        let both = Edit { add: set(&["ORG_DEVICES_CONTROL"]), remove: set(&["ORG_DEVICES_VIEW"]) };
        assert!(both.apply(&set(&[])).is_err());
    }

    #[test]
    fn the_defaults_are_complete() {
        for names in [&STAFF[..], &ADMIN_KEEPS[..]] {
            assert_eq!(completed(&set(names)), set(names));
        }
    }
}
