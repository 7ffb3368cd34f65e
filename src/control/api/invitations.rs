//! Invitations.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::control::api::form::{InvitationBody, Refusals, UserBody};
use crate::control::api::incoming::{Incoming, Nothing, entity};
use crate::control::api::organizations::fresh;
use crate::control::api::outgoing::{broken, changed, created, gone};
use crate::control::{Control, ControlError};
use crate::domain::Entity;
use crate::domain::nouns::{Invitation, Organization, Role};
use crate::sharing::Conflict;
use crate::sharing::invitations::{Accept, Invite, Resend, Withdraw, described};
use crate::sharing::secret::Secret;

/// The routes about them.
pub(super) fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new()
        .routes(routes!(invite))
        .routes(routes!(accept))
        .routes(routes!(read, withdraw))
        .routes(routes!(resend))
}

pub(super) fn shown(entity: &Entity) -> Result<Value, ControlError> {
    Invitation::read(entity).map(|it| described(&it)).map_err(broken)
}

/// Whom to invite, and to what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InviteForm {
    /// The id of the organization.
    #[schema(min_length = 1)]
    organization: String,
    /// The id of a role there.
    #[schema(min_length = 1)]
    role: String,
    /// The address; nobody with an account may have it.
    #[schema(min_length = 1)]
    email: String,
    /// What people call the person.
    #[schema(min_length = 1)]
    name: Option<String>,
}

/// What the link is made of.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptForm {
    /// The token.
    #[schema(min_length = 1)]
    token: String,
}

/// Invites somebody who has no account; the link is mailed, or the answer holds its token.
#[utoipa::path(post, path = "/api/v1/invitations", tag = "sharing", security(("bearer" = [])), request_body = InviteForm, responses((status = 201, description = "what was asked for", body = InvitationBody), Refusals))]
async fn invite(State(control): State<Arc<Control>>, request: Request) -> Result<Response, ControlError> {
    let incoming: Incoming<InviteForm> = control.incoming(request).await?;
    let operation = {
        let (id, form) = (fresh(), &incoming.body);
        Invite {
            secret: Secret::random(&id)?,
            id,
            user_id: fresh(),
            organization: entity(Organization::KIND, &form.organization)?,
            role: entity(Role::KIND, &form.role)?,
            email: form.email.clone(),
            name: form.name.clone(),
        }
    };
    Ok(created(control.perform(incoming, operation).await?))
}

/// Accepts an invitation: whoever is signed in becomes the member that was invited.
#[utoipa::path(post, path = "/api/v1/invitations/accept", tag = "sharing", security(("bearer" = [])), request_body = AcceptForm, responses((status = 200, description = "what was asked for", body = UserBody), Refusals))]
async fn accept(State(control): State<Arc<Control>>, request: Request) -> Result<Response, ControlError> {
    let incoming: Incoming<AcceptForm> = control.incoming(request).await?;
    let secret = Secret::parse(&incoming.body.token).ok_or(Conflict::Missing)?;
    let operation = Accept { secret, email: incoming.email.clone() };
    Ok(changed(control.perform(incoming, operation).await?))
}

/// Shows an invitation.
#[utoipa::path(get, path = "/api/v1/invitations/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = InvitationBody), Refusals))]
async fn read(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ControlError> {
    let actor = control.reader(&headers).await?;
    control.show(actor.as_ref(), "view_invitation", &entity(Invitation::KIND, &id)?, shown).await
}

/// Takes an invitation back.
#[utoipa::path(delete, path = "/api/v1/invitations/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 204, description = "gone"), Refusals))]
async fn withdraw(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(Invitation::KIND, &id)?;
    let incoming: Incoming<Nothing> = control.incoming(request).await?;
    let operation = Withdraw { invitation: uid };
    Ok(gone(control.perform(incoming, operation).await?))
}

/// Makes a new link; the old one opens nothing any more.
#[utoipa::path(post, path = "/api/v1/invitations/{id}/resend", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = InvitationBody), Refusals))]
async fn resend(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let uid = entity(Invitation::KIND, &id)?;
    let incoming: Incoming<Nothing> = control.incoming(request).await?;
    let operation = Resend { secret: Secret::random(&id)?, invitation: uid };
    Ok(changed(control.perform(incoming, operation).await?))
}
