//! `switch_org`: lists in the view of one organization, on the gateway and in the sharing API.

use serde_json::{Value as Json, json};

use crate::pack;
use crate::support::gate::{Gate, Setup};
use crate::support::upstream::{Answer, Recorder};

const DEVICES: [&str; 4] = ["villa-garage", "villa-drinking", "villa-fence", "garage"];

fn upstream() -> Recorder {
    let items: Vec<Json> = DEVICES.iter().map(|id| json!({ "id": id })).collect();
    let list = json!({ "devices": items, "total": items.len() });
    Recorder::start(move |_| Answer::json(&list))
}

fn gate(upstream: &Recorder, sharing: &str) -> Gate {
    let family: Json = serde_json::from_str(&pack::read("entities/family.json")).unwrap();
    let tables = format!("[sharing]\n{sharing}\n");
    Gate::start_with(&upstream.url(), Setup { tables: &tables, entities: Some(family), ..Setup::default() })
}

const BOTH: &str = "organization_header = \"X-Organization\"\norganization_query = \"organization\"";

/// The status, and the ids of the list.
fn list(gate: &Gate, user: &str, target: &str, fields: &str) -> (u16, Vec<String>) {
    let reply = gate.ask_with(user, &format!("GET {target}"), fields);
    let body: Json = serde_json::from_slice(&reply.body).unwrap();
    let items = body["devices"].as_array().cloned().unwrap_or_default();
    (reply.status, items.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect())
}

fn api(gate: &Gate, user: &str, path: &str, header: Option<&str>) -> (u16, Json) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request =
        client.get(format!("http://{}{path}", gate.running().control)).bearer_auth(gate.token(user));
    if let Some(id) = header {
        request = request.header("x-organization", id);
    }
    gate.running().handle().block_on(async {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    })
}

#[test]
fn a_list_shows_exactly_the_organization_that_was_switched_to() {
    let upstream = upstream();
    let gate = gate(&upstream, BOTH);
    let ids = |ids: &[&str]| ids.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let all = ids(&["villa-garage", "villa-drinking", "villa-fence"]);
    let below = ids(&["villa-garage", "villa-fence"]);
    assert_eq!(list(&gate, "villa-dad", "/devices", ""), (200, all));
    let to = |id: &str| format!("X-Organization: {id}\r\n");
    assert_eq!(list(&gate, "villa-dad", "/devices", &to("villa-family")), (200, below.clone()));
    assert_eq!(list(&gate, "villa-dad", "/devices", &to("villa")), (200, ids(&["villa-drinking"])));
    assert_eq!(list(&gate, "villa-dad", "/devices?page=1&organization=villa-family", ""), (200, below));
    let line = upstream.seen().last().unwrap().line();
    assert!(
        line.contains("/devices?page=1") && !line.contains("organization"),
        "the parameter stays here: {line}"
    );
    for seen in upstream.seen() {
        assert!(seen.header("x-organization").is_none(), "and so does the header");
    }
}

#[test]
fn a_switch_is_decided_and_never_widens() {
    let upstream = upstream();
    let gate = gate(&upstream, BOTH);
    let to = |id: &str| format!("X-Organization: {id}\r\n");
    let before = upstream.seen().len();
    for (user, id) in [
        ("villa-dad", "home"),
        ("villa-dad", "nowhere"),
        ("villa-aunt", "villa"),
        ("villa-wife", "villa"),
        ("wife", "villa"),
        ("cabin-dad", "villa"),
    ] {
        assert_eq!(list(&gate, user, "/devices", &to(id)).0, 404, "{user} {id}");
    }
    // He sees that the organization exists, and has no ORG_SWITCH.
    assert_eq!(list(&gate, "villa-caretaker", "/devices", &to("villa-family")).0, 403);
    for fields in ["X-Organization: villa\r\nX-Organization: villa-family\r\n", "X-Organization:\r\n"] {
        assert_eq!(list(&gate, "villa-dad", "/devices", fields).0, 400, "{fields}");
    }
    assert_eq!(list(&gate, "villa-dad", "/devices?organization=villa", &to("villa")).0, 400);
    assert_eq!(upstream.seen().len(), before, "nothing of it reached the upstream");
    // The home role bounds whoever switches: a keeper of keys below sees by his own permissions.
    assert_eq!(list(&gate, "villa-dad", "/devices", &to("villa-family")).1.len(), 2);
    let denied = gate.records().into_iter().find(|it| it["status"] == 404).unwrap();
    assert_eq!(denied["action"], "switch_org");
}

#[test]
fn the_api_follows_the_switch_too() {
    let upstream = upstream();
    let gate = gate(&upstream, BOTH);
    let names = |answer: &Json| answer["items"].as_array().unwrap().len();
    let (status, me) = api(&gate, "villa-dad", "/api/v1/me", Some("villa-family"));
    assert_eq!((status, &me["organization"]["id"]), (200, &json!("villa-family")), "{me}");
    assert_eq!(me["user"]["organization"], "villa");
    let (_, home) = api(&gate, "villa-dad", "/api/v1/me", None);
    assert_eq!(home["organization"]["id"], "villa");
    let (status, found) = api(&gate, "villa-dad", "/api/v1/devices", Some("villa-family"));
    assert_eq!((status, names(&found)), (200, 2), "{found}");
    let (status, found) =
        api(&gate, "villa-dad", "/api/v1/devices?organization=villa-family&query=fence", None);
    assert_eq!((status, names(&found)), (200, 1), "{found}");
    assert_eq!(api(&gate, "villa-aunt", "/api/v1/me", Some("villa")).0, 404);
    assert_eq!(api(&gate, "villa-dad", "/api/v1/devices", Some("home")).0, 404);
    assert_eq!(api(&gate, "villa-dad", "/api/v1/devices?organization=villa", Some("villa-family")).0, 400);
}

#[test]
fn without_names_nobody_switches() {
    let upstream = upstream();
    let gate = gate(&upstream, "");
    assert_eq!(list(&gate, "villa-dad", "/devices", "X-Organization: villa-family\r\n").1.len(), 3);
    assert!(upstream.seen().last().unwrap().header("x-organization").is_none());
}

/// A grant that is in force where grants are.
fn lent() -> Json {
    let mut family: Json = serde_json::from_str(&pack::read("entities/family.json")).unwrap();
    let of = |kind: &str, id: &str| json!({ "type": kind, "id": id });
    let grant =
        cedargate::domain::Uid::of_grant(&pack::uid("Device", "garage"), &pack::uid("User", "cabin-wife"));
    family.as_array_mut().unwrap().push(json!({
        "uid": of("Grant", grant.id()),
        "attrs": {
            "organization": of("Organization", "home"), "device": of("Device", "garage"),
            "grantee": of("User", "cabin-wife"), "granter": of("User", "wife"),
            "status": "accepted", "control": true
        },
        "parents": []
    }));
    family
}

#[test]
fn where_lending_is_switched_off_what_was_lent_gives_nothing() {
    let upstream = upstream();
    for (grants, status, shown) in [(true, 200, 1), (false, 404, 0)] {
        let tables = format!("[sharing]\ngrants = {grants}\n");
        let setup = Setup { tables: &tables, entities: Some(lent()), ..Setup::default() };
        let gate = Gate::start_with(&upstream.url(), setup);
        assert_eq!(gate.ask("cabin-wife", "GET /devices/garage").status, status, "grants = {grants}");
        assert_eq!(gate.ask("cabin-wife", "PUT /devices/garage").status, status);
        assert_eq!(list(&gate, "cabin-wife", "/devices", "").1.len(), shown);
        assert_eq!(gate.ask("wife", "GET /devices/garage").status, 200, "the owner's own right stays");
        let offer = json!({ "device": "garage", "emails": ["son@example.com"] });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .post(format!("http://{}/api/v1/grants", gate.running().control))
            .bearer_auth(gate.token("wife"))
            .header("content-type", "application/json")
            .body(offer.to_string());
        let answer = gate.running().handle().block_on(async { request.send().await.unwrap() });
        assert_eq!(answer.status().as_u16(), if grants { 201 } else { 400 });
    }
}
