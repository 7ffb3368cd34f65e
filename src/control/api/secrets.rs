//! Secrets of devices: written, forgotten, listed by name, and never shown.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::HeaderMap;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::control::api::form::Refusals;
use crate::control::api::incoming::{Incoming, Nothing, entity};
use crate::control::api::outgoing::gone;
use crate::control::{Control, ControlError};
use crate::domain::SecretText;
use crate::domain::nouns::Device;
use crate::sharing::secrets::{ForgetSecret, KeepSecret};

/// The routes about them.
pub(super) fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(keep, forget))
}

/// A secret to keep.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretForm {
    /// The secret, in printable ASCII; no answer ever repeats it.
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    #[serde(deserialize_with = "hidden")]
    value: SecretText,
}

/// What is sent is in no message, whatever it is.
fn hidden<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretText, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => SecretText::new(text).map_err(D::Error::custom),
        _ => Err(D::Error::custom("`value` is a text")),
    }
}

/// What a device's secrets are called.
#[derive(Serialize, ToSchema)]
struct SecretsBody {
    items: Vec<SecretBody>,
}

/// A secret, without the secret.
#[derive(Serialize, ToSchema)]
struct SecretBody {
    name: String,
}

/// Lists what a device's secrets are called.
#[utoipa::path(get, path = "/api/v1/devices/{id}/secrets", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "the names", body = SecretsBody), Refusals))]
async fn list(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<SecretsBody>, ControlError> {
    let actor = control.reader(&headers).await?;
    let names = control.sharing()?.secret_names(actor.as_ref(), &entity(Device::KIND, &id)?).await?;
    Ok(Json(SecretsBody { items: names.into_iter().map(|name| SecretBody { name }).collect() }))
}

/// Keeps a secret of a device, in place of one of the same name.
#[utoipa::path(put, path = "/api/v1/devices/{id}/secrets/{name}", tag = "sharing", security(("bearer" = [])), request_body = SecretForm, params(("id" = String, Path, description = "the id"), ("name" = String, Path, description = "what routes call it")), responses((status = 204, description = "kept"), Refusals))]
async fn keep(
    State(control): State<Arc<Control>>,
    Path((id, name)): Path<(String, String)>,
    request: Request,
) -> Result<Response, ControlError> {
    let device = entity(Device::KIND, &id)?;
    let mut incoming: Incoming<SecretForm> = control.incoming(request).await?;
    // To keep it twice is to keep it once; and what is kept for a repeated request must not depend on it.
    incoming.circumstances.idempotency = None;
    let operation = KeepSecret { device, name: name.into(), value: incoming.body.value.clone() };
    Ok(gone(control.perform(incoming, operation).await?))
}

/// Forgets a secret of a device.
#[utoipa::path(delete, path = "/api/v1/devices/{id}/secrets/{name}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id"), ("name" = String, Path, description = "what routes call it")), responses((status = 204, description = "gone"), Refusals))]
async fn forget(
    State(control): State<Arc<Control>>,
    Path((id, name)): Path<(String, String)>,
    request: Request,
) -> Result<Response, ControlError> {
    let device = entity(Device::KIND, &id)?;
    let incoming: Incoming<Nothing> = control.incoming(request).await?;
    let operation = ForgetSecret { device, name: name.into() };
    Ok(gone(control.perform(incoming, operation).await?))
}
