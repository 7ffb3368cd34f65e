//! People.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::control::api::form::{DeviceBody, GrantBody, PageBody, Refusals, UserBody};
use crate::control::api::incoming::{Incoming, Nothing, PageForm, entity, query_of};
use crate::control::api::outgoing::{broken, changed, gone};
use crate::control::api::{devices, grants};
use crate::control::{Control, ControlError};
use crate::domain::Entity;
use crate::domain::nouns::{Device, Grant, Organization, Role, User};
use crate::sharing::Listing;
use crate::sharing::people::{ChangeRole, Delete, Rename, SetStatus, Transfer, Verb, described};

/// The routes about them.
pub(super) fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new()
        .routes(routes!(read, rename, delete))
        .routes(routes!(change_role))
        .routes(routes!(suspend))
        .routes(routes!(activate))
        .routes(routes!(mark_inactive))
        .routes(routes!(sign_out))
        .routes(routes!(transfer))
        .routes(routes!(list_devices))
        .routes(routes!(list_grants))
}

pub(super) fn shown(entity: &Entity) -> Result<Value, ControlError> {
    User::read(entity).map(|it| described(&it)).map_err(broken)
}

/// A new name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PersonNameForm {
    /// What people call the person from now on.
    #[schema(min_length = 1)]
    name: String,
}

/// Another role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RoleForm {
    /// The id of a role of the same organization.
    #[schema(min_length = 1)]
    role: String,
}

/// Another organization.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PersonTransferForm {
    /// The id of the organization.
    #[schema(min_length = 1)]
    organization: String,
    /// The id of the role there.
    #[schema(min_length = 1)]
    role: String,
    /// Whether the person's devices move along; else they stay, and nobody owns them.
    #[serde(default)]
    with_devices: bool,
}

/// Shows a person.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = UserBody), Refusals))]
async fn read(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ControlError> {
    let actor = control.reader(&headers).await?;
    control.show(actor.as_ref(), "view_user", &entity(User::KIND, &id)?, shown).await
}

/// Renames a person.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "sharing", security(("bearer" = [])), request_body = PersonNameForm, params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = UserBody), Refusals))]
async fn rename(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(User::KIND, &id)?;
    let incoming: Incoming<PersonNameForm> = control.incoming(request).await?;
    let operation = Rename { user: uid, name: incoming.body.name.clone() };
    Ok(changed(control.perform(incoming, operation).await?))
}

/// Deletes an account; its devices stay, and nobody owns them.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 204, description = "gone"), Refusals))]
async fn delete(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(User::KIND, &id)?;
    let incoming: Incoming<Nothing> = control.incoming(request).await?;
    let operation = Delete { user: uid };
    Ok(gone(control.perform(incoming, operation).await?))
}

/// Gives a person another role.
#[utoipa::path(put, path = "/api/v1/users/{id}/role", tag = "sharing", security(("bearer" = [])), request_body = RoleForm, params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = UserBody), Refusals))]
async fn change_role(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(User::KIND, &id)?;
    let incoming: Incoming<RoleForm> = control.incoming(request).await?;
    let operation = ChangeRole { user: uid, role: entity(Role::KIND, &incoming.body.role)? };
    Ok(changed(control.perform(incoming, operation).await?))
}

impl Control {
    async fn set_status(&self, id: &str, verb: Verb, request: Request) -> Result<Response, ControlError> {
        let user = entity(User::KIND, id)?;
        let incoming: Incoming<Nothing> = self.incoming(request).await?;
        Ok(changed(self.perform(incoming, SetStatus { user, verb }).await?))
    }
}

/// Closes an account until further notice.
#[utoipa::path(post, path = "/api/v1/users/{id}/suspend", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = UserBody), Refusals))]
async fn suspend(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    control.set_status(&id, Verb::Suspend, request).await
}

/// Notes that a person has not been here for long; the account works as before.
#[utoipa::path(post, path = "/api/v1/users/{id}/inactive", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = UserBody), Refusals))]
async fn mark_inactive(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    control.set_status(&id, Verb::MarkInactive, request).await
}

/// Opens a suspended account again, or notes that a person is back.
#[utoipa::path(post, path = "/api/v1/users/{id}/activate", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = UserBody), Refusals))]
async fn activate(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    control.set_status(&id, Verb::Activate, request).await
}

/// Ends everything that was issued to a person until now.
#[utoipa::path(post, path = "/api/v1/users/{id}/sign-out", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = UserBody), Refusals))]
async fn sign_out(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    control.set_status(&id, Verb::SignOut, request).await
}

/// Moves a person to another organization of the tree.
#[utoipa::path(post, path = "/api/v1/users/{id}/transfer", tag = "sharing", security(("bearer" = [])), request_body = PersonTransferForm, params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = UserBody), Refusals))]
async fn transfer(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(User::KIND, &id)?;
    let incoming: Incoming<PersonTransferForm> = control.incoming(request).await?;
    let operation = Transfer {
        user: uid,
        organization: entity(Organization::KIND, &incoming.body.organization)?,
        role: entity(Role::KIND, &incoming.body.role)?,
        with_devices: incoming.body.with_devices,
    };
    Ok(changed(control.perform(incoming, operation).await?))
}

/// Lists the devices of a person.
#[utoipa::path(get, path = "/api/v1/users/{id}/devices", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id"), PageForm), responses((status = 200, description = "what was asked for", body = PageBody<DeviceBody>), Refusals))]
async fn list_devices(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ControlError> {
    let actor = control.reader(&headers).await?;
    let of = entity(User::KIND, &id)?;
    let listing = Listing { gate: "view_user", of, kind: Device::KIND, label: "owner", view: "view" };
    control.page(actor.as_ref(), listing, &query_of(&uri)?, devices::shown).await
}

/// Lists what was lent to a person.
#[utoipa::path(get, path = "/api/v1/users/{id}/grants", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id"), PageForm), responses((status = 200, description = "what was asked for", body = PageBody<GrantBody>), Refusals))]
async fn list_grants(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ControlError> {
    let actor = control.reader(&headers).await?;
    let of = entity(User::KIND, &id)?;
    let listing = Listing { gate: "view_user", of, kind: Grant::KIND, label: "grantee", view: "view_grant" };
    control.page(actor.as_ref(), listing, &query_of(&uri)?, grants::shown).await
}
