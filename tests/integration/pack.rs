//! The shipped policies and the named worlds.

use std::fs;
use std::path::{Path, PathBuf};

use cedargate::domain::{Query, Uid, World};
use cedargate::policy::story::read_world;
use cedargate::policy::{PolicySnapshot, Verdict};

/// When tests decide: 2026-01-01T12:00:00Z.
pub(crate) const NOW_MS: i64 = 1_767_268_800_000;

/// A path inside of the repository.
pub(crate) fn path(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inside)
}

/// The text of a file of the repository.
pub(crate) fn read(inside: &str) -> String {
    fs::read_to_string(path(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"))
}

/// The shipped policies.
pub(crate) fn policies() -> PolicySnapshot {
    PolicySnapshot::load(&path("policies")).unwrap_or_else(|findings| panic!("{findings:#?}"))
}

/// The world of `entities/NAME.json`.
pub(crate) fn world(policies: &PolicySnapshot, name: &str) -> World {
    let file = format!("entities/{name}.json");
    read_world(policies, &file, &read(&file)).unwrap_or_else(|findings| panic!("{findings:#?}"))
}

/// Decides as the gateway does: over the slice that the policies' level asks for.
pub(crate) fn decide(policies: &PolicySnapshot, world: &World, query: &Query) -> Verdict {
    policies.decide(query, &world.slice(&policies.roots(query), policies.level()), NOW_MS)
}

/// The status of a refusal: 401, 403 or 404.
pub(crate) fn status(policies: &PolicySnapshot, world: &World, query: &Query, verdict: &Verdict) -> u16 {
    if verdict.refuse.as_deref() == Some("unauthenticated") {
        return 401;
    }
    let Some(sight) = policies.visibility(query.resource.kind()) else { return 403 };
    if decide(policies, world, &query.with_action(sight)).allowed { 403 } else { 404 }
}

/// An entity's name.
pub(crate) fn uid(kind: &str, id: &str) -> Uid {
    Uid::new(kind, id).unwrap()
}
