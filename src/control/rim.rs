//! What surrounds every request: its id, its record, its time, and an answer even when a handler panics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, StatusCode, header};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::audit::{Decision, Log, SharedRecord};
use crate::control::{ControlError, Limits};
use crate::problem::{Problem, REQUEST_ID, given_id};

/// The paths that change nothing and tell nothing of what is stored, or keep records of their own (AuthZEN).
const WITHOUT_RECORD: [&str; 6] =
    ["/healthz", "/readyz", "/metrics", "/openapi.json", "/.well-known/", "/access/"];
/// The path that is answered however busy the listener is.
const ALWAYS_ANSWERED: &str = "/healthz";

/// The id that the caller chose or was given.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

/// What the record says of a request from the start.
struct Asked {
    method: String,
    route: Option<Arc<str>>,
}

impl Asked {
    /// None for a request that has no record.
    fn of(request: &Request) -> Option<Self> {
        let path = request.uri().path();
        if WITHOUT_RECORD.iter().any(|it| path.starts_with(it)) {
            return None;
        }
        let method = request.method().to_string();
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map(|it| format!("{method} {}", it.as_str()).into());
        Some(Self { method, route })
    }
}

/// What every request passes.
pub(super) struct Rim {
    timeout: Duration,
    places: Semaphore,
    log: Arc<Log>,
}

impl Rim {
    pub(super) fn new(limits: &Limits, log: Arc<Log>) -> Self {
        Self { timeout: limits.request_timeout, places: Semaphore::new(limits.requests_max), log }
    }

    /// Opens the record; its place is kept before anything is done.
    async fn record(&self, id: &str, asked: Asked) -> Result<SharedRecord, ControlError> {
        let mut record = self.log.open(id).await.map_err(|_| ControlError::Unrecorded)?;
        record.note(|it| {
            it.http_method = Some(asked.method.into());
            it.route = asked.route;
        });
        Ok(SharedRecord::new(record))
    }

    /// The answer in time; whoever comes when there is no place is refused instead of waiting.
    async fn answer(&self, request: Request, next: Next, id: &str) -> Response {
        let _place = match self.places.try_acquire() {
            Err(_) if request.uri().path() != ALWAYS_ANSWERED => {
                return ControlError::Overloaded.into_response();
            }
            place => place,
        };
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                tracing::error!(request_id = id, "a handler of the control listener panicked");
                ControlError::Internal.into_response()
            }
            Err(_) => ControlError::Late.into_response(),
        }
    }
}

/// Names the request, records it, bounds its time, catches panics and finishes the answer.
pub(super) async fn guard(State(rim): State<Arc<Rim>>, mut request: Request, next: Next) -> Response {
    let id = given_id(request.headers()).unwrap_or_else(|| Uuid::now_v7().to_string());
    request.extensions_mut().insert(RequestId(id.clone()));
    let Some(asked) = Asked::of(&request) else {
        return finished(rim.answer(request, next, &id).await, &id);
    };
    let record = match rim.record(&id, asked).await {
        Ok(record) => record,
        Err(unrecorded) => return finished(unrecorded.into_response(), &id),
    };
    let response = record.around(rim.answer(request, next, &id)).await;
    close(&record, &response);
    finished(response, &id)
}

/// What the caller is told. What was permitted and then failed stays an allow; the code says why.
fn close(record: &SharedRecord, response: &Response) {
    let status = response.status();
    let code = response.extensions().get::<Problem>().map(|it| it.code);
    record.note(|it| {
        it.status = Some(status.as_u16());
        it.abandoned = false;
        it.decision = it.decision.or(Some(undecided(status)));
        if let Some(code) = code {
            it.reason = Some(code.into());
        }
    });
}

/// How a request counts that was answered without any policy.
fn undecided(status: StatusCode) -> Decision {
    match status {
        status if status.is_server_error() => Decision::Error,
        status if status.is_client_error() => Decision::Deny,
        _ => Decision::Allow,
    }
}

fn finished(mut response: Response, id: &str) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = written(&problem, id, response.headers());
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
