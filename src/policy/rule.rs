//! One policy with its condition put together once; Cedar's own authorizer does that for each question.

use std::sync::Arc;

use cedar_policy::{Effect, Policy};
use cedar_policy_core::{ast, evaluator::Evaluator};

use crate::policy::PolicyText;

/// A policy that is ready to be asked.
pub(super) struct Rule {
    pub(super) id: Arc<str>,
    pub(super) refuse: Option<Arc<str>>,
    pub(super) forbids: bool,
    policy: ast::Policy,
    condition: ast::Expr,
}

impl Rule {
    pub(super) fn new(policy: &Policy, text: &PolicyText) -> Self {
        let core: &ast::Policy = policy.as_ref();
        Self {
            id: text.id.clone(),
            refuse: text.refuse.clone(),
            forbids: policy.effect() == Effect::Forbid,
            condition: core.condition(),
            policy: core.clone(),
        }
    }

    /// Whether the policy holds for the evaluator's request; Cedar's reason where that cannot be said.
    pub(super) fn holds(&self, evaluator: &Evaluator<'_>) -> Result<bool, String> {
        let failed = |reason: String| format!("while evaluating policy `{}`: {reason}", self.id);
        let value = evaluator.interpret(&self.condition, self.policy.env());
        match value.map_err(|error| failed(error.to_string()))?.value_kind() {
            ast::ValueKind::Lit(ast::Literal::Bool(holds)) => Ok(*holds),
            _ => Err(failed("its condition is neither true nor false".to_owned())),
        }
    }
}
