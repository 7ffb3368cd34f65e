//! The ids that a request names: each once, from where the route says, and nowhere else.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value as Json;

use super::{Payload, Reading};
use crate::config::Place;
use crate::gateway::refusal::Refusal;
use crate::gateway::route::{IdSource, Injection, Route, fold_name};
use crate::gateway::target::{Pair, Target, is_plain_segment};

impl Reading<'_> {
    /// The ids that a source stands for; at least one, none twice.
    pub(super) fn ids(&self, source: &IdSource, ids_max: usize) -> Result<Vec<String>, Refusal> {
        let missing = || Refusal::Malformed(format!("`{source}` must name a resource exactly once"));
        let one = |id: Option<&str>| Ok(vec![id.filter(|id| !id.is_empty()).ok_or_else(missing)?.to_owned()]);
        match source {
            IdSource::Path { segment, .. } => {
                one(self.target.segments().get(*segment).copied().filter(|id| is_plain_segment(id)))
            }
            IdSource::Query(name) => one(self.target.parameter(name)),
            IdSource::Header(name) => one(self.header(name)),
            IdSource::Body(pointer) => {
                let body = self.payload.json().ok_or_else(missing)?;
                let found = pointer.select(body).ok_or_else(missing)?;
                if found.len() > ids_max {
                    return Err(Refusal::TooLarge("list of ids"));
                }
                let ids: Vec<String> =
                    found.into_iter().map(id_text).collect::<Option<_>>().ok_or_else(missing)?;
                let distinct: BTreeSet<&String> = ids.iter().collect();
                if ids.is_empty() || distinct.len() != ids.len() { Err(missing()) } else { Ok(ids) }
            }
            IdSource::Principal(_) | IdSource::Response(_) => Err(missing()),
        }
    }
}

/// An id in JSON: a text, or a whole number as most APIs write it.
pub(super) fn id_text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) if !text.is_empty() => Some(text.clone()),
        Json::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// Refuses a request that names, under a name that some route reads an id from, a resource that is not
/// the one decided on: the upstream might listen to that name (rules.md 21).
pub(super) fn refuse_others(
    target: &Target,
    payload: &Payload,
    known: &BTreeSet<Box<str>>,
    decided: &dyn Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let names_id = |name: &str| known.contains(fold_name(name).as_str());
    let pairs = target.query().iter().chain(payload.form());
    for pair in pairs {
        let value = pair.value.as_deref().unwrap_or_default();
        if names_id(&pair.key) && !decided(value) {
            return Err(other_id());
        }
        refuse_override(&pair.key)?;
    }
    payload.json().map_or(Ok(()), |json| walk(json, &names_id, decided))
}

fn walk(json: &Json, names_id: &dyn Fn(&str) -> bool, decided: &dyn Fn(&str) -> bool) -> Result<(), Refusal> {
    match json {
        Json::Array(items) => items.iter().try_for_each(|item| walk(item, names_id, decided)),
        Json::Object(members) => members.iter().try_for_each(|(key, value)| {
            refuse_override(key)?;
            if names_id(key) && !is_decided(value, decided) {
                return Err(other_id());
            }
            walk(value, names_id, decided)
        }),
        _ => Ok(()),
    }
}

fn is_decided(value: &Json, decided: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Json::Array(items) => items.iter().all(|item| is_decided(item, decided)),
        // An object is looked into; it is not itself an id.
        Json::Object(_) => true,
        other => id_text(other).is_some_and(|id| decided(&id)),
    }
}

/// Frameworks that read the method from a parameter (CWE-650).
fn refuse_override(key: &str) -> Result<(), Refusal> {
    if key.eq_ignore_ascii_case("_method") {
        return Err(Refusal::Malformed("the method cannot be overridden".to_owned()));
    }
    Ok(())
}

/// Refuses parameters, form fields and members of the body whose name is the gateway's own.
pub(super) fn refuse_names(
    target: &Target,
    payload: &Payload,
    is_own: &dyn Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let members = payload.json().and_then(Json::as_object).into_iter().flat_map(|it| it.keys());
    let mut given = target.query().iter().chain(payload.form()).map(|pair| &pair.key).chain(members);
    match given.find(|name| is_own(name)) {
        Some(name) => Err(Refusal::Malformed(format!("only the gateway says `{name}`"))),
        None => Ok(()),
    }
}

fn other_id() -> Refusal {
    Refusal::Malformed("the request names another resource than its route reads".to_owned())
}

/// Adds the fixed values that the route injects.
pub(super) fn inject(route: &Route, headers: &mut HeaderMap, further: &mut Vec<Pair>) -> Result<(), Refusal> {
    for (place, injection) in route.inject() {
        let Injection::Fixed(secret) = injection else {
            // A secret is read once the request is permitted.
            continue;
        };
        match place {
            Place::Header(name) => {
                let name = HeaderName::try_from(name.as_str()).map_err(|_| Refusal::Internal)?;
                let value = HeaderValue::from_str(secret.reveal()).map_err(|_| Refusal::Internal)?;
                headers.insert(name, value);
            }
            Place::Query(key) => {
                further.push(Pair { key: key.clone(), value: Some(secret.reveal().to_owned()) });
            }
        }
    }
    Ok(())
}
