//! Facts made ready for Cedar once, so that a decision only gathers shared pointers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy_core::ast;
use serde_json::Value as Json;

use crate::domain::{Entity, Facts, Uid};
use crate::policy::schema::Vocabulary;
use crate::policy::time;
use crate::policy::time::millis_of;

/// An entity with everything that policies can reach from it, flattened and checked.
///
/// It holds as long as none of the entities that it depends on changes.
#[derive(Debug, Clone)]
pub struct Closure {
    root: Uid,
    exists: bool,
    depends_on: Box<[Uid]>,
    pub(super) entities: Box<[Arc<ast::Entity>]>,
    pub(super) boundaries: Box<[i64]>,
}

/// A stored entity that Cedar does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{uid} does not fit the schema: {reason}")]
pub struct FactError {
    /// The entity.
    pub uid: Uid,
    /// Cedar's reason.
    pub reason: String,
}

impl Closure {
    /// The entity that the closure starts from.
    #[must_use]
    pub fn root(&self) -> &Uid {
        &self.root
    }

    /// Whether the root exists.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.exists
    }

    /// Every entity whose change, creation or removal would change this closure.
    #[must_use]
    pub fn depends_on(&self) -> &[Uid] {
        &self.depends_on
    }

    /// The id of the entity that an attribute of the root refers to, or the text that it holds.
    #[must_use]
    pub fn attribute_id(&self, name: &str) -> Option<String> {
        match self.root_entity()?.get(name)? {
            ast::PartialValue::Value(value) => match value.value_kind() {
                ast::ValueKind::Lit(ast::Literal::EntityUID(uid)) => {
                    Some(AsRef::<str>::as_ref(uid.eid()).to_owned())
                }
                ast::ValueKind::Lit(ast::Literal::String(text)) => Some(text.to_string()),
                _ => None,
            },
            ast::PartialValue::Residual(_) => None,
        }
    }

    /// The time that an attribute of the root holds, in milliseconds since 1970.
    #[must_use]
    pub fn attribute_ms(&self, name: &str) -> Option<i64> {
        match self.root_entity()?.get(name)? {
            ast::PartialValue::Value(value) => match value.value_kind() {
                ast::ValueKind::ExtensionValue(extension) => millis_of(extension),
                _ => None,
            },
            ast::PartialValue::Residual(_) => None,
        }
    }

    pub(super) fn root_entity(&self) -> Option<&ast::Entity> {
        self.entities.first().filter(|_| self.exists).map(AsRef::as_ref)
    }
}

/// Prepares the closures of several roots of one snapshot; what they share is prepared once.
pub(super) fn closures(
    vocabulary: &Vocabulary,
    facts: &Facts,
    roots: &[Uid],
    level: u32,
) -> Result<Vec<Closure>, FactError> {
    let mut preparing = Preparing {
        vocabulary,
        by_uid: facts.entities.iter().map(|entity| (&entity.uid, entity.as_ref())).collect(),
        done: HashMap::new(),
    };
    roots.iter().map(|root| preparing.closure(root, level)).collect()
}

struct Preparing<'a> {
    vocabulary: &'a Vocabulary,
    by_uid: HashMap<&'a Uid, &'a Entity>,
    done: HashMap<Uid, Arc<ast::Entity>>,
}

impl Preparing<'_> {
    fn closure(&mut self, root: &Uid, level: u32) -> Result<Closure, FactError> {
        let mut depends_on = BTreeSet::new();
        let mut order = Vec::new();
        let mut layer = BTreeSet::from([root.clone()]);
        for _ in 0..level.max(1) {
            let mut next = BTreeSet::new();
            for uid in layer {
                depends_on.extend(self.ancestors(&uid));
                depends_on.insert(uid.clone());
                if !order.contains(&uid) {
                    next.extend(self.by_uid.get(&uid).map(|entity| entity.referenced()).unwrap_or_default());
                    order.push(uid);
                }
            }
            layer = next;
        }
        let mut entities = Vec::with_capacity(order.len());
        for uid in &order {
            entities.extend(self.entity(uid)?);
        }
        let mut boundaries: Vec<i64> = entities.iter().flat_map(|entity| time::boundaries(entity)).collect();
        boundaries.sort_unstable();
        Ok(Closure {
            root: root.clone(),
            exists: self.by_uid.contains_key(root),
            depends_on: depends_on.into_iter().collect(),
            entities: entities.into(),
            boundaries: boundaries.into(),
        })
    }

    /// Everything that an entity is in, itself excluded.
    fn ancestors(&self, of: &Uid) -> BTreeSet<Uid> {
        let mut found = BTreeSet::new();
        let mut todo = vec![of];
        while let Some(uid) = todo.pop() {
            for parent in self.by_uid.get(uid).iter().flat_map(|entity| entity.parents.iter()) {
                if found.insert(parent.clone()) {
                    todo.push(parent);
                }
            }
        }
        found
    }

    fn entity(&mut self, uid: &Uid) -> Result<Option<Arc<ast::Entity>>, FactError> {
        if let Some(done) = self.done.get(uid) {
            return Ok(Some(done.clone()));
        }
        let Some(entity) = self.by_uid.get(uid) else { return Ok(None) };
        let parsed = parse(self.vocabulary, entity.to_json())
            .map_err(|reason| FactError { uid: uid.clone(), reason })?;
        let mut flat: ast::Entity = AsRef::<ast::Entity>::as_ref(&parsed).clone();
        for ancestor in self.ancestors(uid).difference(&entity.parents) {
            let euid = self.vocabulary.euid(ancestor).ok_or_else(|| FactError {
                uid: ancestor.clone(),
                reason: "its type is not declared".to_owned(),
            })?;
            flat.add_indirect_ancestor(AsRef::<ast::EntityUID>::as_ref(&euid).clone());
        }
        let flat = Arc::new(flat);
        self.done.insert(uid.clone(), flat.clone());
        Ok(Some(flat))
    }
}

/// Parses one entity of Cedar's JSON format and checks it against the schema.
pub(super) fn parse(vocabulary: &Vocabulary, json: Json) -> Result<cedar_policy::Entity, String> {
    cedar_policy::Entity::from_json_value(json, Some(&vocabulary.schema))
        .map_err(|error| crate::finding::chain(&error))
}

/// The stored form of a parsed entity, with every escape explicit.
pub(super) fn to_entity(parsed: &cedar_policy::Entity) -> Result<Entity, String> {
    let json = parsed.to_json_value().map_err(|error| crate::finding::chain(&error))?;
    let uid = |json: &Json| -> Option<Uid> {
        Uid::new(json.get("type")?.as_str()?, json.get("id")?.as_str()?).ok()
    };
    let object = |key: &str| json.get(key).and_then(Json::as_object).cloned().unwrap_or_default();
    let parents = json.get("parents").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let unnamed = || format!("an id has 1 to {} bytes", Uid::ID_BYTES_MAX);
    Ok(Entity {
        uid: json.get("uid").and_then(uid).ok_or_else(unnamed)?,
        attrs: object("attrs"),
        parents: parents.iter().map(uid).collect::<Option<_>>().ok_or_else(unnamed)?,
        tags: object("tags"),
    })
}
