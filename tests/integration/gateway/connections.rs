use std::net::TcpStream;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;

use super::devices;
use crate::support::gate::{Gate, Setup};
use crate::support::upstream::by_hand;

#[test]
fn connections_to_the_upstream_are_used_again() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    for _ in 0..20 {
        assert_eq!(gate.ask("wife", "GET /devices/lamp").status, 200);
        assert_eq!(gate.send("wife", "PUT /devices/lamp", &json!({})).status, 200);
    }
    assert_eq!((upstream.count(), upstream.connections()), (40, 1));
}

#[test]
fn a_client_keeps_its_connection_also_after_a_refusal() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    let mut wire = gate.connect();
    for (line, status) in
        [("lamp", 200), ("drinking-machine", 404), ("lamp", 200), ("none", 404), ("lamp", 200)]
    {
        let request = format!("{}\r\n", gate.head("wife", &format!("GET /devices/{line}")));
        assert_eq!(wire.send(request).reply(false).status, status);
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    let head = |n: usize, device: &str| gate.head("wife", &format!("GET /devices/{device}?n={n}"));
    let mut wire = gate.connect();
    let all = ["lamp", "drinking-machine", "garage-door", "lamp"];
    let requests = all.iter().enumerate().map(|(n, device)| head(n, device) + "\r\n").collect::<String>();
    wire.send(requests);
    let replies: Vec<_> = all.iter().map(|_| wire.reply(false)).collect();
    let asked = |n: usize| replies[n].json()["asked"].clone();
    assert_eq!(asked(0), "GET /devices/lamp?n=0");
    assert_eq!(replies[1].status, 404);
    assert_eq!((asked(2), asked(3)), (json!("GET /devices/garage-door?n=2"), json!("GET /devices/lamp?n=3")));
    assert_eq!(upstream.count(), 3);
}

#[test]
fn http2_without_tls_is_spoken_by_prior_knowledge() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answers = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(gate.address()).await.unwrap();
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let ask = |device: &str| {
            let request = Request::get(format!("{}/devices/{device}", gate.url()))
                .header("authorization", format!("Bearer {}", gate.token("wife")))
                .header("x-auth-subject", "husband")
                .body(Empty::<bytes::Bytes>::new())
                .unwrap();
            let mut sender = sender.clone();
            async move {
                let answer = sender.send_request(request).await.unwrap();
                assert_eq!(answer.version(), Version::HTTP_2);
                let status = answer.status().as_u16();
                (status, answer.into_body().collect().await.unwrap().to_bytes())
            }
        };
        futures_util::future::join3(ask("lamp"), ask("garage-door"), ask("drinking-machine")).await
    });
    assert_eq!((answers.0.0, answers.1.0, answers.2.0), (200, 200, 404));
    assert_eq!(&*answers.0.1, br#"{"asked":"GET /devices/lamp"}"#);
    let seen = upstream.wait_for(2);
    assert!(seen.iter().all(|it| it.header("x-auth-subject") == Some("wife")));
    gate.all_records(3);
}

/// Waits until nobody listens at the address any more.
fn wait_until_closed(gate: &Gate) {
    let patience = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(gate.address()).is_ok() {
        assert!(Instant::now() < patience, "new connections are still taken");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_request_under_way_ends_before_the_gateway_does() {
    let (finish, told) = mpsc::channel::<()>();
    let (arrived, under_way) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let upstream = by_hand(move |mut socket| {
        socket.head().unwrap();
        socket.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha");
        arrived.send(()).unwrap();
        told.lock().unwrap().recv().unwrap();
        socket.send("lf");
        socket.closed();
    });
    let setup = Setup { gateway: "drain_timeout = \"20s\"", ..Setup::default() };
    let mut gate = Gate::start_with(&format!("http://{upstream}"), setup);
    let mut idle = gate.connect();
    let mut wire = gate.connect();
    wire.send(format!("{}\r\n", gate.head("wife", "GET /devices/lamp")));
    under_way.recv_timeout(Duration::from_secs(20)).unwrap();
    let running = gate.take();
    let stopping = std::thread::spawn(move || running.stop());
    wait_until_closed(&gate);
    assert_eq!(idle.rest(), b"", "a connection without a request is closed at once");
    assert!(!stopping.is_finished());
    finish.send(()).unwrap();
    let reply = wire.reply(false);
    assert_eq!((reply.status, reply.text().as_str(), reply.complete), (200, "half", true));
    stopping.join().unwrap();
    assert_eq!(gate.record(reply.id())["abandoned"], false);
    assert_eq!(wire.rest(), b"");
}

#[test]
fn a_request_that_never_ends_does_not_keep_the_gateway() {
    let upstream = by_hand(|mut socket| {
        socket.head().unwrap();
        socket.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha");
        socket.closed();
    });
    let setup = Setup { gateway: "drain_timeout = \"200ms\"", ..Setup::default() };
    let mut gate = Gate::start_with(&format!("http://{upstream}"), setup);
    let mut wire = gate.connect();
    wire.send(format!("{}\r\n", gate.head("wife", "GET /devices/lamp")));
    let head = wire.head();
    gate.take().stop();
    let record = gate.record(head.id());
    assert_eq!((&record["abandoned"], &record["decision"]), (&json!(true), &json!("allow")));
}
