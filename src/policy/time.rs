//! How decisions depend on the clock: which policies read it, and when their answer may change.

use cedar_policy::Policy;
use cedar_policy_core::ast;
use cedar_policy_core::evaluator::RestrictedEvaluator;
use cedar_policy_core::extensions::Extensions;

/// How an action's policies use `context.now`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum TimeUse {
    /// Not at all: a decision holds until a fact changes.
    #[default]
    None,
    /// Only comparisons with stored times: it holds until the next of them.
    Boundaries,
    /// Calendar arithmetic: it holds for this instant only.
    Arithmetic,
}

impl TimeUse {
    /// Reads it off the policy's text form, conservatively.
    pub(super) fn of(policy: &Policy) -> Self {
        let text = policy.to_string();
        let arithmetic = [".offset(", ".toTime(", ".toDate(", ".durationSince(", ".toDays(", ".toHours("];
        if arithmetic.iter().any(|call| text.contains(call)) {
            Self::Arithmetic
        } else if text.contains(".now") || text.contains("datetime(") {
            Self::Boundaries
        } else {
            Self::None
        }
    }
}

/// The times, in milliseconds since 1970, that an entity's attributes and tags hold.
pub(super) fn boundaries(entity: &ast::Entity) -> Vec<i64> {
    let mut found = Vec::new();
    for (_, value) in entity.attrs().chain(entity.tags()) {
        if let ast::PartialValue::Value(value) = value {
            collect(value, &mut found);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn collect(value: &ast::Value, found: &mut Vec<i64>) {
    match value.value_kind() {
        ast::ValueKind::Lit(_) => {}
        ast::ValueKind::Set(set) => set.iter().for_each(|inner| collect(inner, found)),
        ast::ValueKind::Record(record) => record.values().for_each(|inner| collect(inner, found)),
        ast::ValueKind::ExtensionValue(extension) => found.extend(millis_of(extension)),
    }
}

/// A datetime's value; Cedar itself works it out, whichever way the datetime is written.
fn millis_of(extension: &ast::RepresentableExtensionValue) -> Option<i64> {
    let call = |name: &str, args: Vec<ast::RestrictedExpr>| {
        Some(ast::RestrictedExpr::call_extension_fn(name.parse().ok()?, args))
    };
    let origin = call("datetime", vec![ast::RestrictedExpr::val("1970-01-01")])?;
    let since = call("durationSince", vec![extension.clone().into(), origin])?;
    let millis = call("toMilliseconds", vec![since])?;
    let evaluator = RestrictedEvaluator::new(Extensions::all_available());
    match evaluator.interpret(millis.as_borrowed()).ok()?.value_kind() {
        ast::ValueKind::Lit(ast::Literal::Long(millis)) => Some(*millis),
        _ => None,
    }
}

/// A datetime literal of the Cedar JSON format for an instant.
pub(super) fn datetime_json(now_ms: i64) -> serde_json::Value {
    serde_json::json!({ "__extn": { "fn": "offset", "args": [
        { "__extn": { "fn": "datetime", "arg": "1970-01-01" } },
        { "__extn": { "fn": "duration", "arg": format!("{now_ms}ms") } },
    ] } })
}
