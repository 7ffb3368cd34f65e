//! The decided cases of the sharing model: our own always, the whole collection where it is at hand.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use cedargate::domain::{Change, Entity, Query, Uid, World};
use cedargate::policy::PolicySnapshot;
use cedargate::policy::story::read_world;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::pack::{self, uid};

/// One decided case.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    /// Which of `entities/*.json`; the collection brings its own world.
    world: Option<String>,
    pub(crate) principal: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) decision: String,
    /// The status of the refusal.
    pub(crate) http_hint: Option<u16>,
    /// The devices that a list holds.
    pub(crate) expect: Option<BTreeSet<String>>,
    #[serde(default)]
    pub(crate) context: Map<String, Json>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum After {
    Transfer { device: String, new_owner: String },
    Grant { role: String, permission: String },
    Revoke { role: String, permission: String },
}

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[test]
fn our_own_cases_hold() {
    let policies = pack::policies();
    let cases: Cases = toml::from_str(&pack::read("tests/model/cases.toml")).unwrap();
    let failed: Vec<String> = cases
        .case
        .iter()
        .filter_map(|case| holds(&policies, pack::world(&policies, case.world.as_ref().unwrap()), case).err())
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The collected cases with their world, where they are at hand: beside the checkout where the project is
/// developed, or where `SHARING_MODEL` says.
pub(crate) fn collection(policies: &PolicySnapshot) -> Option<(World, Vec<Case>)> {
    let folder = std::env::var_os("SHARING_MODEL");
    let folder = folder.map_or_else(|| pack::path("../shared/model"), std::path::PathBuf::from);
    if !folder.join("cases.json").exists() {
        return None;
    }
    let converted = Command::new("python3")
        .arg(pack::path("tests/model/fixture_to_cedar.py"))
        .arg(folder.join("fixture.json"))
        .output()
        .expect("python3 converts the fixture");
    assert!(converted.status.success(), "{}", String::from_utf8_lossy(&converted.stderr));
    let world = read_world(policies, "fixture", std::str::from_utf8(&converted.stdout).unwrap()).unwrap();
    let cases = std::fs::read_to_string(folder.join("cases.json")).unwrap();
    Some((world, serde_json::from_str(&cases).unwrap()))
}

#[test]
fn the_collected_cases_hold() {
    let policies = pack::policies();
    let Some((world, cases)) = collection(&policies) else { return };
    let failed: Vec<String> =
        cases.iter().filter_map(|case| holds(&policies, world.clone(), case).err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

fn holds(policies: &PolicySnapshot, mut world: World, case: &Case) -> Result<(), String> {
    let wrong = |what: String| Err(format!("{}: {what}", case.id));
    if case.principal == "Anonymous" {
        return if case.decision == "deny" { Ok(()) } else { wrong("nobody is allowed nothing".to_owned()) };
    }
    let mut context = case.context.clone();
    let after: Vec<After> =
        context.remove("after").map_or_else(Vec::new, |json| serde_json::from_value(json).unwrap());
    after.into_iter().for_each(|it| happen(&mut world, it));
    let query = Query::new(name(&case.principal), case.action.as_str(), name(&case.resource));
    let query = Query { context: Arc::new(stated(&world, &query, &context)), ..query };
    let verdict = pack::decide(policies, &world, &query);
    if !verdict.errors.is_empty() || verdict.missing.is_some() {
        return wrong(format!("{verdict:?}"));
    }
    // Who may do it may still be told that it cannot be done: 400 is the answer of the plan.
    let is_for_the_plan = case.http_hint == Some(400) && query.principal.kind() == "User";
    let is_permitted = case.decision == "allow" || is_for_the_plan;
    if verdict.allowed != is_permitted {
        return wrong(format!("should be {}: {verdict:?}", case.decision));
    }
    if let Some(status @ (401 | 403 | 404)) = case.http_hint {
        let answered = pack::status(policies, &world, &query, &verdict);
        if answered != status {
            return wrong(format!("answered {answered}, not {status}: {verdict:?}"));
        }
    }
    match &case.expect {
        Some(expected) if *expected != listed(policies, &world, &query) => {
            wrong(format!("lists {:?}, not {expected:?}", listed(policies, &world, &query)))
        }
        _ => Ok(()),
    }
}

fn name(text: &str) -> Uid {
    let uid = Uid::parse(text).unwrap();
    if uid.kind() == "Org" { self::uid("Organization", uid.id()) } else { uid }
}

/// The context as the gateway fills it in: names become entities, and what it computes is added.
fn stated(world: &World, query: &Query, given: &Map<String, Json>) -> Map<String, Json> {
    let entity = |uid: &Uid| json!({ "__entity": { "type": uid.kind(), "id": uid.id() } });
    let mut context = given.clone();
    for (name, kind) in [("new_owner", "User"), ("role", "Role"), ("new_parent", "Organization")] {
        if let Some(id) = given.get(name).and_then(Json::as_str) {
            context.insert(name.to_owned(), entity(&uid(kind, id)));
        }
    }
    let given = |name: &str| given.get(name).and_then(Json::as_str);
    let within = |role: &Uid| {
        let own = get(world, &query.principal).parents.first().unwrap();
        get(world, role).parents.is_subset(&get(world, own).parents)
    };
    let computed = match &*query.action {
        "invite_user" | "change_role" => {
            vec![("within_own_rights", within(&uid("Role", given("role").unwrap())).into())]
        }
        "edit_role_permissions" => vec![("within_own_rights", within(&query.resource).into())],
        "delete_role" => {
            let replacement = uid("Role", "home/user");
            vec![("within_own_rights", within(&replacement).into()), ("replacement", entity(&replacement))]
        }
        "transfer_org" => vec![("root", entity(&root(world, &query.resource)))],
        _ => Vec::new(),
    };
    context.extend(computed.into_iter().map(|(name, value)| (name.to_owned(), value)));
    context
}

fn root(world: &World, organization: &Uid) -> Uid {
    let mut top = organization.clone();
    while let Some(parent) = get(world, &top).parents.first().cloned() {
        top = parent;
    }
    top
}

/// The devices of the organization, and of those below where asked for, that may be viewed.
fn listed(policies: &PolicySnapshot, world: &World, query: &Query) -> BTreeSet<String> {
    let below = query.context.get("include_sub_orgs") == Some(&Json::Bool(true));
    let devices = world.entities().filter(|entity| entity.uid.kind() == "Device");
    let within = devices.filter(|device| {
        let mut organization = refers(device, "organization");
        while organization != query.resource {
            let parent = get(world, &organization).parents.first().cloned();
            let Some(parent) = parent.filter(|_| below) else { return false };
            organization = parent;
        }
        true
    });
    let seen = within.filter(|device| {
        let view = Query::new(query.principal.clone(), "view", device.uid.clone());
        pack::decide(policies, world, &view).allowed
    });
    seen.map(|device| device.uid.id().to_owned()).collect()
}

fn happen(world: &mut World, after: After) {
    let entity = match after {
        After::Transfer { device, new_owner } => {
            let mut device = get(world, &uid("Device", &device)).clone();
            let owner = uid("User", &new_owner);
            let home = get(world, &owner).attrs["organization"].clone();
            device.attrs.insert("organization".to_owned(), home);
            let owner = json!({ "__entity": { "type": owner.kind(), "id": owner.id() } });
            device.attrs.insert("owner".to_owned(), owner);
            device
        }
        After::Grant { role, permission } => {
            let mut role = get(world, &uid("Role", &role)).clone();
            assert!(role.parents.insert(uid("Permission", &permission)));
            role
        }
        After::Revoke { role, permission } => {
            let mut role = get(world, &uid("Role", &role)).clone();
            assert!(role.parents.remove(&uid("Permission", &permission)));
            role
        }
    };
    world.apply(&[Change::Put(entity)]).unwrap();
}

fn get<'a>(world: &'a World, uid: &Uid) -> &'a Entity {
    world.entities().find(|entity| entity.uid == *uid).unwrap_or_else(|| panic!("no {uid}"))
}

fn refers(entity: &Entity, attribute: &str) -> Uid {
    let name = &entity.attrs[attribute]["__entity"];
    uid(name["type"].as_str().unwrap(), name["id"].as_str().unwrap())
}
