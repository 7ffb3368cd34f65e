//! The first organization of a tree and its first administrator, made by the operator.

use std::sync::Arc;

use serde_json::json;

use crate::domain::nouns::{Catalogue, Organization, Role, Status, User};
use crate::domain::{Change, Uid};
use crate::sharing::invitations::plain_email;
use crate::sharing::organizations::check_name;
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
}

/// What a new tree depends on.
#[derive(Debug)]
pub struct Beginning {
    is_taken: bool,
    catalogue: Arc<Catalogue>,
}

impl Operation for SetUp {
    type Known = Beginning;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Beginning, Failure> {
        let is_taken = match plain_email(&self.admin_email) {
            Ok(email) => reader.user_by_email(&email).await?.is_some(),
            Err(_) => false,
        };
        Ok(Beginning { is_taken, catalogue: reader.catalogue() })
    }

    fn rule(&self, _: &Actor, _: &Beginning) -> Rule {
        Rule::Operator
    }

    fn plan(&self, _: &Actor, known: &Beginning, _: &Moment) -> Result<Plan, Conflict> {
        check_name(&self.name, 100)?;
        let email = plain_email(&self.admin_email)?;
        if known.is_taken {
            return Err(Conflict::AddressTaken);
        }
        let uid = Uid::new(Organization::KIND, self.id.as_str())?;
        let mut organization = Organization::new(uid.clone(), self.name.clone(), None);
        organization.plan = Some(self.plan.clone());
        let mut changes = vec![Change::Create(organization.write())];
        let mut roles = Vec::new();
        for template in &known.catalogue.roles {
            let role = Uid::new(Role::KIND, format!("{}/{}", self.id, template.id))?;
            let (name, held) = (template.name.clone(), template.permissions.clone());
            roles.push(Role::new(role, uid.clone(), name, held));
        }
        changes.extend(roles.iter().map(|role| Change::Create(role.write())));
        let admin = Uid::new(User::KIND, self.admin_id.as_str())?;
        let detail = "the policies' folder has no role `Admin`: add it to permissions.toml";
        let role = roles.iter().find(|it| it.is_admin()).ok_or(Conflict::broken("no-admin-role", detail))?;
        let mut admin = User::new(admin, uid.clone(), role.uid.clone(), Status::Active);
        admin.email = Some(email);
        changes.push(Change::Create(admin.write()));
        let roles: Vec<&str> = roles.iter().map(|it| it.uid.id()).collect();
        let answer = json!({ "id": uid.id(), "name": self.name, "plan": self.plan, "roles": roles,
                             "admin": people::described(&admin) });
        Ok(Plan { changes, answer, secret: None })
    }
}
