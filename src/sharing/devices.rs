//! Devices: provisioned by their owner, transferred as a whole, described, deleted.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::domain::nouns::{Device, Grant, Organization, User};
use crate::domain::{Change, Query, Uid};
use crate::sharing::ask::to;
use crate::sharing::bounds::Room;
use crate::sharing::invitations::plain_email;
use crate::sharing::organizations::check_name;
use crate::sharing::{Actor, Conflict, Failure, Moment, Operation, Plan, Reader, Rule};

const NAME_CHARS_MAX: usize = 60;
const TAGS_MAX: usize = 5;
const METADATA_MAX: usize = 50;
const TEXT_CHARS_MAX: usize = 250;

/// A device as the API shows it.
#[must_use]
pub fn described(device: &Device) -> Json {
    json!({ "id": device.uid.id(), "organization": device.organization.id(), "owner": device.owner.as_ref().map(Uid::id),
            "name": device.name, "template": device.template, "tags": device.tags, "metadata": device.metadata() })
}

fn put(device: &Device) -> Plan {
    Plan { changes: vec![Change::Put(device.write())], answer: described(device), secret: None }
}

/// Adds a device; whoever does it owns it.
#[derive(Debug)]
pub struct Provision {
    /// The id that the upstream knows it by.
    pub id: String,
    /// The organization.
    pub organization: Uid,
    /// What it is called.
    pub name: String,
    /// What kind of product it is.
    pub template: Option<String>,
}

impl Operation for Provision {
    type Known = (Option<Organization>, Room);

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Self::Known, Failure> {
        let organization = reader.organization(&self.organization).await?;
        let room = reader.room_for_devices(organization.as_ref()).await?;
        Ok((organization, room))
    }

    fn rule(&self, actor: &Actor, _: &Self::Known) -> Rule {
        actor.may("provision", &self.organization)
    }

    fn plan(&self, actor: &Actor, (known, room): &Self::Known, _: &Moment) -> Result<Plan, Conflict> {
        let organization = known.as_ref().ok_or(Conflict::Missing)?;
        check_name(&self.name, NAME_CHARS_MAX)?;
        check_template(organization, self.template.as_deref())?;
        room.check(1)?;
        let mut device = Device::new(
            Uid::new(Device::KIND, self.id.as_str())?,
            organization.uid.clone(),
            self.name.clone(),
        );
        device.template.clone_from(&self.template);
        device.owner = actor.user.as_ref().map(|user| user.uid.clone());
        Ok(Plan { changes: vec![Change::Create(device.write())], answer: described(&device), secret: None })
    }
}

fn check_template(organization: &Organization, template: Option<&str>) -> Result<(), Conflict> {
    if organization.takes(template) {
        return Ok(());
    }
    Err(Conflict::broken("template", "the organization does not have the device's template"))
}

/// Where a device goes.
#[derive(Debug, Clone)]
pub enum Destination {
    /// To the person with this address, and to his organization.
    Owner {
        /// The address, as it was typed.
        email: String,
    },
    /// To an organization, where nobody owns it.
    Organization(Uid),
    /// Nowhere: nobody owns it any more.
    Nobody,
}

/// Gives a device to somebody else; the one before keeps nothing.
#[derive(Debug)]
pub struct Transfer {
    /// Which device.
    pub device: Uid,
    /// Where to.
    pub to: Destination,
}

/// What a transfer depends on.
#[derive(Debug)]
pub struct Handover {
    device: Option<Device>,
    grants: Vec<Grant>,
    owner: Option<User>,
    organization: Option<Organization>,
    room: Room,
}

impl Operation for Transfer {
    type Known = Handover;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Handover, Failure> {
        let device = reader.device(&self.device).await?;
        let owner = match &self.to {
            Destination::Owner { email } => match plain_email(email) {
                Ok(email) => reader.user_by_email(&email).await?,
                Err(_) => None,
            },
            Destination::Organization(_) | Destination::Nobody => None,
        };
        let organization = match (&self.to, &owner) {
            (Destination::Organization(uid), _) => reader.organization(uid).await?,
            (Destination::Owner { .. }, Some(owner)) => reader.organization(&owner.organization).await?,
            _ => None,
        };
        let grants = reader.grants("device", &self.device).await?;
        let room = reader.room_for_devices(organization.as_ref()).await?;
        Ok(Handover { device, grants, owner, organization, room })
    }

    fn rule(&self, actor: &Actor, known: &Handover) -> Rule {
        let clears = matches!(self.to, Destination::Nobody).then(|| Json::from(true));
        actor.may_with(
            "transfer",
            &self.device,
            [
                ("new_owner", known.owner.as_ref().and_then(|it| to(&it.uid))),
                ("new_organization", known.organization.as_ref().and_then(|it| to(&it.uid))),
                ("clears", clears),
            ],
        )
    }

    fn without_destination(&self, actor: &Actor) -> Option<Query> {
        actor.query("transfer", &self.device, [])
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.device)
    }

    fn plan(&self, _: &Actor, known: &Handover, _: &Moment) -> Result<Plan, Conflict> {
        let device = known.device.as_ref().ok_or(Conflict::Missing)?;
        if let Destination::Nobody = self.to {
            return Ok(put(&Device { owner: None, ..device.clone() }));
        }
        let organization = known.organization.as_ref().ok_or(Conflict::Destination)?;
        let owner = match &self.to {
            Destination::Owner { .. } => Some(new_owner(device, known)?),
            Destination::Organization(_) | Destination::Nobody => None,
        };
        check_template(organization, device.template.as_deref())?;
        known.room.check(usize::from(device.organization != organization.uid))?;
        let mut plan = put(&Device { organization: organization.uid.clone(), owner, ..device.clone() });
        plan.changes.extend(moved_along(&known.grants, &organization.uid));
        Ok(plan)
    }
}

/// Grants go where their device goes; whose granter loses his right gives nothing any more.
pub(super) fn moved_along(grants: &[Grant], to: &Uid) -> impl Iterator<Item = Change> {
    let elsewhere = grants.iter().filter(|it| it.organization != *to);
    elsewhere.map(|it| Change::Put(Grant { organization: to.clone(), ..it.clone() }.write()))
}

/// The new owner has been here once, and is not the one that it is already (I13).
fn new_owner(device: &Device, known: &Handover) -> Result<Uid, Conflict> {
    let owner = known.owner.as_ref().ok_or(Conflict::Destination)?;
    if !owner.status.is_activated() {
        return Err(Conflict::broken("not-activated", "the new owner's account is not in use"));
    }
    if device.owner.as_ref() == Some(&owner.uid) {
        return Err(Conflict::broken("same-owner", "can't transfer to the same owner"));
    }
    Ok(owner.uid.clone())
}

/// Changes what a device is called and known by; what is left out stays.
#[derive(Debug, Default)]
pub struct Description {
    /// The name.
    pub name: Option<String>,
    /// Words to find it by, all of them.
    pub tags: Option<Vec<String>>,
    /// Metadata by name; what is null goes.
    pub metadata: BTreeMap<String, Option<String>>,
}

/// Describes a device anew.
#[derive(Debug)]
pub struct Describe {
    /// Which device.
    pub device: Uid,
    /// What changes.
    pub description: Description,
}

impl Operation for Describe {
    type Known = Option<Device>;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Self::Known, Failure> {
        reader.device(&self.device).await
    }

    fn rule(&self, actor: &Actor, _: &Self::Known) -> Rule {
        actor.may("update_metadata", &self.device)
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.device)
    }

    fn plan(&self, _: &Actor, known: &Self::Known, _: &Moment) -> Result<Plan, Conflict> {
        let mut device = known.clone().ok_or(Conflict::Missing)?;
        let Description { name, tags, metadata } = &self.description;
        if let Some(name) = name {
            check_name(name, NAME_CHARS_MAX)?;
            device.name.clone_from(name);
        }
        if let Some(tags) = tags {
            if tags.len() > TAGS_MAX {
                return Err(Conflict::Invalid(format!("a device has at most {TAGS_MAX} tags")));
            }
            tags.iter().try_for_each(|tag| check_name(tag, NAME_CHARS_MAX))?;
            device.tags.clone_from(tags);
        }
        for (name, value) in metadata {
            check_name(name, NAME_CHARS_MAX)?;
            value.iter().try_for_each(|value| check_name(value, TEXT_CHARS_MAX))?;
            device.set_metadata(name, value.as_deref());
        }
        if device.metadata().len() > METADATA_MAX {
            return Err(Conflict::Invalid(format!("a device has at most {METADATA_MAX} pieces of metadata")));
        }
        Ok(put(&device))
    }
}

/// Forgets a device.
#[derive(Debug)]
pub struct Delete {
    /// Which device.
    pub device: Uid,
}

impl Operation for Delete {
    type Known = (Option<Device>, Vec<Grant>);

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Self::Known, Failure> {
        Ok((reader.device(&self.device).await?, reader.grants("device", &self.device).await?))
    }

    fn rule(&self, actor: &Actor, _: &Self::Known) -> Rule {
        actor.may("delete_device", &self.device)
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.device)
    }

    fn plan(&self, _: &Actor, (device, grants): &Self::Known, _: &Moment) -> Result<Plan, Conflict> {
        let device = device.as_ref().ok_or(Conflict::Missing)?;
        let gone = grants.iter().map(|it| &it.uid).chain([&device.uid]);
        Ok(Plan { changes: gone.cloned().map(Change::Remove).collect(), ..Plan::default() })
    }
}
