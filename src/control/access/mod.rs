//! The OpenID AuthZEN Authorization API 1.0: evaluation, evaluations and discovery.

mod evaluate;
mod form;
mod request;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::{Extension, Json};
use http::header::{CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderMap, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::control::access::evaluate::Asking;
use crate::control::access::request::Semantic;
use crate::control::caller::Caller;
use crate::control::rim::RequestId;
use crate::control::{Control, ControlError};

pub(super) use crate::control::access::form::ProblemBody;
use crate::control::access::form::{
    AnswerBody, ConfigurationBody, DecisionBody, ErrorBodies, EvaluationBody, EvaluationsAnswerBody,
    EvaluationsBody,
};

/// The routes of the Authorization API.
pub(super) fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new()
        .routes(routes!(configuration))
        .routes(routes!(evaluation))
        .routes(routes!(evaluations))
}

/// Tells where the endpoints are.
#[utoipa::path(get, path = "/.well-known/authzen-configuration", tag = "access", responses(
    (status = 200, description = "where the endpoints are", body = ConfigurationBody),
))]
async fn configuration(
    State(control): State<Arc<Control>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<ConfigurationBody>, ControlError> {
    let base = match &control.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", authority(&uri, &headers)?),
    };
    Ok(Json(ConfigurationBody {
        access_evaluation_endpoint: format!("{base}/access/v1/evaluation"),
        access_evaluations_endpoint: format!("{base}/access/v1/evaluations"),
        policy_decision_point: base,
    }))
}

/// The host that the client used: HTTP/2 has it in the target, HTTP/1.1 in a header.
fn authority(uri: &Uri, headers: &HeaderMap) -> Result<Authority, ControlError> {
    let named = || headers.get(HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    uri.authority()
        .cloned()
        .or_else(named)
        .filter(|it| !it.as_str().contains('@'))
        .ok_or_else(|| ControlError::Malformed("`Host` is missing or malformed".to_owned()))
}

/// Decides one question; a denial is an answer with status 200.
#[utoipa::path(post, path = "/access/v1/evaluation", tag = "access", security(("bearer" = [])),
    request_body(content = EvaluationBody, content_type = "application/json"),
    responses(
        (status = 200, description = "the decision", body = DecisionBody),
        ErrorBodies,
    ))]
async fn evaluation(
    State(control): State<Arc<Control>>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Result<Json<DecisionBody>, ControlError> {
    let (caller, body) = control.receive(request).await?;
    let asking = Asking::new(&control, caller, &id.0, "POST /access/v1/evaluation");
    asking.one(&body, &Map::new()).await.map(Json)
}

/// Decides many questions in their order; without any it answers as for one.
#[utoipa::path(post, path = "/access/v1/evaluations", tag = "access", security(("bearer" = [])),
    request_body(content = EvaluationsBody, content_type = "application/json"),
    responses(
        (status = 200, description = "the decisions", body = AnswerBody),
        ErrorBodies,
    ))]
async fn evaluations(
    State(control): State<Arc<Control>>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Result<Json<AnswerBody>, ControlError> {
    let (caller, body) = control.receive(request).await?;
    let asking = Asking::new(&control, caller, &id.0, "POST /access/v1/evaluations");
    let semantic = Semantic::of(&body)?;
    let items = request::evaluations(&body)?;
    if items.is_empty() {
        return Ok(Json(AnswerBody::One(asking.one(&body, &Map::new()).await?)));
    }
    if items.len() > control.limits.evaluations_max {
        return Err(ControlError::TooMany(control.limits.evaluations_max));
    }
    request::check_defaults(&body)?;
    let evaluations = asking.many(items, &body, semantic).await?;
    Ok(Json(AnswerBody::Many(EvaluationsAnswerBody { evaluations })))
}

impl Control {
    /// Who asks, and the object that the body holds; the body is not read for strangers.
    async fn receive(&self, request: Request) -> Result<(Caller, Map<String, Value>), ControlError> {
        let caller = self.caller(request.headers()).await?;
        check_media_type(request.headers())?;
        let body = read(request.into_body(), self.limits.body_bytes_max).await?;
        let malformed = |what: String| ControlError::Malformed(format!("the body is not JSON: {what}"));
        match crate::json::parse(&body).map_err(|error| malformed(error.to_string()))? {
            Value::Object(object) => Ok((caller, object)),
            _ => Err(ControlError::Malformed("the body must be a JSON object".to_owned())),
        }
    }
}

/// The specification's errors have no 415: a wrong type of content is a malformed request.
pub(super) fn check_media_type(headers: &HeaderMap) -> Result<(), ControlError> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let is_json = matches!((values.next(), values.next()), (Some(only), None) if only
        .to_str()
        .is_ok_and(|it| it.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json"))));
    let wrong = || ControlError::Malformed("send the body as `Content-Type: application/json`".to_owned());
    is_json.then_some(()).ok_or_else(wrong)
}

pub(super) async fn read(body: Body, bytes_max: usize) -> Result<bytes::Bytes, ControlError> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ControlError::TooLarge(bytes_max)),
        Err(_) => Err(ControlError::Incomplete),
    }
}
