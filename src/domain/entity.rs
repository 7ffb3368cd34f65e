//! An entity as it is stored: attributes and tags in Cedar's JSON entity format.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use crate::domain::Uid;

/// An entity with explicit `__entity` and `__extn` escapes, as `policy` canonicalises it.
///
/// Source: Cedar, "Entities JSON format".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Its name.
    pub uid: Uid,
    /// Attributes by name.
    pub attrs: Map<String, Json>,
    /// The entities it is directly in.
    pub parents: BTreeSet<Uid>,
    /// Tags by key.
    pub tags: Map<String, Json>,
}

impl Entity {
    /// The entities that attributes and tags refer to, without the parents.
    #[must_use]
    pub fn referenced(&self) -> BTreeSet<Uid> {
        let mut found = BTreeSet::new();
        self.attrs.values().chain(self.tags.values()).for_each(|value| references(value, &mut found));
        found
    }

    /// The entity in Cedar's JSON format.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let name = |uid: &Uid| json!({ "type": uid.kind(), "id": uid.id() });
        let parents: Vec<Json> = self.parents.iter().map(name).collect();
        json!({ "uid": name(&self.uid), "attrs": self.attrs, "parents": parents, "tags": self.tags })
    }
}

/// Collects every entity that a value in Cedar's JSON format refers to.
pub fn references(value: &Json, found: &mut BTreeSet<Uid>) {
    match value {
        Json::Object(map) => match map.get("__entity") {
            Some(entity) => found.extend(uid_of(entity)),
            None => map.values().for_each(|inner| references(inner, found)),
        },
        Json::Array(items) => items.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}

fn uid_of(json: &Json) -> Option<Uid> {
    let kind = json.get("type")?.as_str()?;
    let id = json.get("id")?.as_str()?;
    Uid::new(kind, id).ok()
}
