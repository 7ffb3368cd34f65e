use cedargate::identity::KeyText;
use serde_json::{Value as Json, json};

use super::devices;
use crate::support::gate::{Gate, Setup};
use crate::support::upstream::{Answer, Recorder};
use crate::support::wire::Reply;

#[test]
fn the_owner_views_and_controls() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    let viewed = gate.ask("wife", "GET /devices/lamp");
    assert_eq!((viewed.status, viewed.json()), (200, json!({ "asked": "GET /devices/lamp" })));
    let controlled = gate.send("wife", "PUT /devices/lamp", &json!({ "on": true }));
    assert_eq!(controlled.status, 200);
    let seen = upstream.wait_for(2);
    assert_eq!(
        (seen[1].line().as_str(), seen[1].body.as_slice()),
        ("PUT /devices/lamp", &b"{\"on\":true}"[..])
    );

    let record = gate.record(controlled.id());
    let said = ["principal", "authentication", "action", "resources", "decision", "http_method", "route"];
    let said: Vec<Json> = said.iter().map(|name| record[name].clone()).collect();
    let expected = json!([
        "User::\"wife\"",
        "jwt",
        "control",
        ["Device::\"lamp\""],
        "allow",
        "PUT",
        "PUT /devices/{device}"
    ]);
    assert_eq!(Json::Array(said), expected);
    assert_eq!(record["policies"], json!(["control-own-devices"]));
    assert_eq!((&record["status"], &record["upstream_status"]), (&json!(200), &json!(200)));
    assert_eq!((&record["abandoned"], &record["cached"]), (&json!(false), &json!(false)));
    assert!(record["latency_us"].as_u64().unwrap() > 0 && record["store_revision"].as_u64().unwrap() > 0);
    assert!(!record["policy_revision"].as_str().unwrap().is_empty());
}

#[test]
fn the_viewer_views_and_is_forbidden_to_control() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    assert_eq!(gate.ask("wife", "GET /devices/garage-door").status, 200);
    let refused = gate.send("wife", "PUT /devices/garage-door", &json!({ "open": true }));
    assert_eq!(refused.problem(), (403, "forbidden".into()));
    assert_eq!(upstream.count(), 1);
    let record = gate.record(refused.id());
    assert_eq!((&record["decision"], &record["reason"]), (&json!("deny"), &json!("forbidden")));
    assert_eq!((&record["status"], record.get("upstream_status")), (&json!(403), None));
}

/// The answer without what is of this one request: its id and its time.
fn anonymised(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let id = reply.id();
    let fields = reply.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date"));
    let fields = fields.map(|(name, value)| (name.clone(), value.replace(id, "<id>")));
    (reply.status, fields.collect(), reply.text().replace(id, "<id>"))
}

#[test]
fn to_a_stranger_a_device_looks_like_none() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    for method in ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"] {
        let hidden = gate.ask("wife", &format!("{method} /devices/drinking-machine"));
        let absent = gate.ask("wife", &format!("{method} /devices/no-such-machine1"));
        assert_eq!(anonymised(&hidden), anonymised(&absent));
        assert_eq!(hidden.status, 404);
        // The operator can tell them apart.
        assert_eq!(gate.record(hidden.id())["reason"], "hidden");
        assert_eq!(gate.record(absent.id())["reason"], "unknown-resource");
    }
    let unrouted = gate.ask("wife", "GET /no/such/route");
    assert_eq!(anonymised(&unrouted), anonymised(&gate.ask("wife", "GET /devices/drinking-machine")));
    assert_eq!(gate.record(unrouted.id())["reason"], "no-route");
    assert_eq!(gate.ask("wife", "PATCH /devices/lamp").problem(), (404, "not-found".into()));
    assert_eq!(upstream.count(), 0);
}

#[test]
fn nobody_without_good_credentials_passes() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    let bare = gate.ask_as_nobody("GET /devices/lamp", "");
    assert_eq!(bare.problem(), (401, "unauthenticated".into()));
    assert!(bare.header("www-authenticate").unwrap().starts_with("Bearer"));
    assert!(!bare.header("www-authenticate").unwrap().contains("error"), "RFC 6750 section 3.1");
    assert_eq!(gate.ask_as_nobody("GET /no/such/route", "").status, 401, "routes are not told to nobody");

    let token = gate.token("wife");
    let forged = format!("{}A", &token[..token.len() - 2]);
    let late = gate.token_of(&json!({ "sub": "wife", "exp": 1 }));
    let elsewhere = gate.token_of(&json!({ "sub": "wife", "aud": "another-api" }));
    for token in [forged.as_str(), &late, &elsewhere, "x"] {
        let refused = gate.ask_as_nobody("GET /devices/lamp", &format!("Authorization: Bearer {token}\r\n"));
        assert_eq!(refused.problem(), (401, "unauthenticated".into()), "{token}");
        assert!(refused.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
        let record = gate.record(refused.id());
        assert_eq!((&record["decision"], record.get("principal")), (&json!("deny"), None));
    }
    for (user, reason) in [("nobody-we-know", "unknown-principal"), ("former", "unauthenticated")] {
        for line in ["GET /devices/lamp", "GET /devices/drinking-machine", "GET /devices"] {
            let refused = gate.ask(user, line);
            assert_eq!(refused.problem(), (401, "unauthenticated".into()), "{user}: {line}");
            assert_eq!(gate.record(refused.id())["reason"], reason, "{user}: {line}");
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_public_route_asks_nobody_who_he_is() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    let reply = gate.ask_as_nobody("GET /health", "X-Auth-Subject: wife\r\n");
    assert_eq!(reply.status, 200);
    assert_eq!(upstream.wait_for(1)[0].header("x-auth-subject"), None);
    assert_eq!(gate.ask_as_nobody("GET /health", "Authorization: Bearer x\r\n").status, 401);
    assert_eq!(gate.ask("wife", "GET /health").status, 200);
    assert_eq!(upstream.wait_for(2)[1].header("x-auth-subject"), Some("wife"));
}

#[test]
fn ids_come_from_query_header_and_body() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    let one = |id: &str| gate.send("wife", "POST /devices/one", &json!({ "id": id })).status;
    let many = |ids: &[&str]| gate.send("wife", "POST /devices/batch", &json!({ "ids": ids })).status;
    let query = |query: &str| gate.ask("wife", &format!("GET /query?{query}")).status;
    let header = |fields: &str| gate.ask_with("wife", "GET /header", fields).status;
    assert_eq!((one("lamp"), one("drinking-machine"), one("")), (200, 404, 400));
    assert_eq!((many(&["lamp", "garage-door"]), many(&["lamp", "drinking-machine"])), (200, 404));
    assert_eq!((many(&[]), many(&["lamp", "lamp"])), (400, 400));
    assert_eq!((query("deviceId=lamp&v=1"), query("deviceId=drinking-machine")), (200, 404));
    assert_eq!((query("x=lamp"), query("deviceId=lamp&deviceId=lamp"), query("deviceId=")), (400, 400, 400));
    assert_eq!((header("X-Device: lamp\r\n"), header("X-Device: drinking-machine\r\n")), (200, 404));
    assert_eq!((header(""), header("X-Device: lamp\r\nX-Device: lamp\r\n")), (400, 400));
    assert_eq!(upstream.count(), 4);

    let other = json!({ "id": "lamp", "deviceId": "drinking-machine" });
    assert_eq!(gate.send("wife", "POST /devices/one", &other).problem(), (400, "malformed-request".into()));
    assert_eq!(gate.ask("wife", "GET /devices/lamp?deviceId=drinking-machine").status, 400);
    let text = format!(
        "{}Content-Type: text/csv\r\nContent-Length: 1\r\n\r\nx",
        gate.head("wife", "POST /devices/one")
    );
    assert_eq!(gate.connect().send(text).reply(false).problem(), (415, "media-type".into()));
    let batch = gate.send("wife", "POST /devices/batch", &json!({ "ids": ["lamp", "garage-door"] }));
    let record = gate.record(batch.id());
    assert_eq!(record["resources"], json!(["Device::\"lamp\"", "Device::\"garage-door\""]));
    assert_eq!(record["policies"], json!(["view-organization-devices", "view-own-devices"]));
    assert_eq!(upstream.count(), 5);
}

#[test]
fn the_context_reaches_the_policies() {
    let upstream = devices();
    let policies = r#"@id("pin-is-not-for-viewers") forbid (principal, action == Action::"view", resource)
        when { context has datastream && context.datastream == "v13" };"#;
    let gate = Gate::start_with(&upstream.url(), Setup { policies, ..Setup::default() });
    assert_eq!(gate.ask("wife", "GET /devices/lamp/pins/v12").status, 200);
    let refused = gate.ask("wife", "GET /devices/lamp/pins/v13");
    assert_eq!(refused.status, 404);
    assert_eq!(gate.record(refused.id())["policies"], json!(["pin-is-not-for-viewers"]));
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_list_shows_what_may_be_seen_and_counts_it() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    let list = gate.ask("wife", "GET /devices");
    let items = json!([{ "id": "lamp", "name": "LAMP" }, { "id": "garage-door", "name": "GARAGE-DOOR" }]);
    assert_eq!((list.status, list.json()), (200, json!({ "devices": items, "total": 2 })));
    assert_eq!((list.header("x-total-count"), list.header("etag")), (Some("2"), None));
    assert_eq!(list.header("cache-control"), Some("private, no-store"));
    assert!(!list.text().contains("drinking") && !format!("{:?}", list.headers).contains("drinking"));
    let all = gate.ask("husband", "GET /devices").json();
    assert_eq!((&all["total"], all["devices"].as_array().unwrap().len()), (&json!(3), 3));

    let fields = "Range: bytes=0-9\r\nIf-None-Match: \"x\"\r\nAccept-Encoding: gzip\r\n";
    assert_eq!(gate.ask_with("wife", "GET /devices", fields).status, 200);
    let seen = upstream.wait_for(3).pop().unwrap();
    for name in ["range", "if-none-match", "accept-encoding"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
}

#[test]
fn head_and_options_are_decided_like_any_other() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    let head = gate.ask("wife", "HEAD /devices/lamp");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(upstream.wait_for(1)[0].line(), "HEAD /devices/lamp");
    assert_eq!(gate.record(head.id())["action"], "view");
    let list = gate.ask("wife", "HEAD /devices");
    assert_eq!(list.status, 200);
    assert!(list.header("content-length").is_none_or(|it| it == "0"), "a length tells how long the list is");
    assert_eq!(list.header("x-total-count"), None, "the upstream's count is of all devices");
    assert_eq!(gate.ask("wife", "OPTIONS /devices/lamp").status, 200);
    assert_eq!(gate.ask("wife", "OPTIONS /devices/drinking-machine").status, 404);
    assert_eq!(gate.ask("wife", "TRACE /devices/lamp").problem(), (501, "method".into()));
    assert_eq!(upstream.count(), 3);
}

#[test]
fn an_api_key_is_its_principal() {
    let upstream = devices();
    let tables = "[authentication.api_key]\nheader = \"X-API-Key\"";
    let gate = Gate::start_with(&upstream.url(), Setup { tables, ..Setup::default() });
    let ask = |line: &str, key: &str| gate.ask_as_nobody(line, &format!("X-API-Key: {key}\r\n"));
    assert_eq!(ask("GET /devices/lamp", KeyText::random().unwrap().reveal()).status, 401);
    let key = gate.key("wife");
    let viewed = ask("GET /devices/lamp", key.reveal());
    assert_eq!(viewed.status, 200);
    let seen = upstream.wait_for(1).remove(0);
    assert_eq!((seen.header("x-api-key"), seen.header("x-auth-subject")), (None, Some("wife")));
    let record = gate.record(viewed.id());
    assert_eq!(
        (&record["principal"], &record["authentication"]),
        (&json!("User::\"wife\""), &json!("api_key"))
    );
    assert_eq!(ask("GET /devices/drinking-machine", key.reveal()).status, 404);
    let both = format!("X-API-Key: {}\r\nAuthorization: Bearer {}\r\n", key.reveal(), gate.token("husband"));
    assert!(
        matches!(gate.ask_as_nobody("GET /devices/lamp", &both).status, 400 | 401),
        "two callers at once"
    );
    let running = gate.running();
    running.handle().block_on(async { running.store.revoke_key("key of wife", 1).await }).unwrap();
    assert_eq!(ask("GET /devices/lamp", key.reveal()).status, 401);
    let text = std::fs::read_to_string(gate.file("records.jsonl")).unwrap();
    assert!(!text.contains(key.reveal()), "a key is in the records");
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_device_that_the_upstream_deleted_is_forgotten() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    assert_eq!(gate.ask("wife", "GET /devices/lamp").status, 200);
    assert!(gate.knows("Device", "lamp"));
    assert_eq!(gate.ask("wife", "DELETE /devices/lamp").status, 200);
    assert!(!gate.knows("Device", "lamp"));
    assert_eq!(gate.ask("wife", "GET /devices/lamp").status, 404);
    assert_eq!(gate.ask("wife", "DELETE /devices/lamp").status, 404);
    assert_eq!(gate.ask("wife", "DELETE /devices/garage-door").status, 403);
    assert!(gate.knows("Device", "garage-door"));
    assert_eq!(upstream.count(), 2);
}

#[test]
fn a_device_that_the_upstream_keeps_is_kept() {
    let upstream = Recorder::start(|_| Answer::status(409));
    let gate = Gate::start(&upstream.url());
    assert_eq!(gate.ask("wife", "DELETE /devices/lamp").status, 409);
    assert!(gate.knows("Device", "lamp"));
}
