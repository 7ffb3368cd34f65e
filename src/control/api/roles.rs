//! Roles.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::control::api::form::{Refusals, RoleBody};
use crate::control::api::incoming::{Incoming, Nothing, entity, query_of};
use crate::control::api::organizations::fresh;
use crate::control::api::outgoing::{broken, changed, created, gone};
use crate::control::{Control, ControlError};
use crate::domain::Entity;
use crate::domain::nouns::{Organization, Role};
use crate::sharing::permissions::Edit;
use crate::sharing::roles::{Create, Delete, EditPermissions, Push, Rename, described};

/// The routes about them.
pub(super) fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(read, rename, delete)).routes(routes!(edit))
}

pub(super) fn shown(entity: &Entity) -> Result<Value, ControlError> {
    Role::read(entity).map(|it| described(&it)).map_err(broken)
}

/// A new role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRoleForm {
    /// The id of the top organization of the tree.
    #[schema(min_length = 1)]
    organization: String,
    /// What it is called.
    #[schema(min_length = 1)]
    name: String,
    /// What it permits, in each organization at first.
    #[serde(default)]
    permissions: BTreeSet<String>,
}

/// A new name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RoleNameForm {
    /// What it is called from now on, in the whole tree.
    #[schema(min_length = 1)]
    name: String,
}

/// A change of permissions; what they need comes along, what needs them goes along.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditForm {
    /// What is switched on.
    #[serde(default)]
    add: BTreeSet<String>,
    /// What is switched off.
    #[serde(default)]
    remove: BTreeSet<String>,
    /// What happens to the roles of the same name below.
    #[serde(default)]
    push: PushForm,
}

/// What happens below.
#[derive(Deserialize, ToSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum PushForm {
    /// Nothing.
    #[default]
    None,
    /// The same change.
    Changed,
    /// They hold the same from now on.
    Overwrite,
}

impl From<PushForm> for Push {
    fn from(form: PushForm) -> Self {
        match form {
            PushForm::None => Self::None,
            PushForm::Changed => Self::Changed,
            PushForm::Overwrite => Self::Overwrite,
        }
    }
}

/// Who takes the place of a role.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReplacementForm {
    /// The id of the role that its people get.
    #[param(min_length = 1)]
    replacement: String,
}

/// Makes a role in a whole tree.
#[utoipa::path(post, path = "/api/v1/roles", tag = "sharing", security(("bearer" = [])), request_body = NewRoleForm, responses((status = 201, description = "what was asked for", body = RoleBody), Refusals))]
async fn create(State(control): State<Arc<Control>>, request: Request) -> Result<Response, ControlError> {
    let incoming: Incoming<NewRoleForm> = control.incoming(request).await?;
    let operation = Create {
        id: fresh(),
        organization: entity(Organization::KIND, &incoming.body.organization)?,
        name: incoming.body.name.clone(),
        permissions: incoming.body.permissions.clone(),
    };
    Ok(created(control.perform(incoming, operation).await?))
}

/// Shows a role.
#[utoipa::path(get, path = "/api/v1/roles/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = RoleBody), Refusals))]
async fn read(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ControlError> {
    let actor = control.reader(&headers).await?;
    control.show(actor.as_ref(), "view_role", &entity(Role::KIND, &id)?, shown).await
}

/// Renames a role in a whole tree.
#[utoipa::path(patch, path = "/api/v1/roles/{id}", tag = "sharing", security(("bearer" = [])), request_body = RoleNameForm, params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = RoleBody), Refusals))]
async fn rename(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(Role::KIND, &id)?;
    let incoming: Incoming<RoleNameForm> = control.incoming(request).await?;
    let operation = Rename { role: uid, name: incoming.body.name.clone() };
    Ok(changed(control.perform(incoming, operation).await?))
}

/// Switches permissions of a role on and off.
#[utoipa::path(patch, path = "/api/v1/roles/{id}/permissions", tag = "sharing", security(("bearer" = [])), request_body = EditForm, params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = RoleBody), Refusals))]
async fn edit(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(Role::KIND, &id)?;
    let incoming: Incoming<EditForm> = control.incoming(request).await?;
    let operation = EditPermissions {
        role: uid,
        edit: Edit { add: incoming.body.add.clone(), remove: incoming.body.remove.clone() },
        push: incoming.body.push.into(),
    };
    Ok(changed(control.perform(incoming, operation).await?))
}

/// Deletes a role in a whole tree; its people get another one.
#[utoipa::path(delete, path = "/api/v1/roles/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id"), ReplacementForm), responses((status = 204, description = "gone"), Refusals))]
async fn delete(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(Role::KIND, &id)?;
    let form: Result<ReplacementForm, _> = query_of(request.uri());
    let incoming: Incoming<Nothing> = control.incoming(request).await?;
    let replacement = entity(Role::KIND, &form?.replacement)?;
    let operation = Delete { role: uid, replacement };
    Ok(gone(control.perform(incoming, operation).await?))
}
