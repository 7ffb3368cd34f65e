//! Who am I, and what may I do here?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::control::api::form::{MeBody, Refusals};
use crate::control::api::outgoing::broken;
use crate::control::{Control, ControlError};
use crate::domain::nouns::{Organization, Role, User};
use crate::domain::{Uid, UidError};
use crate::sharing::{Conflict, organizations, people, roles};

/// The route.
pub(super) fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(me))
}

/// What is asked about.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HereForm {
    /// What the actions are about, as `Type::id`; the organization that was switched to, or the own one, unless stated.
    #[param(pattern = "^.+::.+$")]
    resource: Option<String>,
}

/// Tells who is asking, and what may be done here.
#[utoipa::path(get, path = "/api/v1/me", tag = "sharing", security(("bearer" = [])), params(HereForm), responses((status = 200, description = "who is asking", body = MeBody), Refusals))]
async fn me(
    State(control): State<Arc<Control>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ControlError> {
    let actor = control.reader(&headers).await?;
    let (switched, form) = control.switched::<HereForm>(actor.as_ref(), &uri, &headers).await?;
    let malformed = |error: UidError| ControlError::Malformed(error.to_string());
    let stated = form.resource.as_deref().map(Uid::parse).transpose().map_err(malformed)?;
    let Some(actor) = actor else {
        return Ok(Json(json!({ "principal": null, "actions": [] })));
    };
    let sharing = control.sharing()?;
    let entity = sharing.read(Some(&actor), "view_user", &actor).await?;
    let user = User::read(&entity).map_err(broken)?;
    let here = switched.unwrap_or_else(|| user.organization.clone());
    let organization = sharing.read(None, "view_organization", &here).await?;
    let organization = Organization::read(&organization).map_err(broken)?;
    let role = Role::read(&sharing.read(None, "view_role", &user.role).await?).map_err(broken)?;
    let resource = stated.unwrap_or(here);
    let actions = control.actions(&actor, &resource).await?;
    Ok(Json(json!({
        "principal": actor.to_string(),
        "user": people::described(&user),
        "organization": organizations::described(&organization),
        "role": roles::described(&role),
        "resource": resource.to_string(),
        "actions": actions,
    })))
}

impl Control {
    /// What may be done with something that may be seen.
    async fn actions(&self, actor: &Uid, resource: &Uid) -> Result<Vec<String>, ControlError> {
        let actions = self.sharing()?.permitted(actor, resource).await?;
        match self.decider.pin().snapshot().visibility(resource.kind()) {
            Some(view) if actions.iter().any(|it| **it == *view) => Ok(actions),
            _ => Err(Conflict::Missing.into()),
        }
    }
}
