//! What a decision needs beyond principal and resource: the grant between the two, and the context.

use std::collections::BTreeSet;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value as Json, json};

use crate::domain::{Query, Uid, references};
use crate::policy::time::datetime_json;
use crate::policy::{Closure, PolicySnapshot};

/// The context attribute that only the decider fills in.
pub(super) const SHARE: &str = "share";
/// How many entities of a context are loaded; what lies beyond is as if it did not exist.
const CONTEXT_ENTITIES_MAX: usize = 64;
const QUARTER_MINUTES: i64 = 15;
const MINUTE_MS: i64 = 60_000;

impl PolicySnapshot {
    /// The entities whose closures a decision needs: [`own_roots`](Self::own_roots), and the grant of
    /// the resource to the principal where the action knows grants.
    #[must_use]
    pub fn roots(&self, query: &Query) -> Vec<Uid> {
        let mut roots = self.own_roots(query);
        roots.extend(self.grant_of(query, &query.resource));
        roots
    }

    /// The entities that say what the principal may do by himself: principal, resource, and those that
    /// the context refers to.
    #[must_use]
    pub fn own_roots(&self, query: &Query) -> Vec<Uid> {
        let mut roots = vec![query.principal.clone(), query.resource.clone()];
        let mut named = BTreeSet::new();
        let stated = query.context.iter().filter(|(name, _)| *name != SHARE);
        stated.for_each(|(_, value)| references(value, &mut named));
        roots.extend(named.into_iter().take(CONTEXT_ENTITIES_MAX));
        roots
    }

    /// The grant of `resource` to the principal, existing or not, if the action's policies know grants.
    #[must_use]
    pub fn grant_of(&self, query: &Query, resource: &Uid) -> Option<Uid> {
        let knows = self.vocabulary.action(&query.action)?.declares(SHARE);
        (self.is_lending && knows && self.vocabulary.kind(Uid::GRANT).is_some())
            .then(|| Uid::of_grant(resource, &query.principal))
    }

    /// The closure of that grant, if there is one.
    pub(super) fn grant_in<'a>(&self, query: &Query, slice: &[&'a Closure]) -> Option<&'a Closure> {
        let mut grants = slice.iter().copied().filter(|it| it.exists() && it.root().kind() == Uid::GRANT);
        let first = grants.next()?;
        let uid = self.grant_of(query, &query.resource)?;
        std::iter::once(first).chain(grants).find(|closure| *closure.root() == uid)
    }
}

/// The value of the context attribute `share`.
pub(super) fn share(grant: &Closure, now_ms: i64) -> Json {
    let uid = grant.root();
    let mut share = Map::new();
    share.insert("grant".to_owned(), json!({ "__entity": { "type": uid.kind(), "id": uid.id() } }));
    share.insert("now".to_owned(), datetime_json(now_ms));
    if let Some(clock) = Clock::of(grant, now_ms) {
        share.insert("quarter".to_owned(), clock.quarter.into());
    }
    Json::Object(share)
}

/// The first millisecond at which the grant's weekly hours may give another answer.
pub(super) fn hours_until(grant: &Closure, now_ms: i64) -> Option<i64> {
    grant.root_entity()?.get("hours")?;
    let quarter_ms = QUARTER_MINUTES * MINUTE_MS;
    let utc = now_ms - now_ms.rem_euclid(quarter_ms) + quarter_ms;
    Some(Clock::of(grant, now_ms).map_or(utc, |clock| utc.min(clock.until_ms)))
}

/// The wall clock of a grant's zone.
#[derive(Debug, PartialEq, Eq)]
struct Clock {
    /// Quarters of an hour since Monday at midnight.
    quarter: i64,
    /// When the quarter ends.
    until_ms: i64,
}

impl Clock {
    /// None without a zone that the time zone database knows: hours then never hold.
    fn of(grant: &Closure, now_ms: i64) -> Option<Self> {
        Self::at(&grant.attribute_id("zone")?, now_ms)
    }

    fn at(zone: &str, now_ms: i64) -> Option<Self> {
        let zone = TimeZone::get(zone).ok()?;
        let local = Timestamp::from_millisecond(now_ms).ok()?.to_zoned_datetime(zone);
        let day = i64::from(local.weekday().to_monday_zero_offset());
        let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
        let within = (minute % QUARTER_MINUTES) * MINUTE_MS
            + i64::from(local.second()) * 1000
            + i64::from(local.millisecond());
        Some(Self {
            quarter: (day * 24 * 60 + minute) / QUARTER_MINUTES,
            until_ms: now_ms - within + QUARTER_MINUTES * MINUTE_MS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, time: &str) -> Option<Clock> {
        Clock::at(zone, time.parse::<Timestamp>().unwrap().as_millisecond())
    }

    fn quarter(day: i64, hour: i64, quarter: i64) -> i64 {
        (day * 24 + hour) * 4 + quarter
    }

    #[test]
    fn the_quarter_is_that_of_the_wall_clock_in_the_zone() {
        let of = |zone, time| at(zone, time).unwrap().quarter;
        assert_eq!(of("UTC", "2026-01-05T00:00:00Z"), 0);
        assert_eq!(of("UTC", "2026-01-04T23:59:59.999Z"), 671);
        assert_eq!(of("Europe/Berlin", "2026-01-04T23:00:00Z"), 0);
        assert_eq!(of("Europe/Berlin", "2026-07-03T15:50:00Z"), quarter(4, 17, 3));
        assert_eq!(of("Asia/Kathmandu", "2026-01-05T00:00:00Z"), quarter(0, 5, 3));
        assert_eq!(of("America/New_York", "2026-03-08T07:00:00Z"), quarter(6, 3, 0));
        assert!(at("Nowhere/Land", "2026-01-05T00:00:00Z").is_none());
    }

    #[test]
    fn a_quarter_ends_with_the_next_one() {
        let clock = at("Asia/Kathmandu", "2026-01-05T00:07:01.250Z").unwrap();
        let end = "2026-01-05T00:15:00Z".parse::<Timestamp>().unwrap().as_millisecond();
        assert_eq!(clock.until_ms, end);
    }
}
