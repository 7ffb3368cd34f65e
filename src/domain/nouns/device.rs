//! A device: exactly one organization, at most one owner.

use serde_json::{Map, Value as Json};

use crate::domain::nouns::{NounError, blank, lacks, named, reference, set, text, texts};
use crate::domain::{Entity, Uid};

/// A device.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Its name in the store: the id that the upstream knows it by.
    pub uid: Uid,
    /// The organization that it is in.
    pub organization: Uid,
    /// Whose it is.
    pub owner: Option<Uid>,
    /// What people call it.
    pub name: String,
    /// What kind of product it is.
    pub template: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The entity as it was read, with every attribute that has no meaning here.
    pub rest: Entity,
}

impl Device {
    /// The entity type.
    pub const KIND: &'static str = "Device";

    /// A device that nobody owns.
    #[must_use]
    pub fn new(uid: Uid, organization: Uid, name: String) -> Self {
        let rest = blank(uid.clone());
        Self { uid, organization, owner: None, name, template: None, tags: Vec::new(), rest }
    }

    /// Reads the entity.
    pub fn read(entity: &Entity) -> Result<Self, NounError> {
        Ok(Self {
            uid: entity.uid.clone(),
            organization: named(entity, "organization").ok_or_else(lacks(entity, "organization"))?,
            owner: named(entity, "owner"),
            name: text(entity, "name").ok_or_else(lacks(entity, "name"))?,
            template: text(entity, "template"),
            tags: texts(entity, "tags"),
            rest: entity.clone(),
        })
    }

    /// What else is known of it, by name.
    #[must_use]
    pub fn metadata(&self) -> &Map<String, Json> {
        &self.rest.tags
    }

    /// Sets one piece of metadata, or takes it away.
    pub fn set_metadata(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => drop(self.rest.tags.insert(name.to_owned(), value.into())),
            None => drop(self.rest.tags.remove(name)),
        }
    }

    /// The entity to store.
    #[must_use]
    pub fn write(&self) -> Entity {
        let mut entity = self.rest.clone();
        set(&mut entity, "organization", Some(reference(&self.organization)));
        set(&mut entity, "owner", self.owner.as_ref().map(reference));
        set(&mut entity, "name", Some(self.name.clone().into()));
        set(&mut entity, "template", self.template.clone().map(Json::from));
        set(&mut entity, "tags", (!self.tags.is_empty()).then(|| self.tags.clone().into()));
        entity
    }
}
