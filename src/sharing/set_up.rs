//! The first organization of a tree and its first administrator, made by the operator.

use std::collections::BTreeSet;

use serde_json::json;

use crate::domain::nouns::{Organization, Permission, Role, Status, User};
use crate::domain::{Change, Uid};
use crate::sharing::invitations::plain_email;
use crate::sharing::organizations::check_name;
use crate::sharing::permissions::STAFF;
use crate::sharing::{Actor, Conflict, Failure, Moment, Operation, Plan, Reader, Rule, people};

/// Makes a tree.
#[derive(Debug)]
pub struct SetUp {
    /// The id of the organization.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What was paid for.
    pub plan: String,
    /// The id of the administrator: what the issuer's tokens say.
    pub admin_id: String,
    /// The administrator's address.
    pub admin_email: String,
    /// Every permission that the schema knows.
    pub permissions: BTreeSet<Permission>,
}

impl Operation for SetUp {
    type Known = bool;

    /// Whether the address is taken.
    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<bool, Failure> {
        match plain_email(&self.admin_email) {
            Ok(email) => Ok(reader.user_by_email(&email).await?.is_some()),
            Err(_) => Ok(false),
        }
    }

    fn rule(&self, _: &Actor, _: &bool) -> Rule {
        Rule::Operator
    }

    fn plan(&self, _: &Actor, is_taken: &bool, _: &Moment) -> Result<Plan, Conflict> {
        check_name(&self.name, 100)?;
        let email = plain_email(&self.admin_email)?;
        if *is_taken {
            return Err(Conflict::AddressTaken);
        }
        let uid = Uid::new(Organization::KIND, self.id.as_str())?;
        let mut organization = Organization::new(uid.clone(), self.name.clone(), None);
        organization.plan = Some(self.plan.clone());
        let staff = STAFF.iter().map(|it| (*it).to_owned()).collect();
        let mut changes = vec![Change::Create(organization.write())];
        let mut roles = Vec::new();
        for (id, name, held) in [
            ("admin", Role::ADMIN, self.permissions.clone()),
            ("staff", "Staff", staff),
            ("user", "User", BTreeSet::new()),
        ] {
            let role = Uid::new(Role::KIND, format!("{}/{id}", self.id))?;
            changes.push(Change::Create(Role::new(role.clone(), uid.clone(), name.to_owned(), held).write()));
            roles.push(role);
        }
        let admin = Uid::new(User::KIND, self.admin_id.as_str())?;
        let role = roles.first().cloned().ok_or(Conflict::Missing)?;
        let mut admin = User::new(admin, uid.clone(), role, Status::Active);
        admin.email = Some(email);
        changes.push(Change::Create(admin.write()));
        let roles: Vec<&str> = roles.iter().map(Uid::id).collect();
        let answer = json!({ "id": uid.id(), "name": self.name, "plan": self.plan, "roles": roles,
                             "admin": people::described(&admin) });
        Ok(Plan { changes, answer, secret: None })
    }
}
