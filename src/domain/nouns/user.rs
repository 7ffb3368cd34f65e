//! A person: one organization, one role there, one status.

use crate::domain::moment::datetime;
use crate::domain::nouns::{NounError, Role, blank, lacks, moment, named, reference, set, text};
use crate::domain::{Entity, Uid};

/// Whether an account can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Invited, not accepted yet.
    Pending,
    /// In use.
    Active,
    /// Not used for long; otherwise like active.
    Inactive,
    /// Closed by an administrator.
    Suspended,
}

impl Status {
    /// The status of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Inactive, Self::Suspended]
            .into_iter()
            .find(|status| status.as_str() == text)
    }

    /// The name in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Suspended => "suspended",
        }
    }

    /// Whether the person may do anything.
    #[must_use]
    pub fn is_activated(self) -> bool {
        matches!(self, Self::Active | Self::Inactive)
    }
}

/// A person.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The name in the store: what the person's tokens say.
    pub uid: Uid,
    /// The home organization.
    pub organization: Uid,
    /// The role there.
    pub role: Uid,
    /// Whether the account can be used.
    pub status: Status,
    /// The address, in lower case; never an identity.
    pub email: Option<String>,
    /// What people call the person.
    pub name: Option<String>,
    /// Credentials issued before this, in Unix milliseconds, are refused.
    pub signed_out_at: Option<i64>,
    /// The entity as it was read, with every attribute that has no meaning here.
    pub rest: Entity,
}

impl User {
    /// The entity type.
    pub const KIND: &'static str = "User";

    /// A person with nothing but a place.
    #[must_use]
    pub fn new(uid: Uid, organization: Uid, role: Uid, status: Status) -> Self {
        let rest = blank(uid.clone());
        Self { uid, organization, role, status, email: None, name: None, signed_out_at: None, rest }
    }

    /// Reads the entity.
    pub fn read(entity: &Entity) -> Result<Self, NounError> {
        let role = entity.parents.iter().find(|uid| uid.kind() == Role::KIND);
        let status = text(entity, "status").and_then(|it| Status::parse(&it));
        Ok(Self {
            uid: entity.uid.clone(),
            organization: named(entity, "organization").ok_or_else(lacks(entity, "organization"))?,
            role: role.cloned().ok_or_else(lacks(entity, "role"))?,
            status: status.ok_or_else(lacks(entity, "status"))?,
            email: text(entity, "email"),
            name: text(entity, "name"),
            signed_out_at: moment(entity, "signed_out"),
            rest: entity.clone(),
        })
    }

    /// The same person under another name in the store.
    #[must_use]
    pub fn renamed(mut self, uid: Uid) -> Self {
        self.rest.uid = uid.clone();
        self.uid = uid;
        self
    }

    /// The entity to store.
    #[must_use]
    pub fn write(&self) -> Entity {
        let mut entity = self.rest.clone();
        set(&mut entity, "organization", Some(reference(&self.organization)));
        set(&mut entity, "status", Some(self.status.as_str().into()));
        set(&mut entity, "email", self.email.clone().map(Into::into));
        set(&mut entity, "name", self.name.clone().map(Into::into));
        set(&mut entity, "signed_out", self.signed_out_at.map(datetime));
        entity.parents.retain(|uid| uid.kind() != Role::KIND);
        entity.parents.insert(self.role.clone());
        entity
    }
}
