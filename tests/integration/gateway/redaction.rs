use serde_json::json;

use crate::support::gate::{Gate, Setup};
use crate::support::upstream::{Answer, Recorder, Seen};

const ROUTES: &str = r#"
[[route]]
match = "GET /devices"
filter = { action = "view", type = "Device", items = "/content", id = "/id", total = "/totalElements" }
redact = ["/token", "/hardware/*/key"]
[[route]]
match = "GET /devices/{device}"
action = "view"
resource = { type = "Device", id = "path:device" }
redact = ["/token", "/ip", "/list/*/email"]
[[route]]
match = "PUT /devices/{device}"
action = "control"
resource = { type = "Device", id = "path:device" }
redact = ["/token"]
"#;

fn gate(upstream: &Recorder) -> Gate {
    let tables = "[limits]\nlist_bytes_max = \"64KiB\"\n";
    Gate::start_with(&upstream.url(), Setup { routes: ROUTES, tables, ..Setup::default() })
}

fn answering(answer: fn(&str) -> Answer) -> Recorder {
    Recorder::start(move |seen: &Seen| {
        let line = seen.line();
        answer(line.split_once("how=").map_or("", |(_, how)| how))
    })
}

#[test]
fn members_are_left_out_of_an_answer_and_of_each_item_of_a_list() {
    let upstream = Recorder::start(|seen: &Seen| match seen.line().starts_with("GET /devices/") {
        true => Answer::json(
            &json!({ "id": "lamp", "token": "t1", "ip": "10.0.0.1", "list": [{ "email": "a@b", "n": 1 }] }),
        )
        .header("ETag", "\"of-all\"")
        .header("X-Token", "t1"),
        false => {
            let item =
                |id: &str| json!({ "id": id, "token": "t1", "hardware": [{ "key": "k", "v": 1 }, {}] });
            let all: Vec<_> = ["lamp", "garage-door", "drinking-machine"].map(item).into();
            Answer::json(&json!({ "content": all, "totalElements": 3 }))
        }
    });
    let gate = gate(&upstream);
    let one = gate.ask_with("wife", "GET /devices/lamp", "If-None-Match: \"of-all\"\r\nRange: bytes=0-9\r\n");
    assert_eq!(one.text(), r#"{"id":"lamp","list":[{"n":1}]}"#);
    assert_eq!((one.header("etag"), one.header("x-token")), (None, None));
    assert_eq!(one.header("content-type"), Some("application/json"));
    let seen = &upstream.seen()[0];
    assert_eq!((seen.header("if-none-match"), seen.header("range")), (None, None));
    let list = gate.ask("wife", "GET /devices");
    let item = |id: &str| json!({ "id": id, "hardware": [{ "v": 1 }, {}] });
    assert_eq!(list.json(), json!({ "content": [item("lamp"), item("garage-door")], "totalElements": 2 }));
    let head = gate.ask("wife", "HEAD /devices/lamp");
    assert_eq!((head.status, head.header("etag"), head.header("content-length")), (200, None, None));
}

#[test]
fn what_cannot_be_redacted_is_not_shown() {
    let upstream = answering(|how| {
        let device = || json!({ "token": "t1", "x": "y".repeat(100) });
        match how {
            "text" => Answer::new(200, "text/plain", device().to_string()),
            "untyped" => Answer::status(200),
            "gzip" => Answer::json(&device()).compressed(),
            "broken" => Answer::not_json(),
            "partial" => Answer::new(206, "application/json", device().to_string()),
            "moved" => Answer::redirect("https://elsewhere.example/?token=t1"),
            "unchanged" => Answer::status(304),
            "failed" => Answer::new(500, "application/json", device().to_string()),
            "big" => Answer::big(100_000),
            "list" => Answer::json(&json!([device()])),
            "twice" => Answer::new(200, "application/json", r#"{"token":"t1","token":"t2"}"#),
            _ => Answer::json(&device()),
        }
    });
    let gate = gate(&upstream);
    for how in [
        "text",
        "untyped",
        "gzip",
        "broken",
        "partial",
        "moved",
        "unchanged",
        "failed",
        "big",
        "list",
        "twice",
    ] {
        let reply = gate.ask("wife", &format!("GET /devices/lamp?how={how}"));
        assert_eq!(reply.problem(), (502, "withheld".to_owned()), "{how}");
        assert!(!reply.text().contains("t1"), "{how}");
    }
    assert_eq!(gate.ask("wife", "GET /devices/lamp?how=well").status, 200);
}

#[test]
fn a_refusal_of_the_upstream_is_redacted_or_empty_and_no_content_stays_so() {
    let upstream = answering(|how| match how {
        "json" => Answer::new(400, "application/json", r#"{"token":"t1","error":{"message":"wrong value"}}"#),
        "text" => Answer::new(400, "text/plain", "wrong t1"),
        _ => Answer::status(204),
    });
    let gate = gate(&upstream);
    let ask = |how: &str| {
        let reply = gate.ask("wife", &format!("PUT /devices/lamp?how={how}"));
        (reply.status, reply.text())
    };
    assert_eq!(ask("json"), (400, r#"{"error":{"message":"wrong value"}}"#.to_owned()));
    assert_eq!(ask("text"), (400, String::new()));
    assert_eq!(ask("none"), (204, String::new()));
    // What a write depends on still travels.
    gate.ask_with("wife", "PUT /devices/lamp?how=none", "If-Match: \"1\"\r\nIf-None-Match: \"2\"\r\n");
    let seen = upstream.seen();
    let last = seen.last().unwrap();
    assert_eq!((last.header("if-match"), last.header("if-none-match")), (Some("\"1\""), None));
}
