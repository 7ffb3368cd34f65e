//! Gives each `[[route]]` its meaning, or says what is wrong with it.

mod answer;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value as Json;
use toml::Spanned;

use crate::config::read::{is_entity_type, is_identifier};
use crate::config::{
    MessageConfig, OneOrMany, Origin, Place, ResourceConfig, RouteConfig, Secret, Text, WhenConfig,
};
use crate::domain::ActionName;
use crate::domain::SecretText;
use crate::finding::Finding;
use crate::gateway::route::{
    Condition, IdSource, Injection, MessageRule, MessageRules, Pattern, Route, Rule, Target, Vocabulary,
};

/// Compiles each route; `None` stands for one with findings.
pub(super) fn compile(
    origin: &Origin,
    routes: &[RouteConfig],
    vocabulary: Option<&Vocabulary>,
) -> (Vec<Option<Route>>, Vec<Finding>) {
    let mut findings = Vec::new();
    let compiled =
        routes.iter().map(|config| compile_one(origin, config, vocabulary, &mut findings)).collect();
    (compiled, findings)
}

fn compile_one(
    origin: &Origin,
    config: &RouteConfig,
    vocabulary: Option<&Vocabulary>,
    findings: &mut Vec<Finding>,
) -> Option<Route> {
    let pattern = match Pattern::parse(config.pattern.get_ref()) {
        Ok(pattern) => pattern,
        Err((message, help)) => {
            findings.push(origin.error(config.pattern.span(), message).with_help(help));
            return None;
        }
    };
    let before = findings.len();
    let mut compiler = Compiler { origin, pattern: &pattern, vocabulary, findings };
    let route = compiler.route(config);
    super::check::check(origin, config, &route, findings);
    (findings.len() == before).then_some(route)
}

/// Collects what is wrong with one route.
struct Compiler<'c> {
    origin: &'c Origin,
    pattern: &'c Pattern,
    vocabulary: Option<&'c Vocabulary>,
    findings: &'c mut Vec<Finding>,
}

impl Compiler<'_> {
    fn route(&mut self, config: &RouteConfig) -> Route {
        let span = config.pattern.span();
        let rule = self.rule(config.action.as_ref(), config.resource.as_ref(), &config.context, span);
        let messages = self.messages(config, rule.as_ref());
        Route {
            text: self.pattern.to_string().into(),
            pattern: self.pattern.clone(),
            when: self.conditions(&config.when, false),
            filter: config.filter.as_ref().and_then(|filter| self.filter(filter)),
            public: config.public,
            creates: config.creates.as_ref().and_then(|creates| self.creates(creates)),
            removes: config.removes,
            per_item: config.per_item,
            inject: config.inject.iter().filter_map(|(place, value)| self.injection(place, value)).collect(),
            drop: config.drop.iter().filter_map(|source| self.dropped(source)).collect(),
            refuse: config.refuse.iter().filter_map(|source| self.refused(source)).collect(),
            redact: config.redact.iter().filter_map(|pointer| self.redacted(pointer)).collect(),
            rule,
            messages,
        }
    }

    fn fail(&mut self, span: Range<usize>, message: impl Into<String>, help: &str) {
        self.findings.push(self.origin.error(span, message).with_help(help));
    }

    fn rule(
        &mut self,
        action: Option<&Text>,
        resource: Option<&OneOrMany<ResourceConfig>>,
        context: &BTreeMap<Text, Text>,
        span: Range<usize>,
    ) -> Option<Rule> {
        let (action, resource) = match (action, resource) {
            (Some(action), Some(resource)) => (action, resource),
            (Some(action), None) => {
                let message = format!("the action `{}` has no resource", action.get_ref());
                self.fail(action.span(), message, "add `resource = { type = \"…\", id = \"…\" }`");
                return None;
            }
            (None, Some(resource)) => {
                self.fail(resource.span(), "the resource has no action", "add `action = \"…\"`");
                return None;
            }
            (None, None) if context.is_empty() => return None,
            (None, None) => {
                self.fail(span, "the context has no action", "add `action` and `resource`");
                return None;
            }
        };
        if resource.as_slice().is_empty() {
            self.fail(resource.span(), "the list of resources is empty", "name at least one");
        }
        Some(Rule {
            action: self.action(action),
            resources: resource.as_slice().iter().filter_map(|target| self.target(target)).collect(),
            context: context.iter().filter_map(|(name, source)| self.attribute(name, source)).collect(),
        })
    }

    fn action(&mut self, action: &Text) -> ActionName {
        let name = action.get_ref().as_str();
        if name.is_empty() || self.vocabulary.is_some_and(|known| !known.actions.contains(name)) {
            self.fail(
                action.span(),
                format!("unknown action `{name}`"),
                "declare it in the schema, or correct it",
            );
        }
        name.into()
    }

    fn kind(&mut self, kind: &Text) -> Arc<str> {
        let name = kind.get_ref().as_str();
        let known = self.vocabulary.is_none_or(|known| known.types.contains(name));
        if !is_entity_type(name) || !known {
            let message = format!("unknown entity type `{name}`");
            self.fail(kind.span(), message, "declare it in the schema, or correct it");
        }
        name.into()
    }

    fn source(&mut self, text: &Text) -> Option<IdSource> {
        match IdSource::parse(text.get_ref(), self.pattern) {
            Ok(source) => Some(source),
            Err((message, help)) => {
                self.fail(text.span(), message, help);
                None
            }
        }
    }

    /// A source that is known before the request is forwarded.
    fn request_source(&mut self, text: &Text) -> Option<IdSource> {
        let source = self.source(text)?;
        if matches!(source, IdSource::Response(_)) {
            let message = "the answer is not known before the decision";
            self.fail(text.span(), message, "use `response:` only in `creates`");
            return None;
        }
        Some(source)
    }

    /// The same, of a single value.
    fn single_source(&mut self, text: &Text) -> Option<IdSource> {
        let source = self.request_source(text)?;
        if source.has_each() {
            self.fail(text.span(), "`*` stands for several values", "use `*` only in the id of a resource");
            return None;
        }
        Some(source)
    }

    fn target(&mut self, config: &ResourceConfig) -> Option<Target> {
        let kind = self.kind(&config.kind);
        Some(Target { kind, id: self.request_source(&config.id)? })
    }

    fn attribute(&mut self, name: &Text, source: &Text) -> Option<(Box<str>, IdSource)> {
        if !is_identifier(name.get_ref()) {
            let message = format!("`{}` is not the name of an attribute", name.get_ref());
            self.fail(name.span(), message, "write letters, digits and `_`");
        }
        Some((name.get_ref().as_str().into(), self.single_source(source)?))
    }

    fn conditions(&mut self, config: &WhenConfig, message: bool) -> Vec<Condition> {
        config.iter().filter_map(|(source, values)| self.condition(source, values, message)).collect()
    }

    fn condition(&mut self, text: &Text, values: &OneOrMany<Json>, message: bool) -> Option<Condition> {
        let source = self.single_source(text)?;
        let body = matches!(source, IdSource::Body(_));
        if matches!(source, IdSource::Principal(_)) || (message && !body) {
            let message = format!("`{source}` cannot tell requests apart");
            let help = if body { "" } else { "use `body:/pointer`; who may do what is said in the policies" };
            self.fail(text.span(), message, help);
            return None;
        }
        let fits = |value: &Json| value.is_string() || (body && (value.is_i64() || value.is_boolean()));
        if values.as_slice().is_empty() || !values.as_slice().iter().all(fits) {
            let message = format!("`{source}` cannot have these values");
            let help = "write texts; of a body also whole numbers, true and false";
            self.fail(values.span(), message, help);
        }
        Some(Condition { source, values: values.as_slice().to_vec() })
    }

    fn dropped(&mut self, text: &Text) -> Option<Box<str>> {
        match self.source(text)? {
            IdSource::Query(name) => Some(name),
            other => {
                let message = format!("`{other}` cannot be dropped");
                self.fail(text.span(), message, "write `query:NAME`");
                None
            }
        }
    }

    fn refused(&mut self, text: &Text) -> Option<IdSource> {
        match self.single_source(text)? {
            source @ (IdSource::Query(_) | IdSource::Body(_)) => Some(source),
            other => {
                let message = format!("`{other}` cannot be refused");
                self.fail(text.span(), message, "write `query:NAME` or `body:/pointer`");
                None
            }
        }
    }

    fn injection(&mut self, place: &Text, value: &Spanned<Secret>) -> Option<(Place, Injection)> {
        let at = match place.get_ref().parse::<Place>() {
            Ok(at) => at,
            Err(error) => {
                let (message, help) = error.split_once('\n').unwrap_or((&error, ""));
                self.fail(place.span(), message, help);
                return None;
            }
        };
        let text = value.get_ref().reveal();
        let injection = match text.strip_prefix("secret:") {
            Some(name) if SecretText::is_name(name) => Injection::DeviceSecret(name.into()),
            Some(_) => {
                self.fail(
                    value.span(),
                    "not the name of a secret",
                    "write `secret:NAME`, with letters and `_`",
                );
                return None;
            }
            None if text.is_empty() => return None,
            None if http::HeaderValue::from_str(text).is_err() => {
                self.fail(
                    value.span(),
                    "the value has control characters",
                    "see whether it ends with a newline",
                );
                return None;
            }
            None => Injection::Fixed(value.get_ref().clone()),
        };
        Some((at, injection))
    }

    fn messages(&mut self, config: &RouteConfig, rule: Option<&Rule>) -> MessageRules {
        let mut messages = MessageRules::default();
        for message in &config.message {
            let passes = message.pass.as_ref().is_some_and(|pass| *pass.get_ref());
            // `pass` beside a rule, or alone, is about the messages that no rule is for.
            messages.pass |= passes && (message.action.is_some() || message.when.is_empty());
            messages.rules.extend(self.message(message, passes, config, rule));
        }
        messages
    }

    fn message(
        &mut self,
        message: &MessageConfig,
        passes: bool,
        config: &RouteConfig,
        rule: Option<&Rule>,
    ) -> Option<MessageRule> {
        let when = self.conditions(&message.when, true);
        let span = config.pattern.span();
        if message.action.is_none() && message.resource.is_none() {
            if !passes || !message.context.is_empty() {
                let help = "add `action`, or `pass = true`";
                self.fail(span, "a `[[route.message]]` has no action", help);
            }
            return (!when.is_empty()).then_some(MessageRule { when, rule: None });
        }
        let inherited = message.resource.is_none().then_some(rule).flatten();
        let rule = match (inherited, &message.action) {
            (Some(route), Some(action)) => Some(Rule {
                action: self.action(action),
                resources: route.resources.clone(),
                context: message
                    .context
                    .iter()
                    .filter_map(|(name, from)| self.attribute(name, from))
                    .collect(),
            }),
            _ => self.rule(message.action.as_ref(), message.resource.as_ref(), &message.context, span),
        };
        Some(MessageRule { when, rule })
    }
}
