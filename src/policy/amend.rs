//! What a caller states about a query, narrowed to what the schema declares and laid over the facts.

use std::sync::Arc;

use cedar_policy_core::validator::types::{Attributes, Type};
use serde_json::{Map, Value as Json};

use crate::domain::{Entity, Facts, Overrides, Query, Uid};
use crate::policy::{FactError, PolicySnapshot, prepared};

impl PolicySnapshot {
    /// The query with the context attributes that its action declares, at any depth, and no others.
    #[must_use]
    pub fn narrowed(&self, query: &Query) -> Query {
        let core: &cedar_policy_core::validator::ValidatorSchema = self.vocabulary.schema.as_ref();
        let context = self
            .vocabulary
            .action(&query.action)
            .and_then(|action| core.get_action_id(action.uid.as_ref())?.context_type())
            .map_or_else(Map::new, |of| match of {
                Type::Record { attrs, .. } => declared(&query.context, attrs),
                _ => Map::new(),
            });
        Query { context: Arc::new(context), ..query.clone() }
    }

    /// The overrides of attributes that the schema declares, at any depth, and no others.
    #[must_use]
    pub fn narrowed_overrides(&self, overrides: &Overrides) -> Overrides {
        let core: &cedar_policy_core::validator::ValidatorSchema = self.vocabulary.schema.as_ref();
        let narrow = |(uid, given): (&Uid, &Map<String, Json>)| {
            let kind = core.get_entity_type(self.vocabulary.kind(uid.kind())?.as_ref())?;
            let kept = declared(given, kind.attributes());
            (!kept.is_empty()).then(|| (uid.clone(), kept))
        };
        overrides.iter().filter_map(narrow).collect()
    }

    /// The facts as they would be if the overrides were stored; entities that do not exist stay so.
    pub fn amended(&self, mut facts: Facts, overrides: &Overrides) -> Result<Facts, FactError> {
        for entity in &mut facts.entities {
            if let Some(stated) = overrides.get(&entity.uid) {
                let amended = self
                    .amend(entity, stated)
                    .map_err(|reason| FactError { uid: entity.uid.clone(), reason })?;
                *entity = Arc::new(amended);
            }
        }
        Ok(facts)
    }

    /// Plain JSON becomes Cedar's by the schema: a text is a datetime where the schema says so.
    fn amend(&self, entity: &Entity, stated: &Map<String, Json>) -> Result<Entity, String> {
        let mut json = entity.to_json();
        if let Some(attrs) = json.get_mut("attrs").and_then(Json::as_object_mut) {
            attrs.extend(stated.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        prepared::to_entity(&prepared::parse(&self.vocabulary, json)?)
    }
}

fn declared(given: &Map<String, Json>, attributes: &Attributes) -> Map<String, Json> {
    let keep = |(name, value): (&String, &Json)| {
        let of = &attributes.get_attr(name)?.attr_type;
        Some((name.clone(), narrow(value, of)))
    };
    given.iter().filter_map(keep).collect()
}

/// Every level of both recursions consumes one level of the value, whose depth is bounded.
fn narrow(value: &Json, of: &Type) -> Json {
    match (value, of) {
        (Json::Object(given), Type::Record { attrs, .. }) => Json::Object(declared(given, attrs)),
        (Json::Array(items), Type::Set { element_type: Some(of) }) => {
            Json::Array(items.iter().map(|item| narrow(item, of)).collect())
        }
        _ => value.clone(),
    }
}
