use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use crate::support::gate::{Gate, Setup};
use crate::support::upstream::{Socket, by_hand};

const SIZE: usize = 64 << 20;
/// More than the sockets of both connections can hold (the kernel's default maxima are 4 and 6 MiB), less than the body.
const BUFFERED_MAX: usize = 32 << 20;

/// Byte `at` of the large body: no two of its pages are alike.
fn part(at: usize) -> Vec<u8> {
    (at..at + 65536).map(|at| u8::try_from((at ^ (at >> 16)) & 0xff).unwrap()).collect()
}

/// Writes the large body until nobody takes it for a while; returns how far that came.
fn write_until_full(stream: &TcpStream, mut at: usize) -> usize {
    stream.set_write_timeout(Some(Duration::from_millis(700))).unwrap();
    while at < SIZE {
        match (&*stream).write(&part(at & !0xffff)[at & 0xffff..]) {
            Ok(written) => at += written,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => panic!("{error} after {at} bytes"),
        }
    }
    at
}

fn write_rest(stream: &TcpStream, mut at: usize) {
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    while at < SIZE {
        at += (&*stream).write(&part(at & !0xffff)[at & 0xffff..]).unwrap();
    }
}

fn assert_large(mut read: impl Read) {
    for at in (0..SIZE).step_by(65536) {
        let mut got = vec![0; 65536];
        read.read_exact(&mut got).unwrap();
        assert!(got == part(at), "the body differs after {at} bytes");
    }
}

const STREAMS: &str = r#"
[[route]]
match = "PUT /devices/{device}/firmware"
action = "control"
resource = { type = "Device", id = "path:device" }
[[route]]
match = "GET /devices/{device}/{what}"
action = "view"
resource = { type = "Device", id = "path:device" }
"#;

fn gate(serve: impl Fn(Socket) + Send + Sync + 'static) -> Gate {
    let url = format!("http://{}", by_hand(serve));
    Gate::start_with(&url, Setup { routes: STREAMS, ..Setup::default() })
}

#[test]
fn a_large_upload_waits_for_the_upstream_instead_of_piling_up() {
    let (read_now, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let gate = gate(move |mut socket| {
        let head = socket.head().unwrap();
        assert!(head.contains(&format!("content-length: {SIZE}")), "{head:?}");
        told.lock().unwrap().recv().unwrap();
        assert_large(&mut socket);
        assert!(socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    });
    let mut wire = gate.connect();
    let line = "PUT /devices/lamp/firmware";
    let fields = format!("Content-Type: application/octet-stream\r\nContent-Length: {SIZE}\r\n\r\n");
    wire.send(format!("{}{fields}", gate.head("wife", line)));
    let taken = write_until_full(wire.stream(), 0);
    assert!(taken < BUFFERED_MAX, "{taken} bytes were taken while the upstream read none");
    read_now.send(()).unwrap();
    write_rest(wire.stream(), taken);
    let reply = wire.reply(false);
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
}

#[test]
fn a_large_download_waits_for_the_client_instead_of_piling_up() {
    let (written, so_far) = mpsc::channel::<usize>();
    let gate = gate(move |mut socket| {
        socket.head().unwrap();
        socket.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
        let taken = write_until_full(socket.stream(), 0);
        written.send(taken).unwrap();
        write_rest(socket.stream(), taken);
        socket.closed();
    });
    let mut wire = gate.connect();
    wire.send(format!("{}\r\n", gate.head("wife", "GET /devices/lamp/firmware")));
    let taken = so_far.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(taken < BUFFERED_MAX, "{taken} bytes were taken while the client read none");
    let reply = wire.reply(false);
    assert_eq!((reply.status, reply.complete), (200, true));
    assert_large(&*reply.body);
    assert_eq!(gate.record(reply.id())["abandoned"], false);
}

#[test]
fn events_arrive_one_by_one_before_the_stream_ends() {
    let (go_on, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let gate = gate(move |mut socket| {
        socket.head().unwrap();
        socket
            .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            socket.send(format!("{:x}\r\n{event}\r\n", event.len()));
            told.lock().unwrap().recv().unwrap();
        }
        socket.send("0\r\n\r\n");
        socket.closed();
    });
    let mut wire = gate.connect();
    wire.send(format!("{}\r\n", gate.head("wife", "GET /devices/lamp/events")));
    let head = wire.head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(wire.chunk().unwrap(), b"data: 1\n\n");
    assert!(gate.records().is_empty(), "the record is of the whole stream");
    go_on.send(()).unwrap();
    assert_eq!(wire.chunk().unwrap(), b"data: 2\n\n");
    go_on.send(()).unwrap();
    assert_eq!(wire.chunk().unwrap(), b"");
    assert_eq!(gate.record(head.id())["status"], 200);
}

#[test]
fn an_upload_arrives_part_by_part_before_it_ends() {
    let (arrived, parts) = mpsc::channel::<Vec<u8>>();
    let gate = gate(move |mut socket| {
        let head = socket.head().unwrap();
        assert!(head.contains(&"transfer-encoding: chunked".to_owned()), "{head:?}");
        let mut part = [0; 64];
        while let Ok(read @ 1..) = socket.read(&mut part) {
            arrived.send(part[..read].to_vec()).unwrap();
            if part[..read].ends_with(b"0\r\n\r\n") {
                break;
            }
        }
        socket.send("HTTP/1.1 204 No Content\r\n\r\n");
    });
    let mut wire = gate.connect();
    let fields = "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    wire.send(format!("{}{fields}1;x=y\r\na\r\n", gate.head("wife", "PUT /devices/lamp/firmware")));
    let mut all = Vec::new();
    while !all.ends_with(b"1\r\na\r\n") {
        all.extend(parts.recv_timeout(Duration::from_secs(20)).unwrap());
    }
    assert_eq!(all, b"1\r\na\r\n", "framed anew, without the extension");
    wire.send("1\r\nb\r\n0\r\nX-Trailer: 1\r\n\r\n");
    assert_eq!(wire.reply(false).status, 204);
    let rest: Vec<u8> = parts.try_iter().flatten().collect();
    assert_eq!(rest, b"1\r\nb\r\n0\r\n\r\n", "and without the trailer");
}
