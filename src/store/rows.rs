//! Between our nouns and rows: JSON documents, lists as parameters, numbers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::domain::{Entity, Revision, Uid, references};
use crate::store::{ApiKey, StoreError};

/// The largest document, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The longest label, in bytes: an index of PostgreSQL holds short rows only.
const LABEL_BYTES_MAX: usize = 128;

#[derive(Serialize, Deserialize)]
struct Body {
    attrs: Map<String, Json>,
    parents: Vec<Parent>,
    tags: Map<String, Json>,
}

#[derive(Serialize, Deserialize)]
struct Parent {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

/// The document of an entity, once it is sure that it can be read again.
pub(super) fn body(entity: &Entity) -> Result<String, StoreError> {
    let parents = entity.parents.iter();
    let parents =
        parents.map(|uid| Parent { kind: uid.kind().to_owned(), id: uid.id().to_owned() }).collect();
    let body = Body { attrs: entity.attrs.clone(), parents, tags: entity.tags.clone() };
    let text = serde_json::to_string(&body).map_err(|_| unreadable(&entity.uid))?;
    if text.len() > BODY_BYTES_MAX {
        return Err(StoreError::TooLarge { what: "an entity in bytes", max: BODY_BYTES_MAX as u64 });
    }
    serde_json::from_str::<Body>(&text)
        .map_err(|_| StoreError::TooLarge { what: "the nesting of an entity", max: 120 })?;
    Ok(text)
}

pub(super) fn entity(uid: Uid, body: &str) -> Result<Entity, StoreError> {
    let Body { attrs, parents, tags } = serde_json::from_str(body).map_err(|_| unreadable(&uid))?;
    let parents = parents.into_iter().map(|parent| self::uid(parent.kind, parent.id));
    Ok(Entity { parents: parents.collect::<Result<_, _>>()?, uid, attrs, tags })
}

fn unreadable(uid: &Uid) -> StoreError {
    StoreError::Corrupt(uid.to_string())
}

pub(super) fn uid(kind: String, id: String) -> Result<Uid, StoreError> {
    Uid::new(kind, id).map_err(|_| StoreError::Corrupt("an entity without a name".to_owned()))
}

/// A row that begins with type, id and document.
pub(super) fn entity_of(row: &AnyRow) -> Result<Entity, StoreError> {
    entity(uid(row.try_get(0)?, row.try_get(1)?)?, row.try_get(2)?)
}

pub(super) fn key_of(row: &AnyRow) -> Result<ApiKey, StoreError> {
    let id: String = row.try_get(0)?;
    let hash: Vec<u8> = row.try_get(1)?;
    let hash = hash.try_into().map_err(|_| StoreError::Corrupt(format!("the API key `{id}`")))?;
    Ok(ApiKey {
        id: id.into(),
        hash,
        principal: uid(row.try_get(2)?, row.try_get(3)?)?,
        name: row.try_get(4)?,
        created_ms: row.try_get(5)?,
        expires_ms: row.try_get(6)?,
        revoked_ms: row.try_get(7)?,
    })
}

/// A list as one parameter: a JSON array of arrays.
pub(super) fn list(items: impl IntoIterator<Item = Json>) -> String {
    Json::Array(items.into_iter().collect()).to_string()
}

/// Names as one parameter; those that no entity can have are left out.
pub(super) fn names<'a>(uids: impl IntoIterator<Item = &'a Uid>) -> String {
    let storable = uids.into_iter().filter(|uid| !has_nul(uid));
    list(storable.map(|uid| Json::from(vec![uid.kind(), uid.id()])))
}

/// PostgreSQL's text cannot hold this byte, so no store takes it.
pub(super) fn has_nul(uid: &Uid) -> bool {
    uid.kind().contains('\0') || uid.id().contains('\0')
}

/// Every reference of an entity with its label: the empty one stands for parents alone.
pub(super) fn labelled(entity: &Entity) -> BTreeSet<(String, Uid)> {
    let mut all: BTreeSet<_> = entity.parents.iter().map(|uid| (String::new(), uid.clone())).collect();
    for (name, value) in entity.attrs.iter().chain(&entity.tags) {
        let mut found = BTreeSet::new();
        references(value, &mut found);
        all.extend(found.into_iter().map(|uid| (label(name), uid)));
    }
    all
}

fn label(name: &str) -> String {
    if name.is_empty() || name.contains('\0') {
        return "?".to_owned();
    }
    name.get(..name.floor_char_boundary(LABEL_BYTES_MAX)).unwrap_or(name).to_owned()
}

/// Revisions count from 0 and never come near the end of either type.
pub(super) fn to_db(number: Revision) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn from_db(number: i64) -> Revision {
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_attribute_passes_for_a_parent() {
        let lamp = serde_json::json!({"__entity": {"type": "Device", "id": "lamp"}});
        let long = "é".repeat(LABEL_BYTES_MAX);
        let names = ["", "a\0b", "owner", &long];
        let attrs = names.iter().map(|name| ((*name).to_owned(), lamp.clone())).collect();
        let uid = Uid::new("User", "wife").unwrap();
        let entity = Entity { uid, attrs, parents: BTreeSet::new(), tags: Map::new() };
        let labels: Vec<_> = labelled(&entity).into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels.iter().map(String::len).collect::<Vec<_>>(), [1, 5, 128]);
    }

    #[test]
    fn a_document_that_could_not_be_read_again_is_refused() {
        let deep = (0..126).fold(Json::Null, |inner, _| Json::Array(vec![inner]));
        let attrs = Map::from_iter([("deep".to_owned(), deep)]);
        let uid = Uid::new("User", "wife").unwrap();
        let entity = Entity { uid, attrs, parents: BTreeSet::new(), tags: Map::new() };
        assert!(matches!(body(&entity), Err(StoreError::TooLarge { .. })));
    }
}
