//! Policies follow their folder: an edit that loads is in force at once, one that does not changes nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;

use crate::decision::Decider;
use crate::finding::Finding;
use crate::gateway::route::Routes;
use crate::policy::{PolicySnapshot, is_policy_file};
use crate::server::load::policies;

/// How often the folder is looked at; an edit counts once it stood still from one look to the next.
const LOOK: Duration = Duration::from_millis(250);

/// Why the newest policies are not in force; empty while they are.
pub(super) type Trouble = Arc<ArcSwapOption<String>>;

/// What tells one state of a folder from the next.
type State = BTreeSet<(PathBuf, Option<SystemTime>, u64)>;

/// Watches a policy folder for as long as the runtime lives.
pub(super) fn watch(
    dir: PathBuf,
    decider: Arc<Decider>,
    routes: Arc<Routes>,
    grants: bool,
    runtime: &Handle,
) -> Trouble {
    let trouble: Trouble = Arc::default();
    let told = trouble.clone();
    let mut in_force = state(&dir);
    runtime.spawn(async move {
        let mut before = in_force.clone();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = state(&dir);
            if now != in_force && now == before {
                in_force.clone_from(&now);
                let (dir, routes) = (dir.clone(), routes.clone());
                let loaded = tokio::task::spawn_blocking(move || load(&dir, &routes, grants)).await;
                apply(
                    loaded.unwrap_or_else(|_| Err("the policies could not be loaded".to_owned())),
                    &decider,
                    &told,
                );
            }
            before = now;
        }
    });
    trouble
}

fn apply(loaded: Result<PolicySnapshot, String>, decider: &Decider, trouble: &Trouble) {
    match loaded {
        Ok(snapshot) => {
            tracing::info!(policy_revision = %snapshot.revision(), "other policies are in force");
            decider.replace(Arc::new(snapshot));
            trouble.store(None);
            metrics::counter!("cedargate_policy_reloads_total", "outcome" => "loaded").increment(1);
        }
        Err(why) => {
            tracing::error!(%why, "the policies on disk do not load; the last good ones stay in force");
            trouble.store(Some(Arc::new(why)));
            metrics::counter!("cedargate_policy_reloads_total", "outcome" => "refused").increment(1);
        }
    }
}

/// The policies of a folder, if they load and still know every action that a route asks for.
fn load(dir: &Path, routes: &Routes, grants: bool) -> Result<PolicySnapshot, String> {
    let snapshot = policies(dir, grants)
        .map_err(|findings| findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("; "))?;
    let known: BTreeSet<_> = snapshot.actions().cloned().collect();
    let asked = routes.all().iter().flat_map(|route| {
        route.rule().map(|it| &it.action).into_iter().chain(route.filter().map(|it| &it.action))
    });
    match asked.into_iter().find(|action| !known.contains(*action)) {
        None => Ok(snapshot),
        Some(action) => Err(format!("a route asks for the action `{action}`, which the schema lacks")),
    }
}

fn state(dir: &Path) -> State {
    let Ok(entries) = std::fs::read_dir(dir) else { return State::new() };
    let named = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let policies = named.filter(|path| is_policy_file(path));
    // The file that a link leads to counts: configuration managers replace links.
    let seen = policies.map(|path| {
        let data = std::fs::metadata(&path).ok();
        let changed = data.as_ref().and_then(|it| it.modified().ok());
        (path, changed, data.map_or(0, |it| it.len()))
    });
    seen.collect()
}
