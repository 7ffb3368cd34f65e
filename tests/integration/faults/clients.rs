use std::sync::{Mutex, mpsc};
use std::time::Duration;

use cedargate::server::StartError;
use serde_json::json;

use crate::support::gate::{Gate, Setup};
use crate::support::upstream::{Answer, Recorder, by_hand};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_client_that_leaves_before_the_answer_leaves_a_record() {
    let (arrived, under_way) = mpsc::channel();
    let (gone, noticed) = mpsc::channel();
    let upstream = by_hand(move |mut socket| {
        let line = socket.head().unwrap().remove(0);
        if line.contains("garage-door") {
            socket.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        arrived.send(()).unwrap();
        gone.send(socket.closed()).unwrap();
    });
    let gate = Gate::start(&format!("http://{upstream}"));
    let mut wire = gate.connect();
    wire.send(format!("{}X-Request-ID: left-early\r\n\r\n", gate.head("wife", "GET /devices/lamp")));
    under_way.recv_timeout(SOON).unwrap();
    wire.hang_up();
    let record = gate.record("left-early");
    assert_eq!((&record["abandoned"], &record["decision"]), (&json!(true), &json!("allow")));
    assert_eq!((record.get("status"), &record["resources"]), (None, &json!(["Device::\"lamp\""])));
    assert!(noticed.recv_timeout(SOON).unwrap(), "the upstream's work is called off");
    assert_eq!(gate.ask("wife", "GET /devices/garage-door").status, 200);
}

#[test]
fn a_client_that_leaves_amid_the_answer_leaves_a_record() {
    let (gone, noticed) = mpsc::channel();
    let upstream = by_hand(move |mut socket| {
        socket.head().unwrap();
        socket.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha");
        gone.send(socket.closed()).unwrap();
    });
    let gate = Gate::start(&format!("http://{upstream}"));
    let mut wire = gate.connect();
    wire.send(format!("{}\r\n", gate.head("wife", "GET /devices/lamp")));
    let head = wire.head();
    assert!(gate.records().is_empty());
    wire.hang_up();
    let record = gate.record(head.id());
    assert_eq!((&record["abandoned"], &record["status"]), (&json!(true), &json!(200)));
    assert_eq!((&record["upstream_status"], &record["reason"]), (&json!(200), &json!("body-broke-off")));
    assert!(noticed.recv_timeout(SOON).unwrap());
}

#[test]
fn a_client_that_leaves_amid_its_own_body_leaves_a_record() {
    let upstream = Recorder::start(|_| Answer::status(204));
    let gate = Gate::start(&upstream.url());
    for media in ["application/json", "application/octet-stream"] {
        let mut wire = gate.connect();
        let id = gate.fresh_id();
        let fields =
            format!("X-Request-ID: {id}\r\nContent-Type: {media}\r\nContent-Length: 10\r\n\r\n{{\"a");
        wire.send(format!("{}{fields}", gate.head("wife", "PUT /devices/lamp")));
        wire.hang_up();
        let record = gate.record(&id);
        let reason = record["reason"].as_str();
        assert!(record["abandoned"] == true || reason == Some("incomplete-body"), "{record}");
    }
    assert!(upstream.seen().iter().all(|seen| !seen.complete), "a part is not the whole");
    assert_eq!(gate.ask("wife", "GET /devices/lamp").status, 204);
}

#[test]
fn a_client_that_stalls_is_let_go() {
    let upstream = Recorder::start(|_| Answer::status(204));
    let gateway = "drain_timeout = \"1s\"\nheader_timeout = \"300ms\"\nbody_timeout = \"300ms\"";
    let gate = Gate::start_with(&upstream.url(), Setup { gateway, ..Setup::default() });
    gate.connect().send("GET /devices/lamp HTTP/1.1\r\nHost: x\r\n").rest();
    for media in ["application/json", "application/octet-stream"] {
        let mut wire = gate.connect();
        let fields = format!("Content-Type: {media}\r\nContent-Length: 10\r\n\r\n{{\"a");
        wire.send(format!("{}{fields}", gate.head("wife", "PUT /devices/lamp")));
        let reply = wire.reply(false);
        assert_eq!(reply.problem(), (408, "incomplete-body".into()), "{media}");
        assert_eq!(gate.record(reply.id())["reason"], "incomplete-body");
        wire.rest();
    }
    assert!(upstream.seen().iter().all(|seen| !seen.complete));
    assert_eq!(gate.ask("wife", "GET /devices/lamp").status, 204);
}

/// A gateway whose queue of records holds one, with a request under way that has its place.
fn full(overflow: &str, check: impl FnOnce(&Gate, &mpsc::Receiver<String>)) {
    let (arrived, under_way) = mpsc::channel();
    let (finish, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let upstream = by_hand(move |mut socket| {
        while let Some(head) = socket.head() {
            arrived.send(head[0].clone()).unwrap();
            if head[0].contains("lamp") {
                told.lock().unwrap().recv().unwrap();
            }
            socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let records = format!("queue = 1\noverflow = \"{overflow}\"");
    let gate =
        Gate::start_with(&format!("http://{upstream}"), Setup { records: &records, ..Setup::default() });
    let mut wire = gate.connect();
    wire.send(format!("{}\r\n", gate.head("wife", "GET /devices/lamp")));
    assert!(under_way.recv_timeout(SOON).unwrap().contains("lamp"));
    check(&gate, &under_way);
    finish.send(()).unwrap();
    let reply = wire.reply(false);
    assert_eq!(reply.status, 200);
    assert_eq!(gate.record(reply.id())["status"], 200);
    let next = gate.ask("wife", "GET /devices/garage-door");
    assert_eq!((next.status, &gate.record(next.id())["status"]), (200, &json!(200)));
}

#[test]
fn without_a_place_for_its_record_a_request_is_refused() {
    full("block", |gate, under_way| {
        let refused = gate.ask("wife", "GET /devices/garage-door");
        assert_eq!(refused.problem(), (503, "overloaded".into()));
        assert!(under_way.try_recv().is_err(), "it reached the upstream");
        assert_eq!(gate.running().records().lost, 0);
    });
}

#[test]
fn where_records_are_shed_the_loss_is_counted() {
    full("shed", |gate, under_way| {
        let shed = gate.ask("wife", "GET /devices/garage-door");
        assert_eq!(shed.status, 200);
        assert!(under_way.recv_timeout(SOON).unwrap().contains("garage-door"));
        let patience = std::time::Instant::now() + SOON;
        while gate.running().records().lost == 0 {
            assert!(std::time::Instant::now() < patience, "the loss is not counted");
        }
        assert_eq!((gate.running().records().lost, gate.records().len()), (1, 0));
        assert_eq!(gate.ask("wife", "GET /devices/drinking-machine").status, 404, "shedding permits nothing");
    });
}

#[test]
fn without_a_file_for_its_records_a_gateway_does_not_start() {
    let upstream = Recorder::start(|_| Answer::status(204));
    let records = "path = \"no/such/folder/records.jsonl\"";
    let Err(error) = Gate::try_start(&upstream.url(), Setup { records, ..Setup::default() }) else {
        panic!("it started")
    };
    assert!(matches!(error, StartError::Io { .. }));
    assert!(error.to_string().contains("no/such/folder/records.jsonl"), "{error}");
}

/// Which of a second request of hers, and of his, a gateway with these bounds answers while the first is under way.
fn beside_one(bounds: &str) -> [(u16, String); 2] {
    let (arrived, under_way) = mpsc::channel();
    let upstream = by_hand(move |mut socket| {
        let head = socket.head().unwrap();
        if head[0].contains("lamp") {
            arrived.send(()).unwrap();
            socket.closed();
        } else {
            socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    let gateway = format!("drain_timeout = \"1s\"\n{bounds}");
    let gate =
        Gate::start_with(&format!("http://{upstream}"), Setup { gateway: &gateway, ..Setup::default() });
    let mut wire = gate.connect();
    wire.send(format!("{}X-Request-ID: first\r\n\r\n", gate.head("wife", "GET /devices/lamp")));
    under_way.recv_timeout(SOON).unwrap();
    let answers = ["wife", "husband"].map(|user| {
        let reply = gate.ask(user, "GET /devices/garage-door");
        assert_eq!(gate.record(reply.id())["status"], reply.status);
        if reply.status == 200 { (200, String::new()) } else { reply.problem() }
    });
    wire.hang_up();
    gate.record("first");
    assert_eq!(gate.ask("wife", "GET /devices/garage-door").status, 200, "the place was given back");
    answers
}

#[test]
fn requests_under_way_are_bounded_in_all_and_for_each_principal() {
    let (fine, overloaded) = ((200, String::new()), (503, "overloaded".to_owned()));
    assert_eq!(beside_one("requests_max = 1"), [overloaded.clone(), overloaded]);
    assert_eq!(beside_one("requests_per_principal_max = 1"), [(429, "too-many".into()), fine.clone()]);
    assert_eq!(beside_one("requests_max = 2"), [fine.clone(), fine]);
}
