//! A role: what its holders may do, in one organization.

use std::collections::BTreeSet;

use crate::domain::nouns::{NounError, blank, lacks, named, reference, set, text};
use crate::domain::{Entity, Uid};

/// The id of a permission, such as `ORG_VIEW`; the schema knows them all.
pub type Permission = String;

/// A role of one organization.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Its name in the store.
    pub uid: Uid,
    /// The organization whose role it is.
    pub organization: Uid,
    /// What people call it: the same role has the same name in the whole tree.
    pub name: String,
    /// What it permits there.
    pub permissions: BTreeSet<Permission>,
    /// The entity as it was read, with every attribute that has no meaning here.
    pub rest: Entity,
}

impl Role {
    /// The entity type.
    pub const KIND: &'static str = "Role";
    /// The entity type of permissions.
    pub const PERMISSION: &'static str = "Permission";
    /// The name of the role that cannot be deleted.
    pub const ADMIN: &'static str = "Admin";

    /// A role.
    #[must_use]
    pub fn new(uid: Uid, organization: Uid, name: String, permissions: BTreeSet<Permission>) -> Self {
        let rest = blank(uid.clone());
        Self { uid, organization, name, permissions, rest }
    }

    /// Reads the entity.
    pub fn read(entity: &Entity) -> Result<Self, NounError> {
        let held = entity.parents.iter().filter(|uid| uid.kind() == Self::PERMISSION);
        Ok(Self {
            uid: entity.uid.clone(),
            organization: named(entity, "organization").ok_or_else(lacks(entity, "organization"))?,
            name: text(entity, "name").ok_or_else(lacks(entity, "name"))?,
            permissions: held.map(|uid| uid.id().to_owned()).collect(),
            rest: entity.clone(),
        })
    }

    /// The entity to store.
    #[must_use]
    pub fn write(&self) -> Entity {
        let mut entity = self.rest.clone();
        set(&mut entity, "organization", Some(reference(&self.organization)));
        set(&mut entity, "name", Some(self.name.clone().into()));
        entity.parents.retain(|uid| uid.kind() != Self::PERMISSION);
        let held = self.permissions.iter().filter_map(|id| Uid::new(Self::PERMISSION, id.as_str()).ok());
        entity.parents.extend(held);
        entity
    }

    /// Whether it is the administrators' role.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.name == Self::ADMIN
    }
}
