//! An organization: its name, its plan and the organization above it.

use serde_json::Value as Json;

use crate::domain::nouns::{NounError, blank, lacks, set, text, texts};
use crate::domain::{Entity, Uid};

/// An organization.
#[derive(Debug, Clone, PartialEq)]
pub struct Organization {
    /// Its name in the store.
    pub uid: Uid,
    /// What people call it.
    pub name: String,
    /// The organization above it; a root has none.
    pub parent: Option<Uid>,
    /// What was paid for.
    pub plan: Option<String>,
    /// Whether organizations may be made below it; unstated means yes.
    pub can_create_sub_orgs: Option<bool>,
    /// The templates of devices that may be in it; unstated means any.
    pub templates: Option<Vec<String>>,
    /// The entity as it was read, with every attribute that has no meaning here.
    pub rest: Entity,
}

impl Organization {
    /// The entity type.
    pub const KIND: &'static str = "Organization";

    /// An organization with nothing but a name.
    #[must_use]
    pub fn new(uid: Uid, name: String, parent: Option<Uid>) -> Self {
        let rest = blank(uid.clone());
        Self { uid, name, parent, plan: None, can_create_sub_orgs: None, templates: None, rest }
    }

    /// Reads the entity.
    pub fn read(entity: &Entity) -> Result<Self, NounError> {
        Ok(Self {
            uid: entity.uid.clone(),
            name: text(entity, "name").ok_or_else(lacks(entity, "name"))?,
            parent: entity.parents.iter().find(|uid| uid.kind() == Self::KIND).cloned(),
            plan: text(entity, "plan"),
            can_create_sub_orgs: entity.attrs.get("can_create_sub_orgs").and_then(Json::as_bool),
            templates: entity.attrs.contains_key("templates").then(|| texts(entity, "templates")),
            rest: entity.clone(),
        })
    }

    /// The entity to store.
    #[must_use]
    pub fn write(&self) -> Entity {
        let mut entity = self.rest.clone();
        set(&mut entity, "name", Some(self.name.clone().into()));
        set(&mut entity, "plan", self.plan.clone().map(Json::from));
        set(&mut entity, "can_create_sub_orgs", self.can_create_sub_orgs.map(Json::from));
        set(&mut entity, "templates", self.templates.clone().map(Json::from));
        entity.parents.retain(|uid| uid.kind() != Self::KIND);
        entity.parents.extend(self.parent.clone());
        entity
    }

    /// Whether devices of this template may be in it.
    #[must_use]
    pub fn takes(&self, template: Option<&str>) -> bool {
        match (&self.templates, template) {
            (Some(known), Some(template)) => known.iter().any(|it| it == template),
            _ => true,
        }
    }
}
