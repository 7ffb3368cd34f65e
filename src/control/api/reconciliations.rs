//! What an upstream made or removed and the store does not know of yet: the operator's to put right.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::control::api::cursor::Binding;
use crate::control::api::form::{PageBody, Refusals};
use crate::control::api::incoming::{Incoming, Nothing, PageForm, entity, query_of};
use crate::control::api::outgoing::gone;
use crate::control::{Control, ControlError};
use crate::domain::nouns::RECONCILIATION;
use crate::sharing::reconcile::{Discard, Finish};

/// The routes about them.
pub(super) fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(discard)).routes(routes!(finish))
}

/// A request whose outcome is not settled.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `sharing` answers as JSON")]
struct ReconciliationBody {
    id: String,
    /// `creates` or `removes`.
    effect: String,
    /// The pattern of its route.
    route: String,
    /// Who asked, as `Type::"id"`.
    principal: Option<String>,
    /// The organization of what is made, or what is removed, as `Type::"id"`.
    resources: Vec<String>,
    at: String,
    /// `under way`, or why it was not settled.
    reason: String,
    /// The device that was made, where its id is known.
    device: Option<String>,
    name: Option<String>,
    template: Option<String>,
}

/// How one is settled.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FinishForm {
    /// The id that the device API gave the device, where it is not known here.
    device: Option<String>,
}

/// Lists them, for the operator; one that stays `under way` was cut off.
#[utoipa::path(get, path = "/api/v1/reconciliations", tag = "sharing", security(("bearer" = [])), params(PageForm), responses((status = 200, description = "the list", body = PageBody<ReconciliationBody>), Refusals))]
async fn list(
    State(control): State<Arc<Control>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ControlError> {
    let actor = control.reader(&headers).await?;
    let form: PageForm = query_of(&uri)?;
    let caller = actor.as_ref().map(ToString::to_string).unwrap_or_default();
    let binding = Binding::new(&[&caller, "reconciliations"]);
    let after = form.cursor.as_deref().map(|cursor| binding.read(cursor)).transpose()?;
    let sharing = control.sharing()?;
    let (items, next) = sharing.reconciliations(actor.as_ref(), after.as_deref(), form.limit()?).await?;
    Ok(Json(json!({ "items": items, "next": next.map(|id| binding.write(&id)) })))
}

/// Does to the store what the device API did.
#[utoipa::path(post, path = "/api/v1/reconciliations/{id}/finish", tag = "sharing", security(("bearer" = [])), request_body = FinishForm, params(("id" = String, Path, description = "the id")), responses((status = 204, description = "settled"), Refusals))]
async fn finish(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let entry = entity(RECONCILIATION, &id)?;
    let incoming: Incoming<FinishForm> = control.incoming(request).await?;
    let operation = Finish { entry, device: incoming.body.device.clone() };
    Ok(gone(control.perform(incoming, operation).await?))
}

/// Forgets it: the device API did nothing, or it was undone there.
#[utoipa::path(delete, path = "/api/v1/reconciliations/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 204, description = "gone"), Refusals))]
async fn discard(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let entry = entity(RECONCILIATION, &id)?;
    let incoming: Incoming<Nothing> = control.incoming(request).await?;
    Ok(gone(control.perform(incoming, Discard { entry }).await?))
}
