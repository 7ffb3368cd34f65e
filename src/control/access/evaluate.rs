//! Decides AuthZEN questions under one pinned policy set, and records each of them.

use std::time::Instant;

use serde_json::{Map, Value};

use crate::control::access::form::{DecisionBody, DecisionContextBody, EvaluationErrorBody};
use crate::control::access::request::{Evaluation, Semantic};
use crate::control::caller::Caller;
use crate::control::{AskedRecord, Control, ControlError};
use crate::decision::{Decision, Refused, Session};

/// One request's questions: who asks, and by which policies.
pub(super) struct Asking<'a> {
    control: &'a Control,
    caller: Caller,
    session: Session,
    request_id: &'a str,
    route: &'static str,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        control: &'a Control,
        caller: Caller,
        request_id: &'a str,
        route: &'static str,
    ) -> Self {
        Self { control, caller, session: control.decider.pin(), request_id, route }
    }

    /// Answers one question.
    pub(super) async fn one(
        &self,
        given: &Map<String, Value>,
        defaults: &Map<String, Value>,
    ) -> Result<DecisionBody, ControlError> {
        let evaluation = Evaluation::read(given, defaults)?;
        self.admit(&evaluation)?;
        let started = Instant::now();
        let outcome = self.session.answer_with(&evaluation.query, &evaluation.overrides).await;
        self.record(&evaluation, &outcome, started).await?;
        match outcome {
            Ok(decision) => Ok(self.answer(&decision)),
            Err(refused) => match refused.decision() {
                Some(decision) => Ok(self.answer(decision)),
                None => Err(ControlError::Undecided(refused)),
            },
        }
    }

    /// Answers many questions in their order, up to the one that decides.
    pub(super) async fn many(
        &self,
        items: &[Value],
        defaults: &Map<String, Value>,
        semantic: Semantic,
    ) -> Result<Vec<DecisionBody>, ControlError> {
        let mut answers = Vec::with_capacity(items.len());
        for item in items {
            let answer = match item {
                Value::Object(given) => self.one(given, defaults).await,
                _ => Err(ControlError::Malformed("an evaluation must be an object".to_owned())),
            };
            let answer = match answer {
                Err(error) if error.is_of_one_evaluation() => self.failed(&error),
                answer => answer?,
            };
            let last = semantic.ends_with(answer.decision);
            answers.push(answer);
            if last {
                break;
            }
        }
        Ok(answers)
    }

    /// A principal asks about itself, as it is stored: stating properties would probe what it cannot see.
    fn admit(&self, evaluation: &Evaluation) -> Result<(), ControlError> {
        match &self.caller {
            Caller::Operator => Ok(()),
            Caller::Principal(asker) if asker.uid != evaluation.query.principal => Err(ControlError::NotSelf),
            Caller::Principal(_) if !evaluation.overrides.is_empty() => Err(ControlError::NotStated),
            Caller::Principal(_) => Ok(()),
        }
    }

    fn answer(&self, decision: &Decision) -> DecisionBody {
        let verdict = &decision.verdict;
        let mut context = DecisionContextBody { id: self.request_id.to_owned(), ..Default::default() };
        if self.caller == Caller::Operator {
            context.reasons = Some(verdict.reasons.iter().map(ToString::to_string).collect());
            context.errors = verdict.errors.iter().map(ToString::to_string).collect();
        }
        DecisionBody { decision: verdict.allowed, context }
    }

    fn failed(&self, error: &ControlError) -> DecisionBody {
        let problem = error.problem();
        let error = EvaluationErrorBody { status: problem.status.as_u16(), message: problem.detail };
        let context =
            DecisionContextBody { id: self.request_id.to_owned(), error: Some(error), ..Default::default() };
        DecisionBody { decision: false, context }
    }

    /// An answer that cannot be recorded is not given.
    async fn record(
        &self,
        evaluation: &Evaluation,
        outcome: &Result<Decision, Refused>,
        started: Instant,
    ) -> Result<(), ControlError> {
        let decision = match outcome {
            Ok(decision) => Some(decision),
            Err(refused) => refused.decision(),
        };
        let query = &evaluation.query;
        let recorded = (self.control.recorder)(AskedRecord {
            route: self.route.into(),
            asked_by: self.caller.uid().cloned(),
            principal: query.principal.clone(),
            action: query.action.clone(),
            resource: query.resource.clone(),
            allowed: decision.is_some_and(|it| it.verdict.allowed),
            reasons: decision.map(|it| it.verdict.reasons.clone()).unwrap_or_default(),
            error: error_code(decision, outcome),
            policy_revision: self.session.policy_revision().clone(),
            store_revision: decision.and_then(|it| it.store_revision),
            request_id: self.request_id.to_owned(),
            latency_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        });
        if recorded.await { Ok(()) } else { Err(ControlError::Unrecorded) }
    }
}

fn error_code(decision: Option<&Decision>, outcome: &Result<Decision, Refused>) -> Option<&'static str> {
    match (decision, outcome) {
        (Some(decision), _) => (!decision.verdict.errors.is_empty()).then_some("evaluation-error"),
        (None, Err(Refused::Unfit(_))) => Some("unfit-properties"),
        (None, Err(Refused::Late)) => Some("late"),
        (None, _) => Some("unavailable"),
    }
}
