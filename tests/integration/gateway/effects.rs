use std::time::{Duration, Instant};

use cedargate::domain::{Change, Uid};
use serde_json::{Value as Json, json};

use crate::support::gate::{Gate, Setup, world};
use crate::support::upstream::{Answer, Recorder, Seen};

pub(super) const ROUTES: &str = r#"
[[route]]
match = "POST /devices"
action = "provision"
resource = { type = "Organization", id = "principal.organization" }
creates = { type = "Device", id = "response:/id", name = "body:/name", template = "body:/template" }
[[route]]
match = "PUT /devices/{device}"
action = "provision"
resource = { type = "Organization", id = "principal.organization" }
creates = { type = "Device", id = "path:device", name = "response:/name" }
[[route]]
match = "GET /devices/{device}"
action = "view"
resource = { type = "Device", id = "path:device" }
[[route]]
match = "DELETE /devices/{device}"
action = "delete_device"
resource = { type = "Device", id = "path:device" }
removes = true
"#;

/// The world in which the wife may add devices, to an organization that takes some templates.
pub(super) fn entities() -> Json {
    let mut all = world();
    for entity in all.as_array_mut().unwrap() {
        if entity["uid"]["id"] == "house-family/member" {
            let permission = json!({ "type": "Permission", "id": "PROVISION_DEVICES" });
            entity["parents"].as_array_mut().unwrap().push(permission);
        }
        if entity["uid"] == json!({ "type": "Organization", "id": "house-family" }) {
            entity["attrs"]["templates"] = json!(["lamps"]);
        }
    }
    all
}

fn gate_with(upstream: &Recorder, setup: Setup<'_>) -> Gate {
    Gate::start_with(&upstream.url(), Setup { routes: ROUTES, entities: Some(entities()), ..setup })
}

fn gate(upstream: &Recorder) -> Gate {
    gate_with(upstream, Setup::default())
}

fn device(gate: &Gate, id: &str) -> Option<Json> {
    let (running, uid) = (gate.running(), Uid::new("Device", id).unwrap());
    let facts =
        running.handle().block_on(async { running.store.facts_for(std::slice::from_ref(&uid), 1).await });
    facts.unwrap().get(&uid).map(|entity| entity.to_json()["attrs"].clone())
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < patience, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_device_that_the_upstream_made_is_the_callers_at_once() {
    let upstream = Recorder::start(|seen: &Seen| match seen.method.as_str() {
        "GET" => Answer::json(&json!({ "id": 165 })),
        _ => Answer::new(201, "application/json", r#"{"id":165,"name":"Kettle"}"#),
    });
    let gate = gate(&upstream);
    assert_eq!(gate.ask("wife", "GET /devices/165").status, 404);
    let made = gate.send("wife", "POST /devices", &json!({ "name": "My kettle", "template": "lamps" }));
    assert_eq!((made.status, made.text()), (201, r#"{"id":165,"name":"Kettle"}"#.to_owned()));
    assert_eq!(gate.ask("wife", "GET /devices/165").status, 200);
    let stored = device(&gate, "165").unwrap();
    assert_eq!((&stored["name"], &stored["template"]), (&json!("My kettle"), &json!("lamps")));
    assert!(stored["owner"].to_string().contains("wife"), "{stored}");
    assert!(stored["organization"].to_string().contains("house-family"), "{stored}");
    let wished = gate.send("wife", "POST /devices", &json!({ "name": "Mine", "id": "mine" }));
    assert_eq!(wished.problem(), (502, "unsettled".to_owned()), "the answer says 165 again");
    assert_eq!(gate.unsettled().len(), 1);
    // An id of the path, and a name of the answer.
    assert_eq!(gate.send("wife", "PUT /devices/door-2", &json!({})).status, 201);
    assert_eq!(device(&gate, "door-2").unwrap()["name"], "Kettle");
    assert_eq!(gate.unsettled().len(), 1);
}

#[test]
fn what_could_not_be_registered_is_not_asked_for() {
    let upstream = Recorder::start(|_| Answer::new(201, "application/json", r#"{"id":"new"}"#));
    let gate = gate(&upstream);
    gate.apply(vec![Change::Remove(Uid::new("Device", "garage-door").unwrap())]);
    let conflict = (409, "conflict".to_owned());
    let put = |id: &str| gate.send("wife", &format!("PUT /devices/{id}"), &json!({})).problem();
    assert_eq!(put("lamp"), conflict, "an id in use");
    assert_eq!(put("drinking-machine"), conflict, "also one that is hidden");
    assert_eq!(put("garage-door"), conflict, "an id that was removed");
    let post = |body: Json| gate.send("wife", "POST /devices", &body).problem();
    assert_eq!(post(json!({ "name": "Kettle", "template": "kettles" })), conflict, "a template");
    assert_eq!(post(json!({ "name": "x".repeat(61) })), conflict, "a name");
    assert_eq!(
        post(json!({ "name": "Mine", "id": "drinking-machine" })),
        conflict,
        "an id that is wished for"
    );
    assert_eq!(post(json!({ "name": "Mine", "part": { "id": "lamp" } })).0, 400, "an id somewhere else");
    // The husband's role holds no permission to add devices.
    assert_eq!(gate.send("husband", "POST /devices", &json!({ "name": "Kettle" })).status, 403);
    assert_eq!(upstream.count(), 0);
    assert!(gate.unsettled().is_empty());
}

#[test]
fn what_the_upstream_refuses_leaves_nothing_behind() {
    let upstream = Recorder::start(|_| Answer::new(400, "application/json", r#"{"error":{"message":"no"}}"#));
    let gate = gate(&upstream);
    let refused = gate.send("wife", "POST /devices", &json!({ "name": "Kettle" }));
    assert_eq!((refused.status, refused.text()), (400, r#"{"error":{"message":"no"}}"#.to_owned()));
    assert_eq!(gate.ask("wife", "DELETE /devices/lamp").status, 400);
    assert!(gate.knows("Device", "lamp") && gate.unsettled().is_empty());
    drop(upstream);
    assert_eq!(gate.send("wife", "POST /devices", &json!({ "name": "Kettle" })).status, 502);
    assert!(gate.unsettled().is_empty(), "nothing was sent");
}

/// An upstream that makes devices and tells little of them.
fn forgetful() -> Recorder {
    Recorder::start(|seen: &Seen| {
        let body: Json = serde_json::from_slice(&seen.body).unwrap_or_default();
        match body["name"].as_str().unwrap_or_default() {
            "Taken" => Answer::new(201, "application/json", r#"{"id":"lamp"}"#),
            "Nameless" => Answer::new(201, "application/json", r#"{"device":"new"}"#),
            "Text" => Answer::new(201, "text/plain", "made"),
            "Empty" => Answer::status(201),
            "Failed" => Answer::status(500),
            _ => Answer::hang_up(),
        }
    })
}

#[test]
fn what_cannot_be_registered_any_more_is_an_error_and_left_to_the_operator() {
    let upstream = forgetful();
    let gate = gate(&upstream);
    let names = ["Taken", "Nameless", "Text", "Empty", "Failed", "Hung"];
    for name in names {
        let reply = gate.send("wife", "POST /devices", &json!({ "name": name }));
        let record = gate.record(reply.id());
        match name {
            "Failed" => assert_eq!(reply.status, 500),
            "Hung" => assert_eq!(reply.problem(), (502, "upstream".to_owned())),
            _ => {
                assert_eq!(reply.problem(), (502, "unsettled".to_owned()), "{name}");
                assert_eq!(
                    (&record["reason"], &record["upstream_status"]),
                    (&json!("unsettled"), &json!(201))
                );
            }
        }
    }
    let left = gate.unsettled();
    let column = |key: &str| left.iter().map(|it| it[key].clone()).collect::<Vec<_>>();
    assert_eq!(column("name"), names);
    assert_eq!(
        column("reason"),
        [
            "the store could not be changed",
            "the answer names no id",
            "the answer names no id",
            "the answer names no id",
            "the upstream failed",
            "the upstream did not answer"
        ]
    );
    assert_eq!((&left[0]["device"], &left[0]["principal"]), (&json!("lamp"), &json!("User::\"wife\"")));
    assert_eq!(left[0]["resources"], json!(["Organization::\"house-family\""]));
    assert!(device(&gate, "lamp").unwrap()["owner"].to_string().contains("wife"), "nothing was overwritten");
    let metrics = gate.operate("GET /metrics", &Json::Null).text();
    assert!(metrics.contains("cedargate_unsettled_total"), "{metrics}");

    // The operator: what is taken stays taken, the nameless one is named, the others are discarded.
    let path =
        |n: usize, rest: &str| format!("/api/v1/reconciliations/{}{rest}", left[n]["id"].as_str().unwrap());
    let finish = |n: usize, body: Json| gate.operate(&format!("POST {}", path(n, "/finish")), &body).status;
    assert_eq!(finish(0, json!({})), 409);
    assert_eq!(finish(1, json!({})), 400, "it must be said which device was made");
    assert_eq!(finish(1, json!({ "device": "new" })), 204);
    assert_eq!(finish(1, json!({ "device": "new" })), 404);
    let made = device(&gate, "new").unwrap();
    assert!(made["name"] == "Nameless" && made["owner"].to_string().contains("wife"), "{made}");
    assert_eq!(gate.ask("wife", "GET /devices/new").status, 502);
    for n in [0, 2, 3, 4, 5] {
        assert_eq!(gate.operate(&format!("DELETE {}", path(n, "")), &Json::Null).status, 204);
    }
    assert!(gate.unsettled().is_empty());
}

/// The caller hangs up while the upstream works: what it makes is registered all the same.
#[test]
fn a_caller_who_hangs_up_cuts_nothing() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = std::sync::Mutex::new(receiver);
    let upstream = Recorder::start(move |_| {
        receiver.lock().unwrap().recv().unwrap();
        Answer::new(201, "application/json", r#"{"id":"slow"}"#)
    });
    let gate = gate(&upstream);
    let body = json!({ "name": "Slow" }).to_string();
    let mut wire = gate.connect();
    let head = gate.head("wife", "POST /devices");
    wire.send(format!(
        "{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    upstream.wait_for(1);
    assert_eq!(gate.unsettled()[0]["reason"], "under way");
    wire.hang_up();
    until("the record says so", || gate.records().iter().any(|it| it["abandoned"] == true));
    sender.send(()).unwrap();
    until("the device is there", || gate.knows("Device", "slow"));
    until("the note is gone", || gate.unsettled().is_empty());
}

#[test]
fn a_removed_device_takes_its_grants_and_secrets_along() {
    let upstream = Recorder::start(|_| Answer::status(204));
    let gate = gate(&upstream);
    gate.keep("lamp", "token", "a-secret");
    let lamp = Uid::new("Device", "lamp").unwrap();
    let grant = Uid::of_grant(&lamp, &Uid::new("User", "husband").unwrap());
    gate.put(json!({
        "uid": { "type": "Grant", "id": grant.id() },
        "attrs": {
            "organization": { "type": "Organization", "id": "house-family" },
            "device": { "type": "Device", "id": "lamp" },
            "grantee": { "type": "User", "id": "husband" },
            "granter": { "type": "User", "id": "wife" },
            "status": "accepted", "control": false
        },
        "parents": []
    }));
    assert_eq!(gate.ask("wife", "DELETE /devices/lamp").status, 204);
    assert!(!gate.knows("Device", "lamp") && !gate.knows("Grant", grant.id()));
    let running = gate.running();
    let kept = running.handle().block_on(async { running.store.secret(&lamp, "token").await });
    assert_eq!(kept.unwrap(), None);
    assert!(gate.unsettled().is_empty());
}

/// The right ends while the upstream works: what was removed there is left to the operator here.
#[test]
fn a_right_that_ends_meanwhile_leaves_the_store_to_the_operator() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = std::sync::Mutex::new(receiver);
    let upstream = Recorder::start(move |_| {
        receiver.lock().unwrap().recv().unwrap();
        Answer::status(204)
    });
    let gate = gate(&upstream);
    let reply = std::thread::scope(|scope| {
        let asked = scope.spawn(|| gate.ask("wife", "DELETE /devices/lamp"));
        upstream.wait_for(1);
        gate.change("User", "wife", |user| user["attrs"]["status"] = json!("suspended"));
        sender.send(()).unwrap();
        asked.join().unwrap()
    });
    assert_eq!(reply.problem(), (502, "unsettled".to_owned()));
    assert!(gate.knows("Device", "lamp"));
    let left = gate.unsettled();
    assert_eq!((&left[0]["effect"], left.len()), (&json!("removes"), 1));
    let path = format!("POST /api/v1/reconciliations/{}/finish", left[0]["id"].as_str().unwrap());
    assert_eq!(gate.operate(&path, &json!({})).status, 204);
    assert!(!gate.knows("Device", "lamp") && gate.unsettled().is_empty());
}

#[test]
fn without_the_store_nothing_is_asked_for() {
    let upstream = Recorder::start(|_| Answer::new(201, "application/json", r#"{"id":"new"}"#));
    let cluster = crate::support::postgres::Cluster::start();
    let store = format!("url = \"{}\"\ntimeout = \"1s\"", cluster.database("effects"));
    let gate = gate_with(&upstream, Setup { store: &store, ..Setup::default() });
    assert_eq!(gate.send("wife", "POST /devices", &json!({ "name": "Kettle" })).status, 201);
    cluster.kill();
    assert_eq!(gate.send("wife", "POST /devices", &json!({ "name": "Kettle" })).status, 503);
    assert_eq!(gate.ask("wife", "DELETE /devices/lamp").status, 503);
    assert_eq!(upstream.count(), 1);
}

/// The store goes while the upstream works: the caller is told, and the note is there when it is back.
#[test]
fn a_store_that_goes_meanwhile_leaves_the_note() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = std::sync::Mutex::new(receiver);
    let upstream = Recorder::start(move |_| {
        receiver.lock().unwrap().recv().unwrap();
        Answer::new(201, "application/json", r#"{"id":"orphan"}"#)
    });
    let cluster = crate::support::postgres::Cluster::start();
    let store = format!("url = \"{}\"\ntimeout = \"1s\"", cluster.database("effects"));
    let gate = gate_with(&upstream, Setup { store: &store, ..Setup::default() });
    let reply = std::thread::scope(|scope| {
        let asked = scope.spawn(|| gate.send("wife", "POST /devices", &json!({ "name": "Kettle" })));
        upstream.wait_for(1);
        cluster.kill();
        sender.send(()).unwrap();
        asked.join().unwrap()
    });
    assert_eq!(reply.problem(), (502, "unsettled".to_owned()));
    cluster.resume();
    until("the store answers", || gate.operate("GET /readyz", &Json::Null).status == 200);
    let left = gate.unsettled();
    assert_eq!((left.len(), &left[0]["name"]), (1, &json!("Kettle")));
    assert!(!gate.knows("Device", "orphan"));
}
