//! Injection: the device's secret reaches the upstream, and nobody else; without it nothing is sent.

use cedargate::domain::{Change, Uid};
use serde_json::json;

use super::key;
use crate::support::gate::{Gate, Setup};
use crate::support::postgres::Cluster;
use crate::support::upstream::{Answer, Recorder, Seen, by_hand};

const TOKEN: &str = "tok/en+of=the lamp";
/// How it stands in a query.
const WRITTEN: &str = "tok/en%2Bof%3Dthe%20lamp";

const ROUTES: &str = r#"
[[route]]
match = "GET /get"
action = "view"
resource = { type = "Device", id = "query:deviceId" }
inject = { "query:token" = "secret:upstream_token" }
drop = ["query:deviceId"]
[[route]]
match = "POST /update"
action = "control"
resource = { type = "Device", id = "query:deviceId" }
inject = { "query:token" = "secret:upstream_token" }
[[route]]
match = "GET /header/{device}"
action = "view"
resource = { type = "Device", id = "path:device" }
inject = { "header:X-Device-Token" = "secret:upstream_token" }
[[route]]
match = "GET /plain/{device}"
action = "view"
resource = { type = "Device", id = "path:device" }
"#;

fn gate(upstream: &Recorder) -> Gate {
    let gate = Gate::start_with(&upstream.url(), Setup { routes: ROUTES, ..Setup::default() });
    gate.keep("lamp", "upstream_token", TOKEN);
    gate
}

fn told() -> Recorder {
    Recorder::start(|_: &Seen| Answer::json(&json!({ "value": 1 })))
}

#[test]
fn the_upstream_gets_the_secret_of_the_device_that_was_decided_on() {
    let upstream = told();
    let gate = gate(&upstream);
    gate.keep("garage-door", "upstream_token", "another");
    assert_eq!(gate.ask("wife", "GET /get?deviceId=lamp&v1").status, 200);
    assert_eq!(gate.ask("wife", "GET /get?deviceId=garage-door").status, 200);
    assert_eq!(gate.send("wife", "POST /update?deviceId=lamp", &json!({ "v": 1 })).status, 200);
    assert_eq!(gate.ask("wife", "GET /header/lamp").status, 200);
    let seen = upstream.seen();
    let lines: Vec<String> = seen.iter().map(Seen::line).collect();
    assert_eq!(lines[0], format!("GET /get?v1&token={WRITTEN}"));
    assert_eq!(lines[1], "GET /get?token=another");
    assert_eq!(lines[2], format!("POST /update?deviceId=lamp&token={WRITTEN}"));
    assert_eq!(seen[3].header("x-device-token"), Some(TOKEN));
    // The one who may not gets nothing sent.
    assert_eq!(gate.ask("wife", "GET /get?deviceId=drinking-machine").status, 404);
    assert_eq!(gate.send("wife", "POST /update?deviceId=garage-door", &json!({})).status, 403);
    assert_eq!(upstream.count(), 4);
}

#[test]
fn a_new_secret_counts_for_the_very_next_request() {
    let upstream = told();
    let gate = gate(&upstream);
    for n in 0..5 {
        gate.keep("lamp", "upstream_token", &format!("number-{n}"));
        assert_eq!(gate.ask("wife", "GET /get?deviceId=lamp").status, 200);
        assert_eq!(upstream.seen().last().unwrap().line(), format!("GET /get?token=number-{n}"));
    }
}

#[test]
fn what_only_the_gateway_says_is_refused_from_a_client() {
    let upstream = told();
    let gate = gate(&upstream);
    for line in [
        "GET /get?deviceId=lamp&token=mine",
        "GET /get?token=mine&deviceId=lamp",
        "GET /get?deviceId=lamp&token",
        "GET /get?deviceId=lamp&Token=mine",
        "GET /get?deviceId=lamp&to_ken=mine",
        "GET /get?deviceId=lamp&token%5B%5D=mine",
        // On every route of the map: the upstream may listen to it there as well.
        "GET /plain/lamp?token=mine",
        "GET /get?deviceId=lamp&deviceId=lamp",
    ] {
        let (status, code) = gate.ask("wife", line).problem();
        assert_eq!((status, code.as_str()), (400, "malformed-request"), "{line}");
    }
    let body = gate.send("wife", "POST /update?deviceId=lamp", &json!({ "token": "mine" }));
    assert_eq!(body.problem().0, 400);
    // A header of that name is not refused, since it never travels.
    assert_eq!(gate.ask_with("wife", "GET /header/lamp", "X-Device-Token: mine\r\n").status, 200);
    assert_eq!(upstream.seen()[0].header("x-device-token"), Some(TOKEN));
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_request_without_its_secret_is_not_sent() {
    let upstream = told();
    let gate = gate(&upstream);
    let refused = |line: &str| {
        let reply = gate.ask("wife", line);
        let record = gate.record(reply.id());
        assert_eq!((&record["decision"], &record["reason"]), (&json!("allow"), &json!("no-secret")));
        reply.problem()
    };
    assert_eq!(refused("GET /get?deviceId=garage-door"), (502, "no-secret".to_owned()));
    let of = Uid::new("Device", "lamp").unwrap();
    gate.apply(vec![Change::Forget { of, name: "upstream_token".into() }]);
    assert_eq!(refused("GET /get?deviceId=lamp"), (502, "no-secret".to_owned()));
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_secret_under_another_key_and_a_store_that_is_down_are_refusals() {
    let upstream = told();
    let cluster = Cluster::start();
    let url = cluster.database("secrets");
    let store = format!("url = \"{url}\"\ntimeout = \"1s\"");
    let start = |keys: &str| {
        let tables = format!("[secrets]\nkeys = [{keys}]\n");
        let setup = Setup { routes: ROUTES, store: &store, tables: &tables, ..Setup::default() };
        Gate::try_start(&upstream.url(), setup)
    };
    let gate = start(&format!("\"{}\"", key(1))).unwrap();
    gate.keep("lamp", "upstream_token", TOKEN);
    assert_eq!(gate.ask("wife", "GET /get?deviceId=lamp").status, 200);
    // Another process that does not have the key cannot even start; nor can one without any.
    for keys in ["", &format!("\"{}\"", key(2))] {
        let Err(error) = start(keys) else { panic!("it starts with `{keys}`") };
        assert!(error.to_string().contains("`[secrets] keys`"), "{error}");
    }
    cluster.kill();
    let reply = gate.ask("wife", "GET /get?deviceId=lamp");
    assert_eq!(reply.problem(), (503, "unavailable".to_owned()));
    assert_eq!(upstream.count(), 1);
}

/// Upstreams that repeat what they were given, each in another way.
fn repeating() -> Recorder {
    Recorder::start(|seen: &Seen| {
        let line = seen.line();
        let at = format!("https://elsewhere.example/external/api/get?{}", line.split_once('?').unwrap().1);
        let named = |name: &str| line.contains(&format!("how={name}"));
        let plain = || Answer::json(&json!({ "value": 1 }));
        match () {
            () if named("moved") => Answer::status(308).header("Location", &at),
            () if named("field") => plain().header("X-Asked", &line).header("X-Other", "kept"),
            () if named("body") => Answer::json(&json!({ "error": { "message": format!("bad {TOKEN}") } })),
            () if named("refusal") => Answer::new(400, "text/plain", format!("Invalid token {TOKEN}.")),
            () if named("target") => Answer::new(200, "text/plain", line.clone()),
            () if named("gzip") => plain().compressed(),
            () if named("partial") => Answer::new(206, "text/plain", "tok"),
            () if named("stream") => Answer::new(200, "text/event-stream", "data: 1\n\n"),
            () if named("big") => Answer::big(100_000),
            () => plain(),
        }
    })
}

#[test]
fn no_answer_repeats_a_secret() {
    let upstream = repeating();
    let tables = "[limits]\nlist_bytes_max = \"64KiB\"\n";
    let setup = Setup { routes: ROUTES, tables, ..Setup::default() };
    let gate = Gate::start_with(&upstream.url(), setup);
    gate.keep("lamp", "upstream_token", TOKEN);
    let mut seen = String::new();
    for how in ["moved", "body", "refusal", "target", "gzip", "partial", "stream", "big"] {
        let reply = gate.ask_with(
            "wife",
            &format!("GET /get?deviceId=lamp&how={how}"),
            "Range: bytes=0-2\r\nAccept-Encoding: gzip\r\n",
        );
        assert_eq!(reply.problem(), (502, "withheld".to_owned()), "{how}");
        assert_eq!(gate.record(reply.id())["reason"], "withheld", "{how}");
        seen.push_str(&format!("{reply:?}{}", reply.text()));
    }
    let reply = gate.ask("wife", "GET /get?deviceId=lamp&how=field");
    assert_eq!((reply.status, reply.header("x-asked"), reply.header("x-other")), (200, None, Some("kept")));
    assert_eq!(gate.ask("wife", "HEAD /get?deviceId=lamp&how=nothing").status, 200);
    for asked in upstream.seen() {
        assert_eq!((asked.header("range"), asked.header("accept-encoding")), (None, None));
    }
    seen.push_str(&format!("{:?}", gate.records()));
    assert!(!seen.contains("tok/en") && !seen.contains("the lamp"), "{seen}");
}

#[test]
fn a_status_line_repeats_no_secret() {
    let upstream = by_hand(|mut socket| {
        let line = socket.head().unwrap().remove(0);
        let token = line.split("token=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        socket.send(format!("HTTP/1.1 400 Invalid token {token}\r\nContent-Length: 2\r\n\r\nno"));
    });
    let setup = Setup { routes: ROUTES, ..Setup::default() };
    let gate = Gate::start_with(&format!("http://{upstream}"), setup);
    gate.keep("lamp", "upstream_token", "phrased-secret");
    let head = gate.head("wife", "GET /get?deviceId=lamp");
    let answer = gate.connect().send(format!("{head}Connection: close\r\n\r\n")).rest();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && !answer.contains("phrased"), "{answer}");
}

#[test]
fn a_socket_cannot_be_opened_with_a_secret() {
    let upstream = told();
    let gate = gate(&upstream);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let reply = gate.ask_with("wife", "GET /get?deviceId=lamp", upgrade);
    assert_eq!(reply.problem(), (400, "not-allowed".to_owned()));
    assert_eq!(upstream.count(), 0);
}

/// A device that is made again elsewhere under another id never gets this one's secret.
#[test]
fn a_device_that_is_removed_takes_its_secret_along() {
    let upstream = told();
    let gate = gate(&upstream);
    gate.apply(vec![Change::Remove(Uid::new("Device", "lamp").unwrap())]);
    assert_eq!(gate.ask("wife", "GET /get?deviceId=lamp").status, 404);
    let lamp = Uid::new("Device", "lamp").unwrap();
    let running = gate.running();
    let kept = running.handle().block_on(async { running.store.secret(&lamp, "upstream_token").await });
    assert_eq!(kept.unwrap(), None);
}
