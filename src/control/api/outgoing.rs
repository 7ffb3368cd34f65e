//! Does what was asked, records how it was decided, and answers.

use axum::response::{IntoResponse, Response};
use axum::{Json, body::Body};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::audit;
use crate::control::api::cursor::Binding;
use crate::control::api::incoming::{Incoming, PageForm, REVISION};
use crate::control::{Control, ControlError};
use crate::domain::{Entity, Revision, Uid};
use crate::sharing::{Done, Listing, Operation, etag};

/// How a noun is shown.
pub(super) type Shown = fn(&Entity) -> Result<Value, ControlError>;

impl Control {
    /// Performs the operation; what is decided on the way goes into the request's record.
    pub(super) async fn perform<T, O: Operation>(
        &self,
        incoming: Incoming<T>,
        operation: O,
    ) -> Result<Done, ControlError> {
        let Incoming { actor, circumstances, .. } = incoming;
        Ok(self.sharing()?.perform(actor, operation, circumstances).await?)
    }

    /// One entity with its version, if the caller may see it.
    pub(super) async fn show(
        &self,
        actor: Option<&Uid>,
        view: &str,
        uid: &Uid,
        shown: Shown,
    ) -> Result<Response, ControlError> {
        note(view, uid);
        let entity = self.sharing()?.read(actor, view, uid).await?;
        let mut response = Json(shown(&entity)?).into_response();
        if let Ok(tag) = HeaderValue::try_from(etag(&entity)) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        Ok(response)
    }

    /// A page of what the caller may see.
    pub(super) async fn page(
        &self,
        actor: Option<&Uid>,
        listing: Listing,
        form: &PageForm,
        shown: Shown,
    ) -> Result<Json<Value>, ControlError> {
        note(listing.gate, &listing.of);
        let caller = actor.map(Uid::to_string).unwrap_or_default();
        let binding =
            Binding::new(&[&caller, listing.gate, listing.kind, listing.label, &listing.of.to_string()]);
        let after = form.cursor.as_deref().map(|cursor| binding.read(cursor)).transpose()?;
        let page = self.sharing()?.list(actor, &listing, after.as_deref(), form.limit()?).await?;
        let items = page.items.iter().map(shown).collect::<Result<Vec<_>, _>>()?;
        Ok(Json(json!({ "items": items, "next": page.next.map(|id| binding.write(&id)) })))
    }
}

/// What is asked for, for the record: nothing is decided about what the operator sees.
fn note(action: &str, resource: &Uid) {
    audit::note(|record| {
        record.action = Some(action.into());
        record.resources = vec![resource.clone()];
    });
}

/// An entity that is not what its type says is our mistake, not the caller's.
pub(super) fn broken(error: impl std::fmt::Display) -> ControlError {
    tracing::error!(%error, "the store holds something that cannot be shown");
    ControlError::Internal
}

/// The answer to something that was made.
pub(super) fn created(done: Done) -> Response {
    written(StatusCode::CREATED, done)
}

/// The answer to something that was changed.
pub(super) fn changed(done: Done) -> Response {
    written(StatusCode::OK, done)
}

/// The answer to something that is gone.
pub(super) fn gone(done: Done) -> Response {
    gone_at(done.revision)
}

/// The same, where nothing else is known.
pub(super) fn gone_at(revision: Revision) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(REVISION, HeaderValue::from(revision));
    response
}

fn written(status: StatusCode, done: Done) -> Response {
    let Done { revision, mut answer, .. } = done;
    if let Value::Object(answer) = &mut answer {
        answer.insert("revision".to_owned(), revision.into());
    }
    (status, [(REVISION, HeaderValue::from(revision))], Json(answer)).into_response()
}
