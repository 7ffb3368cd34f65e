//! The question that is decided: may this principal do this action on this resource, in this context?

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::domain::Uid;

/// An action's id as the schema declares it, such as `view`; with its namespace where it has one.
pub type ActionName = Arc<str>;

/// Context attributes in Cedar's JSON format; the schema decides which of them a policy sees.
pub type Context = Map<String, Json>;

/// Attributes that a caller states for an entity of one query (AuthZEN 1.0 `properties`).
pub type Overrides = BTreeMap<Uid, Map<String, Json>>;

/// One authorization query in canonical form; the whole of it is the key of a cached decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// Who asks.
    pub principal: Uid,
    /// What would be done.
    pub action: ActionName,
    /// To what.
    pub resource: Uid,
    /// Under which circumstances, the time of day excepted: that one is the decider's.
    pub context: Arc<Context>,
}

impl Query {
    /// A query without context attributes.
    #[must_use]
    pub fn new(principal: Uid, action: impl Into<ActionName>, resource: Uid) -> Self {
        Self { principal, action: action.into(), resource, context: Arc::default() }
    }

    /// The same query about another action, such as the one that makes a resource visible.
    #[must_use]
    pub fn with_action(&self, action: ActionName) -> Self {
        Self { action, context: Arc::default(), ..self.clone() }
    }
}
