//! The reference's operations on organizations and roles.

use std::collections::BTreeSet;

use super::operation::{DEPTH_MAX, Made, OPERATOR, ORGS_MAX, Outcome, ROLES_MAX, holds, is_name};
use super::state::{Id, Org, Role, State};

/// Whoever holds the first holds the second (I10).
pub(super) const NEEDS: [(&str, &str); 40] = [
    ("OWN_DEVICES_CONTROL", "OWN_DEVICES_VIEW"),
    ("OWN_DEVICES_EDIT", "OWN_DEVICES_VIEW"),
    ("OWN_DEVICES_DELETE", "OWN_DEVICES_VIEW"),
    ("OWN_DEVICE_DATA_DELETE", "OWN_DEVICES_VIEW"),
    ("OWN_DEVICES_REPORT", "OWN_DEVICES_VIEW"),
    ("OWN_DEVICES_TIMELINE_VIEW", "OWN_DEVICES_VIEW"),
    ("SET_AUTH_TOKEN", "OWN_DEVICES_VIEW"),
    ("SET_AUTH_TOKEN", "OWN_DEVICES_EDIT"),
    ("ORG_DEVICES_CONTROL", "ORG_DEVICES_VIEW"),
    ("ORG_DEVICES_EDIT", "ORG_DEVICES_VIEW"),
    ("ORG_DEVICES_DELETE", "ORG_DEVICES_VIEW"),
    ("ORG_DEVICE_DATA_DELETE", "ORG_DEVICES_VIEW"),
    ("ORG_DEVICES_REPORT", "ORG_DEVICES_VIEW"),
    ("ORG_DEVICES_TIMELINE_VIEW", "ORG_DEVICES_VIEW"),
    ("ORG_DEVICES_SERVICE", "ORG_DEVICES_VIEW"),
    ("ORG_SWITCH", "ORG_VIEW"),
    ("ORG_CREATE", "ORG_VIEW"),
    ("ORG_EDIT", "ORG_VIEW"),
    ("ORG_DELETE", "ORG_VIEW"),
    ("ORG_TRANSFER", "ORG_VIEW"),
    ("OWN_ORG_EDIT", "ORG_VIEW"),
    ("ORG_INVITE_USERS", "ORG_VIEW_USERS"),
    ("ORG_EDIT_USERS", "ORG_VIEW_USERS"),
    ("ORG_DELETE_USERS", "ORG_VIEW_USERS"),
    ("USER_FORCE_LOGOUT", "ORG_VIEW_USERS"),
    ("USER_TRANSFER", "ORG_VIEW_USERS"),
    ("USER_SUSPEND", "ORG_VIEW_USERS"),
    ("USER_PASSWORD_CHANGE", "ORG_VIEW_USERS"),
    ("USER_LOG_VIEW", "ORG_VIEW_USERS"),
    ("USERS_DOWNLOAD", "ORG_VIEW_USERS"),
    ("ROLE_CREATE", "ROLE_VIEW"),
    ("ROLE_EDIT", "ROLE_VIEW"),
    ("ROLE_DELETE", "ROLE_VIEW"),
    ("OTA_START", "OTA_VIEW"),
    ("OTA_STOP", "OTA_VIEW"),
    ("OAUTH_EDIT", "OAUTH_VIEW"),
    ("MANAGE_DASHBOARDS", "ANALYTICS_VIEW"),
    ("AUTOMATION_EXECUTE", "AUTOMATION_VIEW"),
    ("TIMELINE_EDIT", "ORG_DEVICES_TIMELINE_VIEW"),
    ("ORG_DEVICES_TIMELINE_VIEW", "ORG_DEVICES_VIEW"),
];

/// What the role of administrators keeps, so that somebody can undo what was done to roles.
const ADMIN_KEEPS: [&str; 4] = ["ROLE_VIEW", "ROLE_EDIT", "ORG_VIEW_USERS", "ORG_EDIT_USERS"];

/// With everything that is needed.
pub(super) fn completed(set: &BTreeSet<String>) -> BTreeSet<String> {
    grown(set, |(from, to)| (from, to))
}

/// With everything that needs it.
fn dependents(set: &BTreeSet<String>) -> BTreeSet<String> {
    grown(set, |(from, to)| (to, from))
}

fn grown(
    set: &BTreeSet<String>,
    edge: fn((&'static str, &'static str)) -> (&'static str, &'static str),
) -> BTreeSet<String> {
    let mut grown = set.clone();
    // The longest chain of needs has three links.
    for _ in 0..3 {
        for (have, brings) in NEEDS.map(edge) {
            if grown.contains(have) {
                grown.insert(brings.to_owned());
            }
        }
    }
    grown
}

fn owned(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

/// The permissions afterwards; nothing where something would be both on and off.
fn edited(held: &BTreeSet<String>, add: &[&str], remove: &[&str]) -> Option<BTreeSet<String>> {
    let (added, taken) = (completed(&owned(add)), dependents(&owned(remove)));
    added.is_disjoint(&taken).then(|| held.difference(&taken).chain(&added).cloned().collect())
}

impl State {
    fn is_free_name(&self, org: &str, name: &str) -> bool {
        let tree = self.tree(&self.root(org));
        let same = |id: &Id| id != org && self.orgs[id].name.to_lowercase() == name.to_lowercase();
        is_name(name, 100) && !tree.iter().any(same)
    }

    pub(super) fn roles_of(&self, org: &str) -> Vec<(Id, Role)> {
        self.roles.iter().filter(|(_, it)| it.org == org).map(|(id, it)| (id.clone(), it.clone())).collect()
    }

    pub(super) fn create_org(&mut self, who: &str, parent: &str, name: &str, made: &Made) -> Outcome {
        let above = self.orgs.get(parent).cloned();
        let open = State::is_paid(above.as_ref())
            && above.as_ref().is_some_and(|it| it.may_have_children != Some(false));
        self.check(who, self.can(who, "ORG_CREATE", parent) && open, self.knows_org(who, parent))?;
        holds(self.above(parent).len() < DEPTH_MAX)?;
        holds(self.tree(&self.root(parent)).len() < ORGS_MAX)?;
        // Its own name is in the way of whoever is made below it.
        let taken = above.as_ref().is_some_and(|it| it.name.to_lowercase() == name.to_lowercase());
        holds(self.is_free_name(parent, name) && !taken)?;
        let org = Org { name: name.to_owned(), parent: Some(parent.to_owned()), ..above.ok_or(404_u16)? };
        for (n, (_, role)) in self.roles_of(parent).into_iter().enumerate() {
            self.roles.insert(format!("{}/{n}", made.id), Role { org: made.id.clone(), ..role });
        }
        self.orgs.insert(made.id.clone(), org);
        Ok(())
    }

    pub(super) fn rename_org(&mut self, who: &str, org: &str, name: &str) -> Outcome {
        let may = match self.home(who) == org {
            true => self.can(who, "OWN_ORG_EDIT", org),
            false => self.can(who, "ORG_EDIT", org),
        };
        self.check(who, may, self.knows_org(who, org))?;
        holds(self.is_free_name(org, name))?;
        self.orgs.get_mut(org).ok_or(404_u16)?.name = name.to_owned();
        Ok(())
    }

    pub(super) fn delete_org(&mut self, who: &str, org: &str) -> Outcome {
        self.check(who, self.can(who, "ORG_DELETE", org), self.knows_org(who, org))?;
        holds(self.orgs[org].parent.is_some() && self.home(who) != org)?;
        holds(self.tree(org).len() == 1 && !self.devices.values().any(|it| it.org == org))?;
        let members: Vec<Id> =
            self.users.iter().filter(|(_, it)| it.org == org).map(|(id, _)| id.clone()).collect();
        members.iter().for_each(|id| self.forget_user(id));
        self.invitations.retain(|_, it| it.org != org);
        self.roles.retain(|_, it| it.org != org);
        self.orgs.remove(org);
        Ok(())
    }

    pub(super) fn move_org(&mut self, who: &str, org: &str, parent: &str) -> Outcome {
        let (home, root) = (self.home(who).to_owned(), self.root(org));
        let own_tree = home == root && self.is_inside(org, &home) && self.is_inside(parent, &home);
        let may = self.is_active(who) && self.holds(who, "ORG_TRANSFER") && own_tree;
        self.check(who, may, self.knows_org(who, org))?;
        holds(self.orgs[org].parent.is_some() && !self.is_inside(parent, org))?;
        let level = |id: &Id| self.above(id).len();
        let height = self.tree(org).iter().map(level).max().unwrap_or_default() - self.above(org).len() + 1;
        holds(self.above(parent).len() + height <= DEPTH_MAX)?;
        self.orgs.get_mut(org).ok_or(404_u16)?.parent = Some(parent.to_owned());
        // An owner sits where his device is, or above it (I4).
        let owner_home = |owner: &Id| self.users.get(owner).map(|it| it.org.clone()).unwrap_or_default();
        let beside = |it: &super::state::Device| {
            it.owner.as_ref().is_some_and(|owner| !self.is_inside(&it.org, &owner_home(owner)))
        };
        let left: Vec<Id> =
            self.devices.iter().filter(|(_, it)| beside(it)).map(|(id, _)| id.clone()).collect();
        left.iter().for_each(|id| self.devices.get_mut(id).unwrap().owner = None);
        Ok(())
    }

    fn is_free_role(&self, top: &str, name: &str) -> bool {
        let same = |it: &Role| self.is_inside(&it.org, top) && it.name.to_lowercase() == name.to_lowercase();
        is_name(name, 60) && !self.roles.values().any(same)
    }

    pub(super) fn create_role(
        &mut self,
        who: &str,
        org: &str,
        name: &str,
        held: &[&str],
        made: &Made,
    ) -> Outcome {
        let held = completed(&owned(held));
        let within = held.is_subset(&self.held(who));
        let may = self.can(who, "ROLE_CREATE", org) && State::is_paid(self.orgs.get(org)) && within;
        self.check(who, may, self.knows_org(who, org))?;
        holds(self.orgs[org].parent.is_none() && self.is_free_role(org, name))?;
        holds(self.roles_of(org).len() < ROLES_MAX)?;
        for org in self.tree(org) {
            let role = Role { org: org.clone(), name: name.to_owned(), holds: held.clone() };
            self.roles.insert(format!("{org}/{}", made.id), role);
        }
        Ok(())
    }

    /// The roles of this name at the organization and below.
    fn named(&self, top: &str, name: &str) -> Vec<Id> {
        let same = |it: &Role| it.name == name && self.is_inside(&it.org, top);
        self.roles.iter().filter(|(_, it)| same(it)).map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn rename_role(&mut self, who: &str, role: &str, name: &str) -> Outcome {
        let it = self.roles.get(role).cloned();
        let may = it.as_ref().is_some_and(|it| self.can(who, "ROLE_EDIT", &it.org));
        self.check(who, may, self.knows_role(who, role))?;
        let it = it.ok_or(404_u16)?;
        holds(self.orgs[&it.org].parent.is_none() && it.name != "Admin" && self.is_free_role(&it.org, name))?;
        for id in self.named(&it.org, &it.name) {
            self.roles.get_mut(&id).unwrap().name = name.to_owned();
        }
        Ok(())
    }

    pub(super) fn edit_role(
        &mut self,
        who: &str,
        role: &str,
        add: &[&str],
        remove: &[&str],
        push: &str,
    ) -> Outcome {
        let it = self.roles.get(role).cloned();
        let after = it.as_ref().and_then(|it| edited(&it.holds, add, remove));
        let within = after.as_ref().is_none_or(|after| after.is_subset(&self.held(who)));
        let paid = |org: &Id| State::is_paid(self.orgs.get(org));
        let edits = |id: &Id| {
            let org = &self.roles[id].org;
            self.can(who, "ROLE_EDIT", org) && paid(org) && within
        };
        // Pushing changes roles below, so these must be reached as well.
        let may = it.as_ref().is_some_and(|it| {
            let below = self.named(&it.org, &it.name).into_iter().filter(|_| push != "none");
            below.chain([role.to_owned()]).all(|id| edits(&id))
        });
        // The operator gives out what is new in the schema.
        if who != OPERATOR {
            self.check(who, may, self.knows_role(who, role))?;
        }
        let (it, after) = (it.ok_or(404_u16)?, after.ok_or(400_u16)?);
        let mut changed = vec![(role.to_owned(), after.clone())];
        for id in self.named(&it.org, &it.name).into_iter().filter(|id| id != role && push != "none") {
            let below = match push {
                "overwrite" => after.clone(),
                _ => edited(&self.roles[&id].holds, add, remove).ok_or(400_u16)?,
            };
            changed.push((id, below));
        }
        let locked_out = |held: &BTreeSet<String>| {
            it.name == "Admin" && ADMIN_KEEPS.iter().any(|keep| !held.contains(*keep))
        };
        holds(!changed.iter().any(|(_, held)| locked_out(held)))?;
        for (id, held) in changed {
            self.roles.get_mut(&id).unwrap().holds = held;
        }
        Ok(())
    }

    pub(super) fn delete_role(&mut self, who: &str, role: &str, replacement: &str) -> Outcome {
        let (it, instead) = (self.roles.get(role).cloned(), self.roles.get(replacement).cloned());
        let same_org = |org: &Id| instead.as_ref().is_some_and(|it| it.org == *org);
        let may = it.as_ref().is_some_and(|it| self.can(who, "ROLE_DELETE", &it.org) && same_org(&it.org));
        let may = may && self.gives(who, replacement) && self.gives_below(who, it.as_ref(), instead.as_ref());
        self.check(who, may, self.knows_role(who, role))?;
        let (it, instead) = (it.ok_or(404_u16)?, instead.ok_or(404_u16)?);
        holds(it.name != "Admin" && self.orgs[&it.org].parent.is_none() && role != replacement)?;
        for id in self.named(&it.org, &it.name) {
            let other = self.instead_of(&id, &instead.name).ok_or(404_u16)?;
            self.users
                .values_mut()
                .filter(|user| user.role == id)
                .for_each(|user| user.role.clone_from(&other));
            self.invitations
                .values_mut()
                .filter(|it| it.role == id)
                .for_each(|it| it.role.clone_from(&other));
            self.roles.remove(&id);
        }
        Ok(())
    }

    fn instead_of(&self, role: &Id, name: &str) -> Option<Id> {
        let org = &self.roles.get(role)?.org;
        self.roles_of(org).into_iter().find(|(_, it)| it.name == name).map(|(id, _)| id)
    }

    /// Nobody hands out more than he holds: below, the role of the same name may hold more.
    fn gives_below(&self, who: &str, role: Option<&Role>, instead: Option<&Role>) -> bool {
        let (Some(role), Some(instead)) = (role, instead) else { return false };
        self.named(&role.org, &role.name).iter().all(|id| {
            let is_used = self.users.values().any(|it| it.role == *id);
            !is_used || self.instead_of(id, &instead.name).is_none_or(|other| self.gives(who, &other))
        })
    }
}
