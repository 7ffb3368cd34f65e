//! How any refusal looks on the wire: RFC 9457 `application/problem+json`.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use serde_json::json;

/// The header that carries a request's id in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id that a client may give.
const ID_BYTES_MAX: usize = 128;

/// The id that the client gave its request, if it can be written anywhere.
#[must_use]
pub fn given_id(headers: &HeaderMap) -> Option<String> {
    let mut given = headers.get_all(REQUEST_ID).iter();
    let id = given.next()?.to_str().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-');
    let fits = (1..=ID_BYTES_MAX).contains(&id.len()) && id.chars().all(plain) && given.next().is_none();
    fits.then(|| id.to_owned())
}

/// A refusal as the client sees it; it never names a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// A short stable code for programs, such as `no-such-resource`.
    pub code: &'static str,
    /// One sentence for people.
    pub detail: String,
}

impl Problem {
    /// The body and headers of the answer; `request_id` finds the decision record.
    #[must_use]
    pub fn render(&self, request_id: &str) -> Response<Bytes> {
        let body = json!({
            "type": format!("urn:cedargate:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Refused"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "request_id": request_id,
        });
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
