//! The sharing API: each handler reads a request, names an operation and answers.

mod cursor;
mod devices;
mod form;
mod grants;
mod incoming;
mod invitations;
mod keys;
mod me;
mod organizations;
mod outgoing;
mod reconciliations;
mod roles;
mod search;
mod secrets;
mod switched;
mod users;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::control::Control;

pub use switched::SwitchNames;

/// The routes of the sharing API.
pub(super) fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new()
        .merge(me::routes())
        .merge(organizations::routes())
        .merge(roles::routes())
        .merge(users::routes())
        .merge(invitations::routes())
        .merge(devices::routes())
        .merge(search::routes())
        .merge(grants::routes())
        .merge(keys::routes())
        .merge(secrets::routes())
        .merge(reconciliations::routes())
}
