//! What a request to an upstream changes in the store, once the upstream has done it.

use std::sync::Arc;

use crate::domain::{Query, SecretText};

/// A request whose 2xx changes the store.
#[derive(Debug, Clone)]
pub struct Intent {
    /// What permitted the request.
    pub queries: Vec<Query>,
    /// The pattern of its route.
    pub route: Arc<str>,
    /// The device that it makes, as far as it is known, in the organization that is the query's resource;
    /// without: the resources are removed.
    pub makes: Option<Newcomer>,
}

/// A device that the upstream makes, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newcomer {
    /// The id that the upstream knows it by.
    pub id: Option<String>,
    /// What it is called; its id, where nothing usable is said.
    pub name: Option<String>,
    /// What kind of product it is.
    pub template: Option<String>,
    /// Its secrets, by name; no note of what is under way holds them.
    pub secrets: Vec<(Arc<str>, SecretText)>,
}
