//! The upstreams that other tests stand on do what their names say.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::upstream::{Answer, Recorder, Refusing, Seen, Things};

/// Sends bytes and reads until the other side closes or is silent for a moment.
fn exchange(address: SocketAddr, request: &[u8], silence: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(silence)).unwrap();
    stream.write_all(request).unwrap();
    let (mut answer, mut part) = (Vec::new(), [0; 65536]);
    while let Ok(read @ 1..) = stream.read(&mut part) {
        answer.extend_from_slice(&part[..read]);
    }
    answer
}

fn get(answer: Answer, silence: Duration) -> String {
    let recorder = Recorder::start(move |_| answer.clone());
    let answer = exchange(recorder.address(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", silence);
    assert_eq!((recorder.count(), recorder.connections()), (1, 1));
    String::from_utf8_lossy(&answer).into_owned()
}

const SOON: Duration = Duration::from_millis(300);

#[test]
fn a_recorder_sees_requests_byte_for_byte() {
    let recorder = Recorder::start(|seen: &Seen| Answer::json(&json!({ "target": seen.line() })));
    let head = b"PUT /a/%2e%2E/../b;c?x=\xff&&y HTTP/1.1\r\nHost: x\r\nX-Twice: 1\r\nx-twice: 2\r\n".to_vec();
    let chunked =
        [&head[..], b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"].concat();
    let sized = [&head[..], b"Content-Length: 5\r\n\r\nabcde"].concat();
    exchange(recorder.address(), &[chunked, sized].concat(), SOON);
    let seen = recorder.wait_for(2);
    for seen in &seen {
        assert_eq!(
            (seen.method.as_str(), seen.target.as_slice()),
            ("PUT", &b"/a/%2e%2E/../b;c?x=\xff&&y"[..])
        );
        assert_eq!((seen.all("X-TWICE"), seen.header("host")), (vec!["1", "2"], Some("x")));
        assert_eq!((seen.body.as_slice(), seen.connection), (&b"abcde"[..], 0));
    }
    exchange(recorder.address(), b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", SOON);
    let broken = recorder.seen().pop().unwrap();
    assert_eq!((recorder.count(), broken.connection), (3, 1));
    assert!(!broken.complete);
}

#[test]
fn a_recorder_answers_well() {
    let ok = get(Answer::json(&json!([1])).header("X-A", "b"), SOON);
    assert_eq!(
        ok,
        "HTTP/1.1 200 Answer\r\nContent-Type: application/json\r\nX-A: b\r\nContent-Length: 3\r\n\r\n[1]"
    );
    let chunked = get(Answer::new(201, "text/plain", "hello").chunked(), SOON);
    assert!(chunked.starts_with("HTTP/1.1 201 ") && chunked.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
    assert!(
        get(Answer::redirect("http://elsewhere/"), SOON)
            .contains("302 Answer\r\nLocation: http://elsewhere/\r\n")
    );
    assert!(get(Answer::status(204), SOON).ends_with("204 Answer\r\n\r\n"));
    let big = get(Answer::big(1 << 20), SOON);
    let body: Value = serde_json::from_str(big.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["devices"].as_array().unwrap().len(), body["total"]);
    assert!((1 << 20..1 << 21).contains(&big.len()));
}

#[test]
fn a_recorder_misbehaves_as_told() {
    let body = || Answer::new(200, "application/json", "[1,2,3,4]");
    assert_eq!(get(Answer::hang_up(), Duration::from_secs(20)), "");
    assert_eq!(get(Answer::stall_before_head(), SOON), "");
    assert!(get(body().stall_mid_body(), SOON).ends_with("Content-Length: 9\r\n\r\n[1,2"));
    assert!(get(body().half_body(), Duration::from_secs(20)).ends_with("Content-Length: 9\r\n\r\n[1,2"));
    assert!(get(body().says_less(), Duration::from_secs(20)).ends_with("Content-Length: 4\r\n\r\n[1,2,3,4]"));
    assert!(!get(Answer::garbage(), Duration::from_secs(20)).starts_with("HTTP"));
    let broken = get(Answer::not_json(), SOON);
    assert!(serde_json::from_str::<Value>(broken.split("\r\n\r\n").nth(1).unwrap()).is_err());
}

#[test]
fn a_stalled_connection_stays_open() {
    let recorder = Recorder::start(|_| Answer::stall_before_head());
    let mut stream = TcpStream::connect(recorder.address()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(stream.read(&mut [0]).is_err(), "nothing came and nothing was closed");
    drop(recorder);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_refusing_address_refuses() {
    let refusing = Refusing::start();
    let error = TcpStream::connect(refusing.url().trim_start_matches("http://")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_compressed_answer_is_gzip() {
    let recorder = Recorder::start(|_| Answer::big(200_000).compressed());
    let plain = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "--compressed", &recorder.url()])
        .output()
        .unwrap();
    let body: Value = serde_json::from_slice(&plain.stdout).unwrap();
    assert_eq!(body["devices"].as_array().unwrap().len(), body["total"]);
}

#[tokio::test]
async fn the_web_of_things_server_answers_and_ends() {
    let things = Things::start();
    let url = things.url();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let list = client.get(format!("{url}/")).send().await.unwrap().bytes().await.unwrap();
    let list: Vec<Value> = serde_json::from_slice(&list).unwrap();
    let found: Vec<_> = list.iter().map(|thing| (thing["href"].clone(), thing["id"].clone())).collect();
    let expected = [("/0", "garage-door"), ("/1", "lamp"), ("/2", "drinking-machine")];
    assert_eq!(found, expected.map(|(href, id)| (json!(href), json!(format!("urn:dev:ops:{id}")))));

    let level = client.put(format!("{url}/1/properties/level")).body("{\"level\":7}").send().await.unwrap();
    assert_eq!((level.status().as_u16(), level.text().await.unwrap().as_str()), (200, "{\"level\": 7}"));
    let forged = client.get(&url).header("host", "elsewhere").send().await.unwrap();
    assert_eq!(forged.status(), 403);
    let client = "import websocket, webthing";
    assert!(Command::new(Things::python()).args(["-c", client]).status().unwrap().success());

    drop(things);
    assert!(TcpStream::connect(url.trim_start_matches("http://")).is_err());
}
