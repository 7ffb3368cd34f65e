//! One decision: a query and its prepared facts against one action's policies.

use std::sync::Arc;

use cedar_policy_core::ast;
use cedar_policy_core::entities::{Entities as CoreEntities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use serde_json::Value as Json;

use crate::domain::{Facts, Query, Uid};
use crate::policy::rule::Rule;
use crate::policy::schema::Action;
use crate::policy::snapshot::{ActionPolicies, PolicySnapshot};
use crate::policy::time::TimeUse;
use crate::policy::{Closure, Verdict, share};

impl PolicySnapshot {
    /// Decides a query over prepared facts; total: whatever goes wrong is a refusal that says so.
    ///
    /// First by what the principal may do by himself, and if that is nothing by what he was lent, so
    /// that a grant adds to his rights and what ends a grant takes nothing else away.
    /// `now_ms` is the decision's time in milliseconds since 1970.
    #[must_use]
    pub fn evaluate(&self, query: &Query, slice: &[&Closure], now_ms: i64) -> Verdict {
        if let Some(missing) = missing(query, slice) {
            let nobody = self.refusal(query, slice, now_ms).filter(|_| missing == query.resource);
            let reasons = nobody.iter().map(|rule| rule.id.clone()).collect();
            let refuse = nobody.and_then(|rule| rule.refuse.clone());
            return Verdict { reasons, refuse, ..Verdict::missing(missing) };
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
            Ok(request) => verdict(policies, query.principal.kind(), request, &entities),
            Err(error) => Verdict::error(error),
        };
        let by_himself = decide(None);
        if by_himself.is_settled() {
            return by_himself;
        }
        match self.grant_in(query, slice) {
            Some(grant) => decide(Some(share::share(grant, now_ms))).after(by_himself),
            None => by_himself,
        }
    }

    /// The forbid that refuses the principal whatever it asks for, where the resource does not exist.
    ///
    /// Who may do nothing at all is told the same of every id, so that he does not learn which exist.
    fn refusal(&self, query: &Query, slice: &[&Closure], now_ms: i64) -> Option<&Rule> {
        let action = self.vocabulary.action(&query.action)?;
        let policies = self.by_action.get(&query.action)?;
        let entities = entities(action, slice).ok()?;
        let request = self.request(query, action, None, now_ms).ok()?;
        let context = request.context().cloned().unwrap_or_else(ast::Context::empty);
        let evaluator = Evaluator::new(request, &entities, Extensions::all_available());
        let mut refusing = policies.rules.iter().filter(|rule| rule.forbids && rule.refuse.is_some());
        refusing.find(|rule| {
            rule.is_about(query.principal.kind()) && rule.holds(&evaluator, &context) == Ok(true)
        })
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

    /// The request, checked as Cedar checks it; an empty context was checked when the schema was read.
    pub(super) fn request(
        &self,
        query: &Query,
        action: &Action,
        share: Option<Json>,
        now_ms: i64,
    ) -> Result<ast::Request, String> {
        let euid = |uid: &Uid| {
            let known = self.vocabulary.euid(uid);
            known.ok_or_else(|| format!("the schema has no type `{}`", uid.kind())).map(ast::EntityUID::from)
        };
        let (principal, resource) = (euid(&query.principal)?, euid(&query.resource)?);
        let context = self.vocabulary.context(action, &query.context, share, now_ms)?;
        self.vocabulary.check(action, &principal, &resource, &context)?;
        Ok(ast::Request::new_unchecked(
            ast::EntityUIDEntry::known(principal, None),
            ast::EntityUIDEntry::known(action.uid.clone().into(), None),
            ast::EntityUIDEntry::known(resource, None),
            Some(AsRef::<ast::Context>::as_ref(&context).clone()),
        ))
    }
}

/// What Cedar's authorizer answers: a forbid that holds wins, and nothing holds by itself.
///
/// Each policy that can be about such a principal is asked, for the verdict names all that decided and all that failed.
fn verdict(policies: &ActionPolicies, kind: &str, request: ast::Request, entities: &CoreEntities) -> Verdict {
    let context = request.context().cloned().unwrap_or_else(ast::Context::empty);
    let evaluator = Evaluator::new(request, entities, Extensions::all_available());
    let mut errors: Vec<Arc<str>> = Vec::new();
    let (mut permits, mut forbids): (Vec<&Rule>, Vec<&Rule>) = (Vec::new(), Vec::new());
    for rule in policies.rules.iter().filter(|rule| rule.is_about(kind)) {
        match rule.holds(&evaluator, &context) {
            Ok(true) if rule.forbids => forbids.push(rule),
            Ok(true) => permits.push(rule),
            Ok(false) => {}
            Err(error) => errors.push(error.into()),
        }
    }
    // Cedar skips a policy that errors; a skipped forbid would open the door.
    let allowed = errors.is_empty() && forbids.is_empty() && !permits.is_empty();
    let deciding = if forbids.is_empty() { permits } else { forbids };
    Verdict {
        allowed,
        reasons: deciding.iter().map(|rule| rule.id.clone()).collect(),
        errors,
        missing: None,
        refuse: deciding.iter().find_map(|rule| rule.refuse.clone()),
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
pub(super) fn entities(action: &Action, slice: &[&Closure]) -> Result<CoreEntities, String> {
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
        .map_err(|error| format!("the facts do not fit together: {error}"))
}

#[cfg(test)]
mod tests;
