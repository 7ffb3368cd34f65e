//! An upstream that writes down what reaches it, byte for byte, and answers as the test says.
//!
//! On plain sockets and threads: an HTTP library would tidy up what the tests want to see and to send.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::answer::{Answer, Then};

const PATIENCE: Duration = Duration::from_secs(20);

/// One request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// The method.
    pub(crate) method: String,
    /// The request target, byte for byte.
    pub(crate) target: Vec<u8>,
    /// The headers in their order and spelling.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The body without its framing.
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(crate) complete: bool,
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
}

impl Seen {
    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| std::str::from_utf8(value).expect("a readable header")).collect()
    }

    /// The only value of a header, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "`{name}` came {} times: {all:?}", all.len());
        all.first().copied()
    }

    /// `METHOD target`, to compare with.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, String::from_utf8_lossy(&self.target))
    }
}

type Answerer = dyn Fn(&Seen) -> Answer + Send + Sync;

struct Shared {
    answer: Box<Answerer>,
    seen: Mutex<Vec<Seen>>,
    arrived: Condvar,
    open: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The recording upstream; it ends with the value.
pub(crate) struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Recorder {
    /// Starts it on a free port; `answer` is asked for each request once its body is read.
    pub(crate) fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            seen: Mutex::default(),
            arrived: Condvar::new(),
            open: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests arrived, counted as soon as their head was read.
    pub(crate) fn count(&self) -> usize {
        lock(&self.shared.seen).len()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        lock(&self.shared.open).len()
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// Waits until `count` requests have arrived with their whole bodies.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Seen> {
        let few = |seen: &mut Vec<Seen>| seen.iter().filter(|seen| seen.complete).count() < count;
        let waited = self.shared.arrived.wait_timeout_while(lock(&self.shared.seen), PATIENCE, few);
        let (seen, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{} of {count} requests arrived: {seen:#?}", seen.len());
        seen.clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        for stream in lock(&self.shared.open).iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// An address that refuses every connection and that nobody else can take.
pub(crate) struct Refusing(socket2::Socket);

impl Refusing {
    /// Binds a port without listening on it.
    pub(crate) fn start() -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        Self(socket)
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        let address = self.0.local_addr().ok().and_then(|address| address.as_socket());
        format!("http://{}", address.expect("a bound address"))
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let mut open = lock(&shared.open);
        // Under the lock, so that whoever stops us sees either the stream or the flag taking effect.
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let number = open.len();
        open.push(stream.try_clone().expect("a second handle of the socket"));
        let shared = Arc::clone(shared);
        thread::spawn(move || converse(stream, number, &shared));
    }
}

fn converse(mut stream: TcpStream, connection: usize, shared: &Shared) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle of the socket"));
    while let Some(mut seen) = read_head(&mut reader) {
        seen.connection = connection;
        let index = {
            let mut all = lock(&shared.seen);
            all.push(seen.clone());
            all.len() - 1
        };
        if seen.header("expect").is_some() {
            let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        seen.complete = read_body(&mut reader, &mut seen).is_some();
        lock(&shared.seen)[index] = seen.clone();
        shared.arrived.notify_all();
        if !seen.complete {
            break;
        }
        let (mut wire, then) = (shared.answer)(&seen).wire();
        if seen.method == "HEAD" {
            let head = wire.windows(4).position(|it| it == b"\r\n\r\n").map_or(wire.len(), |at| at + 4);
            wire.truncate(head);
        }
        let sent = stream.write_all(&wire);
        if then == Then::Stall {
            // Until the other side or the end of the test closes the connection.
            let _ = reader.read(&mut [0]);
        }
        if sent.is_err() || then != Then::Continue {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

fn read_line(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok()?;
    line.strip_suffix(b"\r\n").map(<[u8]>::to_vec)
}

fn read_head(reader: &mut impl BufRead) -> Option<Seen> {
    let line = read_line(reader)?;
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let method = String::from_utf8_lossy(words.next()?).into_owned();
    let mut seen = Seen { method, target: words.next()?.to_vec(), ..Seen::default() };
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Some(seen);
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8_lossy(&line[..colon]).into_owned();
        seen.headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
    }
}

fn read_body(reader: &mut impl BufRead, seen: &mut Seen) -> Option<()> {
    let chunked = seen.header("transfer-encoding").is_some();
    let length = seen.header("content-length").map(|text| text.parse().expect("a length"));
    if !chunked {
        return read_part(reader, &mut seen.body, length.unwrap_or(0));
    }
    assert!(length.is_none(), "a request with two lengths arrived: {seen:?}");
    loop {
        let size = String::from_utf8(read_line(reader)?).ok()?;
        let size = u64::from_str_radix(size.split(';').next()?, 16).ok()?;
        if size == 0 {
            while !read_line(reader)?.is_empty() {}
            return Some(());
        }
        read_part(reader, &mut seen.body, size)?;
        read_line(reader)?;
    }
}

/// Keeps what came even when the rest does not.
fn read_part(reader: &mut impl BufRead, body: &mut Vec<u8>, length: u64) -> Option<()> {
    let read = reader.take(length).read_to_end(body).ok()?;
    (u64::try_from(read).ok()? == length).then_some(())
}
