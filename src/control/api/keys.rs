//! API keys: each principal has its own, and the operator makes them for anybody.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::control::api::cursor::Binding;
use crate::control::api::form::{KeyBody, PageBody, Refusals};
use crate::control::api::incoming::{Incoming, Nothing, PageForm, REVISION, query_of};
use crate::control::api::organizations::fresh;
use crate::control::api::outgoing::gone_at;
use crate::control::{Control, ControlError};
use crate::domain::Uid;
use crate::domain::moment::now_ms;
use crate::identity::KeyText;
use crate::sharing::keys::Draft;

/// The routes about them.
pub(super) fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(revoke))
}

const NAME_CHARS_MAX: usize = 100;
const DAY_MS: i64 = 24 * 3_600_000;
const DAYS_MAX: u32 = 3650;

/// A new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKeyForm {
    /// What its owner calls it.
    #[schema(min_length = 1)]
    name: String,
    /// After how many days it ends by itself.
    #[schema(minimum = 1, maximum = 3650)]
    days: Option<u32>,
    /// Whom it speaks for, as `Type::id`: oneself unless stated; the operator must state it.
    #[schema(pattern = "^.+::.+$")]
    principal: Option<String>,
}

/// Whose keys are meant.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OwnerForm {
    /// Whom they speak for, as `Type::id`: oneself unless stated; the operator must state it.
    #[param(pattern = "^.+::.+$")]
    principal: Option<String>,
    /// The most items; 50 unless stated, at most 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// What the page before gave as `next`.
    cursor: Option<String>,
}

fn owner(actor: Option<&Uid>, stated: Option<&str>) -> Result<Uid, ControlError> {
    let malformed = |what: String| ControlError::Malformed(format!("`principal`: {what}"));
    match (stated, actor) {
        (Some(stated), _) => Uid::parse(stated).map_err(|error| malformed(error.to_string())),
        (None, Some(actor)) => Ok(actor.clone()),
        (None, None) => Err(malformed("state whom the key speaks for".to_owned())),
    }
}

fn drafted(form: &NewKeyForm, principal: Uid, text: &KeyText) -> Result<Draft, ControlError> {
    let malformed = |what: &str| Err(ControlError::Malformed(what.to_owned()));
    if !(1..=NAME_CHARS_MAX).contains(&form.name.chars().count()) || form.name.chars().any(char::is_control) {
        return malformed("`name` has 1 to 100 characters and no control characters");
    }
    if form.days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
        return malformed("`days` is between 1 and 3650");
    }
    let created_ms = now_ms();
    let expires_ms = form.days.map(|days| created_ms + i64::from(days) * DAY_MS);
    let (id, hash, name) = (fresh(), text.hash(), form.name.clone());
    Ok(Draft { id, hash, principal, name, created_ms, expires_ms })
}

/// Makes a key; the answer shows it, and nothing else ever does: 400 for an `Idempotency-Key`.
#[utoipa::path(post, path = "/api/v1/keys", tag = "sharing", security(("bearer" = [])), request_body = NewKeyForm, responses((status = 201, description = "the key", body = KeyBody), Refusals))]
async fn create(State(control): State<Arc<Control>>, request: Request) -> Result<Response, ControlError> {
    let incoming: Incoming<NewKeyForm> = control.incoming(request).await?;
    if incoming.circumstances.idempotency.is_some() {
        let what = "a key is shown once: leave `Idempotency-Key` out, and revoke what you did not receive";
        return Err(ControlError::Malformed(what.to_owned()));
    }
    let principal = owner(incoming.actor.as_ref(), incoming.body.principal.as_deref())?;
    let text = KeyText::random().map_err(|_| ControlError::Internal)?;
    let key = drafted(&incoming.body, principal, &text)?;
    let (revision, mut answer) = control.sharing()?.create_key(incoming.actor.as_ref(), key).await?;
    if let Value::Object(answer) = &mut answer {
        answer.insert("key".to_owned(), text.reveal().into());
        answer.insert("revision".to_owned(), revision.into());
    }
    let revision = [(REVISION, http::HeaderValue::from(revision))];
    Ok((StatusCode::CREATED, revision, Json(answer)).into_response())
}

/// Lists keys, revoked ones included, without the keys themselves.
#[utoipa::path(get, path = "/api/v1/keys", tag = "sharing", security(("bearer" = [])), params(OwnerForm), responses((status = 200, description = "the keys", body = PageBody<KeyBody>), Refusals))]
async fn list(
    State(control): State<Arc<Control>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ControlError> {
    let actor = control.reader(&headers).await?;
    let form: OwnerForm = query_of(&uri)?;
    let of = owner(actor.as_ref(), form.principal.as_deref())?;
    let page = PageForm { limit: form.limit, cursor: form.cursor };
    let caller = actor.as_ref().map(Uid::to_string).unwrap_or_default();
    let binding = Binding::new(&[&caller, "keys", &of.to_string()]);
    let after = page.cursor.as_deref().map(|cursor| binding.read(cursor)).transpose()?;
    let limit = page.limit()?;
    let keys = control.sharing()?.keys(actor.as_ref(), &of, after.as_deref(), limit).await?;
    let is_full = keys.len() >= limit as usize;
    let next = keys.last().filter(|_| is_full).map(|key| binding.write(&key.id));
    let items: Vec<Value> = keys.into_iter().map(|key| key.answer).collect();
    Ok(Json(json!({ "items": items, "next": next })))
}

/// Revokes a key.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id"), ("principal" = Option<String>, Query, description = "whom it speaks for")), responses((status = 204, description = "gone"), Refusals))]
async fn revoke(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let form: Result<OwnerForm, _> = query_of(request.uri());
    let incoming: Incoming<Nothing> = control.incoming(request).await?;
    let of = owner(incoming.actor.as_ref(), form?.principal.as_deref())?;
    let revision = control.sharing()?.revoke_key(incoming.actor.as_ref(), &of, &id, now_ms()).await?;
    Ok(gone_at(revision))
}
