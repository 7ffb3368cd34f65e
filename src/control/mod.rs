//! The control listener: health, metrics and the OpenID Authorization API, never on the gateway's port.

mod access;
mod api;
mod caller;
mod document;
mod error;
mod health;
mod rim;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::Log;
use crate::decision::Decider;
use crate::domain::{ActionName, Revision, Uid};
use crate::sharing::Sharing;

pub use api::SwitchNames;
pub use caller::OperatorToken;
use document::Document;
pub use error::ControlError;
pub use health::Readiness;
use rim::Rim;

/// A value that is still to come.
pub type Soon<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// Asks every part of the process whether it can serve.
pub type Probe = Arc<dyn Fn() -> Soon<Readiness> + Send + Sync>;
/// Renders the metrics in Prometheus' text format.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;
/// Finds out which principal sent a request, if it has any credentials.
pub type Authenticate = Arc<dyn Fn(&HeaderMap) -> Soon<Result<Option<Asker>, Unidentified>> + Send + Sync>;
/// Keeps what was asked and how it was decided; must not block.
pub type Recorder = Arc<dyn Fn(AskedRecord) -> Soon<bool> + Send + Sync>;

/// Everything that the control listener needs, wired by `server`.
pub struct Control {
    /// Decides what is asked.
    pub decider: Arc<Decider>,
    /// Does what the sharing API is asked; without it there is no sharing API.
    pub sharing: Option<Arc<Sharing>>,
    /// Whether the process can serve.
    pub probe: Probe,
    /// The metrics.
    pub metrics: Metrics,
    /// Who asks, unless it is the operator.
    pub authenticate: Authenticate,
    /// The bearer token of the operator and his enforcement points, if there is one.
    pub operator: Option<OperatorToken>,
    /// Keeps the record of each asked decision; false when it cannot.
    pub recorder: Recorder,
    /// Where each request to the sharing API has its record.
    pub log: Arc<Log>,
    /// The base URL that clients know this listener by; without it, the one that they used.
    pub public_url: Option<String>,
    /// What names the organization whose lists are wanted.
    pub switch: SwitchNames,
    /// The bounds of a request.
    pub limits: Limits,
}

/// A principal that showed who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The principal.
    pub uid: Uid,
    /// The address that its issuer has verified, in lower case, where the token says one.
    pub email: Option<Arc<str>>,
}

impl From<Uid> for Asker {
    fn from(uid: Uid) -> Self {
        Self { uid, email: None }
    }
}

/// Why it is not known who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unidentified {
    /// The credentials are no good; the value of `WWW-Authenticate`.
    Refused(HeaderValue),
    /// Nobody can tell right now.
    Unavailable,
}

/// Bounds of one request to the control listener.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest body.
    pub body_bytes_max: usize,
    /// The most evaluations in one request.
    pub evaluations_max: usize,
    /// The most requests under way.
    pub requests_max: usize,
    /// How long a request may take, its body included.
    pub request_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1024 * 1024,
            evaluations_max: 1_000,
            requests_max: 1024,
            request_timeout: Duration::from_secs(10),
        }
    }
}

/// One decision that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedRecord {
    /// Where it was asked: method and path pattern.
    pub route: Arc<str>,
    /// Who asked: a principal, or the operator where there is none.
    pub asked_by: Option<Uid>,
    /// About whom.
    pub principal: Uid,
    /// What would be done.
    pub action: ActionName,
    /// To what.
    pub resource: Uid,
    /// The answer.
    pub allowed: bool,
    /// The `@id`s of the policies that made the decision.
    pub reasons: Vec<Arc<str>>,
    /// A code for why there was no decision, where there was none.
    pub error: Option<&'static str>,
    /// Which policies were in force.
    pub policy_revision: Arc<str>,
    /// Which state of the store was decided on.
    pub store_revision: Option<Revision>,
    /// The id that the caller is told.
    pub request_id: String,
    /// How long the decision took.
    pub latency_us: u64,
}

impl Control {
    /// The routes of the control listener, ready to be served.
    pub fn router(self) -> Router {
        let rim = Arc::new(Rim::new(&self.limits, self.log.clone()));
        let routes = OpenApiRouter::with_openapi(Document::openapi())
            .routes(routes!(health::live))
            .routes(routes!(health::ready))
            .routes(routes!(health::metrics))
            .merge(access::routes());
        let routes = if self.sharing.is_some() { routes.merge(api::routes()) } else { routes };
        let (router, mut document) = routes.split_for_parts();
        document::headers(&mut document);
        let document: Arc<str> = document.to_json().unwrap_or_default().into();
        let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        router
            .route("/openapi.json", get(move || std::future::ready((json, document.to_string()))))
            .fallback(async || ControlError::NotFound)
            .method_not_allowed_fallback(async || ControlError::Method)
            .layer(axum::middleware::from_fn_with_state(rim, rim::guard))
            .with_state(Arc::new(self))
    }
}
