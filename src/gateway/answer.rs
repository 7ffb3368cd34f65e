//! Answers that are read whole before they are shown: what must not be seen leaves in none of them.

use bytes::Bytes;
use http::header::{self, CACHE_CONTROL, HeaderValue};
use http::response::Parts;
use http::{Response, StatusCode};

use crate::gateway::body::{self, Body};
use crate::gateway::refusal::Refusal;
use crate::gateway::route::{Redaction, Route};
use crate::gateway::secrets::Injected;
use crate::gateway::{filter, head, redact};

/// An answer that still has to be looked through.
pub(super) struct Unseen<'a> {
    pub(super) route: &'a Route,
    pub(super) injected: &'a Injected,
    pub(super) is_head: bool,
    /// The most bytes of it.
    pub(super) bytes_max: u64,
}

impl Unseen<'_> {
    /// Reads the answer, and gives what of it may be seen.
    pub(super) async fn show(&self, mut head: Parts, body: Body) -> Result<Response<Body>, Refusal> {
        let redact = self.route.redact();
        if !redact.is_empty() {
            check_redactable(&head)?;
        }
        if !self.injected.is_empty() {
            self.check_readable(&mut head)?;
        }
        head::clean_answer(&mut head.headers);
        let is_empty = self.is_head || head.status == StatusCode::NO_CONTENT;
        if is_empty || head.status == StatusCode::NOT_MODIFIED {
            if !redact.is_empty() {
                keep_fields(&mut head)?;
            }
            return Ok(Response::from_parts(head, Body::empty()));
        }
        let bytes = read(body, self.bytes_max).await?;
        if self.injected.are_in(&bytes) {
            return Err(Refusal::Withheld("it repeats the device's secret"));
        }
        let bytes = if redact.is_empty() { bytes } else { redacted(&mut head, &bytes, redact)? };
        Ok(Response::from_parts(head, Body::whole(bytes)))
    }

    /// What is partial or compressed cannot be searched, and a redirect without its destination leads nowhere.
    fn check_readable(&self, head: &mut Parts) -> Result<(), Refusal> {
        if head.status == StatusCode::PARTIAL_CONTENT {
            return Err(Refusal::Withheld("it is partial"));
        }
        if head.headers.get(header::CONTENT_ENCODING).is_some_and(|it| it.as_bytes() != b"identity") {
            return Err(Refusal::Withheld("it is compressed"));
        }
        let streams = |it: &HeaderValue| it.as_bytes().starts_with(b"text/event-stream");
        if head.headers.get(header::CONTENT_TYPE).is_some_and(streams) {
            return Err(Refusal::Withheld("it does not end"));
        }
        if self.injected.clean(&mut head.headers) && head.status.is_redirection() {
            return Err(Refusal::Withheld("it redirects with the device's secret"));
        }
        Ok(())
    }
}

/// Reads a whole answer within the bound.
async fn read(body: Body, bytes_max: u64) -> Result<Bytes, Refusal> {
    match body::collect_at_most(body, bytes_max).await {
        Err(Refusal::Unfilterable(what)) => Err(Refusal::Withheld(what)),
        other => other,
    }
}

fn check_redactable(head: &Parts) -> Result<(), Refusal> {
    match filter::fields(head.status, &head.headers) {
        Err(Refusal::Unfilterable(what)) => Err(Refusal::Withheld(what)),
        other => other.map(drop),
    }
}

/// A validator, a length or a digest would tell of what is left out.
fn keep_fields(head: &mut Parts) -> Result<(), Refusal> {
    head.headers = filter::fields(head.status, &head.headers)?;
    head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(())
}

/// A refusal that is not JSON says nothing; a success that is not cannot be shown.
fn redacted(head: &mut Parts, bytes: &Bytes, pointers: &[Redaction]) -> Result<Bytes, Refusal> {
    let is_json = filter::is_json(&head.headers);
    keep_fields(head)?;
    if bytes.is_empty() && head.status.is_success() && !is_json {
        return Err(Refusal::Withheld("the answer is not JSON"));
    }
    if head.status.is_success() {
        let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Withheld("the answer is not JSON"))?;
        return redact::redacted(text, pointers).map(Bytes::from);
    }
    let text = std::str::from_utf8(bytes).ok().filter(|_| is_json);
    let shown = text.and_then(|text| redact::redacted(text, pointers).ok());
    Ok(shown.map(Bytes::from).unwrap_or_default())
}
