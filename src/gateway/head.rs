//! The request's head: what is refused outright, and which fields may travel on.

use std::net::SocketAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Version};

use crate::gateway::refusal::Refusal;
use crate::gateway::target::Pair;

/// Request fields that travel to every upstream; anything else needs `upstream.headers`.
const FORWARDED: [HeaderName; 18] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::ACCEPT_ENCODING,
    header::CACHE_CONTROL,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::DATE,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
    header::USER_AGENT,
    HeaderName::from_static("prefer"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("last-event-id"),
];

/// Fields that name a body's meaning or the caller; two of one kind are two readings.
const SINGLE: [HeaderName; 8] = [
    header::HOST,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::ORIGIN,
    header::UPGRADE,
];

/// Answer fields that only concern one connection (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Limits of a head.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// The longest target, in bytes.
    pub target_bytes_max: usize,
    /// The most header bytes.
    pub head_bytes_max: usize,
}

/// Refuses heads that two readers could take for different requests (rules.md section 0, items 4 and B).
pub fn check(parts: &Parts, limits: HeadLimits) -> Result<(), Refusal> {
    check_method(&parts.method)?;
    let target = parts.uri.path_and_query().map_or(0, |it| it.as_str().len());
    if target > limits.target_bytes_max {
        return Err(Refusal::TooLarge("target"));
    }
    let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > limits.head_bytes_max {
        return Err(Refusal::TooLarge("head"));
    }
    check_host(parts)?;
    check_fields(&parts.headers)?;
    check_framing(&parts.headers)
}

fn check_method(method: &Method) -> Result<(), Refusal> {
    let spoken = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if spoken.contains(method) { Ok(()) } else { Err(Refusal::Method) }
}

/// Exactly one host, and a target in origin form (RFC 9112 section 3.2).
fn check_host(parts: &Parts) -> Result<(), Refusal> {
    let refuse = |what: &str| Err(Refusal::Malformed(what.to_owned()));
    let host = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    let host = match (parts.version, authority, host) {
        (Version::HTTP_2, Some(authority), None) => authority,
        (Version::HTTP_2, Some(authority), Some(host)) if authority == host => authority,
        (Version::HTTP_11, None, Some(host)) => host,
        (Version::HTTP_11, Some(_), _) => return refuse("the target is not in origin form"),
        (Version::HTTP_11 | Version::HTTP_2, _, _) => return refuse("exactly one host is needed"),
        _ => return refuse("speak HTTP/1.1 or HTTP/2"),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
    if host.is_empty() || !host.chars().all(plain) {
        return refuse("the host is not a host name");
    }
    Ok(())
}

fn check_fields(headers: &HeaderMap) -> Result<(), Refusal> {
    if let Some(name) = SINGLE.iter().find(|name| headers.get_all(*name).iter().nth(1).is_some()) {
        return Err(Refusal::Malformed(format!("the field `{name}` is given twice")));
    }
    for (name, value) in headers {
        if name.as_str().contains('_') {
            // `X_User` and `X-User` are one variable to many servers (CVE-2025-64484).
            return Err(Refusal::Malformed("a field name has an underscore".to_owned()));
        }
        if !value.as_bytes().iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e)) {
            return Err(Refusal::Malformed(format!("the field `{name}` is not ASCII")));
        }
    }
    Ok(())
}

fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    let refuse = |what: &str| Err(Refusal::Malformed(what.to_owned()));
    let coding = headers.get(header::TRANSFER_ENCODING);
    let length = headers.get(header::CONTENT_LENGTH);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return refuse("the transfer coding is not `chunked`");
    }
    if coding.is_some() && length.is_some() {
        return refuse("a length and a transfer coding contradict each other");
    }
    if length.is_some_and(|length| !is_canonical_number(length.as_bytes())) {
        return refuse("the content length is not a plain number");
    }
    if headers.get(header::EXPECT).is_some_and(|it| !it.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Refusal::NotAllowed("this expectation"));
    }
    Ok(())
}

fn is_canonical_number(digits: &[u8]) -> bool {
    !digits.is_empty()
        && digits.len() <= 18
        && digits.iter().all(u8::is_ascii_digit)
        && (digits.len() == 1 || digits.first() != Some(&b'0'))
}

/// Which client fields travel, and what the gateway says of itself.
#[derive(Debug, Clone)]
pub struct FieldRules {
    /// Further fields that may travel.
    pub extra: Vec<HeaderName>,
    /// Query parameters that the operator adds to every request.
    pub inject_query: Vec<Pair>,
    /// The field that names the user to the upstream.
    pub identity: Option<HeaderName>,
    /// Whether and how the client's address is told.
    pub forwarded: Forwarded,
}

/// How the client's address is told to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// Not at all: some APIs refuse fields they did not expect.
    None,
    /// `X-Forwarded-For`, `-Host` and `-Proto`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl FieldRules {
    /// The upstream's request fields: an allow-list of the client's, then the gateway's own.
    ///
    /// Fails when the subject cannot be written into a field: a request without its subject is not sent.
    pub fn upstream_fields(
        &self,
        client: &HeaderMap,
        peer: SocketAddr,
        subject: Option<&str>,
    ) -> Result<HeaderMap, Refusal> {
        let mut fields = HeaderMap::with_capacity(12);
        for name in FORWARDED.iter().chain(&self.extra) {
            for value in client.get_all(name) {
                fields.append(name.clone(), value.clone());
            }
        }
        let host = client.get(header::HOST).cloned();
        match self.forwarded {
            Forwarded::None => {}
            Forwarded::XForwarded => x_forwarded(&mut fields, peer, host),
            Forwarded::Forwarded => forwarded(&mut fields, peer, host),
        }
        if let Some(identity) = &self.identity {
            fields.remove(identity);
            if let Some(subject) = subject {
                let value = HeaderValue::from_str(subject).map_err(|_| Refusal::Internal)?;
                fields.insert(identity.clone(), value);
            }
        }
        Ok(fields)
    }
}

fn x_forwarded(fields: &mut HeaderMap, peer: SocketAddr, host: Option<HeaderValue>) {
    if let Ok(address) = HeaderValue::from_str(&peer.ip().to_string()) {
        fields.insert("x-forwarded-for", address);
    }
    fields.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    if let Some(host) = host {
        fields.insert("x-forwarded-host", host);
    }
}

fn forwarded(fields: &mut HeaderMap, peer: SocketAddr, host: Option<HeaderValue>) {
    let address = if peer.is_ipv6() { format!("\"[{}]\"", peer.ip()) } else { peer.ip().to_string() };
    let host =
        host.and_then(|host| host.to_str().map(|it| format!(";host=\"{it}\"")).ok()).unwrap_or_default();
    if let Ok(value) = HeaderValue::from_str(&format!("for={address}{host};proto=http")) {
        fields.insert(header::FORWARDED, value);
    }
}

/// Removes from an answer what concerns only the upstream's connection, and what would let caches share it.
pub fn clean_answer(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
    let shared = headers.get(header::CACHE_CONTROL).is_none_or(|it| !it.as_bytes().starts_with(b"no-store"));
    if shared {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
}
