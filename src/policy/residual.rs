//! What is left of the policies once everything but the resource is known: a filter for lists.

use std::sync::Arc;

use cedar_policy::{Effect, Entities, PartialEntities, PartialEntityUid, PartialRequest, Policy, pst};
use cedar_policy_core::ast;

use crate::domain::Query;
use crate::policy::{Closure, PolicySnapshot, evaluate};

/// Decides many resources of one type for one principal, action and context.
///
/// Exact or silent: an item that the filter cannot decide is left to a whole evaluation.
#[derive(Debug, Clone)]
pub struct Filter {
    permits: Vec<Test>,
    forbids: Vec<Test>,
    refuse: Option<Arc<str>>,
}

#[derive(Debug, Clone)]
enum Test {
    Const(bool),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
    Not(Box<Test>),
    Has(String),
    AttributeIs(String, ast::EntityUID),
    AttributeIn(String, ast::EntityUID),
    ResourceIs(ast::EntityUID),
    ResourceIn(ast::EntityUID),
}

/// The item needs a whole evaluation.
struct Unclear;

impl PolicySnapshot {
    /// The filter of a query whose resource's id is left open, if the policies allow one.
    ///
    /// It knows of no grants: a resource that it refuses may still be lent to the principal.
    /// Uses Cedar's type-aware partial evaluation (feature `tpe`).
    #[must_use]
    pub fn filter(&self, query: &Query, kind: &str, principal: &Closure, now_ms: i64) -> Option<Filter> {
        let vocabulary = &self.vocabulary;
        let action = vocabulary.action(&query.action)?;
        let policies = self.by_action.get(&query.action)?;
        let context = vocabulary.context(action, &query.context, None, now_ms).ok()?;
        let request = PartialRequest::new(
            PartialEntityUid::from_concrete(vocabulary.euid(&query.principal)?),
            action.uid.clone(),
            PartialEntityUid::new(vocabulary.kind(kind)?.clone(), None),
            Some(context),
            &vocabulary.schema,
        )
        .ok()?;
        let entities: Entities = evaluate::entities(action, &[principal]).ok()?.into();
        let entities = PartialEntities::from_concrete(entities, &vocabulary.schema).ok()?;
        let response = policies.set.tpe(&request, &entities, &vocabulary.schema).ok()?;
        if response.error_permits().chain(response.error_forbids()).next().is_some() {
            return None;
        }
        let refuse =
            response.true_forbids().filter_map(|id| self.texts.get(id)).find_map(|text| text.refuse.clone());
        // Policies that hold whatever the resource are no residuals, but they decide all the same.
        let mut filter = Filter {
            permits: response.true_permits().map(|_| Test::Const(true)).collect(),
            forbids: response.true_forbids().map(|_| Test::Const(true)).collect(),
            refuse,
        };
        for policy in response.residual_policies() {
            let test = test_of(&policy)?;
            match policy.effect() {
                Effect::Permit => filter.permits.push(test),
                Effect::Forbid => filter.forbids.push(test),
            }
        }
        Some(filter)
    }
}

impl Filter {
    /// The `@refuse` annotation of a forbid that holds whatever the resource.
    #[must_use]
    pub fn refuse(&self) -> Option<&Arc<str>> {
        self.refuse.as_ref()
    }

    /// Whether the resource is permitted; `None` when only a whole evaluation can tell.
    #[must_use]
    pub fn decide(&self, resource: &Closure) -> Option<bool> {
        if !resource.exists() {
            return Some(false);
        }
        let any = |tests: &[Test]| -> Result<bool, Unclear> {
            tests.iter().try_fold(false, |found, test| Ok(test.holds(resource)? || found))
        };
        match (any(&self.forbids), any(&self.permits)) {
            (Ok(forbidden), Ok(permitted)) => Some(permitted && !forbidden),
            _ => None,
        }
    }
}

fn test_of(policy: &Policy) -> Option<Test> {
    let pst = policy.to_pst().ok()?;
    let mut whole = Test::Const(true);
    for clause in pst.body().clauses() {
        let next = match clause {
            pst::Clause::When(expr) => compile(expr)?,
            pst::Clause::Unless(expr) => Test::Not(Box::new(compile(expr)?)),
        };
        whole = Test::And(Box::new(whole), Box::new(next));
    }
    Some(whole)
}

fn compile(expr: &pst::Expr) -> Option<Test> {
    use pst::{BinaryOp, Expr, Literal, UnaryOp};
    let boxed = |expr: &Arc<Expr>| compile(expr).map(Box::new);
    match expr {
        Expr::Literal(Literal::Bool(value)) => Some(Test::Const(*value)),
        Expr::UnaryOp { op: UnaryOp::Not, expr } => Some(Test::Not(boxed(expr)?)),
        Expr::BinaryOp { op: BinaryOp::And, left, right } => Some(Test::And(boxed(left)?, boxed(right)?)),
        Expr::BinaryOp { op: BinaryOp::Or, left, right } => Some(Test::Or(boxed(left)?, boxed(right)?)),
        Expr::BinaryOp { op: BinaryOp::Eq, left, right } => {
            let (subject, uid) = pair(left, right).or_else(|| pair(right, left))?;
            Some(match subject {
                Subject::Resource => Test::ResourceIs(uid),
                Subject::Attribute(name) => Test::AttributeIs(name, uid),
            })
        }
        Expr::BinaryOp { op: BinaryOp::In, left, right } => {
            let (subject, uid) = pair(left, right)?;
            Some(match subject {
                Subject::Resource => Test::ResourceIn(uid),
                Subject::Attribute(name) => Test::AttributeIn(name, uid),
            })
        }
        Expr::HasAttr { expr, attrs } if is_resource(expr) && attrs.len() == 1 => {
            Some(Test::Has(attrs.first().to_string()))
        }
        _ => None,
    }
}

enum Subject {
    Resource,
    Attribute(String),
}

fn pair(subject: &pst::Expr, literal: &pst::Expr) -> Option<(Subject, ast::EntityUID)> {
    let pst::Expr::Literal(pst::Literal::EntityUID(uid)) = literal else { return None };
    let subject = match subject {
        pst::Expr::GetAttr { expr, attr } if is_resource(expr) => Subject::Attribute(attr.to_string()),
        expr if is_resource(expr) => Subject::Resource,
        _ => return None,
    };
    Some((subject, uid.clone().into()))
}

fn is_resource(expr: &pst::Expr) -> bool {
    matches!(expr, pst::Expr::Var(pst::Var::Resource))
}

impl Test {
    fn holds(&self, closure: &Closure) -> Result<bool, Unclear> {
        let resource = closure.root_entity().ok_or(Unclear)?;
        Ok(match self {
            Self::Const(value) => *value,
            Self::And(left, right) => left.holds(closure)? && right.holds(closure)?,
            Self::Or(left, right) => left.holds(closure)? || right.holds(closure)?,
            Self::Not(inner) => !inner.holds(closure)?,
            Self::Has(name) => resource.get(name).is_some(),
            Self::ResourceIs(uid) => resource.uid() == uid,
            Self::ResourceIn(uid) => resource.uid() == uid || resource.is_descendant_of(uid),
            Self::AttributeIs(name, uid) => attribute(resource, name)? == uid,
            Self::AttributeIn(name, uid) => {
                let held = attribute(resource, name)?;
                held == uid || closure.entities.iter().any(|it| it.uid() == held && it.is_descendant_of(uid))
            }
        })
    }
}

/// An attribute that names an entity; reading any other is an error that Cedar must judge.
fn attribute<'a>(resource: &'a ast::Entity, name: &str) -> Result<&'a ast::EntityUID, Unclear> {
    match resource.get(name) {
        Some(ast::PartialValue::Value(value)) => match value.value_kind() {
            ast::ValueKind::Lit(ast::Literal::EntityUID(uid)) => Ok(uid),
            _ => Err(Unclear),
        },
        _ => Err(Unclear),
    }
}
