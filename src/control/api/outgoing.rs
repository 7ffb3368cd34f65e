//! Does what was asked, records how it was decided, and answers.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use axum::{Json, body::Body};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::control::api::cursor::Binding;
use crate::control::api::incoming::{Incoming, PageForm, REVISION};
use crate::control::{AskedRecord, Control, ControlError};
use crate::decision::Decision;
use crate::domain::{Entity, Query, Revision, Uid};
use crate::sharing::{Done, Failure, Listing, Operation, etag};

/// How a noun is shown.
pub(super) type Shown = fn(&Entity) -> Result<Value, ControlError>;

impl Control {
    /// Performs the operation; everything that was decided on the way is recorded.
    ///
    /// On a task of its own: a client that hangs up cuts neither the operation nor its record.
    pub(super) async fn perform<T, O: Operation>(
        self: &Arc<Self>,
        incoming: Incoming<T>,
        operation: O,
    ) -> Result<Done, ControlError> {
        let control = Arc::clone(self);
        let Incoming { actor, circumstances, request_id, route, .. } = incoming;
        let work = async move {
            let outcome = control.sharing()?.perform(actor, operation, circumstances).await;
            control.record(&outcome, &route, &request_id).await?;
            Ok(outcome?)
        };
        tokio::spawn(work).await.unwrap_or(Err(ControlError::Internal))
    }

    async fn record(
        &self,
        outcome: &Result<Done, Failure>,
        route: &Arc<str>,
        request_id: &str,
    ) -> Result<(), ControlError> {
        let noted: Vec<(&Query, &Decision)> = match outcome {
            Ok(done) => done.noted.iter().map(|it| (&it.query, &it.decision)).collect(),
            Err(Failure::Refused { query: Some(query), refused }) => {
                refused.decision().into_iter().map(|it| (&**query, it)).collect()
            }
            Err(_) => Vec::new(),
        };
        for (query, decision) in noted {
            if !(self.recorder)(self.record_of(query, decision, route, request_id)).await {
                return Err(ControlError::Unrecorded);
            }
        }
        Ok(())
    }

    fn record_of(
        &self,
        query: &Query,
        decision: &Decision,
        route: &Arc<str>,
        request_id: &str,
    ) -> AskedRecord {
        let verdict = &decision.verdict;
        AskedRecord {
            route: Arc::clone(route),
            asked_by: Some(query.principal.clone()),
            principal: query.principal.clone(),
            action: query.action.clone(),
            resource: query.resource.clone(),
            allowed: verdict.allowed,
            reasons: verdict.reasons.clone(),
            error: (!verdict.errors.is_empty()).then_some("evaluation-error"),
            policy_revision: self.decider.pin().policy_revision().clone(),
            store_revision: decision.store_revision,
            request_id: request_id.to_owned(),
            latency_us: 0,
        }
    }

    /// One entity with its version, if the caller may see it.
    pub(super) async fn show(
        &self,
        actor: Option<&Uid>,
        view: &str,
        uid: &Uid,
        shown: Shown,
    ) -> Result<Response, ControlError> {
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
        let caller = actor.map(Uid::to_string).unwrap_or_default();
        let binding =
            Binding::new(&[&caller, listing.gate, listing.kind, listing.label, &listing.of.to_string()]);
        let after = form.cursor.as_deref().map(|cursor| binding.read(cursor)).transpose()?;
        let page = self.sharing()?.list(actor, &listing, after.as_deref(), form.limit()?).await?;
        let items = page.items.iter().map(shown).collect::<Result<Vec<_>, _>>()?;
        Ok(Json(json!({ "items": items, "next": page.next.map(|id| binding.write(&id)) })))
    }
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
