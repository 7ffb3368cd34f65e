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
    let vocabulary = vocabulary(&snapshot);
    let routes = Routes::compile(&config.origin, &config.routes, Some(&vocabulary));
    let routes = routes.unwrap_or_else(|found| {
        findings.extend(found);
        Routes::default()
    });
    let entities = entities.unwrap_or_else(|found| {
        findings.extend(found);
        Vec::new()
    });
    let unserved = routes.all().iter().filter(|route| route.creates().is_some());
    findings.extend(unserved.map(|route| {
        Finding::error(
            config.origin.name.clone(),
            format!("`creates` of `{}` cannot be served yet", route.pattern()),
        )
        .with_help("register devices with `cedargate import`")
    }));
    if findings.is_empty() {
        Ok(Loaded { config, snapshot: Arc::new(snapshot), routes, entities })
    } else {
        Err(findings)
    }
}

/// The names that a route map may use.
pub(super) fn vocabulary(snapshot: &PolicySnapshot) -> Vocabulary {
    Vocabulary {
        actions: snapshot.actions().cloned().collect(),
        types: snapshot.kinds().map(Into::into).collect(),
    }
}
