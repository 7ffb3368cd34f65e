//! What can be asked for, and the reference's answer: done, or the status of the refusal.

use super::state::{Id, State};

/// Bounds of the model's worlds, small enough to be met.
pub(super) const DEPTH_MAX: usize = 4;
pub(super) const ORGS_MAX: usize = 7;
pub(super) const ROLES_MAX: usize = 5;
pub(super) const INVITATIONS_MAX: usize = 3;

/// The operator, as somebody who acts.
pub(super) const OPERATOR: &str = "operator";

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    CreateOrg {
        parent: Id,
        name: String,
    },
    RenameOrg {
        org: Id,
        name: String,
    },
    DeleteOrg {
        org: Id,
    },
    MoveOrg {
        org: Id,
        parent: Id,
    },
    CreateRole {
        org: Id,
        name: String,
        holds: Vec<&'static str>,
    },
    RenameRole {
        role: Id,
        name: String,
    },
    EditRole {
        role: Id,
        add: Vec<&'static str>,
        remove: Vec<&'static str>,
        push: &'static str,
    },
    DeleteRole {
        role: Id,
        replacement: Id,
    },
    RenameUser {
        user: Id,
        name: String,
    },
    Suspend {
        user: Id,
    },
    Activate {
        user: Id,
    },
    SignOut {
        user: Id,
    },
    ChangeRole {
        user: Id,
        role: Id,
    },
    MoveUser {
        user: Id,
        org: Id,
        role: Id,
        with_devices: bool,
    },
    DeleteUser {
        user: Id,
    },
    Invite {
        org: Id,
        role: Id,
        email: String,
    },
    Resend {
        invitation: Id,
    },
    Withdraw {
        invitation: Id,
    },
    /// With the newest link, or with one that was replaced or never made.
    Accept {
        invitation: Id,
        is_newest: bool,
    },
    Provision {
        device: Id,
        org: Id,
        name: String,
        template: Option<String>,
    },
    GiveTo {
        device: Id,
        email: String,
    },
    MoveDevice {
        device: Id,
        org: Id,
    },
    ClearOwner {
        device: Id,
    },
    Describe {
        device: Id,
        name: String,
    },
    DeleteDevice {
        device: Id,
    },
    Offer {
        device: Id,
        emails: Vec<String>,
        control: bool,
        streams: Option<Vec<String>>,
        from: Option<i64>,
        until: Option<i64>,
    },
    Accepted {
        device: Id,
        grantee: Id,
    },
    Declined {
        device: Id,
        grantee: Id,
    },
    Revoked {
        device: Id,
        grantee: Id,
    },
}

impl Op {
    /// The name of the operation alone.
    pub(super) fn kind(&self) -> String {
        let text = format!("{self:?}");
        text.split(' ').next().unwrap_or_default().to_owned()
    }
}

/// Somebody who does something.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) who: Id,
    pub(super) op: Op,
}

/// The ids of what was made: the first part of a role's id is its organization.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Made {
    pub(super) id: Id,
    pub(super) user: Id,
}

/// Done, or the status of the refusal.
pub(super) type Outcome = Result<(), u16>;

impl State {
    /// Does the step, or says how it is refused and changes nothing.
    pub(super) fn perform(&mut self, Step { who, op }: &Step, made: &Made) -> Outcome {
        if who == OPERATOR && !matches!(op, Op::EditRole { .. }) {
            return Err(403);
        }
        match op {
            Op::CreateOrg { parent, name } => self.create_org(who, parent, name, made),
            Op::RenameOrg { org, name } => self.rename_org(who, org, name),
            Op::DeleteOrg { org } => self.delete_org(who, org),
            Op::MoveOrg { org, parent } => self.move_org(who, org, parent),
            Op::CreateRole { org, name, holds } => self.create_role(who, org, name, holds, made),
            Op::RenameRole { role, name } => self.rename_role(who, role, name),
            Op::EditRole { role, add, remove, push } => self.edit_role(who, role, add, remove, push),
            Op::DeleteRole { role, replacement } => self.delete_role(who, role, replacement),
            Op::RenameUser { user, name } => self.rename_user(who, user, name),
            Op::Suspend { user } => self.suspend(who, user),
            Op::Activate { user } => self.activate(who, user),
            Op::SignOut { user } => self.sign_out(who, user),
            Op::ChangeRole { user, role } => self.change_role(who, user, role),
            Op::MoveUser { user, org, role, with_devices } => {
                self.move_user(who, user, org, role, *with_devices)
            }
            Op::DeleteUser { user } => self.delete_user(who, user),
            Op::Invite { org, role, email } => self.invite(who, org, role, email, made),
            Op::Resend { invitation } => self.resend(who, invitation),
            Op::Withdraw { invitation } => self.withdraw(who, invitation),
            Op::Accept { invitation, is_newest } => self.join(who, invitation, *is_newest),
            Op::Provision { device, org, name, template } => {
                self.provision(who, device, org, name, template.as_deref())
            }
            Op::GiveTo { device, email } => self.give_to(who, device, email),
            Op::MoveDevice { device, org } => self.move_device(who, device, org),
            Op::ClearOwner { device } => self.clear_owner(who, device),
            Op::Describe { device, name } => self.describe(who, device, name),
            Op::DeleteDevice { device } => self.delete_device(who, device),
            Op::Offer { .. } => self.offer(who, op),
            Op::Accepted { device, grantee } => self.accept(who, device, grantee),
            Op::Declined { device, grantee } => self.decline(who, device, grantee),
            Op::Revoked { device, grantee } => self.revoke(who, device, grantee),
        }
    }

    /// 401 for nobody, 404 for what one may not see, 403 for what one sees and may not do.
    pub(super) fn check(&self, who: &str, may: bool, sees: bool) -> Outcome {
        match (self.is_active(who), may, sees) {
            (false, ..) => Err(401),
            (true, true, _) => Ok(()),
            (true, false, true) => Err(403),
            (true, false, false) => Err(404),
        }
    }
}

/// A precondition: what contradicts what is stored is 400.
pub(super) fn holds(condition: bool) -> Outcome {
    if condition { Ok(()) } else { Err(400) }
}

/// A name that people can read.
pub(super) fn is_name(name: &str, longest: usize) -> bool {
    (1..=longest).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(char::is_control)
}
