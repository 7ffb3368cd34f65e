//! The world of a story: read from a file, changed by `[[after]]`, asked for names.

use serde_json::{Map, Value as Json, json};

use crate::domain::{Change, Entity, Uid, World};
use crate::finding::Finding;
use crate::policy::PolicySnapshot;
use crate::policy::story::Edit;

/// Reads a world from Cedar's JSON entity format; each entity is checked against the schema.
pub fn read_world(policies: &PolicySnapshot, file: &str, text: &str) -> Result<World, Vec<Finding>> {
    let wrong = |message: String| vec![Finding::error(file, message)];
    let rows: Vec<Json> = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let (mut changes, mut findings) = (Vec::new(), Vec::new());
    for row in rows {
        let name = row.get("uid").map(ToString::to_string).unwrap_or_default();
        match policies.canonical(row) {
            Ok(entity) => changes.push(Change::Create(entity)),
            Err(error) => findings.push(Finding::error(file, format!("{name}: {error}"))),
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let mut world = World::default();
    world.apply(&changes).map_err(|error| wrong(error.to_string()))?;
    Ok(world)
}

/// The entity that a short or full name means: `garage`, `Device::garage`, `Device::"garage"`, or
/// `Grant(garage,wife)` for the grant of the one to the other.
pub(super) fn resolve(world: &World, name: &str) -> Result<Uid, String> {
    if let Some((device, grantee)) = pair(name) {
        return Ok(Uid::of_grant(&resolve(world, device)?, &resolve(world, grantee)?));
    }
    if name.contains("::") {
        return Uid::parse(name).map_err(|error| error.to_string());
    }
    let mut found = world.entities().map(|entity| &entity.uid).filter(|uid| uid.id() == name);
    match (found.next(), found.next()) {
        (Some(uid), None) => Ok(uid.clone()),
        (Some(one), Some(other)) => Err(format!("`{name}` can be {one} or {other}: write it in full")),
        (None, _) => Err(format!("nothing in this world is called `{name}`")),
    }
}

fn pair(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("Grant(")?
        .strip_suffix(')')?
        .split_once(',')
        .filter(|(device, grantee)| !device.contains('(') && !grantee.contains('('))
}

/// Makes one `[[after]]` happen.
pub(super) fn change(policies: &PolicySnapshot, world: &mut World, edit: &Edit) -> Result<(), String> {
    let uid = resolve(world, &edit.entity)?;
    let change =
        if edit.remove { Change::Remove(uid) } else { Change::Put(edited(policies, world, uid, edit)?) };
    world.apply(&[change]).map(drop).map_err(|error| error.to_string())
}

fn edited(policies: &PolicySnapshot, world: &World, uid: Uid, edit: &Edit) -> Result<Entity, String> {
    let now = world.entities().find(|entity| entity.uid == uid);
    let (mut attrs, mut parents, tags) = now.map_or_else(Default::default, |entity| {
        (entity.attrs.clone(), entity.parents.clone(), entity.tags.clone())
    });
    for (name, value) in &edit.set {
        let value = reference(world, &attrs, name, value)?;
        attrs.insert(name.clone(), value);
    }
    for name in &edit.unset {
        attrs.remove(name).ok_or_else(|| format!("{uid} has no attribute `{name}` to unset"))?;
    }
    for name in &edit.join {
        parents.insert(resolve(world, name)?);
    }
    for name in &edit.leave {
        let parent = resolve(world, name)?;
        if !parents.remove(&parent) {
            return Err(format!("{uid} is not in {parent} and cannot leave it"));
        }
    }
    let parents: Vec<Json> = parents.iter().map(name_json).collect();
    policies.canonical(json!({ "uid": name_json(&uid), "attrs": attrs, "parents": parents, "tags": tags }))
}

/// A text that replaces an entity is the name of another one.
fn reference(world: &World, attrs: &Map<String, Json>, name: &str, value: &Json) -> Result<Json, String> {
    let refers = attrs.get(name).is_some_and(|old| old.get("__entity").is_some());
    match value.as_str() {
        Some(text) if refers => Ok(json!({ "__entity": name_json(&resolve(world, text)?) })),
        _ => Ok(value.clone()),
    }
}

fn name_json(uid: &Uid) -> Json {
    json!({ "type": uid.kind(), "id": uid.id() })
}
