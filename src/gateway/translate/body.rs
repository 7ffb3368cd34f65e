//! Request bodies: read whole where a decision needs them, streamed where it does not.

use std::time::Duration;

use bytes::Bytes;
use http::header;
use http::request::Parts;
use http_body::Body as _;
use hyper::body::Incoming;
use serde_json::Value as Json;

use crate::gateway::body::{Body, BodyError};
use crate::gateway::filter::is_json;
use crate::gateway::refusal::Refusal;
use crate::gateway::target::{Pair, Target};
use crate::json;

/// Bounds of request bodies.
#[derive(Debug, Clone)]
pub struct BodyLimits {
    /// The most bytes of a body that is read to decide.
    pub decided_bytes_max: u64,
    /// The most bytes of a body that streams through.
    pub streamed_bytes_max: u64,
    /// How long a body may pause.
    pub idle: Duration,
    /// How long a body that is read to decide may take.
    pub whole: Duration,
    /// The most ids of one request.
    pub ids_max: usize,
}

/// A body in its one reading.
pub(super) enum Payload {
    /// Not read; it streams on.
    Unread(Body),
    /// JSON, written anew when it is sent.
    Json(Json),
    /// A form; sent as it came, since it has one reading.
    Form(Vec<Pair>, Bytes),
    /// Bytes without a known reading.
    Opaque(Bytes),
}

impl Payload {
    pub(super) fn json(&self) -> Option<&Json> {
        match self {
            Self::Json(json) => Some(json),
            _ => None,
        }
    }

    pub(super) fn form(&self) -> &[Pair] {
        match self {
            Self::Form(pairs, _) => pairs,
            _ => &[],
        }
    }

    pub(super) fn into_body(self) -> Body {
        match self {
            Self::Unread(body) => body,
            Self::Json(json) => Body::whole(json.to_string()),
            Self::Form(_, bytes) | Self::Opaque(bytes) => Body::whole(bytes),
        }
    }
}

/// How the media type says that a body is to be read.
enum Media {
    Json,
    Form,
    /// Text or nothing: some servers look for JSON in it all the same.
    Unclear,
    Other,
}

/// Reads the body as far as the decision needs: `needed` to find ids, `watched` to see that it names no other.
pub(super) async fn read(
    parts: &Parts,
    incoming: Incoming,
    limits: &BodyLimits,
    needed: bool,
    watched: bool,
) -> Result<Payload, Refusal> {
    if parts.headers.get(header::CONTENT_ENCODING).is_some_and(|it| it.as_bytes() != b"identity") {
        // What is compressed has not been read, so it cannot have been decided on.
        return Err(Refusal::MediaType);
    }
    if incoming.is_end_stream() {
        return Ok(Payload::Opaque(Bytes::new()));
    }
    let length = incoming.size_hint().exact();
    match (media(parts), needed) {
        (Media::Json, _) if needed || watched => {
            whole(incoming, limits).await.and_then(|bytes| parse(&bytes))
        }
        (_, true) => Err(Refusal::MediaType),
        (Media::Form, _) if watched => form(whole(incoming, limits).await?),
        (Media::Unclear, _) if watched && length.is_some_and(|it| it <= limits.decided_bytes_max) => {
            let bytes = whole(incoming, limits).await?;
            Ok(json::parse(&bytes).map_or_else(|_| Payload::Opaque(bytes.clone()), Payload::Json))
        }
        _ => Ok(Payload::Unread(Body::stream(incoming, limits.streamed_bytes_max, limits.idle))),
    }
}

fn media(parts: &Parts) -> Media {
    let declared =
        parts.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let media = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        _ if is_json(&parts.headers) => Media::Json,
        "application/x-www-form-urlencoded" => Media::Form,
        media if media.is_empty() || media.starts_with("text/") => Media::Unclear,
        _ => Media::Other,
    }
}

async fn whole(incoming: Incoming, limits: &BodyLimits) -> Result<Bytes, Refusal> {
    if incoming.size_hint().lower() > limits.decided_bytes_max {
        return Err(Refusal::TooLarge("body"));
    }
    let body = Body::stream(incoming, limits.decided_bytes_max, limits.idle);
    match tokio::time::timeout(limits.whole, body.collect_bytes()).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(BodyError::TooLarge)) => Err(Refusal::TooLarge("body")),
        Ok(Err(_)) | Err(_) => Err(Refusal::Body),
    }
}

fn parse(bytes: &Bytes) -> Result<Payload, Refusal> {
    json::parse(bytes)
        .map(Payload::Json)
        .map_err(|_| Refusal::Malformed("the body is not JSON with one reading".to_owned()))
}

fn form(bytes: Bytes) -> Result<Payload, Refusal> {
    let unreadable = || Refusal::Malformed("the form has no single reading".to_owned());
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable())?;
    let target = Target::parse("/", Some(text)).map_err(|_| unreadable())?;
    Ok(Payload::Form(target.query().to_vec(), bytes))
}
