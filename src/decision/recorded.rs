//! What a decision leaves in the record of its request.

use crate::audit::{self, Record};
use crate::decision::{Decision, Refused, Session};
use crate::domain::{Query, Uid};

impl Decision {
    /// Adds by which policies, and on which state of the store, it was decided.
    pub fn note(&self, record: &mut Record) {
        for reason in &self.verdict.reasons {
            if !record.policies.contains(reason) {
                record.policies.push(reason.clone());
            }
        }
        record.store_revision = self.store_revision;
        record.cached = self.cached;
    }
}

impl Session {
    /// Notes in the current record what was asked, and what came of it.
    pub fn note(&self, queries: &[Query], outcome: Result<&[Decision], &Refused>) {
        let decisions = match outcome {
            Ok(decisions) => decisions,
            Err(refused) => refused.decision().map_or(&[][..], std::slice::from_ref),
        };
        let is_undecided = decisions.iter().any(|it| !it.verdict.errors.is_empty());
        let decision = match outcome {
            Ok(_) => audit::Decision::Allow,
            Err(Refused::Store(_) | Refused::Late) => audit::Decision::Error,
            Err(_) if is_undecided => audit::Decision::Error,
            Err(_) => audit::Decision::Deny,
        };
        audit::note(|record| {
            record.action = queries.first().map(|it| it.action.clone());
            record.resources = distinct(queries.iter().map(|it| &it.resource));
            record.decision = Some(decision);
            record.policy_revision = Some(self.policy_revision().clone());
            record.policies.clear();
            decisions.iter().for_each(|it| it.note(record));
        });
    }
}

fn distinct<'a>(all: impl Iterator<Item = &'a Uid>) -> Vec<Uid> {
    let mut found: Vec<Uid> = Vec::new();
    for uid in all {
        if !found.contains(uid) {
            found.push(uid.clone());
        }
    }
    found
}
