use serde_json::{Value as Json, json};

use super::devices;
use crate::support::gate::Gate;

/// Asks; the status and whether the decision came from memory.
fn asked(gate: &Gate, user: &str, line: &str) -> (u16, bool) {
    let reply = gate.ask(user, line);
    (reply.status, gate.record(reply.id())["cached"].as_bool().unwrap())
}

/// A change of one entity: how an answer is before, with and after it.
struct Case {
    kind: &'static str,
    id: &'static str,
    edit: fn(&mut Json),
    user: &'static str,
    line: &'static str,
    before: u16,
    changed: u16,
}

const ORGANIZATION: fn(&str) -> Json = |id| json!({ "type": "Organization", "id": id });
const PERMISSION: fn(&str) -> Json = |id| json!({ "type": "Permission", "id": id });

const CASES: [Case; 7] = [
    Case {
        kind: "User",
        id: "wife",
        edit: |user| user["attrs"]["status"] = json!("suspended"),
        user: "wife",
        line: "GET /devices/lamp",
        before: 200,
        changed: 401,
    },
    Case {
        kind: "User",
        id: "wife",
        edit: |user| user["parents"] = json!([]),
        user: "wife",
        line: "GET /devices/garage-door",
        before: 200,
        changed: 404,
    },
    Case {
        kind: "Role",
        id: "house-family/member",
        edit: |role| role["parents"].as_array_mut().unwrap().push(PERMISSION("ORG_DEVICES_CONTROL")),
        user: "wife",
        line: "PUT /devices/garage-door",
        before: 403,
        changed: 200,
    },
    Case {
        kind: "Role",
        id: "house-family/member",
        edit: |role| role["parents"] = json!([PERMISSION("OWN_DEVICES_VIEW")]),
        user: "wife",
        line: "PUT /devices/lamp",
        before: 200,
        changed: 403,
    },
    Case {
        kind: "Organization",
        id: "house-family",
        edit: |organization| organization["parents"] = json!([]),
        user: "husband",
        line: "GET /devices/lamp",
        before: 200,
        changed: 404,
    },
    Case {
        kind: "Device",
        id: "lamp",
        edit: |device| device["attrs"]["organization"] = ORGANIZATION("house"),
        user: "wife",
        line: "PUT /devices/lamp",
        before: 200,
        changed: 404,
    },
    Case {
        kind: "Device",
        id: "lamp",
        edit: |device| device["attrs"]["owner"] = json!({ "type": "User", "id": "husband" }),
        user: "wife",
        line: "PUT /devices/lamp",
        before: 200,
        changed: 403,
    },
];

#[test]
fn a_change_is_in_force_for_the_very_next_request() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    for case in &CASES {
        let name = format!("{} {}: {} {}", case.kind, case.id, case.user, case.line);
        let ask = || asked(&gate, case.user, case.line);
        ask();
        // Depends on no entity that a case changes.
        let unaffected = || asked(&gate, "husband", "GET /devices/drinking-machine");
        unaffected();
        assert_eq!(ask(), (case.before, true), "{name}, before");
        gate.change(case.kind, case.id, case.edit);
        assert_eq!(ask(), (case.changed, false), "{name}, changed");
        assert_eq!(ask(), (case.changed, true), "{name}, repeated");
        assert_eq!(unaffected(), (200, true), "{name}, unaffected");
        gate.change(case.kind, case.id, |_| {});
        assert_eq!(ask(), (case.before, false), "{name}, changed back");
        assert_eq!(unaffected(), (200, true), "{name}, unaffected");
    }
}

#[test]
fn a_change_is_in_force_for_the_very_next_list() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    let shown = || gate.ask("wife", "GET /devices").json()["total"].clone();
    assert_eq!(shown(), 2);
    gate.change("Device", "drinking-machine", |it| {
        it["attrs"]["organization"] = ORGANIZATION("house-family")
    });
    assert_eq!(shown(), 3);
    gate.change("Role", "house-family/member", |it| it["parents"] = json!([PERMISSION("OWN_DEVICES_VIEW")]));
    assert_eq!(shown(), 1);
    gate.change("User", "wife", |it| it["attrs"]["status"] = json!("suspended"));
    assert_eq!(gate.ask("wife", "GET /devices").status, 401);
    assert_eq!(upstream.count(), 3);
}

#[test]
fn a_new_device_is_there_at_once_though_its_absence_was_remembered() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    for _ in 0..2 {
        assert_eq!(gate.ask("wife", "GET /devices/kettle").status, 404);
        assert_eq!(gate.ask("newcomer", "GET /devices/lamp").status, 401);
    }
    gate.put(json!({
        "uid": { "type": "Device", "id": "kettle" },
        "attrs": { "organization": ORGANIZATION("house-family"), "name": "Kettle" },
        "parents": []
    }));
    gate.put(json!({
        "uid": { "type": "User", "id": "newcomer" },
        "attrs": { "organization": ORGANIZATION("house-family"), "status": "active" },
        "parents": [{ "type": "Role", "id": "house-family/member" }]
    }));
    assert_eq!(gate.ask("wife", "GET /devices/kettle").status, 200);
    assert_eq!(gate.ask("newcomer", "GET /devices/lamp").status, 200);
}
