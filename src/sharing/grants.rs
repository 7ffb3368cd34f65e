//! Grants: a device lent to people, who take it or not; the owner stays the owner.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use crate::domain::moment::rfc3339;
use crate::domain::nouns::{Answer, Device, Grant, User, reference};
use crate::domain::{Change, Query, Uid};
use crate::sharing::invitations::plain_email;
use crate::sharing::organizations::check_name;
use crate::sharing::{Actor, Conflict, Failure, Moment, Operation, Plan, Reader, Rule};

/// How many people one request lends a device to.
pub const GRANTEES_MAX: usize = 50;
const DATASTREAMS_MAX: usize = 100;
const TEXT_CHARS_MAX: usize = 250;
/// Quarters of an hour in a week.
const WEEK: i64 = 7 * 24 * 4;

/// A grant as the API shows it: one whose time is over is `expired`.
#[must_use]
pub fn described(it: &Grant, now_ms: i64) -> Json {
    let is_standing = matches!(it.answer, Answer::Offered | Answer::Accepted);
    let is_over = is_standing && it.until.is_some_and(|until| until <= now_ms);
    let status = if is_over { "expired" } else { it.answer.as_str() };
    json!({ "id": it.uid.id(), "device": it.device.id(), "organization": it.organization.id(),
            "grantee": it.grantee.id(), "granter": it.granter.id(), "status": status,
            "control": it.control, "datastreams": it.datastreams, "from": it.from.map(rfc3339),
            "until": it.until.map(rfc3339), "quarters": it.hours, "zone": it.zone, "note": it.note,
            "may_lend_on": it.may_lend_on, "lent_on_by": it.lent_on_by.as_ref().map(Uid::id) })
}

/// When and what a grant lends.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Whether the device may be made to do something.
    pub control: bool,
    /// Which parts of it; all unless stated.
    pub datastreams: Option<Vec<String>>,
    /// From when on, in Unix milliseconds.
    pub from: Option<i64>,
    /// Until when.
    pub until: Option<i64>,
    /// In which quarters of an hour of the week.
    pub hours: Option<BTreeSet<i64>>,
    /// By the clock of which zone.
    pub zone: Option<String>,
    /// Whether it may be lent on.
    pub may_lend_on: bool,
    /// A word to the other side.
    pub note: Option<String>,
}

/// The quarters of an hour between two times of a day, over midnight if the second is not later.
///
/// Days count from Monday, 0; times are minutes since midnight and must be whole quarters.
pub fn quarters(day: i64, from: i64, to: i64) -> Result<BTreeSet<i64>, Conflict> {
    let is_whole = |minute: i64| (0..=24 * 60).contains(&minute) && minute % 15 == 0;
    if !(0..7).contains(&day) || !is_whole(from) || !is_whole(to) {
        let what = "hours begin and end at whole quarters of an hour, between 00:00 and 24:00";
        return Err(Conflict::Invalid(what.to_owned()));
    }
    let end = if to > from { to } else { to + 24 * 60 };
    Ok((from / 15..end / 15).map(|quarter| (day * 96 + quarter) % WEEK).collect())
}

impl Terms {
    fn check(&self, now_ms: i64) -> Result<(), Conflict> {
        let invalid = |what: &str| Err(Conflict::Invalid(what.to_owned()));
        if self.until.is_some_and(|until| until <= self.from.unwrap_or(now_ms).max(now_ms)) {
            return invalid("a grant ends after it begins, and not in the past");
        }
        if self.datastreams.as_ref().is_some_and(|it| it.is_empty() || it.len() > DATASTREAMS_MAX) {
            return invalid("state 1 to 100 datastreams, or leave them out");
        }
        if self.hours.is_some() != self.zone.is_some() || self.hours.as_ref().is_some_and(BTreeSet::is_empty)
        {
            return invalid("weekly hours need a time zone, and a time zone needs hours");
        }
        if self.zone.as_deref().is_some_and(|zone| TimeZone::get(zone).is_err()) {
            return invalid("there is no such time zone: write one like `Europe/Berlin`");
        }
        self.datastreams.iter().flatten().try_for_each(|it| check_name(it, TEXT_CHARS_MAX))?;
        self.note.iter().try_for_each(|it| check_name(it, TEXT_CHARS_MAX))
    }
}

/// The operator may switch lending off; decisions then know no grants either.
fn check_lending(moment: &Moment) -> Result<(), Conflict> {
    let detail = "the operator has switched lending off";
    if moment.limits.grants { Ok(()) } else { Err(Conflict::broken("grants-off", detail)) }
}

/// Lends a device to people; each of them may take it.
#[derive(Debug)]
pub struct Offer {
    /// Which device.
    pub device: Uid,
    /// The addresses, as they were typed.
    pub emails: Vec<String>,
    /// What is lent.
    pub terms: Terms,
    /// Whether what was lent to the actor is lent on.
    pub lend_on: bool,
}

/// What an offer depends on.
#[derive(Debug)]
pub struct Offering {
    device: Option<Device>,
    grantees: Vec<Option<User>>,
    standing: Vec<Option<Grant>>,
    /// What was lent to the actor, where that is lent on.
    lent: Option<Lent>,
    /// What the grantees lent on of what they have so far.
    lent_on: Vec<Grant>,
}

/// A grant that is lent on.
#[derive(Debug)]
struct Lent {
    grant: Grant,
    /// Whether the terms give nothing that it does not.
    is_within: bool,
}

impl Operation for Offer {
    type Known = Offering;

    async fn known(&self, reader: &Reader<'_>, actor: &Actor) -> Result<Offering, Failure> {
        let (mut grantees, mut standing) = (Vec::new(), Vec::new());
        for email in self.emails.iter().take(GRANTEES_MAX) {
            let grantee = match plain_email(email) {
                Ok(email) => reader.user_by_email(&email).await?,
                Err(_) => None,
            };
            standing.push(match &grantee {
                Some(it) => reader.grant(&Uid::of_grant(&self.device, &it.uid)).await?,
                None => None,
            });
            grantees.push(grantee);
        }
        let lent = match actor.uid.as_ref().filter(|_| self.lend_on) {
            Some(uid) => reader.grant(&Uid::of_grant(&self.device, uid)).await?,
            None => None,
        };
        let within = |it: &Grant| self.terms.is_within(it, reader.session.now_ms());
        let lent = lent.map(|grant| Lent { is_within: within(&grant), grant });
        let lent_on = lent_on(reader, standing.iter().flatten()).await?;
        Ok(Offering { device: reader.device(&self.device).await?, grantees, standing, lent, lent_on })
    }

    fn rule(&self, actor: &Actor, known: &Offering) -> Rule {
        let (grantees, lent) = (known.grantees.iter().flatten(), known.lent.as_ref());
        let mut asked: Vec<Query> =
            grantees.filter_map(|it| self.query(actor, Some(&it.uid), lent)).collect();
        if asked.is_empty() {
            // Where nobody was found it is still decided who may lend: others learn nothing of addresses.
            asked.extend(self.query(actor, actor.uid.as_ref(), lent));
        }
        if let Some(lent) = lent {
            // Whoever lends on what was lent to him sees it.
            let part = lent.grant.datastreams.iter().flatten().next().map(|it| Json::from(it.as_str()));
            asked.splice(0..0, actor.query("view", &self.device, [("datastream", part)]));
        }
        Rule::Cedar(asked)
    }

    fn without_destination(&self, actor: &Actor) -> Option<Query> {
        self.query(actor, actor.uid.as_ref(), None)
    }

    fn plan(&self, actor: &Actor, known: &Offering, moment: &Moment) -> Result<Plan, Conflict> {
        let device = known.device.as_ref().ok_or(Conflict::Missing)?;
        check_lending(moment)?;
        if self.emails.len() > GRANTEES_MAX {
            return Err(Conflict::TooMuch(GRANTEES_MAX));
        }
        self.terms.check(moment.now_ms)?;
        let granter = actor.user.as_ref().ok_or(Conflict::Missing)?;
        let mut made: Vec<Grant> = Vec::new();
        for (grantee, standing) in known.grantees.iter().zip(&known.standing) {
            let grantee = grantee.as_ref().ok_or(Conflict::Destination)?;
            if !grantee.status.is_activated() {
                return Err(Conflict::broken("not-activated", "the account of the other side is not in use"));
            }
            if device.owner.as_ref() == Some(&grantee.uid) || grantee.uid == granter.uid {
                return Err(Conflict::broken(
                    "own-device",
                    "nobody lends a device to its owner or to himself",
                ));
            }
            let grant = match (&known.lent, self.lend_on) {
                (Some(lent), true) => lent_on_from(&lent.grant, granter, grantee, standing.as_ref())?,
                (None, true) => return Err(Conflict::broken("not-lent", "nothing is lent to you here")),
                (_, false) => {
                    let parties = (device.uid.clone(), grantee.uid.clone(), granter.uid.clone());
                    Grant::new(device.organization.clone(), parties.0, parties.1, parties.2)
                }
            };
            let grant = self.stated(grant, moment);
            let rest = standing.as_ref().map_or(grant.rest.clone(), |it| it.rest.clone());
            if made.iter().all(|it| it.uid != grant.uid) {
                made.push(Grant { rest, ..grant });
            }
        }
        let items: Vec<Json> = made.iter().map(|it| described(it, moment.now_ms)).collect();
        let stands = |it: &Grant| known.standing.iter().flatten().any(|standing| standing.uid == it.uid);
        // The name follows from the pair, so one that went with an account may come back with it.
        let changes = made.iter().map(|it| match stands(it) {
            true => Change::Put(it.write()),
            false => Change::Renew(it.write()),
        });
        let changes = changes.chain(ended(&known.lent_on)).collect();
        Ok(Plan { changes, answer: json!({ "items": items }), secret: None })
    }
}

/// A grant of what was lent to somebody who may lend it on; whose rights count is still its granter.
fn lent_on_from(
    lent: &Grant,
    by: &User,
    grantee: &User,
    standing: Option<&Grant>,
) -> Result<Grant, Conflict> {
    let is_open = |it: &&Grant| matches!(it.answer, Answer::Offered | Answer::Accepted);
    if standing.filter(is_open).is_some_and(|it| it.lent_on_by.as_ref() != Some(&by.uid)) {
        return Err(Conflict::broken("lent-already", "the device is lent to this person by somebody else"));
    }
    if grantee.uid == lent.granter {
        return Err(Conflict::broken("own-device", "nobody lends a device to whoever lent it"));
    }
    let made =
        Grant::new(lent.organization.clone(), lent.device.clone(), grantee.uid.clone(), lent.granter.clone());
    Ok(Grant { lent_on_by: Some(by.uid.clone()), lent_from: Some(lent.uid.clone()), ..made })
}

/// What was lent on of these grants.
pub(super) async fn lent_on(
    reader: &Reader<'_>,
    grants: impl Iterator<Item = &Grant>,
) -> Result<Vec<Grant>, Failure> {
    let mut found = Vec::new();
    for grant in grants.filter(|it| it.may_lend_on) {
        found.extend(reader.grants("lent_from", &grant.uid).await?);
    }
    Ok(found)
}

/// The changes that end them.
pub(super) fn ended<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> impl Iterator<Item = Change> {
    grants.into_iter().map(|it| Change::Put(Grant { answer: Answer::Revoked, ..it.clone() }.write()))
}

impl Terms {
    /// Whether they give nothing that the grant does not.
    fn is_within(&self, lent: &Grant, now_ms: i64) -> bool {
        let until = lent.until.is_none_or(|end| self.until.is_some_and(|it| it <= end));
        let begins = |from: &i64| *from > now_ms;
        let from = lent.from.filter(begins).is_none_or(|begin| self.from.is_some_and(|it| it >= begin));
        let parts = lent.datastreams.as_ref().is_none_or(|held| {
            self.datastreams.as_ref().is_some_and(|it| it.iter().all(|part| held.contains(part)))
        });
        let hours = lent.hours.as_ref().is_none_or(|held| {
            self.zone == lent.zone
                && self.hours.as_ref().is_some_and(|it| it.iter().all(|quarter| held.contains(quarter)))
        });
        until && from && parts && hours && (lent.control || !self.control) && !self.may_lend_on
    }
}

impl Offer {
    /// Without a grantee the question has no answer but no.
    fn query(&self, actor: &Actor, grantee: Option<&Uid>, lent: Option<&Lent>) -> Option<Query> {
        let context = [
            ("grantee", grantee.map(reference)),
            ("control", Some(self.terms.control.into())),
            ("lent", lent.map(|it| reference(&it.grant.uid))),
            ("within_lent", lent.map(|it| it.is_within.into())),
        ];
        actor.query("grant", &self.device, context)
    }

    fn stated(&self, grant: Grant, moment: &Moment) -> Grant {
        let Terms { control, datastreams, from, until, hours, zone, may_lend_on, note } = self.terms.clone();
        let hours = hours.map(|it| it.into_iter().collect());
        let created = Some(moment.now_ms);
        Grant { control, datastreams, from, until, hours, zone, may_lend_on, note, created, ..grant }
    }
}

/// Takes, refuses or ends a grant.
#[derive(Debug)]
pub struct Reply {
    /// Which grant.
    pub grant: Uid,
    /// What becomes of it.
    pub answer: Answer,
}

impl Operation for Reply {
    type Known = Option<Grant>;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Self::Known, Failure> {
        reader.grant(&self.grant).await
    }

    fn rule(&self, actor: &Actor, _: &Self::Known) -> Rule {
        let action = match self.answer {
            Answer::Accepted => "accept_grant",
            Answer::Declined => "decline_grant",
            Answer::Revoked => "revoke",
            // Nobody puts an answer back.
            Answer::Offered => return Rule::Cedar(Vec::new()),
        };
        actor.may(action, &self.grant)
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.grant)
    }

    fn plan(&self, _: &Actor, known: &Self::Known, moment: &Moment) -> Result<Plan, Conflict> {
        let grant = known.as_ref().ok_or(Conflict::Missing)?;
        if self.answer == Answer::Accepted {
            check_lending(moment)?;
            if grant.until.is_some_and(|until| until <= moment.now_ms) {
                return Err(Conflict::broken("expired", "the time of the grant is over"));
            }
        }
        if grant.answer == Answer::Revoked && self.answer == Answer::Declined {
            return Err(Conflict::broken("revoked", "the grant was taken back already"));
        }
        let after = Grant { answer: self.answer, ..grant.clone() };
        Ok(Plan {
            changes: vec![Change::Put(after.write())],
            answer: described(&after, moment.now_ms),
            secret: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_go_over_midnight_and_over_the_week() {
        assert_eq!(quarters(0, 8 * 60, 9 * 60).unwrap(), BTreeSet::from([32, 33, 34, 35]));
        assert_eq!(quarters(6, 23 * 60 + 45, 15).unwrap(), BTreeSet::from([671, 0]));
        assert_eq!(quarters(1, 0, 24 * 60).unwrap().len(), 96);
        for (day, from, to) in [(7, 0, 15), (-1, 0, 15), (0, 7, 15), (0, 0, 24 * 60 + 15)] {
            assert!(quarters(day, from, to).is_err());
        }
    }

    #[test]
    fn terms_make_sense() {
        let good = Terms { until: Some(10), ..Terms::default() };
        assert!(good.check(5).is_ok() && good.check(10).is_err());
        let backwards = Terms { from: Some(11), ..good.clone() };
        assert!(backwards.check(5).is_err());
        let hours = Terms { hours: Some(BTreeSet::from([1])), ..Terms::default() };
        assert!(hours.check(0).is_err());
        assert!(Terms { zone: Some("Europe/Berlin".to_owned()), ..hours.clone() }.check(0).is_ok());
        assert!(Terms { zone: Some("Middle/Earth".to_owned()), ..hours }.check(0).is_err());
    }
}
