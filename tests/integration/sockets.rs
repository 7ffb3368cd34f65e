//! Streams that outlive their decision, before a real Web of Things server and by hand.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value as Json, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::identity::issuer::now;
use crate::support::gate::{Gate, Setup};
use crate::support::upstream::{Things, by_hand};
use crate::things::{entities, gate};

type Socket = WebSocketStream<tokio::net::TcpStream>;

/// A socket on a thing, or the status of the refusal.
async fn open(gate: &Gate, token: &str, path: &str) -> Result<Socket, u16> {
    let address = gate.address();
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

fn set(on: bool) -> Message {
    Message::text(json!({ "messageType": "setProperty", "data": { "on": on } }).to_string())
}

/// Every JSON message until the socket closes, and the close frame's code and reason.
async fn rest(socket: &mut Socket) -> (Vec<Json>, Option<(u16, String)>) {
    let mut seen = Vec::new();
    let reading = async {
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Text(text) => seen.push(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => return frame.map(|it| (it.code.into(), it.reason.to_string())),
                _ => {}
            }
        }
        None
    };
    let closed =
        tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the socket stayed open");
    (seen, closed)
}

/// Runs a client beside a gateway, which must be started and stopped outside of a runtime.
fn run<F: Future<Output = ()>>(client: impl FnOnce() -> F) {
    tokio::runtime::Runtime::new().unwrap().block_on(client());
}

/// Suspends a user; once it returns, that is in force.
fn suspend(gate: &Gate, user: &str) {
    let all = entities();
    let named = |it: &&Json| it["uid"] == json!({ "type": "User", "id": user });
    let mut entity = all.as_array().unwrap().iter().find(named).unwrap().clone();
    entity["attrs"]["status"] = "suspended".into();
    gate.put(entity);
}

fn is_on(gate: &Gate) -> bool {
    let answer = gate.ask("owner", "GET /0/properties/on");
    serde_json::from_slice::<Json>(&answer.body).unwrap()["on"] == true
}

#[test]
fn a_socket_is_a_control_channel_and_each_message_is_decided() {
    let things = Things::start();
    let gate = gate(&things);
    assert!(!is_on(&gate));
    run(async || {
        let mut owner = open(&gate, &gate.token("owner"), "/0").await.unwrap();
        owner.send(set(true)).await.unwrap();
        let told = owner.next().await.unwrap().unwrap().into_text().unwrap();
        assert_eq!(serde_json::from_str::<Json>(&told).unwrap()["messageType"], "propertyStatus");
        owner.close(None).await.unwrap();
    });
    assert!(is_on(&gate));
    run(async || {
        let mut viewer = open(&gate, &gate.token("viewer"), "/0").await.unwrap();
        viewer.send(set(false)).await.unwrap();
        let (_, closed) = rest(&mut viewer).await;
        assert_eq!(closed, Some((1008, "message-refused".to_owned())));
        assert_eq!(open(&gate, &gate.token("stranger"), "/0").await.unwrap_err(), 404);
        assert_eq!(open(&gate, "nonsense", "/0").await.unwrap_err(), 401);
        let mut owner = open(&gate, &gate.token("owner"), "/0").await.unwrap();
        owner.send(Message::text(r#"{"messageType":"reboot"}"#)).await.unwrap();
        assert_eq!(rest(&mut owner).await.1.unwrap().0, 1008, "no rule names this message");
        let mut owner = open(&gate, &gate.token("owner"), "/0").await.unwrap();
        owner.send(Message::text(r#"{"messageType":"setProperty","messageType":"x"}"#)).await.unwrap();
        assert_eq!(rest(&mut owner).await.1.unwrap().0, 1008, "a message with two readings");
    });
    assert!(is_on(&gate), "nothing that was refused reached the thing");
}

#[test]
fn a_socket_ends_with_the_right_to_it() {
    let things = Things::start();
    let gate = gate(&things);
    run(async || {
        let mut owner = open(&gate, &gate.token("owner"), "/0").await.unwrap();
        let mut viewer = open(&gate, &gate.token("viewer"), "/0").await.unwrap();
        tokio::task::block_in_place(|| suspend(&gate, "owner"));
        let changed = Instant::now();
        assert_eq!(rest(&mut owner).await.1, Some((1008, "access-ended".to_owned())));
        assert!(changed.elapsed() < Duration::from_secs(5), "the change itself ends it, not some time-out");
        viewer.send(Message::text(r#"{"messageType":"addEventSubscription","data":{}}"#)).await.unwrap();
        viewer.close(None).await.unwrap();
        assert!(rest(&mut viewer).await.1.is_none_or(|(code, _)| code == 1000), "the other socket went on");
    });
}

/// Somebody who may end sessions, accounts and people.
const BOSS: [&str; 4] = ["ORG_VIEW_USERS", "USER_FORCE_LOGOUT", "USER_SUSPEND", "ORG_DELETE_USERS"];

/// Does it to the person through the sharing API.
fn as_boss(gate: &Gate, method: &str, path: &str) {
    let home = json!({ "type": "Organization", "id": "home" });
    let held: Vec<Json> = BOSS.iter().map(|it| json!({ "type": "Permission", "id": it })).collect();
    let role = json!({ "organization": home, "name": "Boss" });
    gate.put(json!({ "uid": { "type": "Role", "id": "boss" }, "attrs": role, "parents": held }));
    let user = json!({ "organization": home, "status": "active" });
    let parents = json!([{ "type": "Role", "id": "boss" }]);
    gate.put(json!({ "uid": { "type": "User", "id": "boss" }, "attrs": user, "parents": parents }));
    let request = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .request(method.parse().unwrap(), format!("http://{}/api/v1/users/{path}", gate.running().control))
        .bearer_auth(gate.token("boss"));
    let answer = gate.running().handle().block_on(async { request.send().await.unwrap() });
    assert!(answer.status().is_success(), "{method} {path}: {}", answer.status());
}

#[test]
fn a_socket_ends_with_the_session_and_with_the_person() {
    let things = Things::start();
    for (method, path, reason) in [
        ("POST", "viewer/sign-out", "signed-out"),
        ("POST", "viewer/suspend", "access-ended"),
        ("DELETE", "viewer", "access-ended"),
    ] {
        let gate = gate(&things);
        run(async || {
            let mut owner = open(&gate, &gate.token("owner"), "/0").await.unwrap();
            let mut viewer = open(&gate, &gate.token("viewer"), "/0").await.unwrap();
            tokio::task::block_in_place(|| as_boss(&gate, method, path));
            let changed = Instant::now();
            assert_eq!(rest(&mut viewer).await.1, Some((1008, reason.to_owned())), "{path}");
            assert!(changed.elapsed() < Duration::from_secs(5), "{path}: not some time-out");
            assert_eq!(open(&gate, &gate.token("viewer"), "/0").await.unwrap_err(), 401, "{path}");
            owner.close(None).await.unwrap();
            assert!(rest(&mut owner).await.1.is_none_or(|(code, _)| code == 1000), "another's went on");
        });
    }
}

#[test]
fn a_session_that_began_after_a_sign_out_goes_on() {
    let things = Things::start();
    let gate = gate(&things);
    as_boss(&gate, "POST", "viewer/sign-out");
    // A token says in whole seconds when it was issued.
    let token = gate.token_of(&json!({ "sub": "viewer", "iat": now() + 2 }));
    run(async || {
        let mut viewer = open(&gate, &token, "/0").await.unwrap();
        viewer.send(Message::text(r#"{"messageType":"addEventSubscription","data":{}}"#)).await.unwrap();
        tokio::task::block_in_place(|| suspend(&gate, "owner"));
        viewer.close(None).await.unwrap();
        assert!(rest(&mut viewer).await.1.is_none_or(|(code, _)| code == 1000));
    });
}

#[test]
fn a_socket_ends_with_its_token() {
    let things = Things::start();
    let gate = gate(&things);
    let token = gate.token_of(&json!({ "sub": "viewer", "exp": now() + 2 }));
    run(async || {
        let mut viewer = open(&gate, &token, "/0").await.unwrap();
        assert_eq!(rest(&mut viewer).await.1, Some((1008, "credential-expired".to_owned())));
    });
}

#[test]
fn an_event_stream_ends_with_the_right_to_it() {
    an_event_stream_ends(|gate| suspend(gate, "viewer"));
}

#[test]
fn an_event_stream_ends_with_the_session_and_with_the_person() {
    an_event_stream_ends(|gate| as_boss(gate, "POST", "viewer/sign-out"));
    an_event_stream_ends(|gate| as_boss(gate, "DELETE", "viewer"));
}

fn an_event_stream_ends(by: impl FnOnce(&Gate)) {
    let upstream = by_hand(|mut socket| {
        if socket.head().is_some() {
            socket.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: 1\n\n",
            );
            // Open until the gateway lets go of it.
            while !socket.closed() {}
        }
    });
    let routes = "[[route]]\nmatch = \"GET /{device}/events\"\naction = \"view\"\n\
                  resource = { type = \"Device\", id = \"path:device\" }\n";
    let setup = Setup { routes, entities: Some(entities()), ..Setup::default() };
    let gate = Gate::start_with(&format!("http://{upstream}"), setup);
    let mut client = TcpStream::connect(gate.address()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = format!("{}\r\n", gate.head("viewer", "GET /0/events"));
    client.write_all(request.as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut some = [0; 1024];
    while !String::from_utf8_lossy(&seen).contains("data: 1") {
        let read = client.read(&mut some).unwrap();
        assert_ne!(read, 0);
        seen.extend_from_slice(&some[..read]);
    }
    by(&gate);
    let ended = loop {
        match client.read(&mut some) {
            Ok(0) => break true,
            Ok(read) => seen.extend_from_slice(&some[..read]),
            Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    assert!(
        ended && !String::from_utf8_lossy(&seen).contains("\r\n0\r\n"),
        "cut off, not ended in good order"
    );
}
