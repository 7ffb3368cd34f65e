//! A client on plain sockets: it sends what the test says, byte for byte, and keeps what comes back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value as Json;

const PATIENCE: Duration = Duration::from_secs(20);

/// An answer as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The header fields in their order and spelling.
    pub(crate) headers: Vec<(String, String)>,
    /// The body without its framing.
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(crate) complete: bool,
}

impl Reply {
    /// The only value of a header, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let first = named.next().map(|(_, value)| value.as_str());
        assert!(named.next().is_none(), "`{name}` came more than once: {self:?}");
        first
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The id that finds the record.
    pub(crate) fn id(&self) -> &str {
        self.header("x-request-id").unwrap_or_else(|| panic!("no request id: {self:?}"))
    }

    /// The status and the problem's code; a refusal has exactly this shape.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status);
        assert_eq!(body["request_id"], self.id());
        let code = body["type"].as_str().and_then(|it| it.strip_prefix("urn:cedargate:problem:"));
        (self.status, code.unwrap_or_else(|| panic!("{body}")).to_owned())
    }
}

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let reader = BufReader::new(stream.try_clone().expect("a second handle of the socket"));
        Self { stream, reader }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("the bytes can be sent");
        self
    }

    /// The head of an answer.
    pub(crate) fn head(&mut self) -> Reply {
        let line = self.line();
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|it| it.get(..3)?.parse().ok());
        let mut reply = Reply {
            status: status.unwrap_or_else(|| panic!("`{line}` is no status line")),
            ..Reply::default()
        };
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { return reply };
            reply.headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// An answer to its end; to a HEAD, say so, for then no body comes.
    pub(crate) fn reply(&mut self, is_head: bool) -> Reply {
        let mut reply = self.head();
        let length = reply.header("content-length").map(|it| it.parse().expect("a length"));
        let chunked = reply.header("transfer-encoding").is_some();
        if is_head || matches!(reply.status, 100..200 | 204 | 304) {
            reply.complete = true;
        } else if chunked {
            while let Some(part) = self.chunk() {
                reply.complete = part.is_empty();
                reply.body.extend(part);
                if reply.complete {
                    break;
                }
            }
        } else {
            let read = (&mut self.reader).take(length.unwrap_or(u64::MAX)).read_to_end(&mut reply.body);
            reply.complete = read.is_ok() && length.is_none_or(|it| it == reply.body.len() as u64);
        }
        reply
    }

    /// The next chunk of a chunked body: empty at its end, none when it broke off.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok()?;
        let size = u64::from_str_radix(line.trim_end(), 16).ok()?;
        let mut part = Vec::new();
        (&mut self.reader).take(size).read_to_end(&mut part).ok()?;
        self.reader.read_line(&mut String::new()).ok()?;
        (part.len() as u64 == size).then_some(part)
    }

    /// Waits until the other side closes; returns what still came.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let closed = self.reader.read_to_end(&mut rest);
        assert!(
            closed.is_ok() || closed.is_err_and(|it| it.kind() == std::io::ErrorKind::ConnectionReset),
            "the connection stays open after {rest:?}"
        );
        rest
    }

    /// Leaves without a word.
    pub(crate) fn hang_up(self) {
        self.stream.shutdown(Shutdown::Both).expect("a connection to hang up");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a line of the answer's head");
        assert!(line.ends_with("\r\n"), "the head broke off after `{line}`");
        line.truncate(line.len() - 2);
        line
    }
}
