//! What holds whatever anybody does: the invariants of the sharing model, and its three properties.

use std::collections::BTreeSet;

use super::operation::{DEPTH_MAX, ORGS_MAX, ROLES_MAX};
use super::state::{Id, State};
use super::structure::NEEDS;

type Breach = Result<(), String>;

fn always(condition: bool, what: impl FnOnce() -> String) -> Breach {
    if condition { Ok(()) } else { Err(what()) }
}

impl State {
    /// Everything that one state must satisfy.
    pub(super) fn check_invariants(&self) -> Breach {
        self.check_trees()?;
        self.check_roles()?;
        self.check_people()?;
        self.check_devices()?;
        self.check_grants()
    }

    /// Organizations are trees (I12) of limited size (I18), with plans (I14) and unique names.
    fn check_trees(&self) -> Breach {
        for (id, org) in &self.orgs {
            let chain = self.above(id);
            always(chain.len() <= DEPTH_MAX, || format!("I12: {id} is too deep"))?;
            let root = self.root(id);
            always(self.orgs[&root].parent.is_none(), || format!("{id} hangs on nothing"))?;
            always(self.tree(&root).len() <= ORGS_MAX, || format!("I18: too many below {root}"))?;
            let paid = org.parent.as_ref().is_none_or(|parent| Self::is_paid(self.orgs.get(parent)));
            always(paid, || format!("I14: {id} is below one that did not pay"))?;
        }
        let names: BTreeSet<_> =
            self.orgs.iter().map(|(id, it)| (self.root(id), it.name.to_lowercase())).collect();
        always(names.len() == self.orgs.len(), || "two organizations of a tree have one name".to_owned())
    }

    /// One structure of roles in a tree (I11), with what each permission needs (I10).
    fn check_roles(&self) -> Breach {
        for (id, role) in &self.roles {
            always(self.orgs.contains_key(&role.org), || format!("{id} is a role of nothing"))?;
            let lacks =
                NEEDS.iter().find(|(from, to)| role.holds.contains(*from) && !role.holds.contains(*to));
            always(lacks.is_none(), || format!("I10: {id} lacks what {lacks:?} needs"))?;
        }
        for id in self.orgs.keys() {
            let names = |org: &str| {
                let mut names: Vec<_> = self.roles_of(org).into_iter().map(|(_, it)| it.name).collect();
                names.sort();
                names
            };
            let own = names(id);
            always(own.contains(&"Admin".to_owned()), || format!("I11: {id} has no Admin"))?;
            always(own.len() <= ROLES_MAX, || format!("I11: {id} has too many roles"))?;
            let top = names(&self.root(id));
            always(own == top, || format!("I11: the roles of {id} are {own:?}, those of its tree {top:?}"))?;
        }
        Ok(())
    }

    /// One home and one role there (I1), one address each (I15); who is pending has an open invitation.
    fn check_people(&self) -> Breach {
        for (id, user) in &self.users {
            let role = self.roles.get(&user.role);
            let at_home = role.is_some_and(|it| it.org == user.org) && self.orgs.contains_key(&user.org);
            always(at_home, || format!("I1: the role of {id} is not of his home"))?;
            let open =
                self.invitations.values().filter(|it| it.invitee == *id && it.status == "open").count();
            let expected = usize::from(user.status == "pending");
            always(open == expected, || format!("{id} is {} with {open} open invitations", user.status))?;
        }
        let emails: Vec<_> = self.users.values().filter_map(|it| it.email.as_ref()).collect();
        let unique: BTreeSet<_> = emails.iter().collect();
        always(unique.len() == emails.len(), || "I15: two people have one address".to_owned())?;
        for (id, it) in self.invitations.iter().filter(|(_, it)| it.status == "open") {
            let fits = self.roles.get(&it.role).is_some_and(|role| role.org == it.org);
            always(fits, || format!("{id} invites to a role that is not of its organization"))?;
            always(self.users.contains_key(&it.invitee), || format!("{id} invites nobody"))?;
        }
        Ok(())
    }

    /// One organization, one owner at most (I2), who sits there or above, never below or beside (I4).
    fn check_devices(&self) -> Breach {
        for (id, device) in &self.devices {
            always(self.orgs.contains_key(&device.org), || format!("I2: {id} is in no organization"))?;
            let Some(owner) = &device.owner else { continue };
            let home = self.users.get(owner).map(|it| it.org.as_str());
            let fits = home.is_some_and(|home| self.is_inside(&device.org, home));
            always(fits, || format!("I4: {id} of {} is owned by {owner} of {home:?}", device.org))?;
            let fits = self.takes(&device.org, device.template.as_deref());
            always(fits, || format!("I13: {} does not have the template of {id}", device.org))?;
        }
        Ok(())
    }

    /// A grant is where its device is, between people and devices that exist.
    fn check_grants(&self) -> Breach {
        for ((device, grantee), grant) in &self.grants {
            let there = self.devices.get(device).is_some_and(|it| it.org == grant.org);
            always(there, || format!("the grant of {device} to {grantee} is not where its device is"))?;
            always(self.users.contains_key(grantee), || format!("{device} is lent to nobody"))?;
            let stands = grant.status == "revoked" || self.users.contains_key(&grant.granter);
            always(stands, || format!("{device} is lent to {grantee} by nobody"))?;
        }
        Ok(())
    }

    /// The organizations that have somebody to administer them.
    pub(super) fn administered(&self) -> Vec<Id> {
        self.orgs.keys().filter(|id| !self.admins(id).is_empty()).cloned().collect()
    }

    /// What one step may not do: take an organization's last administrator.
    pub(super) fn check_step(&self, administered: &[Id]) -> Breach {
        let lost = administered.iter().find(|id| self.orgs.contains_key(*id) && self.admins(id).is_empty());
        always(lost.is_none(), || format!("{lost:?} lost its last administrator"))
    }

    /// The three properties of section 0, of a decision that allowed: nothing upwards or sideways,
    /// nothing by ownership alone; a control without view is looked for elsewhere.
    pub(super) fn check_allowed(&self, who: &Id, action: &str, device: &Id) -> Breach {
        let it = self.devices.get(device);
        always(it.is_some() && self.is_active(who), || {
            format!("{who} may {action} {device}, which is not there")
        })?;
        let key = (device.clone(), who.clone());
        if self.grants.get(&key).is_some_and(|it| it.status == "accepted")
            && ["view", "control"].contains(&action)
        {
            return Ok(());
        }
        let inside = it.is_some_and(|it| self.is_inside(&it.org, self.home(who)));
        always(inside, || format!("(a) {who} reaches {device} from {}", self.home(who)))?;
        let sight = self.holds(who, "ORG_DEVICES_VIEW") || self.holds(who, "OWN_DEVICES_VIEW");
        always(sight, || format!("(b) {who} may {action} {device} without any permission to view"))
    }
}
