//! Whether the process lives, whether it can serve, and what it counted.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::control::Control;
use crate::domain::Revision;

/// What a probe found; ready when all of it is well.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    /// The store answers.
    pub store_ok: bool,
    /// The newest revision of the store.
    pub store_revision: Option<Revision>,
    /// The newest policies are in force.
    pub policies_ok: bool,
    /// Why the newest policies are not in force; the last good ones still are.
    pub policy_error: Option<String>,
    /// The keys that tokens are verified with are loaded.
    pub keys_ok: bool,
    /// Decisions can be recorded.
    pub records_ok: bool,
}

impl Readiness {
    fn wrong(&self) -> Vec<String> {
        let policies = self.policy_error.clone().unwrap_or_else(|| "not loaded".to_owned());
        [
            (self.store_ok, "the store does not answer".to_owned()),
            (self.policies_ok, format!("policies: {policies}")),
            (self.keys_ok, "the keys that tokens are verified with are not loaded".to_owned()),
            (self.records_ok, "decisions cannot be recorded".to_owned()),
        ]
        .into_iter()
        .filter_map(|(ok, what)| (!ok).then_some(what))
        .collect()
    }
}

/// Whether the process can serve, and by what it decides.
#[derive(Serialize, ToSchema)]
struct ReadyBody {
    /// `ready` or `not ready`.
    status: &'static str,
    /// The revision of the policies in force.
    policy_revision: String,
    /// The newest revision of the store.
    store_revision: Option<u64>,
    /// What is wrong, in sentences; empty when ready.
    wrong: Vec<String>,
}

/// Says that the process runs.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "the process runs")))]
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "live" }))
}

/// Says whether the process can serve.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "ready", body = ReadyBody),
    (status = 503, description = "not ready", body = ReadyBody),
))]
pub(super) async fn ready(State(control): State<Arc<Control>>) -> Response {
    let found = (control.probe)().await;
    let wrong = found.wrong();
    let (code, status) = if wrong.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let policy_revision = control.decider.pin().policy_revision().to_string();
    let body = ReadyBody { status, policy_revision, store_revision: found.store_revision, wrong };
    (code, Json(body)).into_response()
}

/// Shows the metrics in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = 200, description = "Prometheus text", body = String, content_type = "text/plain"),
))]
pub(super) async fn metrics(State(control): State<Arc<Control>>) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, kind)], (control.metrics)()).into_response()
}
