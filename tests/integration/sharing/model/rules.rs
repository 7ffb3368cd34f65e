//! Section 0 of the sharing model in plain Rust, and who sees what that is no device.

use std::collections::BTreeSet;

use super::state::{Grant, Id, Org, State};

/// What one asks of a device, with the permission behind it: both halves, or one without halves.
pub(super) const VERBS: [(&str, &str); 9] = [
    ("view", "DEVICES_VIEW"),
    ("control", "DEVICES_CONTROL"),
    ("view_timeline", "DEVICES_TIMELINE_VIEW"),
    ("download_report", "DEVICES_REPORT"),
    ("update_metadata", "DEVICES_EDIT"),
    ("erase_data", "DEVICE_DATA_DELETE"),
    ("delete_device", "DEVICES_DELETE"),
    ("edit_auth_token", "SET_AUTH_TOKEN"),
    ("transfer", "DEVICE_TRANSFER"),
];

impl State {
    pub(super) fn is_active(&self, who: &str) -> bool {
        self.users.get(who).is_some_and(|it| ["active", "inactive"].contains(&it.status.as_str()))
    }

    /// The organization and everything above it, from below to the root.
    pub(super) fn above(&self, org: &str) -> Vec<&str> {
        let mut chain = Vec::new();
        let mut next = self.orgs.get_key_value(org);
        while let Some((id, it)) = next {
            chain.push(id.as_str());
            next = it.parent.as_ref().and_then(|parent| self.orgs.get_key_value(parent));
        }
        chain
    }

    pub(super) fn root(&self, org: &str) -> String {
        self.above(org).last().map_or_else(|| org.to_owned(), |it| (*it).to_owned())
    }

    /// Same or below.
    pub(super) fn is_inside(&self, inner: &str, outer: &str) -> bool {
        self.above(inner).contains(&outer)
    }

    /// The organization and everything below it.
    pub(super) fn tree(&self, top: &str) -> Vec<Id> {
        self.orgs.keys().filter(|id| self.is_inside(id, top)).cloned().collect()
    }

    pub(super) fn home(&self, who: &str) -> &str {
        self.users.get(who).map_or("", |it| it.org.as_str())
    }

    pub(super) fn holds(&self, who: &str, permission: &str) -> bool {
        let role = self.users.get(who).and_then(|it| self.roles.get(&it.role));
        role.is_some_and(|it| it.holds.contains(permission))
    }

    pub(super) fn held(&self, who: &str) -> BTreeSet<String> {
        let role = self.users.get(who).and_then(|it| self.roles.get(&it.role));
        role.map(|it| it.holds.clone()).unwrap_or_default()
    }

    /// Nobody hands out more than he holds.
    pub(super) fn gives(&self, who: &str, role: &str) -> bool {
        self.roles.get(role).is_some_and(|it| it.holds.iter().all(|held| self.holds(who, held)))
    }

    pub(super) fn reaches(&self, who: &str, org: &str) -> bool {
        let home = self.home(who);
        self.orgs.contains_key(org)
            && (home == org || (self.is_inside(org, home) && self.holds(who, "ORG_SWITCH")))
    }

    /// The permission together with reach.
    pub(super) fn can(&self, who: &str, permission: &str, org: &str) -> bool {
        self.is_active(who) && self.holds(who, permission) && self.reaches(who, org)
    }

    /// `may` of section 0; what has no halves is about every device at home or below.
    fn may(&self, who: &str, verb: &str, device: &str) -> bool {
        let Some(it) = self.devices.get(device) else { return false };
        if ["SET_AUTH_TOKEN", "DEVICE_TRANSFER"].contains(&verb) {
            return self.holds(who, verb) && self.is_inside(&it.org, self.home(who));
        }
        (self.holds(who, &format!("ORG_{verb}")) && self.reaches(who, &it.org))
            || (self.holds(who, &format!("OWN_{verb}"))
                && it.owner.as_deref() == Some(who)
                && self.is_inside(&it.org, self.home(who)))
    }

    pub(super) fn sees(&self, who: &str, device: &str) -> bool {
        self.is_active(who) && self.may(who, "DEVICES_VIEW", device)
    }

    /// By his own right, without what was lent.
    pub(super) fn does(&self, who: &str, action: &str, device: &str) -> bool {
        let verb = VERBS.iter().find(|(it, _)| *it == action).unwrap().1;
        self.sees(who, device) && self.may(who, verb, device)
    }

    /// Whether what is lent gives the action now.
    pub(super) fn is_lent(&self, who: &str, action: &str, device: &str, stream: Option<&str>) -> bool {
        let now = self.now;
        let Some(grant) = self.grants.get(&(device.to_owned(), who.to_owned())) else { return false };
        let Grant { granter, status, control, streams, from, until, .. } = grant;
        let gives = action == "view" || (action == "control" && *control);
        let covers =
            streams.as_ref().is_none_or(|it| stream.is_some_and(|s| it.iter().any(|known| known == s)));
        let in_time = from.is_none_or(|from| from <= now) && until.is_none_or(|until| now < until);
        let org = self.devices.get(device).and_then(|it| self.orgs.get(&it.org));
        let allowed_here = org.is_some_and(|it| it.grants != Some(false));
        let granter_may = self.does(granter, action, device) && self.lends(granter, device);
        self.is_active(who)
            && gives
            && covers
            && in_time
            && status == "accepted"
            && allowed_here
            && granter_may
    }

    /// The owner lends, and who may give the device away.
    pub(super) fn lends(&self, who: &str, device: &str) -> bool {
        let owns = self.devices.get(device).is_some_and(|it| it.owner.as_deref() == Some(who));
        self.sees(who, device) && (owns || self.does(who, "transfer", device))
    }

    pub(super) fn decides(&self, who: &str, action: &str, device: &str, stream: Option<&str>) -> bool {
        self.does(who, action, device) || self.is_lent(who, action, device, stream)
    }

    pub(super) fn knows_org(&self, who: &str, org: &str) -> bool {
        let looks_down = self.holds(who, "ORG_VIEW") || self.holds(who, "ORG_SWITCH");
        self.home(who) == org || (self.is_inside(org, self.home(who)) && looks_down)
    }

    pub(super) fn knows_role(&self, who: &str, role: &str) -> bool {
        let Some(it) = self.roles.get(role) else { return false };
        it.org == self.home(who) || (self.holds(who, "ROLE_VIEW") && self.reaches(who, &it.org))
    }

    pub(super) fn knows_user(&self, who: &str, user: &str) -> bool {
        let Some(it) = self.users.get(user) else { return false };
        who == user || (self.holds(who, "ORG_VIEW_USERS") && self.reaches(who, &it.org))
    }

    pub(super) fn knows_invitation(&self, who: &str, invitation: &str) -> bool {
        let Some(it) = self.invitations.get(invitation) else { return false };
        (self.holds(who, "ORG_VIEW_USERS") || self.holds(who, "ORG_INVITE_USERS"))
            && self.reaches(who, &it.org)
    }

    pub(super) fn knows_grant(&self, who: &str, device: &str, grantee: &str) -> bool {
        who == grantee || self.ends_grant(who, device, grantee)
    }

    /// Who may take a grant back: granter, owner, and who may give the organization's devices away.
    pub(super) fn ends_grant(&self, who: &str, device: &str, grantee: &str) -> bool {
        let Some(it) = self.grants.get(&(device.to_owned(), grantee.to_owned())) else { return false };
        let owns = self.devices.get(device).is_some_and(|it| it.owner.as_deref() == Some(who));
        it.granter == who || owns || (self.holds(who, "DEVICE_TRANSFER") && self.reaches(who, &it.org))
    }

    pub(super) fn is_paid(org: Option<&Org>) -> bool {
        org.and_then(|it| it.plan.as_deref()).is_some_and(|plan| plan != "FREE")
    }
}
