//! What surrounds every request: its id, its time, and an answer even when a handler panics.

use std::panic::AssertUnwindSafe;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, header};
use uuid::Uuid;

use crate::control::{ControlError, Limits};
use crate::problem::{Problem, REQUEST_ID};

const REQUEST_ID_BYTES_MAX: usize = 128;

/// The id that the caller chose or was given.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

/// Names the request, bounds its time, catches panics and finishes the answer.
pub(super) async fn guard(State(limits): State<Limits>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match tokio::time::timeout(limits.request_timeout, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!(request_id = id, "a handler of the control listener panicked");
            ControlError::Internal.into_response()
        }
        Err(_) => ControlError::Late.into_response(),
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = written(&problem, &id, response.headers());
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The problem with the headers that its maker set, such as `WWW-Authenticate` and `Allow`.
fn written(problem: &Problem, id: &str, headers: &HeaderMap) -> Response {
    let mut response = problem.render(id).map(Body::from);
    for name in [header::WWW_AUTHENTICATE, header::ALLOW] {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// The caller's own id if it is harmless in logs and headers, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()))
        .filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b)))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}
