//! Reads AuthZEN questions: required members, their types, and the defaults that many questions share.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::control::ControlError;
use crate::domain::{Overrides, Query, Uid};

type Object = Map<String, Value>;

/// One question, read.
#[derive(Debug)]
pub(super) struct Evaluation {
    pub(super) query: Query,
    pub(super) overrides: Overrides,
}

/// How many questions are gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Semantic {
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

impl Semantic {
    /// The semantic that the request's options ask for.
    pub(super) fn of(body: &Object) -> Result<Self, ControlError> {
        let options = object(body, "options", "options")?;
        match options.and_then(|it| it.get("evaluations_semantic")) {
            None => Ok(Self::ExecuteAll),
            Some(Value::String(it)) if it == "execute_all" => Ok(Self::ExecuteAll),
            Some(Value::String(it)) if it == "deny_on_first_deny" => Ok(Self::DenyOnFirstDeny),
            Some(Value::String(it)) if it == "permit_on_first_permit" => Ok(Self::PermitOnFirstPermit),
            Some(_) => Err(ControlError::Malformed(
                "`options.evaluations_semantic` must be `execute_all`, `deny_on_first_deny` or \
                 `permit_on_first_permit`"
                    .to_owned(),
            )),
        }
    }

    /// Whether this answer is the last that is asked for.
    pub(super) fn ends_with(self, decision: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !decision,
            Self::PermitOnFirstPermit => decision,
        }
    }
}

/// The questions of a request; none if it is one question itself.
pub(super) fn evaluations(body: &Object) -> Result<&[Value], ControlError> {
    match body.get("evaluations") {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(ill_typed("evaluations", "an array")),
    }
}

/// Refuses defaults that no question could use; what they lack, each question may have.
pub(super) fn check_defaults(body: &Object) -> Result<(), ControlError> {
    object(body, "context", "context")?;
    for (name, texts) in [("subject", ["type", "id"]), ("resource", ["type", "id"]), ("action", ["name"; 2])]
    {
        let Some(default) = object(body, name, name)? else { continue };
        object(default, "properties", &format!("{name}.properties"))?;
        for text in texts {
            if default.get(text).is_some_and(|value| !value.is_string()) {
                return Err(ill_typed(&format!("{name}.{text}"), "a text"));
            }
        }
    }
    Ok(())
}

impl Evaluation {
    /// Reads one question; `defaults` stand in for members that it does not have.
    pub(super) fn read(given: &Object, defaults: &Object) -> Result<Self, ControlError> {
        let subject = Member::of("subject", given, defaults)?;
        let action = Member::of("action", given, defaults)?;
        let resource = Member::of("resource", given, defaults)?;
        let (principal, on) = (subject.uid()?, resource.uid()?);
        let context = object(given, "context", "context")?.or(object(defaults, "context", "context")?);
        let mut context = context.cloned().unwrap_or_default();
        if let Some(properties) = action.properties()? {
            context.insert("action".to_owned(), Value::Object(properties.clone()));
        }
        let mut overrides = Overrides::new();
        state(&mut overrides, &principal, subject.properties()?)?;
        state(&mut overrides, &on, resource.properties()?)?;
        let query = Query { context: Arc::new(context), ..Query::new(principal, action.text("name")?, on) };
        Ok(Self { query, overrides })
    }
}

/// Subject and resource may be one entity, but then it has one set of properties.
fn state(overrides: &mut Overrides, of: &Uid, properties: Option<&Object>) -> Result<(), ControlError> {
    let Some(properties) = properties.filter(|it| !it.is_empty()) else { return Ok(()) };
    let stated = overrides.entry(of.clone()).or_default();
    for (name, value) in properties {
        if stated.get(name).is_some_and(|other| other != value) {
            return Err(ControlError::Malformed(format!("`{name}` of one entity is stated twice")));
        }
        stated.insert(name.clone(), value.clone());
    }
    Ok(())
}

/// `subject`, `action` or `resource`: the question's own, or the default as a whole.
///
/// The certification scenario (3.2.7) has one exception: required texts that the question's own lacks
/// come from the default; properties never do.
struct Member<'a> {
    name: &'static str,
    own: &'a Object,
    default: Option<&'a Object>,
}

impl<'a> Member<'a> {
    fn of(name: &'static str, given: &'a Object, defaults: &'a Object) -> Result<Self, ControlError> {
        let default = object(defaults, name, name)?;
        match object(given, name, name)?.or(default) {
            Some(own) => Ok(Self { name, own, default }),
            None => Err(ControlError::Malformed(format!("`{name}` is missing"))),
        }
    }

    fn text(&self, field: &str) -> Result<&'a str, ControlError> {
        let default = || self.default.and_then(|it| it.get(field));
        match self.own.get(field).or_else(default) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(ill_typed(&format!("{}.{field}", self.name), "a text")),
            None => Err(ControlError::Malformed(format!("`{}.{field}` is missing", self.name))),
        }
    }

    fn uid(&self) -> Result<Uid, ControlError> {
        Uid::new(self.text("type")?, self.text("id")?)
            .map_err(|error| ControlError::Malformed(format!("`{}`: {error}", self.name)))
    }

    fn properties(&self) -> Result<Option<&'a Object>, ControlError> {
        object(self.own, "properties", &format!("{}.properties", self.name))
    }
}

fn object<'a>(of: &'a Object, name: &str, path: &str) -> Result<Option<&'a Object>, ControlError> {
    match of.get(name) {
        None => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(ill_typed(path, "an object")),
    }
}

fn ill_typed(path: &str, what: &str) -> ControlError {
    ControlError::Malformed(format!("`{path}` must be {what}"))
}
