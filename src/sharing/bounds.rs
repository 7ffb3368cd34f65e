//! Bounds that are data: what a plan includes, and what an organization sends in a day.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::domain::nouns::{Device, Organization, SENT, User};
use crate::domain::{Change, Entity, Uid};
use crate::sharing::{Conflict, Failure, Reader};

/// The plan of an organization that names none.
pub(super) const FREE: &str = "FREE";

const DAY_MS: i64 = 24 * 3_600_000;

/// What one plan includes; what is left out has no bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// People of one organization, pending ones included.
    pub users: Option<usize>,
    /// Devices of one organization.
    pub devices: Option<usize>,
    /// Organizations below the top one.
    pub sub_organizations: Option<usize>,
}

/// The bounds of sharing.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many organizations stand on top of each other, the root included.
    pub depth_max: usize,
    /// How many organizations one tree has.
    pub organizations_max: usize,
    /// How many roles an organization has.
    pub roles_max: usize,
    /// How many invitations an organization sends in a day.
    pub invitations_per_day_max: usize,
    /// How long the link of an invitation works, in milliseconds.
    pub invitation_ms: i64,
    /// How many entities one operation may touch.
    pub touched_max: usize,
    /// What each plan includes; a plan that is not here has no bounds of its own.
    pub plans: BTreeMap<String, Plan>,
    /// Whether an invitation needs a token that says its address, verified.
    pub require_verified_email: bool,
    /// Whether devices are lent at all.
    pub grants: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: 4,
            organizations_max: 201,
            roles_max: 9,
            invitations_per_day_max: 25,
            invitation_ms: 30 * DAY_MS,
            touched_max: 20_000,
            plans: BTreeMap::new(),
            require_verified_email: false,
            grants: true,
        }
    }
}

impl Limits {
    /// What an organization's plan includes.
    pub(super) fn plan(&self, organization: &Organization) -> Option<&Plan> {
        self.plans.get(organization.plan.as_deref().unwrap_or(FREE))
    }

    /// Refuses one more organization in a tree of `size`.
    pub(super) fn check_organizations(&self, parent: &Organization, size: usize) -> Result<(), Conflict> {
        let planned = self.plan(parent).and_then(|it| it.sub_organizations).map(|it| it.saturating_add(1));
        let max = planned.unwrap_or(usize::MAX).min(self.organizations_max);
        if size < max {
            return Ok(());
        }
        let detail = format!("a tree of this plan has at most {max} organizations");
        Err(Conflict::broken("too-many-organizations", detail))
    }
}

/// How much of one kind an organization has, and how much its plan includes.
#[derive(Debug)]
pub struct Room {
    what: &'static str,
    used: usize,
    max: Option<usize>,
}

impl Room {
    /// Refuses `more` than the plan includes.
    pub(super) fn check(&self, more: usize) -> Result<(), Conflict> {
        match self.max.filter(|max| more > 0 && self.used.saturating_add(more) > *max) {
            None => Ok(()),
            Some(max) => {
                let detail = format!("the organization's plan includes {max} {}", self.what);
                Err(Conflict::broken("plan-limit", detail))
            }
        }
    }
}

impl Reader<'_> {
    /// The room for people.
    pub async fn room_for_users(&self, organization: Option<&Organization>) -> Result<Room, Failure> {
        let max = organization.and_then(|it| self.limits.plan(it)?.users);
        self.room("users", User::KIND, organization, max).await
    }

    /// The room for devices.
    pub async fn room_for_devices(&self, organization: Option<&Organization>) -> Result<Room, Failure> {
        let max = organization.and_then(|it| self.limits.plan(it)?.devices);
        self.room("devices", Device::KIND, organization, max).await
    }

    /// Nothing is counted where there is no bound, and nothing beyond it.
    async fn room(
        &self,
        what: &'static str,
        kind: &str,
        organization: Option<&Organization>,
        max: Option<usize>,
    ) -> Result<Room, Failure> {
        let used = match (organization, max) {
            (Some(it), Some(max)) => {
                let enough = u32::try_from(max).unwrap_or(u32::MAX);
                self.store.count_referring(kind, "organization", &it.uid, enough).await? as usize
            }
            _ => 0,
        };
        Ok(Room { what, used, max })
    }

    /// When an organization has sent its latest invitations.
    pub async fn sent(&self, organization: &Uid) -> Result<Sent, Failure> {
        let uid = Uid::new(SENT, organization.id()).map_err(Conflict::from)?;
        let note = self.entity(&uid).await?;
        let times = note.as_ref().and_then(|it| it.attrs.get("times")).and_then(Json::as_array);
        let times = times.into_iter().flatten().filter_map(Json::as_i64).collect();
        Ok(Sent { uid, times })
    }
}

/// When an organization has sent its latest invitations, new links included.
#[derive(Debug)]
pub struct Sent {
    uid: Uid,
    times: Vec<i64>,
}

impl Sent {
    /// Notes one more, unless there were as many as a day has.
    pub(super) fn another(&self, now_ms: i64, limits: &Limits) -> Result<Change, Conflict> {
        let mut times: Vec<i64> = self.times.iter().copied().filter(|at| *at > now_ms - DAY_MS).collect();
        if times.len() >= limits.invitations_per_day_max {
            let detail =
                format!("at most {} invitations a day, new links included", limits.invitations_per_day_max);
            return Err(Conflict::broken("too-many-invitations", detail));
        }
        times.push(now_ms);
        let attrs = Map::from_iter([("times".to_owned(), times.into())]);
        Ok(Change::Put(Entity { uid: self.uid.clone(), attrs, parents: [].into(), tags: Map::new() }))
    }
}
