//! Organizations, and what is in them.

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

use crate::control::api::form::{
    DeviceBody, InvitationBody, OrganizationBody, PageBody, Refusals, RoleBody, UserBody,
};
use crate::control::api::incoming::{Incoming, Nothing, PageForm, entity, query_of};
use crate::control::api::outgoing::{broken, changed, created, gone};
use crate::control::api::{devices, invitations, roles, users};
use crate::control::{Control, ControlError};
use crate::domain::Entity;
use crate::domain::nouns::{Device, Invitation, Organization, Role, User};
use crate::sharing::Listing;
use crate::sharing::organizations::{Create, Delete, Rename, Transfer, described};
use crate::sharing::set_up::SetUp;

/// The routes about them.
pub(super) fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new()
        .routes(routes!(set_up))
        .routes(routes!(create))
        .routes(routes!(read, rename, delete))
        .routes(routes!(transfer))
        .routes(routes!(children))
        .routes(routes!(list_roles))
        .routes(routes!(list_users))
        .routes(routes!(list_invitations))
        .routes(routes!(list_devices))
}

pub(super) fn shown(entity: &Entity) -> Result<Value, ControlError> {
    Organization::read(entity).map(|it| described(&it)).map_err(broken)
}

/// The first organization of a tree.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetUpForm {
    /// Its id; a new one unless stated.
    #[schema(min_length = 1)]
    id: Option<String>,
    /// What it is called.
    #[schema(min_length = 1)]
    name: String,
    /// What was paid for; `PRO` unless stated.
    plan: Option<String>,
    /// Its administrator.
    admin: AdminForm,
}

/// The first administrator of a tree.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AdminForm {
    /// The id: what the issuer's tokens say.
    #[schema(min_length = 1)]
    id: String,
    /// The address.
    #[schema(min_length = 1)]
    email: String,
}

/// A new organization.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOrganizationForm {
    /// The id of the organization above it.
    #[schema(min_length = 1)]
    parent: String,
    /// What it is called.
    #[schema(min_length = 1)]
    name: String,
}

/// A new name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrganizationNameForm {
    /// What it is called from now on.
    #[schema(min_length = 1)]
    name: String,
}

/// A new place.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrganizationTransferForm {
    /// The id of the organization above it from now on.
    #[schema(min_length = 1)]
    parent: String,
}

/// A new id, in the order of time.
pub(super) fn fresh() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Makes the first organization of a tree, its roles and its administrator; the operator's.
#[utoipa::path(post, path = "/api/v1/setup", tag = "sharing", security(("bearer" = [])), request_body = SetUpForm, responses((status = 201, description = "the tree", body = OrganizationBody), Refusals))]
async fn set_up(State(control): State<Arc<Control>>, request: Request) -> Result<Response, ControlError> {
    let incoming: Incoming<SetUpForm> = control.incoming(request).await?;
    let form = &incoming.body;
    let operation = SetUp {
        id: form.id.clone().unwrap_or_else(fresh),
        name: form.name.clone(),
        plan: form.plan.clone().unwrap_or_else(|| "PRO".to_owned()),
        admin_id: form.admin.id.clone(),
        admin_email: form.admin.email.clone(),
    };
    Ok(created(control.perform(incoming, operation).await?))
}

/// Makes an organization below another one.
#[utoipa::path(post, path = "/api/v1/organizations", tag = "sharing", security(("bearer" = [])), request_body = NewOrganizationForm, responses((status = 201, description = "what was asked for", body = OrganizationBody), Refusals))]
async fn create(State(control): State<Arc<Control>>, request: Request) -> Result<Response, ControlError> {
    let incoming: Incoming<NewOrganizationForm> = control.incoming(request).await?;
    let operation = Create {
        id: fresh(),
        parent: entity(Organization::KIND, &incoming.body.parent)?,
        name: incoming.body.name.clone(),
    };
    Ok(created(control.perform(incoming, operation).await?))
}

/// Shows an organization.
#[utoipa::path(get, path = "/api/v1/organizations/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = OrganizationBody), Refusals))]
async fn read(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ControlError> {
    let actor = control.reader(&headers).await?;
    control.show(actor.as_ref(), "view_organization", &entity(Organization::KIND, &id)?, shown).await
}

/// Renames an organization.
#[utoipa::path(patch, path = "/api/v1/organizations/{id}", tag = "sharing", security(("bearer" = [])), request_body = OrganizationNameForm, params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = OrganizationBody), Refusals))]
async fn rename(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(Organization::KIND, &id)?;
    let incoming: Incoming<OrganizationNameForm> = control.incoming(request).await?;
    let operation = Rename { organization: uid, name: incoming.body.name.clone() };
    Ok(changed(control.perform(incoming, operation).await?))
}

/// Deletes an organization that is empty; its people and roles go with it.
#[utoipa::path(delete, path = "/api/v1/organizations/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 204, description = "gone"), Refusals))]
async fn delete(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(Organization::KIND, &id)?;
    let incoming: Incoming<Nothing> = control.incoming(request).await?;
    let operation = Delete { organization: uid };
    Ok(gone(control.perform(incoming, operation).await?))
}

/// Moves an organization to another place of its tree.
#[utoipa::path(post, path = "/api/v1/organizations/{id}/transfer", tag = "sharing", security(("bearer" = [])), request_body = OrganizationTransferForm, params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = OrganizationBody), Refusals))]
async fn transfer(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(Organization::KIND, &id)?;
    let incoming: Incoming<OrganizationTransferForm> = control.incoming(request).await?;
    let operation =
        Transfer { organization: uid, parent: entity(Organization::KIND, &incoming.body.parent)? };
    Ok(changed(control.perform(incoming, operation).await?))
}

/// Lists the organizations directly below.
#[utoipa::path(get, path = "/api/v1/organizations/{id}/children", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id"), PageForm), responses((status = 200, description = "what was asked for", body = PageBody<OrganizationBody>), Refusals))]
async fn children(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ControlError> {
    let actor = control.reader(&headers).await?;
    let of = entity(Organization::KIND, &id)?;
    let listing = Listing {
        gate: "view_organization",
        of,
        kind: Organization::KIND,
        label: "",
        view: "view_organization",
    };
    control.page(actor.as_ref(), listing, &query_of(&uri)?, shown).await
}

/// Lists the roles.
#[utoipa::path(get, path = "/api/v1/organizations/{id}/roles", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id"), PageForm), responses((status = 200, description = "what was asked for", body = PageBody<RoleBody>), Refusals))]
async fn list_roles(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ControlError> {
    let actor = control.reader(&headers).await?;
    let of = entity(Organization::KIND, &id)?;
    let listing =
        Listing { gate: "view_organization", of, kind: Role::KIND, label: "organization", view: "view_role" };
    control.page(actor.as_ref(), listing, &query_of(&uri)?, roles::shown).await
}

/// Lists the people.
#[utoipa::path(get, path = "/api/v1/organizations/{id}/users", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id"), PageForm), responses((status = 200, description = "what was asked for", body = PageBody<UserBody>), Refusals))]
async fn list_users(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ControlError> {
    let actor = control.reader(&headers).await?;
    let of = entity(Organization::KIND, &id)?;
    let listing =
        Listing { gate: "list_users", of, kind: User::KIND, label: "organization", view: "view_user" };
    control.page(actor.as_ref(), listing, &query_of(&uri)?, users::shown).await
}

/// Lists the invitations.
#[utoipa::path(get, path = "/api/v1/organizations/{id}/invitations", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id"), PageForm), responses((status = 200, description = "what was asked for", body = PageBody<InvitationBody>), Refusals))]
async fn list_invitations(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ControlError> {
    let actor = control.reader(&headers).await?;
    let of = entity(Organization::KIND, &id)?;
    let listing = Listing {
        gate: "list_users",
        of,
        kind: Invitation::KIND,
        label: "organization",
        view: "view_invitation",
    };
    control.page(actor.as_ref(), listing, &query_of(&uri)?, invitations::shown).await
}

/// Lists the devices.
#[utoipa::path(get, path = "/api/v1/organizations/{id}/devices", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id"), PageForm), responses((status = 200, description = "what was asked for", body = PageBody<DeviceBody>), Refusals))]
async fn list_devices(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ControlError> {
    let actor = control.reader(&headers).await?;
    let of = entity(Organization::KIND, &id)?;
    let listing =
        Listing { gate: "list_devices", of, kind: Device::KIND, label: "organization", view: "view" };
    control.page(actor.as_ref(), listing, &query_of(&uri)?, devices::shown).await
}
