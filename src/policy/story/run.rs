//! Plays a story against policies: what failed, and which policies and actions it reached.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{ActionName, Query, World};
use crate::finding::Finding;
use crate::policy::story::{Check, Expected, Refusal, Story, world};
use crate::policy::{Denial, PolicySnapshot, Verdict};

/// What came of playing a story.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The lines that did not hold, each with its place.
    pub failures: Vec<Finding>,
    /// How many lines were tried.
    pub checks: usize,
    /// What the lines that held have shown.
    pub coverage: Coverage,
}

/// Which stories, by title, reach which policies and actions.
#[derive(Debug, Default, Clone)]
pub struct Coverage {
    /// Policies that made a decision.
    pub reasons: BTreeMap<Arc<str>, BTreeSet<String>>,
    /// Actions that were allowed.
    pub allowed: BTreeMap<ActionName, BTreeSet<String>>,
    /// Actions that were denied.
    pub denied: BTreeMap<ActionName, BTreeSet<String>>,
}

impl Coverage {
    /// Adds what another story has shown.
    pub fn merge(&mut self, other: Self) {
        let pairs = [
            (&mut self.reasons, other.reasons),
            (&mut self.allowed, other.allowed),
            (&mut self.denied, other.denied),
        ];
        for (mine, theirs) in pairs {
            for (name, stories) in theirs {
                mine.entry(name).or_default().extend(stories);
            }
        }
    }

    /// What no story shows: policies that decide nothing, actions never allowed or never denied.
    #[must_use]
    pub fn gaps(&self, policies: &PolicySnapshot) -> Vec<String> {
        let idle = policies.policies().map(|policy| &policy.id).filter(|id| !self.reasons.contains_key(*id));
        let mut gaps: Vec<String> = idle.map(|id| format!("policy `{id}` decides no story")).collect();
        gaps.sort();
        for action in policies.actions() {
            if !self.allowed.contains_key(action) {
                gaps.push(format!("action `{action}` is allowed in no story"));
            }
            if !self.denied.contains_key(action) {
                gaps.push(format!("action `{action}` is denied in no story"));
            }
        }
        gaps
    }
}

impl Story {
    /// Plays all scenes in a copy of the world.
    #[must_use]
    pub fn run(&self, policies: &PolicySnapshot, world: &World) -> Outcome {
        let mut world = world.clone();
        let mut outcome = Outcome::default();
        for scene in &self.scenes {
            for edit in &scene.after {
                if let Err(message) = world::change(policies, &mut world, edit) {
                    outcome.failures.push(self.finding(&edit.span, message));
                }
            }
            for check in &scene.checks {
                outcome.checks += 1;
                match self.judge(policies, &world, check) {
                    Ok((query, verdict)) => self.note(&mut outcome.coverage, query, verdict),
                    Err(finding) => outcome.failures.push(finding),
                }
            }
        }
        outcome
    }

    /// Asks one question; an answer that the line does not expect is a finding.
    fn judge(
        &self,
        policies: &PolicySnapshot,
        world: &World,
        check: &Check,
    ) -> Result<(Query, Verdict), Finding> {
        let wrong = |message: String| self.finding(&check.span, message);
        let query = query(policies, world, check).map_err(wrong)?;
        let verdict = decide(policies, world, &query, self.now_ms);
        let asked = format!("{} {} {}", query.principal, query.action, query.resource);
        if verdict.allowed != (check.expected == Expected::Allow) {
            let said = if verdict.allowed { "was allowed" } else { "was denied" };
            return Err(wrong(format!("{asked} {said}")).with_help(why(&verdict)));
        }
        if let Expected::Deny(Some(expected)) = check.expected {
            let refusal = refusal(policies, world, &query, &verdict, self.now_ms);
            if refusal != expected {
                let message = format!("{asked} was denied, but {}, not {}", refusal.word(), expected.word());
                return Err(wrong(message).with_help(why(&verdict)));
            }
        }
        match check.because.iter().find(|id| !verdict.reasons.iter().any(|reason| &**reason == id.as_str())) {
            Some(id) => Err(wrong(format!("{asked} was decided without `{id}`")).with_help(why(&verdict))),
            None => Ok((query, verdict)),
        }
    }

    fn note(&self, coverage: &mut Coverage, query: Query, verdict: Verdict) {
        let actions = if verdict.allowed { &mut coverage.allowed } else { &mut coverage.denied };
        actions.entry(query.action).or_default().insert(self.title.clone());
        for reason in verdict.reasons {
            coverage.reasons.entry(reason).or_default().insert(self.title.clone());
        }
    }
}

fn query(policies: &PolicySnapshot, world: &World, check: &Check) -> Result<Query, String> {
    let action = policies.actions().find(|it| &***it == check.action.as_str());
    let action = action.ok_or_else(|| format!("the schema has no action `{}`", check.action))?.clone();
    let principal = world::resolve(world, &check.principal)?;
    let resource = world::resolve(world, &check.resource)?;
    Ok(Query { principal, action, resource, context: check.context.clone() })
}

fn decide(policies: &PolicySnapshot, world: &World, query: &Query, now_ms: i64) -> Verdict {
    policies.decide(query, &world.slice(&policies.roots(query), policies.level()), now_ms)
}

/// How a refused caller is answered.
fn refusal(
    policies: &PolicySnapshot,
    world: &World,
    query: &Query,
    verdict: &Verdict,
    now_ms: i64,
) -> Refusal {
    match policies.denial(query, verdict) {
        Denial::Unauthenticated => Refusal::Unauthenticated,
        Denial::IfSeen(seeing) if decide(policies, world, &seeing, now_ms).allowed => Refusal::Visible,
        Denial::IfSeen(_) | Denial::Hidden => Refusal::Hidden,
    }
}

fn why(verdict: &Verdict) -> String {
    match (&verdict.missing, verdict.errors.first(), verdict.reasons.as_slice()) {
        (Some(uid), _, _) => format!("{uid} does not exist"),
        (_, Some(error), _) => format!("the decision failed: {error}"),
        (_, _, []) => "no policy permits it".to_owned(),
        (_, _, reasons) => format!("because {}", reasons.join(", ")),
    }
}
