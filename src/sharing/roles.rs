//! Roles: the same in a whole tree by name, with values that each organization has for itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::domain::nouns::{Catalogue, Invitation, Permission, Role, User};
use crate::domain::{Change, Uid};
use crate::sharing::ask::to;
use crate::sharing::organizations::check_name;
use crate::sharing::permissions::Edit;
use crate::sharing::{Actor, Conflict, Failure, Moment, Operation, Plan, Reader, Rule};

/// The longest name of a role, in characters.
const NAME_CHARS_MAX: usize = 60;

/// The role of a tree: one in each organization, the top one first.
#[derive(Debug)]
pub struct Everywhere {
    is_root: bool,
    catalogue: Arc<Catalogue>,
    role: Option<Role>,
    organizations: Vec<Uid>,
    roles: Vec<Role>,
}

impl Everywhere {
    async fn read(
        reader: &Reader<'_>,
        organization: Option<&Uid>,
        role: Option<Role>,
    ) -> Result<Self, Failure> {
        let (mut roles, mut organizations) = (Vec::new(), Vec::new());
        let mut is_root = false;
        if let Some(uid) = organization {
            let tree = reader.tree(uid).await?;
            is_root = tree.first().is_some_and(|it| it.parent.is_none());
            organizations.extend(tree.into_iter().map(|it| it.uid));
        }
        for uid in &organizations {
            roles.extend(reader.roles(uid).await?);
        }
        Ok(Self { is_root, catalogue: reader.catalogue(), role, organizations, roles })
    }

    async fn of(reader: &Reader<'_>, uid: &Uid) -> Result<Self, Failure> {
        let role = reader.role(uid).await?;
        let organization = role.as_ref().map(|it| it.organization.clone());
        Self::read(reader, organization.as_ref(), role).await
    }

    fn role(&self) -> Result<&Role, Conflict> {
        self.role.as_ref().ok_or(Conflict::Missing)
    }

    /// The roles of this name in the organization and all below it.
    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Role> {
        self.roles.iter().filter(move |it| it.name == name)
    }

    /// The structure belongs to the whole tree: nobody changes it from below.
    fn check_root(&self) -> Result<(), Conflict> {
        let detail = "roles are made, renamed and deleted in the top organization, for the whole tree";
        if self.is_root { Ok(()) } else { Err(Conflict::broken("not-the-root", detail)) }
    }

    fn check_free(&self, name: &str) -> Result<(), Conflict> {
        check_name(name, NAME_CHARS_MAX)?;
        let detail = || format!("there is a role `{name}` already: choose another name");
        match self.roles.iter().any(|it| it.name.to_lowercase() == name.to_lowercase()) {
            true => Err(Conflict::broken("name-taken", detail())),
            false => Ok(()),
        }
    }
}

/// A role as the API shows it.
#[must_use]
pub fn described(role: &Role) -> Json {
    json!({ "id": role.uid.id(), "organization": role.organization.id(), "name": role.name, "permissions": role.permissions })
}

/// Makes a role in a whole tree.
#[derive(Debug)]
pub struct Create {
    /// The last part of the ids that it gets.
    pub id: String,
    /// The top organization of the tree.
    pub organization: Uid,
    /// What it is called.
    pub name: String,
    /// What it holds, in each organization at first.
    pub permissions: BTreeSet<Permission>,
}

impl Operation for Create {
    type Known = Everywhere;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Everywhere, Failure> {
        Everywhere::read(reader, Some(&self.organization), None).await
    }

    fn rule(&self, actor: &Actor, known: &Everywhere) -> Rule {
        let within = actor.holds(&known.catalogue.completed(&self.permissions));
        actor.may_with("create_role", &self.organization, [("within_own_rights", Some(within.into()))])
    }

    fn plan(&self, _: &Actor, known: &Everywhere, moment: &Moment) -> Result<Plan, Conflict> {
        known.check_root()?;
        known.check_free(&self.name)?;
        let here = known.roles.iter().filter(|it| it.organization == self.organization).count();
        if here >= moment.limits.roles_max {
            let detail = format!("an organization has at most {} roles", moment.limits.roles_max);
            return Err(Conflict::broken("too-many-roles", detail));
        }
        let make = |organization: &Uid| {
            let uid = Uid::new(Role::KIND, format!("{}/{}", organization.id(), self.id))?;
            let held = known.catalogue.completed(&self.permissions);
            Ok(Role::new(uid, organization.clone(), self.name.clone(), held))
        };
        let made: Vec<Role> = known.organizations.iter().map(make).collect::<Result<_, Conflict>>()?;
        let answer = made.first().map(described).ok_or(Conflict::Missing)?;
        Ok(Plan { changes: made.iter().map(|it| Change::Create(it.write())).collect(), answer, secret: None })
    }
}

/// Gives a role another name in a whole tree.
#[derive(Debug)]
pub struct Rename {
    /// The role in the top organization.
    pub role: Uid,
    /// What it is called from now on.
    pub name: String,
}

impl Operation for Rename {
    type Known = Everywhere;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Everywhere, Failure> {
        Everywhere::of(reader, &self.role).await
    }

    fn rule(&self, actor: &Actor, _: &Everywhere) -> Rule {
        actor.may("edit_role", &self.role)
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.role)
    }

    fn plan(&self, _: &Actor, known: &Everywhere, _: &Moment) -> Result<Plan, Conflict> {
        let role = known.role()?;
        known.check_root()?;
        refuse_admin(role)?;
        known.check_free(&self.name)?;
        let renamed = known.named(&role.name).map(|it| Role { name: self.name.clone(), ..it.clone() });
        let answer = described(&Role { name: self.name.clone(), ..role.clone() });
        Ok(Plan { changes: renamed.map(|it| Change::Put(it.write())).collect(), answer, secret: None })
    }
}

fn refuse_admin(role: &Role) -> Result<(), Conflict> {
    let detail = "the Admin role is neither renamed nor deleted";
    if role.is_admin() { Err(Conflict::broken("admin-role", detail)) } else { Ok(()) }
}

/// What happens to the roles of the same name below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Push {
    /// Nothing.
    #[default]
    None,
    /// What was changed is changed there too; the rest stays.
    Changed,
    /// They hold the same from now on.
    Overwrite,
}

/// Switches permissions of a role on and off.
#[derive(Debug)]
pub struct EditPermissions {
    /// Which role.
    pub role: Uid,
    /// What changes.
    pub edit: Edit,
    /// What happens below.
    pub push: Push,
}

impl Operation for EditPermissions {
    type Known = Everywhere;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Everywhere, Failure> {
        Everywhere::of(reader, &self.role).await
    }

    fn rule(&self, actor: &Actor, known: &Everywhere) -> Rule {
        // The operator gives what he adds to the schema to the administrators, who hold nothing of it yet.
        if actor.uid.is_none() {
            return Rule::Operator;
        }
        let apply = |role: &Role| self.edit.apply(&known.catalogue, &role.permissions).ok();
        let after = known.role.as_ref().and_then(apply);
        // A contradiction gives nothing; the plan says what is wrong with it.
        let within = after.is_none_or(|after| actor.holds(&after));
        let ask =
            |role| actor.query("edit_role_permissions", role, [("within_own_rights", Some(within.into()))]);
        let below = known.role.iter().flat_map(|role| self.below(known, role)).map(|it| &it.uid);
        Rule::Cedar(std::iter::once(&self.role).chain(below).filter_map(ask).collect())
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.role)
    }

    fn plan(&self, _: &Actor, known: &Everywhere, _: &Moment) -> Result<Plan, Conflict> {
        let role = known.role()?;
        let after =
            Role { permissions: self.edit.apply(&known.catalogue, &role.permissions)?, ..role.clone() };
        let mut changed = vec![after.clone()];
        for below in self.below(known, role) {
            let permissions = match self.push {
                Push::Changed => self.edit.apply(&known.catalogue, &below.permissions)?,
                Push::Overwrite | Push::None => after.permissions.clone(),
            };
            changed.push(Role { permissions, ..below.clone() });
        }
        for role in &changed {
            check_lock_out(&known.catalogue, role)?;
        }
        Ok(Plan {
            changes: changed.iter().map(|it| Change::Put(it.write())).collect(),
            answer: described(&after),
            secret: None,
        })
    }
}

impl EditPermissions {
    /// The roles below that change too.
    fn below<'a>(&self, known: &'a Everywhere, role: &'a Role) -> impl Iterator<Item = &'a Role> {
        let is_pushed = self.push != Push::None;
        known.named(&role.name).filter(move |it| is_pushed && it.uid != role.uid)
    }
}

/// Somebody must stay able to change the roles back.
fn check_lock_out(catalogue: &Catalogue, role: &Role) -> Result<(), Conflict> {
    let keeps = catalogue.role(&role.name).into_iter().flat_map(|it| &it.keeps);
    match keeps.filter(|it| !role.permissions.contains(*it)).min() {
        Some(lost) => Err(Conflict::broken("admin-role", format!("the role `{}` keeps `{lost}`", role.name))),
        None => Ok(()),
    }
}

/// Deletes a role in a whole tree; its people get another one.
#[derive(Debug)]
pub struct Delete {
    /// The role in the top organization.
    pub role: Uid,
    /// What its people get, there; below they get the one of the same name.
    pub replacement: Uid,
}

/// What is known of two roles.
#[derive(Debug)]
pub struct Replacing {
    everywhere: Everywhere,
    replacement: Option<Role>,
    holders: Vec<User>,
    invited: Vec<Invitation>,
}

impl Replacing {
    /// The role that takes the place of the deleted one in this organization.
    fn instead(&self, organization: &Uid) -> Option<&Role> {
        let replacement = self.replacement.as_ref()?;
        self.everywhere.named(&replacement.name).find(|it| it.organization == *organization)
    }

    /// Whether everybody who gets another role gets one within the actor's rights: below it may hold more.
    fn is_within(&self, actor: &Actor) -> bool {
        let mut given =
            self.holders.iter().map(|it| self.instead(&it.organization)).chain([self.replacement.as_ref()]);
        given.all(|role| role.is_some_and(|role| actor.holds(&role.permissions)))
    }
}

impl Operation for Delete {
    type Known = Replacing;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Replacing, Failure> {
        let everywhere = Everywhere::of(reader, &self.role).await?;
        let (mut holders, mut invited) = (Vec::new(), Vec::new());
        if let Some(role) = &everywhere.role {
            for role in everywhere.named(&role.name) {
                holders.extend(reader.holders(&role.uid).await?);
                for entity in reader.referring(Invitation::KIND, "role", &role.uid).await? {
                    invited.push(Invitation::read(&entity)?);
                }
            }
        }
        Ok(Replacing { everywhere, replacement: reader.role(&self.replacement).await?, holders, invited })
    }

    fn rule(&self, actor: &Actor, known: &Replacing) -> Rule {
        let within = known.is_within(actor);
        actor.may_with(
            "delete_role",
            &self.role,
            [("replacement", to(&self.replacement)), ("within_own_rights", Some(within.into()))],
        )
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.role)
    }

    fn plan(&self, _: &Actor, known: &Replacing, _: &Moment) -> Result<Plan, Conflict> {
        let role = known.everywhere.role()?;
        refuse_admin(role)?;
        known.everywhere.check_root()?;
        let replacement = known.replacement.as_ref().filter(|it| it.organization == role.organization);
        let replacement = replacement.ok_or(Conflict::Destination)?;
        if replacement.uid == role.uid {
            return Err(Conflict::broken("same-role", "a role cannot replace itself"));
        }
        let mut changes = Vec::new();
        for holder in &known.holders {
            let role = known.instead(&holder.organization).ok_or(Conflict::Destination)?.uid.clone();
            changes.push(Change::Put(User { role, ..holder.clone() }.write()));
        }
        // Whoever is invited gets the other role too: his link goes on working.
        for invitation in &known.invited {
            let role = known.instead(&invitation.organization).ok_or(Conflict::Destination)?.uid.clone();
            changes.push(Change::Put(Invitation { role, ..invitation.clone() }.write()));
        }
        changes.extend(known.everywhere.named(&role.name).map(|it| Change::Remove(it.uid.clone())));
        Ok(Plan { changes, ..Plan::default() })
    }
}
