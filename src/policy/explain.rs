//! Why a query is denied: the permits that could have applied, and what each of them lacked.

use cedar_policy::{Effect, Policy};
use cedar_policy_core::ast::{self, Expr, ExprKind};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::parser::Loc;

use crate::domain::{Facts, Query};
use crate::policy::schema::Action;
use crate::policy::{Closure, PolicySnapshot, PolicyText, evaluate};

/// A permit that could have applied, and its first clause that did not hold.
#[derive(Debug, Clone)]
pub struct NearPermit {
    /// The permit.
    pub policy: PolicyText,
    /// The clause as it stands in the policy.
    pub clause: String,
    /// The line of the clause.
    pub line: usize,
    /// Why the clause could not be evaluated, if it could not.
    pub error: Option<String>,
    /// How many clauses held.
    pub held: usize,
    /// How many clauses there are.
    pub clauses: usize,
}

/// One condition of a policy: all of them must hold.
struct Clause {
    test: Expr,
    text: String,
    line: usize,
}

impl PolicySnapshot {
    /// The permits that do not hold for a query, those with the most clauses that hold first.
    ///
    /// A clause is a part of the scope, or an operand of `&&` at the top of a condition. Permits for
    /// other types of principal and resource are left out.
    pub fn nearest_permits(
        &self,
        query: &Query,
        facts: &Facts,
        now_ms: i64,
    ) -> Result<Vec<NearPermit>, String> {
        let action = self.vocabulary.action(&query.action);
        let action = action.ok_or_else(|| format!("the schema has no action `{}`", query.action))?;
        let Some(policies) = self.by_action.get(&query.action) else { return Ok(Vec::new()) };
        let roots = [query.principal.clone(), query.resource.clone()];
        let closures = self.closures(facts, &roots).map_err(|error| error.to_string())?;
        let closures: Vec<&Closure> = closures.iter().collect();
        let entities = evaluate::entities(action, &closures)?;
        let request = self.request(query, action, None, now_ms)?;
        let evaluator = Evaluator::new(request, &entities, Extensions::all_available());
        let permits = policies.set.policies().filter(|it| it.effect() == Effect::Permit);
        let mut near: Vec<NearPermit> = permits
            .filter(|policy| self.can_apply(policy, action, query))
            .filter_map(|policy| {
                let text = self.texts.get(policy.id())?.clone();
                judge(&evaluator, policy, text)
            })
            .collect();
        near.sort_by(|a, b| {
            let (more, fewer) = (b.held.cmp(&a.held), a.clauses.cmp(&b.clauses));
            more.then(fewer).then_with(|| a.policy.id.cmp(&b.policy.id))
        });
        Ok(near)
    }

    fn can_apply(&self, policy: &Policy, action: &Action, query: &Query) -> bool {
        let (principal, resource) = (query.principal.kind(), query.resource.kind());
        let (principal, resource) = (self.vocabulary.kind(principal), self.vocabulary.kind(resource));
        policy.get_valid_request_envs(&self.vocabulary.schema).any(|env| {
            Some(env.principal()) == principal
                && Some(env.resource()) == resource
                && *env.action() == action.uid
        })
    }
}

/// `None` when every clause holds.
fn judge(evaluator: &Evaluator<'_>, policy: &Policy, text: PolicyText) -> Option<NearPermit> {
    let core: &ast::Policy = policy.as_ref();
    let clauses = clauses(core, text.line);
    let results: Vec<_> = clauses.iter().map(|clause| holds(evaluator, core, clause)).collect();
    let held = results.iter().filter(|result| matches!(result, Ok(true))).count();
    let failed = results.into_iter().zip(&clauses).find(|(result, _)| !matches!(result, Ok(true)))?;
    let (result, clause) = failed;
    Some(NearPermit {
        policy: text,
        clause: clause.text.clone(),
        line: clause.line,
        error: result.err(),
        held,
        clauses: clauses.len(),
    })
}

fn holds(evaluator: &Evaluator<'_>, policy: &ast::Policy, clause: &Clause) -> Result<bool, String> {
    let value = evaluator.interpret(&clause.test, policy.env()).map_err(|error| error.to_string())?;
    match value.value_kind() {
        ast::ValueKind::Lit(ast::Literal::Bool(holds)) => Ok(*holds),
        _ => Err("it is neither true nor false".to_owned()),
    }
}

/// The action is left out: only policies that can apply to it are asked.
fn clauses(policy: &ast::Policy, line: usize) -> Vec<Clause> {
    let mut found = Vec::new();
    let (principal, resource) = (policy.principal_constraint(), policy.resource_constraint());
    if !is_any(principal.as_inner()) {
        found.push(Clause { test: principal.as_expr(), text: principal.to_string(), line });
    }
    if !is_any(resource.as_inner()) {
        found.push(Clause { test: resource.as_expr(), text: resource.to_string(), line });
    }
    if let Some(conditions) = policy.non_scope_constraints() {
        conjuncts(conditions, line, &mut found);
    }
    found
}

fn is_any(constraint: &ast::PrincipalOrResourceConstraint) -> bool {
    matches!(constraint, ast::PrincipalOrResourceConstraint::Any)
}

fn conjuncts(test: &Expr, line: usize, found: &mut Vec<Clause>) {
    if let ExprKind::And { left, right } = test.expr_kind() {
        conjuncts(left, line, found);
        conjuncts(right, line, found);
        return;
    }
    let place = test.source_loc();
    let text = place.and_then(Loc::snippet).map_or_else(|| test.to_string(), one_line);
    let line = place.map_or(line, line_of);
    found.push(Clause { test: test.clone(), text, line });
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn line_of(place: &Loc) -> usize {
    super::snapshot::line_of(&place.src, place.start())
}
