//! One policy with its condition put together once; Cedar's own authorizer does that for each question.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Effect, Policy, pst};
use cedar_policy_core::{ast, evaluator::Evaluator};

use crate::policy::PolicyText;

/// A policy that is ready to be asked.
pub(super) struct Rule {
    pub(super) id: Arc<str>,
    pub(super) refuse: Option<Arc<str>>,
    pub(super) forbids: bool,
    policy: ast::Policy,
    condition: ast::Expr,
    /// The types of principal that it can be about, by its scope.
    principals: BTreeSet<String>,
    /// The context attribute without which the condition is false: the `x` of `when { context has x && … }`.
    needs: Option<String>,
}

impl Rule {
    pub(super) fn new(policy: &Policy, text: &PolicyText, principals: BTreeSet<String>) -> Self {
        let core: &ast::Policy = policy.as_ref();
        Self {
            id: text.id.clone(),
            refuse: text.refuse.clone(),
            forbids: policy.effect() == Effect::Forbid,
            condition: core.condition(),
            policy: core.clone(),
            principals,
            needs: needs(policy),
        }
    }

    /// Whether the policy can be about a principal of this type at all.
    pub(super) fn is_about(&self, kind: &str) -> bool {
        self.principals.contains(kind)
    }

    /// Whether the policy holds for the evaluator's request; Cedar's reason where that cannot be said.
    pub(super) fn holds(&self, evaluator: &Evaluator<'_>, context: &ast::Context) -> Result<bool, String> {
        if let (Some(name), ast::Context::Value(held)) = (&self.needs, context)
            && !held.contains_key(name.as_str())
        {
            return Ok(false);
        }
        let failed = |reason: String| format!("while evaluating policy `{}`: {reason}", self.id);
        let value = evaluator.interpret(&self.condition, self.policy.env());
        match value.map_err(|error| failed(error.to_string()))?.value_kind() {
            ast::ValueKind::Lit(ast::Literal::Bool(holds)) => Ok(*holds),
            _ => Err(failed("its condition is neither true nor false".to_owned())),
        }
    }
}

/// What the condition asks of the context before anything else; nothing that could fail comes before it.
fn needs(policy: &Policy) -> Option<String> {
    let pst = policy.to_pst().ok()?;
    let clauses: Vec<_> = pst.body().clauses().iter().collect();
    let [pst::Clause::When(whole)] = clauses.as_slice() else { return None };
    let mut first = whole;
    while let pst::Expr::BinaryOp { op: pst::BinaryOp::And, left, .. } = &**first {
        first = left;
    }
    match &**first {
        pst::Expr::HasAttr { expr, attrs } if matches!(**expr, pst::Expr::Var(pst::Var::Context)) => {
            Some(attrs.first().to_string())
        }
        _ => None,
    }
}
