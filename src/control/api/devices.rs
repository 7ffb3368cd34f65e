//! Devices, and who has them.

use std::collections::BTreeMap;
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

use crate::control::api::form::{DeviceBody, GrantBody, PageBody, Refusals};
use crate::control::api::grants;
use crate::control::api::incoming::{Incoming, Nothing, PageForm, entity, query_of};
use crate::control::api::organizations::fresh;
use crate::control::api::outgoing::{broken, changed, created, gone};
use crate::control::{Control, ControlError};
use crate::domain::Entity;
use crate::domain::nouns::{Device, Grant, Organization};
use crate::sharing::Listing;
use crate::sharing::devices::{Delete, Describe, Description, Destination, Provision, Transfer, described};

/// The routes about them.
pub(super) fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new()
        .routes(routes!(provision))
        .routes(routes!(read, describe, delete))
        .routes(routes!(transfer))
        .routes(routes!(clear_owner))
        .routes(routes!(list_grants))
}

pub(super) fn shown(entity: &Entity) -> Result<Value, ControlError> {
    Device::read(entity).map(|it| described(&it)).map_err(broken)
}

/// A new device.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProvisionForm {
    /// The id that the device API knows it by; a new one unless stated.
    #[schema(min_length = 1)]
    id: Option<String>,
    /// The id of the organization.
    #[schema(min_length = 1)]
    organization: String,
    /// What it is called.
    #[schema(min_length = 1)]
    name: String,
    /// What kind of product it is.
    #[schema(min_length = 1)]
    template: Option<String>,
}

/// What changes of a device; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DescribeForm {
    /// What it is called.
    #[schema(min_length = 1)]
    name: Option<String>,
    /// Words to find it by, all of them.
    tags: Option<Vec<String>>,
    /// What else is known of it, by name; what is null is forgotten.
    #[serde(default)]
    metadata: BTreeMap<String, Option<String>>,
}

/// Where a device goes: either of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeviceTransferForm {
    /// The address of the new owner; the device moves to his organization.
    #[schema(min_length = 1)]
    email: Option<String>,
    /// The id of an organization, where nobody owns the device.
    #[schema(min_length = 1)]
    organization: Option<String>,
}

impl DeviceTransferForm {
    fn destination(&self) -> Result<Destination, ControlError> {
        match (&self.email, &self.organization) {
            (Some(email), None) => Ok(Destination::Owner { email: email.clone() }),
            (None, Some(id)) => Ok(Destination::Organization(entity(Organization::KIND, id)?)),
            _ => Err(ControlError::Malformed("state either `email` or `organization`".to_owned())),
        }
    }
}

/// Adds a device; whoever does it owns it.
#[utoipa::path(post, path = "/api/v1/devices", tag = "sharing", security(("bearer" = [])), request_body = ProvisionForm, responses((status = 201, description = "what was asked for", body = DeviceBody), Refusals))]
async fn provision(State(control): State<Arc<Control>>, request: Request) -> Result<Response, ControlError> {
    let incoming: Incoming<ProvisionForm> = control.incoming(request).await?;
    let operation = Provision {
        id: incoming.body.id.clone().unwrap_or_else(fresh),
        organization: entity(Organization::KIND, &incoming.body.organization)?,
        name: incoming.body.name.clone(),
        template: incoming.body.template.clone(),
    };
    Ok(created(control.perform(incoming, operation).await?))
}

/// Shows a device.
#[utoipa::path(get, path = "/api/v1/devices/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = DeviceBody), Refusals))]
async fn read(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ControlError> {
    let actor = control.reader(&headers).await?;
    control.show(actor.as_ref(), "view", &entity(Device::KIND, &id)?, shown).await
}

/// Changes what a device is called and known by.
#[utoipa::path(patch, path = "/api/v1/devices/{id}", tag = "sharing", security(("bearer" = [])), request_body = DescribeForm, params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = DeviceBody), Refusals))]
async fn describe(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(Device::KIND, &id)?;
    let incoming: Incoming<DescribeForm> = control.incoming(request).await?;
    let operation = {
        let DescribeForm { name, tags, metadata } = &incoming.body;
        let description = Description { name: name.clone(), tags: tags.clone(), metadata: metadata.clone() };
        Describe { device: uid, description }
    };
    Ok(changed(control.perform(incoming, operation).await?))
}

/// Forgets a device.
#[utoipa::path(delete, path = "/api/v1/devices/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 204, description = "gone"), Refusals))]
async fn delete(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(Device::KIND, &id)?;
    let incoming: Incoming<Nothing> = control.incoming(request).await?;
    let operation = Delete { device: uid };
    Ok(gone(control.perform(incoming, operation).await?))
}

/// Gives a device to somebody else; the one before keeps nothing.
#[utoipa::path(post, path = "/api/v1/devices/{id}/transfer", tag = "sharing", security(("bearer" = [])), request_body = DeviceTransferForm, params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = DeviceBody), Refusals))]
async fn transfer(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(Device::KIND, &id)?;
    let incoming: Incoming<DeviceTransferForm> = control.incoming(request).await?;
    let operation = Transfer { device: uid, to: incoming.body.destination()? };
    Ok(changed(control.perform(incoming, operation).await?))
}

/// Leaves a device without an owner.
#[utoipa::path(delete, path = "/api/v1/devices/{id}/owner", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = DeviceBody), Refusals))]
async fn clear_owner(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(Device::KIND, &id)?;
    let incoming: Incoming<Nothing> = control.incoming(request).await?;
    let operation = Transfer { device: uid, to: Destination::Nobody };
    Ok(changed(control.perform(incoming, operation).await?))
}

/// Lists to whom a device is lent.
#[utoipa::path(get, path = "/api/v1/devices/{id}/grants", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id"), PageForm), responses((status = 200, description = "what was asked for", body = PageBody<GrantBody>), Refusals))]
async fn list_grants(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ControlError> {
    let actor = control.reader(&headers).await?;
    let of = entity(Device::KIND, &id)?;
    let listing = Listing { gate: "view", of, kind: Grant::KIND, label: "device", view: "view_grant" };
    control.page(actor.as_ref(), listing, &query_of(&uri)?, grants::shown).await
}
