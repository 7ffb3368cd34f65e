//! What a recording upstream answers, well-behaved or not.

use serde_json::Value;

/// Bytes to send, and what to do after them.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    fault: Fault,
}

/// How an answer goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    Chunked,
    HangUp,
    StallBeforeHead,
    StallMidBody,
    HalfBody,
    SaysLess,
    Garbage,
}

/// What to do with the connection after the bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Then {
    Continue,
    Close,
    Stall,
}

impl Answer {
    /// A body of some type.
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: body.into(), fault: Fault::None }
    }

    /// 200 with JSON.
    pub(crate) fn json(body: &Value) -> Self {
        Self::new(200, "application/json", body.to_string())
    }

    /// A status with an empty body.
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), fault: Fault::None }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A redirect.
    pub(crate) fn redirect(to: &str) -> Self {
        Self::status(302).header("Location", to)
    }

    /// 200 that says JSON and is none.
    pub(crate) fn not_json() -> Self {
        Self::new(200, "application/json", "{\"devices\": [{\"id\": ")
    }

    /// 200 with JSON of about so many bytes: `{"devices": [{"id": "0", …}, …], "total": n}`.
    pub(crate) fn big(bytes: usize) -> Self {
        let count = bytes / 128 + 1;
        let item = |id| format!("{{\"id\":\"{id}\",\"pad\":\"{}\"}}", "x".repeat(106));
        let items: Vec<_> = (0..count).map(item).collect();
        let body = format!("{{\"devices\":[{}],\"total\":{count}}}", items.join(","));
        Self::new(200, "application/json", body)
    }

    /// The body in gzip, whether or not the request took that.
    pub(crate) fn compressed(mut self) -> Self {
        self.body = gzip(&self.body);
        self.header("Content-Encoding", "gzip")
    }

    /// The body in chunks instead of a length.
    pub(crate) fn chunked(self) -> Self {
        self.with(Fault::Chunked)
    }

    /// The connection is closed without a byte.
    pub(crate) fn hang_up() -> Self {
        Self::status(200).with(Fault::HangUp)
    }

    /// Nothing is ever sent; the connection stays open.
    pub(crate) fn stall_before_head() -> Self {
        Self::status(200).with(Fault::StallBeforeHead)
    }

    /// Head and half of the body are sent, then nothing; the connection stays open.
    pub(crate) fn stall_mid_body(self) -> Self {
        self.with(Fault::StallMidBody)
    }

    /// Head and half of the body are sent, then the connection is closed.
    pub(crate) fn half_body(self) -> Self {
        self.with(Fault::HalfBody)
    }

    /// Content-Length says half of the body; the rest would look like the next answer.
    pub(crate) fn says_less(self) -> Self {
        self.with(Fault::SaysLess)
    }

    /// Something that is not HTTP.
    pub(crate) fn garbage() -> Self {
        Self::status(200).with(Fault::Garbage)
    }

    fn with(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// The bytes for the wire.
    pub(super) fn wire(&self) -> (Vec<u8>, Then) {
        let half = self.body.len() / 2;
        let (said, sent, then) = match self.fault {
            Fault::None | Fault::Chunked => (self.body.len(), self.body.len(), Then::Continue),
            Fault::StallMidBody => (self.body.len(), half, Then::Stall),
            Fault::HalfBody => (self.body.len(), half, Then::Close),
            Fault::SaysLess => (half, self.body.len(), Then::Close),
            Fault::HangUp => return (Vec::new(), Then::Close),
            Fault::StallBeforeHead => return (Vec::new(), Then::Stall),
            Fault::Garbage => return (b"\x16\x03\x01 this is not HTTP\r\n\r\n".to_vec(), Then::Close),
        };
        let chunked = self.fault == Fault::Chunked;
        let mut wire = self.head(if chunked { None } else { Some(said) }).into_bytes();
        if chunked {
            for part in self.body.chunks(1000) {
                wire.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                wire.extend_from_slice(part);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
        } else {
            wire.extend_from_slice(&self.body[..sent]);
        }
        (wire, then)
    }

    fn head(&self, length: Option<usize>) -> String {
        let mut head = format!("HTTP/1.1 {} Answer\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match length {
            None => head.push_str("Transfer-Encoding: chunked\r\n"),
            Some(_) if matches!(self.status, 100..200 | 204 | 304) => {}
            Some(length) => head.push_str(&format!("Content-Length: {length}\r\n")),
        }
        head + "\r\n"
    }
}

/// A gzip member of stored blocks (RFC 1952, RFC 1951 section 3.2.4).
fn gzip(body: &[u8]) -> Vec<u8> {
    let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for block in body.chunks(0xffff) {
        let length = u16::try_from(block.len()).expect("a block has at most 65,535 bytes");
        member.push(0);
        member.extend(length.to_le_bytes());
        member.extend((!length).to_le_bytes());
        member.extend(block);
    }
    member.extend([1, 0, 0, 0xff, 0xff]);
    member.extend(crc32(body).to_le_bytes());
    member.extend(u32::try_from(body.len()).expect("a short body").to_le_bytes());
    member
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}
