//! One decision: a query and its prepared facts against one action's policies.

use std::sync::Arc;

use cedar_policy::{Authorizer, Context, Decision, Entities, Request, Response};
use cedar_policy_core::entities::{Entities as CoreEntities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::extensions::Extensions;
use serde_json::Value as Json;

use crate::domain::{Facts, Query, Uid};
use crate::policy::snapshot::{ActionPolicies, PolicySnapshot};
use crate::policy::time::TimeUse;
use crate::policy::{Closure, Verdict, schema::Action, share};

impl PolicySnapshot {
    /// Decides a query over prepared facts; total: whatever goes wrong is a refusal that says so.
    ///
    /// First by what the principal may do by himself, and if that is nothing by what he was lent, so
    /// that a grant adds to his rights and what ends a grant takes nothing else away.
    /// `now_ms` is the decision's time in milliseconds since 1970.
    #[must_use]
    pub fn evaluate(&self, query: &Query, slice: &[&Closure], now_ms: i64) -> Verdict {
        if let Some(missing) = missing(query, slice) {
            return Verdict::missing(missing);
        }
        let Some(action) = self.vocabulary.action(&query.action) else {
            return Verdict::error(format!("the schema has no action `{}`", query.action));
        };
        let Some(policies) = self.by_action.get(&query.action) else {
            return Verdict::error(format!("no policy speaks of `{}`", query.action));
        };
        let entities = match entities(action, slice) {
            Ok(entities) => entities,
            Err(error) => return Verdict::error(error),
        };
        let decide = |share| match self.request(query, action, share, now_ms) {
            Ok(request) => self.verdict(policies, &request, &entities),
            Err(error) => Verdict::error(error),
        };
        let by_himself = decide(None);
        let is_settled = by_himself.allowed || !by_himself.errors.is_empty() || by_himself.refuse.is_some();
        match self.grant_in(query, slice).filter(|_| !is_settled) {
            Some(grant) => decide(Some(share::share(grant, now_ms))).after(by_himself),
            None => by_himself,
        }
    }

    /// Decides a query over a snapshot of facts that nothing was prepared of.
    #[must_use]
    pub fn decide(&self, query: &Query, facts: &Facts, now_ms: i64) -> Verdict {
        match self.closures(facts, &self.roots(query)) {
            Ok(closures) => self.evaluate(query, &closures.iter().collect::<Vec<_>>(), now_ms),
            Err(error) => Verdict::error(error.to_string()),
        }
    }

    /// Until when, in milliseconds since 1970, a decision made at `now_ms` holds if no fact changes.
    ///
    /// `None`: for ever. A time that is not later than `now_ms`: it must not be kept at all.
    #[must_use]
    pub fn holds_until(&self, query: &Query, slice: &[&Closure], now_ms: i64) -> Option<i64> {
        match self.by_action.get(&query.action).map(|policies| policies.time) {
            None | Some(TimeUse::Arithmetic) => Some(now_ms),
            Some(TimeUse::None) => None,
            Some(TimeUse::Boundaries) => {
                let hours = self.grant_in(query, slice).and_then(|grant| share::hours_until(grant, now_ms));
                let stored = slice.iter().flat_map(|it| it.boundaries.iter()).copied();
                stored.filter(|at| *at > now_ms).chain(hours).min()
            }
        }
    }

    /// Whether the action's policies read the clock even where nothing is lent.
    #[must_use]
    pub fn reads_clock(&self, query: &Query) -> bool {
        let declared = self.vocabulary.action(&query.action).is_some_and(|action| action.declares("now"));
        let time = self.by_action.get(&query.action).map_or(TimeUse::None, |policies| policies.time);
        time != TimeUse::None && (declared || time == TimeUse::Arithmetic)
    }

    fn request(
        &self,
        query: &Query,
        action: &Action,
        share: Option<Json>,
        now_ms: i64,
    ) -> Result<Request, String> {
        let euid = |uid: &Uid| {
            self.vocabulary.euid(uid).ok_or_else(|| format!("the schema has no type `{}`", uid.kind()))
        };
        let context: Context = self.vocabulary.context(action, &query.context, share, now_ms)?;
        Request::new(
            euid(&query.principal)?,
            action.uid.clone(),
            euid(&query.resource)?,
            context,
            Some(&self.vocabulary.schema),
        )
        .map_err(|error| error.to_string())
    }

    pub(super) fn verdict(
        &self,
        policies: &ActionPolicies,
        request: &Request,
        entities: &Entities,
    ) -> Verdict {
        let response = Authorizer::new().is_authorized(request, &policies.set, entities);
        // Cedar skips a policy that errors; a skipped forbid would open the door.
        let errors: Vec<Arc<str>> =
            response.diagnostics().errors().map(|error| error.to_string().into()).collect();
        let (reasons, refuse) = self.reasons(&response);
        let allowed = errors.is_empty() && response.decision() == Decision::Allow;
        Verdict { allowed, reasons, errors, missing: None, refuse }
    }

    fn reasons(&self, response: &Response) -> (Vec<Arc<str>>, Option<Arc<str>>) {
        let deciding: Vec<_> = response.diagnostics().reason().filter_map(|id| self.texts.get(id)).collect();
        let mut reasons: Vec<Arc<str>> = deciding.iter().map(|text| text.id.clone()).collect();
        reasons.sort_unstable();
        (reasons, deciding.iter().find_map(|text| text.refuse.clone()))
    }
}

/// The principal or resource that no closure of the slice found.
fn missing(query: &Query, slice: &[&Closure]) -> Option<Uid> {
    [&query.principal, &query.resource]
        .into_iter()
        .find(|uid| !slice.iter().any(|closure| closure.root() == *uid && closure.exists()))
        .cloned()
}

/// Gathers shared entities without copying or re-closing them: their ancestors are complete.
pub(super) fn entities(action: &Action, slice: &[&Closure]) -> Result<Entities, String> {
    let mut gathered = Vec::with_capacity(8);
    gathered.push(action.entity.clone());
    for entity in slice.iter().flat_map(|closure| closure.entities.iter()) {
        if !gathered.iter().any(|it| Arc::ptr_eq(it, entity)) {
            gathered.push(entity.clone());
        }
    }
    let unchecked: Option<&NoEntitiesSchema> = None;
    CoreEntities::new()
        .add_entities(gathered, unchecked, TCComputation::AssumeAlreadyComputed, Extensions::all_available())
        .map(Into::into)
        .map_err(|error| format!("the facts do not fit together: {error}"))
}
