use serde_json::json;

use crate::support::gate::{Gate, Setup};
use crate::support::upstream::{Answer, Recorder, Refusing, Seen, by_hand};

/// Answers as the query says; the same for one device and for the list of them.
fn faulty() -> Recorder {
    Recorder::start(|seen: &Seen| {
        let line = seen.line();
        let list =
            Answer::json(&json!({ "devices": [{ "id": "lamp" }, { "id": "drinking-machine" }], "total": 2 }));
        match line.split_once("?fault=").map_or("", |(_, fault)| fault) {
            "" => list,
            "hang-up" => Answer::hang_up(),
            "garbage" => Answer::garbage(),
            "stall-before-head" => Answer::stall_before_head(),
            "stall-mid-body" => list.stall_mid_body(),
            "half-body" => list.half_body(),
            "says-less" => list.says_less(),
            "not-json" => Answer::not_json(),
            "text" => Answer::new(200, "text/html", "<p>drinking-machine</p>"),
            "other-list" => Answer::json(&json!([{ "id": "lamp" }])),
            "no-id" => {
                Answer::json(&json!({ "devices": [{ "id": "lamp" }, { "name": "drinking-machine" }] }))
            }
            "compressed" => list.compressed(),
            "big" => Answer::big(20_000),
            "big-chunked" => Answer::big(20_000).chunked(),
            "redirect" => Answer::redirect("/devices/drinking-machine"),
            "partial" => Answer::new(206, "application/json", "{\"devices\":[]}"),
            "server-error" => Answer::new(500, "text/plain", "drinking-machine is on fire"),
            "not-found" => Answer::new(404, "text/plain", "no drinking-machine here"),
            other => panic!("unknown fault `{other}`"),
        }
    })
}

fn gate(upstream: &Recorder) -> Gate {
    let setup = Setup {
        upstream: "response_timeout = \"500ms\"\nidle_timeout = \"500ms\"",
        tables: "[limits]\nlist_bytes_max = \"16KiB\"",
        ..Setup::default()
    };
    Gate::start_with(&upstream.url(), setup)
}

/// The next good request works and gets its own answer.
fn assert_well(gate: &Gate) {
    let reply = gate.ask("wife", "GET /devices");
    assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"devices":[{"id":"lamp"}],"total":1}"#));
    assert_eq!(gate.ask("wife", "GET /devices/lamp").json()["total"], 2);
}

#[test]
fn an_upstream_without_an_answer_is_a_refusal() {
    let upstream = faulty();
    let gate = gate(&upstream);
    for (fault, status, code) in [
        ("hang-up", 502, "upstream"),
        ("garbage", 502, "upstream"),
        ("stall-before-head", 504, "upstream-late"),
    ] {
        for line in ["GET /devices/lamp", "PUT /devices/lamp", "GET /devices"] {
            let before = upstream.count();
            let reply = gate.ask("wife", &format!("{line}?fault={fault}"));
            assert_eq!(reply.problem(), (status, code.into()), "{fault}: {line}");
            let record = gate.record(reply.id());
            assert_eq!((&record["decision"], &record["reason"]), (&json!("allow"), &json!(code)));
            assert_eq!((&record["status"], record.get("upstream_status")), (&json!(status), None));
            assert_eq!(record["abandoned"], false);
            assert_eq!(upstream.count(), before + 1, "{fault}: nothing is sent twice");
            assert_well(&gate);
        }
    }
}

#[test]
fn an_upstream_that_is_down_is_a_refusal() {
    let upstream = Refusing::start();
    let gate = Gate::start(&upstream.url());
    let reply = gate.ask("wife", "GET /devices/lamp");
    assert_eq!(reply.problem(), (502, "upstream".into()));
    assert!(!reply.text().contains("127.0.0.1") && !reply.text().contains("refused"), "{}", reply.text());
    assert_eq!(gate.record(reply.id())["reason"], "upstream");
    assert_eq!(gate.ask("wife", "GET /devices/drinking-machine").status, 404);
}

#[test]
fn an_answer_that_breaks_off_is_never_taken_for_whole() {
    let upstream = faulty();
    let gate = gate(&upstream);
    for fault in ["stall-mid-body", "half-body"] {
        let reply = gate.ask("wife", &format!("GET /devices/lamp?fault={fault}"));
        assert_eq!((reply.status, reply.complete), (200, false), "{fault}");
        let record = gate.record(reply.id());
        assert_eq!((&record["status"], &record["abandoned"]), (&json!(200), &json!(true)), "{fault}");
        assert_eq!(record["reason"], "body-broke-off");
        let list = gate.ask("wife", &format!("GET /devices?fault={fault}"));
        assert_eq!(list.problem(), (502, "upstream".into()), "{fault}");
        assert_well(&gate);
    }
}

#[test]
fn bytes_beyond_an_answers_length_are_nobodys_answer() {
    let upstream = faulty();
    let gate = gate(&upstream);
    let mut wire = gate.connect();
    let request = |target: &str| format!("{}\r\n", gate.head("wife", &format!("GET {target}")));
    let cut = wire.send(request("/devices/lamp?fault=says-less")).reply(false);
    assert_eq!((cut.status, cut.complete, cut.text().contains("drinking")), (200, true, false));
    let next = wire.send(request("/devices/lamp")).reply(false);
    assert_eq!(next.json()["total"], 2);
    assert_eq!(gate.ask("wife", "GET /devices?fault=says-less").problem(), (502, "unfilterable".into()));
    assert_well(&gate);
}

#[test]
fn a_list_that_cannot_be_read_is_not_shown() {
    let upstream = faulty();
    let gate = gate(&upstream);
    let faults = [
        "not-json",
        "text",
        "other-list",
        "no-id",
        "compressed",
        "big",
        "big-chunked",
        "redirect",
        "partial",
        "server-error",
    ];
    for fault in faults {
        let reply = gate.ask("wife", &format!("GET /devices?fault={fault}"));
        assert_eq!(reply.problem(), (502, "unfilterable".into()), "{fault}");
        assert!(!reply.text().contains("drinking") && reply.header("location").is_none(), "{fault}");
        let record = gate.record(reply.id());
        assert_eq!((&record["status"], &record["reason"]), (&json!(502), &json!("unfilterable")), "{fault}");
        assert!(record["upstream_status"].is_u64(), "{fault}");
        assert_well(&gate);
    }
    let missing = gate.ask("wife", "GET /devices?fault=not-found");
    assert_eq!((missing.status, missing.text().as_str()), (404, ""), "an error may name what is hidden");
}

#[test]
fn what_is_not_a_list_passes_as_it_is() {
    let upstream = faulty();
    let gate = gate(&upstream);
    let redirect = gate.ask("wife", "GET /devices/lamp?fault=redirect");
    assert_eq!((redirect.status, redirect.header("location")), (302, Some("/devices/drinking-machine")));
    assert_eq!(upstream.count(), 1, "a redirect is the client's to follow");
    for (fault, status) in [("server-error", 500), ("not-json", 200), ("big-chunked", 200), ("partial", 206)]
    {
        let reply = gate.ask("wife", &format!("GET /devices/lamp?fault={fault}"));
        assert_eq!((reply.status, reply.complete), (status, true), "{fault}");
        assert_eq!(gate.record(reply.id())["upstream_status"], status);
    }
    let zipped = gate.ask("wife", "GET /devices/lamp?fault=compressed");
    assert_eq!((zipped.header("content-encoding"), &zipped.body[..2]), (Some("gzip"), &[0x1f, 0x8b][..]));
    assert_well(&gate);
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_a_refusal() {
    let upstream = by_hand(|mut socket| {
        socket.head().unwrap();
        socket.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
        socket.closed();
    });
    let gate = Gate::start(&format!("http://{upstream}"));
    assert_eq!(gate.ask("wife", "GET /devices/lamp").problem(), (502, "upstream".into()));
}

#[test]
fn an_upstream_that_answers_early_ends_the_upload() {
    let upstream = by_hand(|mut socket| {
        socket.head().unwrap();
        socket.send("HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
        socket.closed();
    });
    let gateway = "drain_timeout = \"1s\"\nbody_timeout = \"500ms\"";
    let gate = Gate::start_with(&format!("http://{upstream}"), Setup { gateway, ..Setup::default() });
    let mut wire = gate.connect();
    let fields = "Content-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\nabc";
    wire.send(format!("{}{fields}", gate.head("wife", "PUT /devices/lamp")));
    let reply = wire.reply(false);
    assert_eq!((reply.status, reply.text().as_str()), (413, "no"));
    assert_eq!(wire.rest(), b"", "a connection amid a body is not used again");
}
