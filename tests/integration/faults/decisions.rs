use serde_json::json;

use crate::support::gate::{Gate, Setup};
use crate::support::postgres::Cluster;
use crate::support::upstream::{Answer, Recorder};

/// Adds beyond what fits: Cedar would skip the policy, so a gateway that trusts it would permit.
const OVERFLOW: &str = r#"@id("forbid-that-fails")
    forbid (principal, action == Action::"control", resource)
    when { 9223372036854775807 + 1 == 1 };"#;

fn upstream() -> Recorder {
    Recorder::start(|_| Answer::json(&json!({ "devices": [], "total": 0 })))
}

#[test]
fn nothing_that_is_refused_reaches_the_upstream() {
    let upstream = upstream();
    let gate = Gate::start_with(&upstream.url(), Setup { policies: OVERFLOW, ..Setup::default() });
    let wife = gate.token("wife");
    let (stranger, suspended) = (gate.token("nobody-we-know"), gate.token("former"));
    let late = gate.token_of(&json!({ "sub": "wife", "exp": 1 }));
    let none = String::new();
    let table = [
        ("GET /devices/lamp", &none, 401, "no-credentials"),
        ("GET /devices/lamp", &late, 401, "token-expired"),
        ("GET /devices/lamp", &stranger, 401, "unknown-principal"),
        ("GET /devices", &stranger, 401, "unknown-principal"),
        ("GET /devices/lamp", &suspended, 401, "unauthenticated"),
        ("GET /devices", &suspended, 401, "unauthenticated"),
        ("PUT /devices/lamp", &wife, 403, "evaluation-error"),
        ("DELETE /devices/garage-door", &wife, 403, "forbidden"),
        ("GET /devices/drinking-machine", &wife, 404, "hidden"),
        ("GET /devices/absent", &wife, 404, "unknown-resource"),
        ("GET /elsewhere", &wife, 404, "no-route"),
        ("PATCH /devices/lamp", &wife, 404, "no-route"),
        ("GET /devices/../devices/lamp", &wife, 400, "malformed-request"),
        ("GET /devices/%6Camp", &wife, 400, "malformed-request"),
        ("GET /devices//lamp", &wife, 400, "malformed-request"),
        ("GET /query?deviceId=lamp&deviceId=lamp", &wife, 400, "malformed-request"),
        ("POST /devices/batch", &wife, 400, "malformed-request"),
        ("TRACE /devices/lamp", &wife, 501, "method"),
    ];
    for (line, token, status, reason) in table {
        let fields =
            if token.is_empty() { none.clone() } else { format!("Authorization: Bearer {token}\r\n") };
        let reply = gate.ask_as_nobody(line, &fields);
        let record = gate.record(reply.id());
        assert_eq!(
            (reply.problem().0, record["reason"].as_str()),
            (status, Some(reason)),
            "{line}: {record}"
        );
        let decision = if reason == "evaluation-error" { "error" } else { "deny" };
        assert_eq!((&record["decision"], &record["status"]), (&json!(decision), &json!(status)), "{line}");
        assert_eq!((&record["abandoned"], record.get("upstream_status")), (&json!(false), None), "{line}");
    }
    assert_eq!((upstream.count(), upstream.connections()), (0, 0));
    assert_eq!(gate.ask("wife", "GET /devices/lamp").status, 200);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_policy_that_fails_refuses_and_its_failure_is_not_remembered() {
    let upstream = upstream();
    let gate = Gate::start_with(&upstream.url(), Setup { policies: OVERFLOW, ..Setup::default() });
    for _ in 0..3 {
        let reply = gate.send("wife", "PUT /devices/lamp", &json!({}));
        let record = gate.record(reply.id());
        assert_eq!(reply.problem(), (403, "forbidden".into()), "the device may be seen all the same");
        assert_eq!((&record["decision"], &record["reason"]), (&json!("error"), &json!("evaluation-error")));
        assert_eq!(record["cached"], false);
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_store_that_is_closed_answers_nothing_from_memory() {
    let upstream = upstream();
    let gate = Gate::start(&upstream.url());
    for line in ["GET /devices/lamp", "GET /devices/drinking-machine", "GET /devices"] {
        gate.ask("wife", line);
    }
    assert_eq!(upstream.count(), 2);
    let running = gate.running();
    running.handle().block_on(async { running.store.close().await }).unwrap();
    for line in ["GET /devices/lamp", "GET /devices/drinking-machine", "GET /devices", "PUT /devices/lamp"] {
        let reply = gate.ask("wife", line);
        assert_eq!(reply.problem(), (503, "unavailable".into()), "{line}");
        let record = gate.record(reply.id());
        assert_eq!((&record["decision"], &record["reason"]), (&json!("error"), &json!("unavailable")));
        assert_eq!(record["cached"], false);
    }
    assert_eq!(upstream.count(), 2);
    assert_eq!(gate.ask_as_nobody("GET /health", "").status, 200, "what is public needs no store");
}

#[test]
fn a_store_that_comes_back_decides_again() {
    let upstream = upstream();
    let cluster = Cluster::start();
    let store = format!("url = \"{}\"\ntimeout = \"2s\"", cluster.database("gate"));
    let gate = Gate::start_with(&upstream.url(), Setup { store: &store, ..Setup::default() });
    assert_eq!(gate.ask("wife", "GET /devices/lamp").status, 200);
    assert_eq!(gate.ask("wife", "GET /devices/garage-door").status, 200);
    cluster.kill();
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    // What is remembered may be used until the lease ends; what is not cannot be decided.
    loop {
        let reply = gate.ask("wife", "GET /devices/garage-door");
        if reply.status == 503 {
            assert_eq!(gate.record(reply.id())["decision"], "error");
            break;
        }
        assert_eq!(reply.status, 200);
        assert!(std::time::Instant::now() < patience, "memory is trusted without end");
    }
    let before = upstream.count();
    for line in ["GET /devices/lamp", "PUT /devices/lamp", "GET /devices", "GET /devices/drinking-machine"] {
        assert_eq!(gate.ask("wife", line).problem().0, 503, "{line}");
    }
    assert_eq!(upstream.count(), before);
    cluster.resume();
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while gate.ask("wife", "GET /devices/lamp").status != 200 {
        assert!(std::time::Instant::now() < patience, "the store is back, the gateway is not");
    }
    assert_eq!(gate.ask("wife", "GET /devices/drinking-machine").status, 404);
}
