//! Everything that can be checked without serving: configuration, policies, routes, entities.

use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::domain::Entity;
use crate::finding::Finding;
use crate::gateway::route::{Routes, Vocabulary};
use crate::policy::PolicySnapshot;
use crate::server::seed;

/// A deployment that was checked and can be started.
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The schema and policies.
    pub snapshot: Arc<PolicySnapshot>,
    /// The route map.
    pub routes: Routes,
    /// The static entities.
    pub entities: Vec<Entity>,
    /// Whether the policies are part of the program, so that there is no folder to follow.
    pub embedded: bool,
}

/// Reads and checks a configuration and all that it names; every mistake is a finding.
pub fn load(path: &Path) -> Result<Loaded, Vec<Finding>> {
    let config = Config::load(path)?;
    let snapshot = PolicySnapshot::load(&config.policies.dir)?;
    let entities = seed::read_dir(&config.entities.dir, &snapshot);
    assemble(config, snapshot, entities)
}

/// Checks routes against policies and puts what was read together.
pub(super) fn assemble(
    config: Config,
    snapshot: PolicySnapshot,
    entities: Result<Vec<Entity>, Vec<Finding>>,
) -> Result<Loaded, Vec<Finding>> {
    let mut findings = Vec::new();
    let routes = compile_routes(&config, Some(&snapshot)).unwrap_or_else(|found| {
        findings.extend(found);
        Routes::default()
    });
    let entities = entities.unwrap_or_else(|found| {
        findings.extend(found);
        Vec::new()
    });
    if findings.is_empty() {
        Ok(Loaded { config, snapshot: Arc::new(snapshot), routes, entities, embedded: false })
    } else {
        Err(findings)
    }
}

/// Compiles the route map; without policies, what names their actions and types goes unchecked.
pub(crate) fn compile_routes(
    config: &Config,
    snapshot: Option<&PolicySnapshot>,
) -> Result<Routes, Vec<Finding>> {
    let vocabulary = snapshot.map(vocabulary);
    let routes = Routes::compile(&config.origin, &config.routes, vocabulary.as_ref())?;
    let unserved = routes.all().iter().filter(|route| route.creates().is_some());
    let found: Vec<Finding> = unserved
        .map(|route| {
            let message = format!("`creates` of `{}` cannot be served yet", route.pattern());
            Finding::error(config.origin.name.clone(), message)
                .with_help("register devices with `cedargate import`")
        })
        .collect();
    if found.is_empty() { Ok(routes) } else { Err(found) }
}

/// The names that a route map may use.
fn vocabulary(snapshot: &PolicySnapshot) -> Vocabulary {
    Vocabulary {
        actions: snapshot.actions().cloned().collect(),
        types: snapshot.kinds().map(Into::into).collect(),
    }
}
