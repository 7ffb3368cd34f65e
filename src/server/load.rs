//! Everything that can be checked without serving: configuration, policies, routes, entities.

use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::domain::Entity;
use crate::finding::Finding;
use crate::gateway::route::{Route, Routes, Vocabulary};
use crate::policy::PolicySnapshot;
use crate::server::{post, seed};

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
    let snapshot = policies(&config.policies.dir, config.sharing.grants)?;
    let entities = seed::read_dir(&config.entities.dir, &snapshot);
    assemble(config, snapshot, entities)
}

/// The policies of a folder, with grants or without.
pub(super) fn policies(dir: &Path, grants: bool) -> Result<PolicySnapshot, Vec<Finding>> {
    let snapshot = PolicySnapshot::load(dir)?;
    Ok(if grants { snapshot } else { snapshot.without_grants() })
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
    if let Some(mail) = &config.mail
        && let Err(error) = post::mailer(mail)
    {
        let text = error.to_string();
        let (message, help) = text.split_once('\n').unwrap_or((&text, "write the address of a mail server"));
        findings.push(config.origin.error(mail.from.span(), message).with_help(help));
    }
    doubts(&config, &routes).iter().for_each(|doubt| tracing::warn!("{doubt}"));
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
    Routes::compile(&config.origin, &config.routes, vocabulary.as_ref())
}

/// What a route map asks for and this version refuses at run time, or does more strictly.
pub(crate) fn doubts(config: &Config, routes: &Routes) -> Vec<Finding> {
    let doubt = |route: &Route, what: &str, help: &str| {
        Finding::warning(config.origin.name.clone(), format!("`{}`: {what}", route.pattern())).with_help(help)
    };
    let mut found = Vec::new();
    let keeps = |route: &Route| route.creates().is_some_and(|creates| !creates.secrets.is_empty());
    for route in routes.all() {
        if config.secrets.keys.first().is_none() && (keeps(route) || route.secrets().next().is_some()) {
            let help = "add a key to `[secrets] keys`: `cedargate secrets key` makes one";
            found.push(doubt(route, "no secret of a device can be kept without a key", help));
        }
        if route.is_per_item() {
            let help = "expect the whole batch to be refused when one item is";
            found.push(doubt(route, "`per_item` is not served yet: every item must be permitted", help));
        }
    }
    found
}

/// The names that a route map may use.
fn vocabulary(snapshot: &PolicySnapshot) -> Vocabulary {
    Vocabulary {
        actions: snapshot.actions().cloned().collect(),
        types: snapshot.kinds().map(Into::into).collect(),
    }
}
