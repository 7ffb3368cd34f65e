//! Organizations: made below others, renamed, moved within their tree, deleted when empty.

use serde_json::{Value as Json, json};

use crate::domain::nouns::{Device, Grant, Invitation, Organization, Role, User};
use crate::domain::{Change, Uid};
use crate::sharing::ask::to;
use crate::sharing::bounds::FREE;
use crate::sharing::grants::{ended, lent_on};
use crate::sharing::{Actor, Conflict, Failure, Moment, Operation, Plan, Reader, Rule};

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 100;

/// Makes an organization below another one.
#[derive(Debug)]
pub struct Create {
    /// The id that it gets.
    pub id: String,
    /// The organization above it.
    pub parent: Uid,
    /// What it is called.
    pub name: String,
}

/// Where an organization stands.
#[derive(Debug)]
pub struct Place {
    chain: Vec<Organization>,
    tree: Vec<Organization>,
    roles: Vec<Role>,
}

impl Place {
    async fn read(reader: &Reader<'_>, uid: &Uid) -> Result<Self, Failure> {
        let chain = reader.chain(uid).await?;
        let tree = match chain.last() {
            Some(root) => reader.tree(&root.uid).await?,
            None => Vec::new(),
        };
        Ok(Self { chain, tree, roles: reader.roles(uid).await? })
    }

    fn organization(&self) -> Result<&Organization, Conflict> {
        self.chain.first().ok_or(Conflict::Missing)
    }

    fn root(&self) -> Option<&Organization> {
        self.chain.last()
    }

    /// How many organizations stand on top of each other from `uid` down, itself included.
    fn height(&self, uid: &Uid) -> usize {
        let below = self.tree.iter().filter(|it| it.parent.as_ref() == Some(uid));
        1 + below.map(|it| self.height(&it.uid)).max().unwrap_or_default()
    }

    fn check_name(&self, name: &str, own: Option<&Uid>) -> Result<(), Conflict> {
        check_name(name, NAME_CHARS_MAX)?;
        let same = |it: &&Organization| Some(&it.uid) != own && it.name.to_lowercase() == name.to_lowercase();
        match self.tree.iter().find(same) {
            Some(_) => {
                Err(Conflict::broken("name-taken", format!("the name `{name}` is taken: choose another one")))
            }
            None => Ok(()),
        }
    }
}

/// Refuses names that are empty, too long, or hide something.
pub(super) fn check_name(name: &str, chars_max: usize) -> Result<(), Conflict> {
    let is_plain = !name.chars().any(char::is_control) && name.trim() == name;
    if (1..=chars_max).contains(&name.chars().count()) && is_plain {
        return Ok(());
    }
    Err(Conflict::Invalid(format!(
        "a name has 1 to {chars_max} characters, no control characters and no space around it"
    )))
}

/// An organization as the API shows it.
#[must_use]
pub fn described(organization: &Organization) -> Json {
    json!({ "id": organization.uid.id(), "name": organization.name, "parent": organization.parent.as_ref().map(Uid::id),
            "plan": organization.plan })
}

impl Operation for Create {
    type Known = Place;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Place, Failure> {
        Place::read(reader, &self.parent).await
    }

    fn rule(&self, actor: &Actor, _: &Place) -> Rule {
        actor.may("create_sub_org", &self.parent)
    }

    fn plan(&self, _: &Actor, known: &Place, moment: &Moment) -> Result<Plan, Conflict> {
        let parent = known.organization()?;
        let limits = &moment.limits;
        if parent.plan.as_deref().is_none_or(|plan| plan == FREE) {
            return Err(Conflict::broken("plan", "sub-organizations need the PRO plan or a higher one"));
        }
        if parent.can_create_sub_orgs == Some(false) {
            return Err(Conflict::broken("plan", "this organization may have no sub-organizations"));
        }
        if known.chain.len() >= limits.depth_max {
            let detail = format!("organizations stand at most {} deep", limits.depth_max);
            return Err(Conflict::broken("too-deep", detail));
        }
        limits.check_organizations(parent, known.tree.len())?;
        known.check_name(&self.name, None)?;
        let uid = Uid::new(Organization::KIND, self.id.as_str())?;
        let mut made = Organization::new(uid.clone(), self.name.clone(), Some(parent.uid.clone()));
        (made.plan, made.templates) = (parent.plan.clone(), parent.templates.clone());
        made.can_create_sub_orgs = parent.can_create_sub_orgs;
        // Where nothing is lent, nothing is lent below: else a new organization would be the way around it.
        if let Some(grants) = parent.rest.attrs.get("grants") {
            made.rest.attrs.insert("grants".to_owned(), grants.clone());
        }
        let mut changes = vec![Change::Create(made.write())];
        for (n, role) in known.roles.iter().enumerate() {
            let id = format!("{}/{n}", self.id);
            let copy = Role::new(
                Uid::new(Role::KIND, id)?,
                uid.clone(),
                role.name.clone(),
                role.permissions.clone(),
            );
            changes.push(Change::Create(copy.write()));
        }
        Ok(Plan { changes, answer: described(&made), secret: None })
    }
}

/// Gives an organization another name.
#[derive(Debug)]
pub struct Rename {
    /// Which organization.
    pub organization: Uid,
    /// What it is called from now on.
    pub name: String,
}

impl Operation for Rename {
    type Known = Place;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Place, Failure> {
        Place::read(reader, &self.organization).await
    }

    fn rule(&self, actor: &Actor, _: &Place) -> Rule {
        actor.may("edit_organization", &self.organization)
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.organization)
    }

    fn plan(&self, _: &Actor, known: &Place, _: &Moment) -> Result<Plan, Conflict> {
        let mut organization = known.organization()?.clone();
        known.check_name(&self.name, Some(&organization.uid))?;
        organization.name.clone_from(&self.name);
        let answer = described(&organization);
        Ok(Plan { changes: vec![Change::Put(organization.write())], answer, secret: None })
    }
}

/// Deletes an organization that has neither devices nor sub-organizations.
#[derive(Debug)]
pub struct Delete {
    /// Which organization.
    pub organization: Uid,
}

/// What is in an organization.
#[derive(Debug)]
pub struct Contents {
    organization: Option<Organization>,
    is_empty: bool,
    members: Vec<Uid>,
    given: Vec<Grant>,
}

impl Operation for Delete {
    type Known = Contents;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Contents, Failure> {
        let uid = &self.organization;
        let children = reader.is_referred(Organization::KIND, "", uid).await?;
        let devices = reader.is_referred(Device::KIND, "organization", uid).await?;
        let mut members = Vec::new();
        for kind in [Invitation::KIND, User::KIND, Role::KIND] {
            members.extend(reader.referring(kind, "organization", uid).await?.into_iter().map(|it| it.uid));
        }
        let (mut received, mut given, mut accepted) = (Vec::new(), Vec::new(), Vec::new());
        for user in members.iter().filter(|it| it.kind() == User::KIND) {
            let held = reader.grants("grantee", user).await?;
            given.extend(lent_on(reader, held.iter()).await?);
            received.extend(held.into_iter().map(|it| it.uid));
            given.extend(reader.grants("granter", user).await?);
            accepted
                .extend(reader.referring(Invitation::KIND, "user", user).await?.into_iter().map(|it| it.uid));
        }
        given.retain(|it| !received.contains(&it.uid));
        // What they accepted elsewhere, before they came here, goes too.
        accepted.retain(|it| !members.contains(it));
        members.extend(accepted);
        members.extend(received);
        let organization = reader.organization(uid).await?;
        Ok(Contents { organization, is_empty: !children && !devices, members, given })
    }

    fn rule(&self, actor: &Actor, _: &Contents) -> Rule {
        actor.may("delete_org", &self.organization)
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.organization)
    }

    fn plan(&self, actor: &Actor, known: &Contents, _: &Moment) -> Result<Plan, Conflict> {
        let organization = known.organization.as_ref().ok_or(Conflict::Missing)?;
        if organization.parent.is_none() {
            return Err(Conflict::broken("root-organization", "the top organization is never deleted"));
        }
        if actor.user.as_ref().is_some_and(|it| it.organization == organization.uid) {
            return Err(Conflict::broken("own-organization", "nobody deletes the own organization"));
        }
        if !known.is_empty {
            return Err(Conflict::broken(
                "not-empty",
                "it has devices or sub-organizations: move or delete them first",
            ));
        }
        let gone = known.members.iter().chain([&organization.uid]).cloned().map(Change::Remove);
        Ok(Plan { changes: ended(&known.given).chain(gone).collect(), ..Plan::default() })
    }
}

/// Moves an organization, with all below it, to another place of its tree.
#[derive(Debug)]
pub struct Transfer {
    /// Which organization.
    pub organization: Uid,
    /// What it is below from now on.
    pub parent: Uid,
}

/// What a move depends on.
#[derive(Debug)]
pub struct Moving {
    from: Place,
    above: Place,
    /// The devices that move and are owned from outside, each with its owner's organization.
    owned_from_outside: Vec<(Device, Uid)>,
}

impl Operation for Transfer {
    type Known = Moving;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Moving, Failure> {
        let moved: Vec<Uid> = reader.tree(&self.organization).await?.into_iter().map(|it| it.uid).collect();
        let mut owned_from_outside = Vec::new();
        for uid in &moved {
            for entity in reader.referring(Device::KIND, "organization", uid).await? {
                let device = Device::read(&entity)?;
                let owner = match &device.owner {
                    Some(owner) => reader.user(owner).await?,
                    None => None,
                };
                if let Some(owner) = owner.filter(|it| !moved.contains(&it.organization)) {
                    owned_from_outside.push((device, owner.organization));
                }
            }
        }
        let (from, above) =
            (Place::read(reader, &self.organization).await?, Place::read(reader, &self.parent).await?);
        Ok(Moving { from, above, owned_from_outside })
    }

    fn rule(&self, actor: &Actor, Moving { from, .. }: &Moving) -> Rule {
        let root = from.root().map_or(&self.organization, |root| &root.uid);
        actor.may_with(
            "transfer_org",
            &self.organization,
            [("new_parent", to(&self.parent)), ("root", to(root))],
        )
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.organization)
    }

    fn plan(&self, _: &Actor, known: &Moving, moment: &Moment) -> Result<Plan, Conflict> {
        let Moving { from, above, owned_from_outside } = known;
        let mut organization = from.organization()?.clone();
        let parent = above.organization().map_err(|_| Conflict::Destination)?;
        if from.root().map(|it| &it.uid) != above.root().map(|it| &it.uid) {
            return Err(Conflict::Destination);
        }
        if organization.parent.is_none() {
            return Err(Conflict::broken("root-organization", "the top organization stays where it is"));
        }
        if above.chain.iter().any(|it| it.uid == organization.uid) {
            return Err(Conflict::broken("cycle", "an organization cannot be inside itself"));
        }
        if above.chain.len() + from.height(&organization.uid) > moment.limits.depth_max {
            let detail = format!("organizations stand at most {} deep", moment.limits.depth_max);
            return Err(Conflict::broken("too-deep", detail));
        }
        organization.parent = Some(parent.uid.clone());
        // An owner sits where his device is, or above it (I4); who would sit beside it owns it no more.
        let stays = |owner: &Uid| above.chain.iter().any(|it| it.uid == *owner);
        let left = owned_from_outside.iter().filter(|(_, owner)| !stays(owner));
        let left = left.map(|(device, _)| Change::Put(Device { owner: None, ..device.clone() }.write()));
        let changes = std::iter::once(Change::Put(organization.write())).chain(left).collect();
        Ok(Plan { changes, answer: described(&organization), secret: None })
    }
}
