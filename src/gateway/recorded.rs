//! The last verb: what a request leaves in its record, written when the answer ends or breaks off.

use http::Response;
use http::header::HeaderValue;
use http::request::Parts;

use crate::audit::{Decision as Outcome, OpenRecord};
use crate::decision::{Ask, Decision, Session};
use crate::domain::Query;
use crate::gateway::admission::Place;
use crate::gateway::body::Body;
use crate::gateway::refusal::Refusal;
use crate::gateway::translate::{Call, Opening};
use crate::identity::{Caller, Method};
use crate::problem::REQUEST_ID;

/// The record's own id, for a request that brought none.
pub(super) fn own_id(record: &mut OpenRecord) -> String {
    let id = record.id().map(|id| id.to_string()).unwrap_or_default();
    record.note(|it| it.request_id.clone_from(&id));
    id
}

pub(super) fn note_request(record: &mut OpenRecord, parts: &Parts) {
    record.note(|it| {
        it.http_method = Some(match parts.method {
            http::Method::GET => "GET".into(),
            http::Method::PUT => "PUT".into(),
            http::Method::POST => "POST".into(),
            _ => parts.method.to_string().into(),
        });
    });
}

pub(super) fn note_caller(record: &mut OpenRecord, caller: &Caller) {
    if let Caller::Known(principal) = caller {
        record.note(|it| {
            it.principal = Some(principal.uid.clone());
            it.authentication = Some(Method::as_str(principal.method));
        });
    }
}

pub(super) fn note_call(record: &mut OpenRecord, call: &Call, session: &Session) {
    let listed = call.listing().map(|(_, query)| query);
    let action = call.queries().first().or(listed).map(|query| query.action.clone());
    record.note(|it| {
        it.route = Some(call.route.pattern().clone());
        it.action = action;
        it.resources = call.queries().iter().map(|query| query.resource.clone()).collect();
        it.policy_revision = Some(session.policy_revision().clone());
    });
}

/// What a message of an open socket shares with the request that opened it.
pub(super) fn note_opening(record: &mut OpenRecord, opening: &Opening, session: &Session) {
    record.note(|it| {
        it.principal = Some(opening.principal().uid.clone());
        it.authentication = Some(Method::as_str(opening.principal().method));
        it.http_method = Some("MESSAGE".into());
        it.route = Some(opening.route().pattern().clone());
        it.policy_revision = Some(session.policy_revision().clone());
    });
}

pub(super) fn note_queries(record: &mut OpenRecord, queries: &[Query]) {
    record.note(|it| {
        it.action = queries.first().map(|query| query.action.clone());
        it.resources = queries.iter().map(|query| query.resource.clone()).collect();
    });
}

pub(super) fn note_permit(record: &mut OpenRecord, decisions: &[Decision]) {
    metrics::counter!("cedargate_requests_total", "outcome" => "allow").increment(1);
    record.note(|it| it.decision = Some(Outcome::Allow));
    decisions.iter().for_each(|decision| record.note(|it| decision.note(it)));
}

pub(super) fn note_refusal(record: &mut OpenRecord, refusal: &Refusal) {
    if let Refusal::Refused(refused) = refusal
        && let Some(decision) = refused.decision()
    {
        record.note(|it| {
            it.policies.clear();
            decision.note(it);
        });
        decision.verdict.errors.iter().for_each(|error| tracing::error!(%error, "a decision failed"));
    }
    if let Refusal::Upstream(cause) | Refusal::Unreachable(cause) = refusal {
        tracing::warn!(%cause, "the upstream failed");
    }
    let (outcome, label) = match is_failure(refusal) {
        true => (Outcome::Error, "error"),
        false => (Outcome::Deny, "deny"),
    };
    // What was permitted and then failed upstream stays an allow; the reason says what happened to it.
    record.note(|it| {
        if it.decision.is_none() {
            it.decision = Some(outcome);
            metrics::counter!("cedargate_requests_total", "outcome" => label).increment(1);
        }
        it.reason = Some(refusal.code().into());
    });
}

/// Whether the gateway could not decide, rather than decided to refuse.
fn is_failure(refusal: &Refusal) -> bool {
    match refusal {
        // The client's doing, though its status is 501.
        Refusal::Method => false,
        _ => refusal.problem().status.is_server_error() || refusal.code() == "evaluation-error",
    }
}

/// Hands the record to the answer's body: it is written when the body ends, or breaks off.
pub(super) fn attach(
    response: Response<Body>,
    record: OpenRecord,
    place: Option<Place>,
    request_id: &str,
) -> Response<Body> {
    let response = named(response, request_id);
    let status = response.status().as_u16();
    response.map(|body| body.recorded(record, place, status))
}

/// Tells the client under which id its request is recorded.
pub(super) fn named(mut response: Response<Body>, request_id: &str) -> Response<Body> {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
