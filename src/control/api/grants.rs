//! Grants: devices lent to people.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::control::api::form::{GrantBody, GrantsBody, Refusals};
use crate::control::api::incoming::{Incoming, Nothing, entity};
use crate::control::api::outgoing::{broken, changed, created};
use crate::control::{Control, ControlError};
use crate::domain::Entity;
use crate::domain::moment::{self, now_ms};
use crate::domain::nouns::{Answer, Device, Grant};
use crate::sharing::grants::{Offer, Reply, Terms, described, quarters};

/// The routes about them.
pub(super) fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new()
        .routes(routes!(offer))
        .routes(routes!(read, revoke))
        .routes(routes!(accept))
        .routes(routes!(decline))
}

pub(super) fn shown(entity: &Entity) -> Result<Value, ControlError> {
    Grant::read(entity).map(|it| described(&it, now_ms())).map_err(broken)
}

/// What is lent, to whom, and when.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OfferForm {
    /// The id of the device.
    #[schema(min_length = 1)]
    device: String,
    /// The addresses of up to 50 people, of any tree.
    #[schema(min_items = 1, max_items = 50)]
    emails: Vec<String>,
    /// Whether they may make the device do something; else they only see it.
    #[serde(default)]
    control: bool,
    /// Which parts of the device; all unless stated.
    datastreams: Option<Vec<String>>,
    /// From when on, such as `2026-07-01T12:00:00Z`.
    #[schema(format = DateTime)]
    from: Option<String>,
    /// Until when.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// At which hours of the week; always unless stated.
    hours: Option<Vec<HoursForm>>,
    /// By the clock of which zone, such as `Europe/Berlin`.
    zone: Option<String>,
    /// Whether they may lend it on to others, within what they have, once.
    #[serde(default)]
    may_lend_on: bool,
    /// Whether what was lent to the caller is lent on, in the granter's name.
    #[serde(default)]
    lend_on: bool,
    /// A word to the other side.
    note: Option<String>,
}

/// Hours of some days; they go over midnight if they end before they begin.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HoursForm {
    /// The days.
    days: Vec<DayForm>,
    /// When they begin, such as `08:00`.
    #[schema(pattern = "^([01][0-9]|2[0-4]):(00|15|30|45)$")]
    from: String,
    /// When they end, such as `18:15`; the end of the day is `24:00`.
    #[schema(pattern = "^([01][0-9]|2[0-4]):(00|15|30|45)$")]
    to: String,
}

/// A day of the week.
#[derive(Deserialize, ToSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum DayForm {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl OfferForm {
    fn terms(&self) -> Result<Terms, ControlError> {
        let hours = self.hours.as_deref().map(hours).transpose()?;
        Ok(Terms {
            control: self.control,
            datastreams: self.datastreams.clone(),
            from: self.from.as_deref().map(instant).transpose()?,
            until: self.until.as_deref().map(instant).transpose()?,
            hours,
            zone: self.zone.clone(),
            may_lend_on: self.may_lend_on,
            note: self.note.clone(),
        })
    }
}

fn instant(text: &str) -> Result<i64, ControlError> {
    let wrong = || ControlError::Malformed("write a time like `2026-07-01T12:00:00Z`".to_owned());
    moment::parse(text).ok_or_else(wrong)
}

fn minutes(text: &str) -> Result<i64, ControlError> {
    let read = || {
        let (hours, minutes) = text.split_once(':')?;
        let number =
            |part: &str| part.parse::<i64>().ok().filter(|it| part.len() == 2 && (0..60).contains(it));
        Some(number(hours)? * 60 + number(minutes)?)
    };
    read().ok_or_else(|| ControlError::Malformed("write a time of day like `08:15`".to_owned()))
}

fn hours(forms: &[HoursForm]) -> Result<BTreeSet<i64>, ControlError> {
    let mut all = BTreeSet::new();
    for HoursForm { days, from, to } in forms {
        let (from, to) = (minutes(from)?, minutes(to)?);
        for day in days {
            all.extend(quarters(*day as i64, from, to)?);
        }
    }
    Ok(all)
}

/// Lends a device to people; each of them may take it. A grant that stands is replaced.
#[utoipa::path(post, path = "/api/v1/grants", tag = "sharing", security(("bearer" = [])), request_body = OfferForm, responses((status = 201, description = "the grants", body = GrantsBody), Refusals))]
async fn offer(State(control): State<Arc<Control>>, request: Request) -> Result<Response, ControlError> {
    let incoming: Incoming<OfferForm> = control.incoming(request).await?;
    let form = &incoming.body;
    if form.emails.is_empty() {
        return Err(ControlError::Malformed("`emails` is empty: state to whom".to_owned()));
    }
    let device = entity(Device::KIND, &form.device)?;
    let lend_on = form.lend_on;
    let operation = Offer { device, emails: form.emails.clone(), terms: form.terms()?, lend_on };
    Ok(created(control.perform(incoming, operation).await?))
}

/// Shows a grant.
#[utoipa::path(get, path = "/api/v1/grants/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "what was asked for", body = GrantBody), Refusals))]
async fn read(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ControlError> {
    let actor = control.reader(&headers).await?;
    control.show(actor.as_ref(), "view_grant", &entity(Grant::KIND, &id)?, shown).await
}

/// Takes a grant back, at once.
#[utoipa::path(delete, path = "/api/v1/grants/{id}", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "the grant", body = GrantBody), Refusals))]
async fn revoke(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let grant = entity(Grant::KIND, &id)?;
    let incoming: Incoming<Nothing> = control.incoming(request).await?;
    let operation = Reply { grant, answer: Answer::Revoked };
    Ok(changed(control.perform(incoming, operation).await?))
}

/// Takes a grant that was offered.
#[utoipa::path(post, path = "/api/v1/grants/{id}/accept", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "the grant", body = GrantBody), Refusals))]
async fn accept(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let grant = entity(Grant::KIND, &id)?;
    let incoming: Incoming<Nothing> = control.incoming(request).await?;
    let operation = Reply { grant, answer: Answer::Accepted };
    Ok(changed(control.perform(incoming, operation).await?))
}

/// Refuses a grant, or gives it back.
#[utoipa::path(post, path = "/api/v1/grants/{id}/decline", tag = "sharing", security(("bearer" = [])), params(("id" = String, Path, description = "the id")), responses((status = 200, description = "the grant", body = GrantBody), Refusals))]
async fn decline(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let grant = entity(Grant::KIND, &id)?;
    let incoming: Incoming<Nothing> = control.incoming(request).await?;
    let operation = Reply { grant, answer: Answer::Declined };
    Ok(changed(control.perform(incoming, operation).await?))
}
