//! The route map: which route a request is for, and what the route asks of Cedar.

mod check;
mod compile;
mod overlap;
mod pattern;
mod pointer;
mod redaction;
mod source;
mod tree;

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Method;
use serde_json::Value as Json;

use crate::config::{Origin, Place, RouteConfig, Secret};
use crate::domain::ActionName;
use crate::finding::Finding;

pub use pattern::Pattern;
pub use pointer::{Pointer, Token};
pub use redaction::{Redaction, Step};
pub use source::IdSource;

/// The names that the schema declares, to check the map against.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// Its actions.
    pub actions: BTreeSet<ActionName>,
    /// Its entity types.
    pub types: BTreeSet<Arc<str>>,
}

/// An action and what it is done to.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The Cedar action.
    pub action: ActionName,
    /// The resources, each of which must be permitted; never empty.
    pub resources: Vec<Target>,
    /// Context attributes and where they come from.
    pub context: Vec<(Box<str>, IdSource)>,
}

/// An entity that a request names.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its type.
    pub kind: Arc<str>,
    /// Where its id comes from.
    pub id: IdSource,
}

/// A condition: the source has one of these values.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Where the value comes from.
    pub source: IdSource,
    /// Texts, whole numbers and truth values.
    pub values: Vec<Json>,
}

impl Condition {
    /// Whether a value is one of those; what comes from path, query or header is a text.
    #[must_use]
    pub fn holds(&self, value: &Json) -> bool {
        self.values.contains(value)
    }
}

/// How an answer's list is filtered.
#[derive(Debug, Clone, PartialEq)]
pub struct ListFilter {
    /// The action that each item is decided by.
    pub action: ActionName,
    /// The items' type.
    pub kind: Arc<str>,
    /// From the answer to the list.
    pub items: Pointer,
    /// From an item to its id.
    pub id: Pointer,
    /// What precedes the id in that text, such as `/` of a link.
    pub id_prefix: Box<str>,
    /// From the answer to the number of items.
    pub total: Option<Pointer>,
    /// Further members that tell nothing of the items; all others are left out.
    pub keep: Vec<Pointer>,
}

/// What the gateway adds to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Injection {
    /// A secret of the device, by its name.
    DeviceSecret(Arc<str>),
    /// The same for every request.
    Fixed(Secret),
}

/// What a route that creates a device says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Creates {
    /// Where its id comes from: the path or the answer.
    pub id: IdSource,
    /// Where its name comes from.
    pub name: Option<IdSource>,
    /// Where its template comes from.
    pub template: Option<IdSource>,
    /// Where the answer has its secrets, by name.
    pub secrets: Vec<(Arc<str>, Pointer)>,
}

/// The same for one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Creation {
    /// Its id.
    pub id: Told,
    /// The id that the request wishes for, where the answer says what it got.
    pub wished: Option<String>,
    /// Its name.
    pub name: Option<Told>,
    /// Its template.
    pub template: Option<Told>,
    /// Where the answer has its secrets, by name.
    pub secrets: Vec<(Arc<str>, Pointer)>,
}

/// A text that the request says, or the answer will.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// It is known.
    Now(String),
    /// It will be at this place of the answer.
    Later(Pointer),
}

/// The rules for the messages that a client sends on a socket.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MessageRules {
    /// The first whose conditions hold is for the message.
    pub rules: Vec<MessageRule>,
    /// Messages that no rule is for are passed on undecided.
    pub pass: bool,
}

/// One rule for messages; `Body` sources read the message, the others the request that opened it.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageRule {
    /// When it is for a message.
    pub when: Vec<Condition>,
    /// What is decided; nothing: such messages are passed on.
    pub rule: Option<Rule>,
}

/// One route, ready to be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    pattern: Pattern,
    text: Arc<str>,
    when: Vec<Condition>,
    rule: Option<Rule>,
    filter: Option<ListFilter>,
    public: bool,
    creates: Option<Creates>,
    removes: bool,
    per_item: bool,
    inject: Vec<(Place, Injection)>,
    drop: Vec<Box<str>>,
    refuse: Vec<IdSource>,
    redact: Vec<Redaction>,
    messages: MessageRules,
}

impl Route {
    /// The pattern as text, for records and metrics.
    #[must_use]
    pub fn pattern(&self) -> &Arc<str> {
        &self.text
    }

    /// The method of the pattern; a GET route also answers HEAD.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.pattern.method()
    }

    /// Every condition must hold for the route to be for a request.
    #[must_use]
    pub fn when(&self) -> &[Condition] {
        &self.when
    }

    /// What is decided before the request is forwarded.
    #[must_use]
    pub fn rule(&self) -> Option<&Rule> {
        self.rule.as_ref()
    }

    /// How the answer's list is filtered.
    #[must_use]
    pub fn filter(&self) -> Option<&ListFilter> {
        self.filter.as_ref()
    }

    /// Whether nothing is decided.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.public
    }

    /// What a 2xx registers; its id is a `Response` or `Path` source.
    #[must_use]
    pub fn creates(&self) -> Option<&Creates> {
        self.creates.as_ref()
    }

    /// Whether a 2xx removes the resource.
    #[must_use]
    pub fn removes(&self) -> bool {
        self.removes
    }

    /// Whether a batch is answered item by item.
    #[must_use]
    pub fn is_per_item(&self) -> bool {
        self.per_item
    }

    /// What the gateway adds to the request.
    #[must_use]
    pub fn inject(&self) -> &[(Place, Injection)] {
        &self.inject
    }

    /// The names of the device's secrets that it injects, each with its place.
    pub fn secrets(&self) -> impl Iterator<Item = (&Place, &Arc<str>)> {
        self.inject.iter().filter_map(|(place, what)| match what {
            Injection::DeviceSecret(name) => Some((place, name)),
            Injection::Fixed(_) => None,
        })
    }

    /// Query parameters that do not travel on.
    #[must_use]
    pub fn dropped(&self) -> &[Box<str>] {
        &self.drop
    }

    /// What a request may not have.
    #[must_use]
    pub fn refused(&self) -> &[IdSource] {
        &self.refuse
    }

    /// What of the answer, or of each item of its list, is not shown.
    #[must_use]
    pub fn redact(&self) -> &[Redaction] {
        &self.redact
    }

    /// Whether the answer is read whole before any of it is shown.
    #[must_use]
    pub fn reads_answer(&self) -> bool {
        let looked_through = self.filter.is_some() || !self.redact.is_empty();
        looked_through || self.creates.is_some() || self.secrets().next().is_some()
    }

    /// The rules for messages of a socket; a route without them takes no messages.
    #[must_use]
    pub fn messages(&self) -> &MessageRules {
        &self.messages
    }

    /// Whether the JSON body must be read before the decision.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.sources().any(|source| matches!(source, IdSource::Body(_)))
    }

    /// Every source of the request that the decision reads, those of messages excepted.
    pub fn sources(&self) -> impl Iterator<Item = &IdSource> {
        let when = self.when.iter().map(|condition| &condition.source);
        let said = self.creates.iter().flat_map(|it| it.name.iter().chain(&it.template));
        when.chain(self.rule.iter().flat_map(Rule::sources)).chain(said).chain(&self.refuse)
    }

    fn id_names(&self) -> impl Iterator<Item = &str> {
        let messages = self.messages.rules.iter().filter_map(|message| message.rule.as_ref());
        let rules = self.rule.iter().chain(messages);
        let targets = rules.flat_map(|rule| &rule.resources).map(|target| &target.id);
        let created = self.creates.iter().map(|creates| &creates.id);
        let filter = self.filter.iter().filter_map(|filter| filter.id.last_key());
        targets.chain(created).filter_map(IdSource::name).chain(filter)
    }
}

impl Rule {
    fn sources(&self) -> impl Iterator<Item = &IdSource> {
        let resources = self.resources.iter().map(|target| &target.id);
        resources.chain(self.context.iter().map(|(_, source)| source))
    }
}

/// The compiled route map.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    tree: tree::Tree,
    all: Vec<Arc<Route>>,
    id_names: BTreeSet<Box<str>>,
    secret_names: BTreeSet<Box<str>>,
}

/// The routes that a request may be for.
#[derive(Debug, Clone, Copy)]
pub struct Found<'r> {
    /// In the order of the file: the first whose conditions hold.
    pub candidates: &'r [Arc<Route>],
}

impl Routes {
    /// Checks and compiles the map; without `vocabulary`, names of actions and types are not checked.
    pub fn compile(
        origin: &Origin,
        routes: &[RouteConfig],
        vocabulary: Option<&Vocabulary>,
    ) -> Result<Self, Vec<Finding>> {
        let (compiled, mut findings) = compile::compile(origin, routes, vocabulary);
        findings.extend(overlap::check(origin, routes, &compiled));
        if !findings.is_empty() {
            findings.sort_by_key(|finding| finding.span.as_ref().map(|span| span.start));
            return Err(findings);
        }
        let all: Vec<_> = compiled.into_iter().flatten().map(Arc::new).collect();
        let id_names =
            all.iter().flat_map(|route| route.id_names()).map(|name| fold_name(name).into()).collect();
        let secrets = all.iter().flat_map(|route| route.secrets());
        let secret_names =
            secrets.filter_map(|(place, _)| Some(fold_name(place.parameter()?).into())).collect();
        Ok(Self { tree: tree::Tree::grow(&all), all, id_names, secret_names })
    }

    /// The routes of the most exact pattern for a method and the segments of a path; HEAD follows GET.
    pub fn find<S: AsRef<str>>(&self, method: &Method, segments: &[S]) -> Option<Found<'_>> {
        self.tree.find(method, segments).map(|candidates| Found { candidates })
    }

    /// The methods that some route has for a path, to tell "no such method" from "no such path".
    pub fn methods<S: AsRef<str>>(&self, segments: &[S]) -> Vec<Method> {
        self.tree.methods(segments)
    }

    /// Every route, in the order of the file.
    #[must_use]
    pub fn all(&self) -> &[Arc<Route>] {
        &self.all
    }

    /// The query parameters in which any route injects a secret, folded as by [`fold_name`].
    #[must_use]
    pub fn secret_names(&self) -> &BTreeSet<Box<str>> {
        &self.secret_names
    }

    /// The names under which any route reads an id, folded as by [`fold_name`].
    #[must_use]
    pub fn known_id_names(&self) -> &BTreeSet<Box<str>> {
        &self.id_names
    }
}

/// A name without case, `-`, `_` and `[]`: upstreams often read such spellings as the same name.
#[must_use]
pub fn fold_name(name: &str) -> String {
    name.chars().filter(|c| !"-_[]".contains(*c)).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests;
