//! The reference's operations on people and invitations.

use super::operation::{INVITATIONS_MAX, Made, Outcome, holds, is_name};
use super::state::{Id, Invitation, State, User};

/// The address as it is compared.
pub(super) fn address(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('@').collect();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_plain && parts.len() == 2 && parts.iter().all(|it| !it.is_empty())).then(|| text.to_ascii_lowercase())
}

impl State {
    pub(super) fn by_email(&self, email: &str) -> Option<&Id> {
        let email = address(email)?;
        self.users.iter().find(|(_, it)| it.email.as_ref() == Some(&email)).map(|(id, _)| id)
    }

    fn can_user(&self, who: &str, permission: &str, user: &str) -> bool {
        self.users.get(user).is_some_and(|it| self.can(who, permission, &it.org))
    }

    fn is_admin(&self, user: &User) -> bool {
        self.roles.get(&user.role).is_some_and(|it| it.name == "Admin")
    }

    pub(super) fn admins(&self, org: &str) -> Vec<&Id> {
        let acts = |id: &Id, it: &User| it.org == org && self.is_admin(it) && self.is_active(id);
        self.users.iter().filter(|(id, it)| acts(id, it)).map(|(id, _)| id).collect()
    }

    /// An organization keeps an administrator.
    fn check_admin_stays(&self, user: &str) -> Outcome {
        let admins = self.admins(self.home(user));
        holds(admins.iter().any(|it| *it != user) || !admins.iter().any(|it| *it == user))
    }

    pub(super) fn rename_user(&mut self, who: &str, user: &str, name: &str) -> Outcome {
        let oneself = who == user && self.is_active(who);
        self.check(who, oneself || self.can_user(who, "ORG_EDIT_USERS", user), self.knows_user(who, user))?;
        holds(is_name(name, 100))?;
        self.users.get_mut(user).unwrap().name = Some(name.to_owned());
        Ok(())
    }

    pub(super) fn suspend(&mut self, who: &str, user: &str) -> Outcome {
        self.check(who, self.can_user(who, "USER_SUSPEND", user), self.knows_user(who, user))?;
        holds(self.users[user].status != "pending")?;
        self.check_admin_stays(user)?;
        let it = self.users.get_mut(user).unwrap();
        (it.status, it.signed_out) = ("suspended".to_owned(), true);
        Ok(())
    }

    pub(super) fn activate(&mut self, who: &str, user: &str) -> Outcome {
        self.check(who, self.can_user(who, "USER_SUSPEND", user), self.knows_user(who, user))?;
        let it = self.users.get_mut(user).unwrap();
        holds(it.status != "pending")?;
        // It ends a suspension, and a long absence.
        it.status = "active".to_owned();
        Ok(())
    }

    pub(super) fn sign_out(&mut self, who: &str, user: &str) -> Outcome {
        self.check(who, self.can_user(who, "USER_FORCE_LOGOUT", user), self.knows_user(who, user))?;
        self.users.get_mut(user).unwrap().signed_out = true;
        Ok(())
    }

    pub(super) fn change_role(&mut self, who: &str, user: &str, role: &str) -> Outcome {
        let fits = self.roles.get(role).is_some_and(|it| it.org == self.home(user));
        let may = self.can_user(who, "ORG_EDIT_USERS", user) && fits && self.gives(who, role);
        self.check(who, may, self.knows_user(who, user))?;
        if self.roles[role].name != "Admin" {
            self.check_admin_stays(user)?;
        }
        self.users.get_mut(user).unwrap().role = role.to_owned();
        Ok(())
    }

    pub(super) fn move_user(
        &mut self,
        who: &str,
        user: &str,
        org: &str,
        role: &str,
        with_devices: bool,
    ) -> Outcome {
        let fits =
            self.roles.get(role).is_some_and(|it| it.org == org) && self.is_inside(org, self.home(who));
        let may = self.can_user(who, "USER_TRANSFER", user) && fits && self.gives(who, role);
        self.check(who, may, self.knows_user(who, user))?;
        holds(self.users[user].status != "pending" && self.home(user) != org)?;
        self.check_admin_stays(user)?;
        let owned: Vec<Id> = self
            .devices
            .iter()
            .filter(|(_, it)| it.owner.as_deref() == Some(user))
            .map(|(id, _)| id.clone())
            .collect();
        let fits = |id: &Id| self.takes(org, self.devices[id].template.as_deref());
        holds(!with_devices || owned.iter().all(fits))?;
        for id in owned {
            match with_devices {
                true => self.put_device(&id, org, Some(user.to_owned())),
                false => self.devices.get_mut(&id).unwrap().owner = None,
            }
        }
        let it = self.users.get_mut(user).unwrap();
        (it.org, it.role) = (org.to_owned(), role.to_owned());
        Ok(())
    }

    pub(super) fn delete_user(&mut self, who: &str, user: &str) -> Outcome {
        self.check(who, self.can_user(who, "ORG_DELETE_USERS", user), self.knows_user(who, user))?;
        self.check_admin_stays(user)?;
        self.forget_user(user);
        Ok(())
    }

    /// What goes with a person: the devices stay, what was lent to him goes, what he lent ends.
    pub(super) fn forget_user(&mut self, user: &str) {
        self.devices
            .values_mut()
            .filter(|it| it.owner.as_deref() == Some(user))
            .for_each(|it| it.owner = None);
        self.grants.retain(|(_, grantee), _| grantee != user);
        self.grants
            .values_mut()
            .filter(|it| it.granter == user)
            .for_each(|it| it.status = "revoked".to_owned());
        self.invitations.retain(|_, it| it.invitee != user);
        self.users.remove(user);
        self.gone.insert(("User", user.to_owned()));
    }

    pub(super) fn invite(&mut self, who: &str, org: &str, role: &str, email: &str, made: &Made) -> Outcome {
        let fits = self.roles.get(role).is_some_and(|it| it.org == org);
        let may = self.can(who, "ORG_INVITE_USERS", org) && fits && self.gives(who, role);
        self.check(who, may, self.knows_org(who, org))?;
        let email = address(email).ok_or(400_u16)?;
        holds(self.by_email(&email).is_none())?;
        holds(self.invitations.values().filter(|it| it.org == org).count() < INVITATIONS_MAX)?;
        let (org, role, status) = (org.to_owned(), role.to_owned(), "pending".to_owned());
        let user = User {
            org: org.clone(),
            role: role.clone(),
            status,
            email: Some(email.clone()),
            name: None,
            signed_out: false,
        };
        self.users.insert(made.user.clone(), user);
        let (inviter, invitee, status) = (who.to_owned(), made.user.clone(), "open".to_owned());
        self.invitations.insert(made.id.clone(), Invitation { org, role, email, inviter, invitee, status });
        Ok(())
    }

    fn check_invitation(&self, who: &str, invitation: &str) -> Outcome {
        let org = self.invitations.get(invitation).map(|it| it.org.clone()).unwrap_or_default();
        self.check(who, self.can(who, "ORG_INVITE_USERS", &org), self.knows_invitation(who, invitation))?;
        holds(self.invitations[invitation].status == "open")
    }

    pub(super) fn resend(&mut self, who: &str, invitation: &str) -> Outcome {
        self.check_invitation(who, invitation)
    }

    pub(super) fn withdraw(&mut self, who: &str, invitation: &str) -> Outcome {
        self.check_invitation(who, invitation)?;
        let it = self.invitations.get_mut(invitation).unwrap();
        it.status = "withdrawn".to_owned();
        let invitee = it.invitee.clone();
        self.users.remove(&invitee);
        self.gone.insert(("User", invitee));
        Ok(())
    }

    /// Whoever has the link and no account becomes the member; every useless link looks the same.
    pub(super) fn join(&mut self, who: &str, invitation: &str, is_newest: bool) -> Outcome {
        let open = |it: &&Invitation| is_newest && it.status == "open";
        let invitee =
            self.invitations.get(invitation).filter(open).map(|it| it.invitee.clone()).ok_or(404_u16)?;
        holds(who == invitee || !self.users.contains_key(who))?;
        let pending = self.users.remove(&invitee).ok_or(404_u16)?;
        if who != invitee {
            self.gone.insert(("User", invitee));
        }
        // Whoever comes back does so without the tokens of before.
        let signed_out = self.gone.remove(&("User", who.to_owned()));
        self.users.insert(who.to_owned(), User { status: "active".to_owned(), signed_out, ..pending });
        let it = self.invitations.get_mut(invitation).unwrap();
        (it.status, it.invitee) = ("accepted".to_owned(), who.to_owned());
        Ok(())
    }
}
