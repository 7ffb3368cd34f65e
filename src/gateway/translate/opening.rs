//! What is kept of a request that opened a socket, to decide the messages that follow it.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::Value as Json;

use super::ids::id_text;
use super::{Principal, Reading};
use crate::decision::Credential;
use crate::domain::{Context, Query, Uid};
use crate::gateway::refusal::Refusal;
use crate::gateway::route::{Condition, IdSource, Route, Rule};
use crate::gateway::target::Pair;

/// What a stream hangs on beside its queries.
pub(super) fn credential(principal: &Principal) -> Credential {
    Credential { issued_at: principal.issued_at, expires_at: principal.expires_at }
}

/// A request that opened a socket.
pub struct Opening {
    route: Arc<Route>,
    principal: Arc<Principal>,
    segments: Vec<String>,
    query: Vec<Pair>,
    headers: HeaderMap,
}

impl Opening {
    pub(super) fn new(route: &Arc<Route>, principal: &Arc<Principal>, reading: &Reading<'_>) -> Self {
        Self {
            route: route.clone(),
            principal: principal.clone(),
            segments: reading.target.segments().into_iter().map(str::to_owned).collect(),
            query: reading.target.query().to_vec(),
            headers: reading.parts.headers.clone(),
        }
    }

    /// The route that the socket is open on.
    #[must_use]
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// Whose socket it is.
    #[must_use]
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The credential that opened it.
    #[must_use]
    pub fn credential(&self) -> Credential {
        credential(&self.principal)
    }

    /// Whether every condition holds for a message.
    #[must_use]
    pub fn holds(&self, when: &[Condition], message: &Json) -> bool {
        when.iter().all(|condition| {
            self.value(&condition.source, message).is_some_and(|value| condition.holds(&value))
        })
    }

    /// What a message asks for.
    pub fn queries(&self, rule: &Rule, message: &Json) -> Result<Vec<Query>, Refusal> {
        let context: Context = rule
            .context
            .iter()
            .filter_map(|(name, source)| Some((name.to_string(), self.value(source, message)?)))
            .collect();
        let context = Arc::new(context);
        let mut queries = Vec::new();
        for resource in &rule.resources {
            let unnamed = || Refusal::Malformed(format!("`{}` must name a resource", resource.id));
            for id in self.ids(&resource.id, message).ok_or_else(unnamed)? {
                queries.push(Query {
                    principal: self.principal.uid.clone(),
                    action: rule.action.clone(),
                    resource: Uid::new(resource.kind.clone(), id).map_err(|_| unnamed())?,
                    context: context.clone(),
                });
            }
        }
        Ok(queries)
    }

    fn ids(&self, source: &IdSource, message: &Json) -> Option<Vec<String>> {
        let IdSource::Body(pointer) = source else {
            return self.text(source).filter(|id| !id.is_empty()).map(|id| vec![id.to_owned()]);
        };
        pointer.select(message)?.into_iter().map(id_text).collect()
    }

    fn value(&self, source: &IdSource, message: &Json) -> Option<Json> {
        match source {
            IdSource::Body(pointer) => pointer.get(message).cloned(),
            other => self.text(other).map(|text| Json::String(text.to_owned())),
        }
    }

    fn text(&self, source: &IdSource) -> Option<&str> {
        match source {
            IdSource::Path { segment, .. } => self.segments.get(*segment).map(String::as_str),
            IdSource::Query(name) => {
                self.query.iter().find(|pair| pair.key == **name).and_then(|pair| pair.value.as_deref())
            }
            IdSource::Header(name) => self.headers.get(name).and_then(|value| value.to_str().ok()),
            IdSource::Body(_) | IdSource::Principal(_) | IdSource::Response(_) => None,
        }
    }
}
