//! The collected cases of the sharing model from outside: by the sharing API, and by the Authorization API
//! where the sharing API has no such request.

use std::collections::BTreeSet;

use cedargate::domain::{Change, World};
use cedargate::sharing::Limits;
use serde_json::{Value, json};

use super::bench::{ANONYMOUS, Bench, OPERATOR, snapshot};
use crate::model::{Case, collection};

/// The request that a case is about.
type Asked = (&'static str, String, Value);

async fn bench(world: &World) -> Bench {
    let bench = Bench::bare("sqlite::memory:", Limits::default()).await;
    let changes = world.entities().map(|it| Change::Put(it.as_ref().clone())).collect();
    bench.store.apply(changes, None).await.unwrap();
    bench
}

fn id(name: &str) -> String {
    name.split_once("::").unwrap().1.replace('/', "%2F")
}

fn email(world: &World, user: &str) -> String {
    let named =
        |it: &&std::sync::Arc<cedargate::domain::Entity>| it.uid.kind() == "User" && it.uid.id() == user;
    world.entities().find(named).unwrap().attrs["email"].as_str().unwrap().to_owned()
}

fn request(case: &Case, world: &World) -> Option<Asked> {
    let (id, given) = (id(&case.resource), |name: &str| case.context[name].as_str().unwrap().to_owned());
    let at = |kind: &str, rest: &str| format!("/api/v1/{kind}/{id}{rest}");
    Some(match case.action.as_str() {
        "view" => ("GET", at("devices", ""), Value::Null),
        "list_devices" => ("GET", at("organizations", "/devices"), Value::Null),
        "transfer" => {
            ("POST", at("devices", "/transfer"), json!({ "email": email(world, &given("new_owner")) }))
        }
        "provision" => ("POST", "/api/v1/devices".to_owned(), json!({ "organization": id, "name": "New" })),
        "create_sub_org" => {
            ("POST", "/api/v1/organizations".to_owned(), json!({ "parent": id, "name": "Brand new" }))
        }
        "delete_org" => ("DELETE", at("organizations", ""), Value::Null),
        "transfer_org" => {
            ("POST", at("organizations", "/transfer"), json!({ "parent": given("new_parent") }))
        }
        "invite_user" => {
            let body = json!({ "organization": id, "email": given("email"), "role": given("role") });
            ("POST", "/api/v1/invitations".to_owned(), body)
        }
        "suspend_user" => ("POST", at("users", "/suspend"), Value::Null),
        "change_role" => ("PUT", at("users", "/role"), json!({ "role": given("role") })),
        "edit_role_permissions" => ("PATCH", at("roles", "/permissions"), json!({})),
        "delete_role" => ("DELETE", at("roles", "?replacement=home%2Fuser"), Value::Null),
        _ => return None,
    })
}

/// Lets happen what the case begins with, by whoever may do it.
async fn happen(bench: &Bench, world: &World, after: &Value) {
    let given = |name: &str| after[name].as_str().unwrap().to_owned();
    let (method, path, body) = match given("op").as_str() {
        "transfer" => {
            let path = format!("/api/v1/devices/{}/transfer", given("device"));
            ("POST", path, json!({ "email": email(world, &given("new_owner")) }))
        }
        "grant" => ("PATCH", permissions(&given("role")), json!({ "add": [given("permission")] })),
        _ => ("PATCH", permissions(&given("role")), json!({ "remove": [given("permission")] })),
    };
    for user in world.entities().filter(|it| it.uid.kind() == "User") {
        if bench.call(user.uid.id(), method, &path, body.clone()).await.0 == 200 {
            return;
        }
    }
    // Nobody edits roles on the FREE plan; there the operator brings the role with other permissions.
    assert_eq!((given("op").as_str(), given("role").as_str()), ("grant", "flat/user"), "nobody did {after}");
    let role = world.entities().find(|it| it.uid.kind() == "Role" && it.uid.id() == "flat/user").unwrap();
    let mut role = role.as_ref().clone();
    role.parents.insert(crate::pack::uid("Permission", &given("permission")));
    bench.store.apply(vec![Change::Put(role)], None).await.unwrap();
}

fn permissions(role: &str) -> String {
    format!("/api/v1/roles/{}/permissions", role.replace('/', "%2F"))
}

async fn listed(bench: &Bench, who: &str, organization: &str, with_those_below: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![organization.to_owned()];
    while let Some(organization) = open.pop() {
        found.extend(bench.ids(who, &format!("/api/v1/organizations/{organization}/devices")).await);
        if with_those_below {
            open.extend(bench.ids(who, &format!("/api/v1/organizations/{organization}/children")).await);
        }
    }
    found
}

/// Whether the Authorization API permits it, asked by the operator.
async fn evaluated(bench: &Bench, case: &Case) -> bool {
    let (kind, who) = case.principal.split_once("::").unwrap();
    let (of, _) = case.resource.split_once("::").unwrap();
    let of = if of == "Org" { "Organization" } else { of };
    let body = json!({ "subject": { "type": kind, "id": who }, "action": { "name": case.action },
                       "resource": { "type": of, "id": case.resource.split_once("::").unwrap().1 },
                       "context": case.context });
    let (status, answer) = bench.call(OPERATOR, "POST", "/access/v1/evaluation", body).await;
    assert_eq!(status, 200, "{}: {answer}", case.id);
    answer["decision"].as_bool().unwrap()
}

async fn holds(bench: &Bench, world: &World, case: &Case) -> Result<(), String> {
    let wrong = |what: String| Err(format!("{}: {what}", case.id));
    let is_allowed = case.decision == "allow";
    let who = match case.principal.split_once("::") {
        None => ANONYMOUS,
        Some(("User", who)) => who,
        // Programs and devices have no tokens at the bench: the operator asks for them.
        Some(_) if evaluated(bench, case).await == is_allowed => return Ok(()),
        Some(_) => return wrong("decided otherwise".to_owned()),
    };
    for after in case.context.get("after").and_then(Value::as_array).into_iter().flatten() {
        happen(bench, world, after).await;
    }
    let sight = match case.resource.split_once("::").unwrap().0 {
        "Device" => format!("/api/v1/devices/{}", id(&case.resource)),
        _ => format!("/api/v1/organizations/{}", id(&case.resource)),
    };
    let asked = match (who, request(case, world)) {
        (ANONYMOUS, _) => Some(("GET", sight.clone(), Value::Null)),
        (_, asked) => asked,
    };
    let Some((method, path, body)) = asked else {
        if evaluated(bench, case).await != is_allowed {
            return wrong("decided otherwise".to_owned());
        }
        // How it would be refused shows in whether it is seen.
        let seen = bench.get(who, &sight).await.0;
        let expected = if case.http_hint == Some(403) || is_allowed { 200 } else { case.http_hint.unwrap() };
        return if seen == expected {
            found(bench, who, case).await
        } else {
            wrong(format!("seen with {seen}"))
        };
    };
    let (status, answer) = bench.call(who, method, &path, body).await;
    let fits = if is_allowed { (200..300).contains(&status) } else { Some(status) == case.http_hint };
    if fits { found(bench, who, case).await } else { wrong(format!("{status} {answer}")) }
}

async fn found(bench: &Bench, who: &str, case: &Case) -> Result<(), String> {
    let Some(expected) = &case.expect else { return Ok(()) };
    let below = case.context.get("include_sub_orgs") == Some(&Value::Bool(true));
    let found = listed(bench, who, &id(&case.resource), below).await;
    if found == *expected { Ok(()) } else { Err(format!("{}: lists {found:?}, not {expected:?}", case.id)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_collected_cases_hold_from_outside() {
    let Some((world, cases)) = collection(&snapshot()) else { return };
    let mut failed = Vec::new();
    let shared = bench(&world).await;
    for case in &cases {
        let reads = ["view", "list_devices", "search_devices", "control"].contains(&case.action.as_str());
        let changes = case.context.contains_key("after") || (case.decision == "allow" && !reads);
        let outcome = match changes {
            true => holds(&bench(&world).await, &world, case).await,
            false => holds(&shared, &world, case).await,
        };
        failed.extend(outcome.err());
    }
    assert!(failed.is_empty() && cases.len() >= 102, "{} cases: {failed:#?}", cases.len());
}
