//! From a request to a call: its route, what is asked of Cedar, and what would be sent.

mod body;
mod ids;
mod opening;
mod switch;

use std::net::SocketAddr;
use std::sync::Arc;

use http::Method;
use http::header::{self, HeaderName};
use http::request::Parts;
use hyper::body::Incoming;
use serde_json::Value as Json;

use crate::decision::{Ask, Credential, Exempt, Session};
use crate::domain::{Context, Query, Uid};
use crate::gateway::forward::Outgoing;
use crate::gateway::head::FieldRules;
use crate::gateway::refusal::Refusal;
use crate::gateway::route::{Creates, Creation, IdSource, ListFilter, Route, Routes, Rule, Told, fold_name};
use crate::gateway::target::Target;
use crate::gateway::upgrade::{self, Upgrade};
use crate::identity::{Caller, Challenge, Principal};

pub use body::BodyLimits;
use body::Payload;
pub use opening::Opening;
pub use switch::Switch;

/// A request with its one reading: decided by `queries`, sent as `outgoing`.
pub struct Call {
    /// The route that it is for.
    pub route: Arc<Route>,
    /// What is sent if it is permitted.
    pub outgoing: Outgoing,
    /// The socket that the request wants to become, and what is kept of it then.
    pub upgrade: Option<(Upgrade, Opening)>,
    /// What the caller showed; streams end with it.
    pub credential: Credential,
    /// The device that a 2xx makes.
    pub creation: Option<Creation>,
    queries: Vec<Query>,
    listing: Option<Query>,
    switched: Option<Uid>,
}

impl Call {
    /// The query that decides each item of the answer's list, its resource left open.
    #[must_use]
    pub fn listing(&self) -> Option<(&ListFilter, &Query)> {
        self.route.filter().zip(self.listing.as_ref())
    }
}

impl Call {
    /// The one organization whose items are shown, if the caller switched to one.
    #[must_use]
    pub fn switched(&self) -> Option<&Uid> {
        self.switched.as_ref()
    }
}

impl Ask for Call {
    fn queries(&self) -> &[Query] {
        &self.queries
    }

    fn exempt(&self) -> Exempt<'_> {
        match &self.listing {
            _ if self.route.is_public() => Exempt::Public,
            Some(listing) => Exempt::Listing(listing),
            None => Exempt::No,
        }
    }
}

/// What translation needs besides the request.
pub struct Translator<'a> {
    /// The route map.
    pub routes: &'a Routes,
    /// Which header fields travel.
    pub fields: &'a FieldRules,
    /// Bounds of bodies.
    pub limits: &'a BodyLimits,
    /// What names the organization whose lists are wanted.
    pub switch: &'a Switch,
    /// The pinned policies and facts.
    pub session: &'a Session,
}

/// Fields that would make an answer partial, or shorter than the list that is filtered.
const NOT_FOR_LISTS: [HeaderName; 7] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::ACCEPT_ENCODING,
];

/// Those that a write depends on: without them it would be done unconditionally.
const GUARDS_OF_WRITES: [HeaderName; 2] = [header::IF_MATCH, header::IF_UNMODIFIED_SINCE];

/// Those that would make it partial or unreadable.
const NOT_FOR_READING: [HeaderName; 3] = [header::RANGE, header::IF_RANGE, header::ACCEPT_ENCODING];

/// The request's parts in their one reading.
struct Reading<'a> {
    parts: &'a Parts,
    target: &'a Target,
    payload: &'a Payload,
}

impl Translator<'_> {
    /// Reads the request; whatever is missing, twice or unclear is refused.
    pub async fn translate(
        &self,
        mut parts: Parts,
        incoming: Incoming,
        caller: &Caller,
        peer: SocketAddr,
    ) -> Result<Call, Refusal> {
        let upgrade = upgrade::wanted(&mut parts)?;
        let parts = &parts;
        let mut target = Target::parse(parts.uri.path(), parts.uri.query())?;
        let named = self.switch.named(&mut target, &parts.headers)?;
        let candidates = match self.routes.find(&parts.method, &target.segments()) {
            Some(found) => found.candidates,
            None => return Err(unrouted(caller)),
        };
        let principal = match caller {
            Caller::Known(principal) => Some(principal),
            Caller::Anonymous if candidates.iter().all(|route| route.is_public()) => None,
            Caller::Anonymous => return Err(unauthenticated()),
        };
        let needed = candidates.iter().any(|route| route.reads_body());
        let watched = candidates.iter().any(|route| route.rule().is_some());
        let payload = body::read(parts, incoming, self.limits, needed, watched).await?;
        let reading = Reading { parts, target: &target, payload: &payload };
        let route = self.choose(candidates, &reading).ok_or_else(|| unrouted(caller))?;
        let mut queries = self.queries(&route, &reading, principal).await?;
        let creation = route.creates().map(|creates| reading.creation(creates)).transpose()?;
        if route.rule().is_some() {
            self.refuse_other_ids(&reading, &queries, creation.as_ref())?;
        }
        self.refuse_own_names(&route, &reading)?;
        let listing = self.listing(&route, &reading, principal)?;
        // A list is shown in the view of one organization; everything else names what it is about itself.
        let switched = named.filter(|_| listing.is_some());
        queries.extend(switched.iter().zip(principal).map(|(it, principal)| switch::query(principal, it)));
        let upgrade = upgrade.map(|upgrade| opening(&route, upgrade, principal, &reading)).transpose()?;
        let outgoing = self.outgoing(&route, reading, principal, peer)?;
        let outgoing = Outgoing { body: payload.into_body(), ..outgoing };
        let credential = principal.map(|it| opening::credential(it)).unwrap_or_default();
        Ok(Call { route, outgoing, upgrade, credential, creation, queries, listing, switched })
    }

    fn choose(&self, candidates: &[Arc<Route>], reading: &Reading<'_>) -> Option<Arc<Route>> {
        let holds = |route: &&Arc<Route>| {
            route.when().iter().all(|condition| {
                reading.value(&condition.source).is_some_and(|value| condition.holds(&value))
            })
        };
        candidates.iter().find(holds).cloned()
    }

    async fn queries(
        &self,
        route: &Route,
        reading: &Reading<'_>,
        principal: Option<&Arc<Principal>>,
    ) -> Result<Vec<Query>, Refusal> {
        let Some(rule) = route.rule().filter(|_| !route.is_public()) else { return Ok(Vec::new()) };
        let principal = principal.ok_or_else(unauthenticated)?;
        let context = Arc::new(reading.context(rule));
        let mut queries = Vec::new();
        for resource in &rule.resources {
            let ids = match &resource.id {
                IdSource::Principal(attribute) => {
                    vec![self.session.attribute(&principal.uid, attribute).await?.ok_or(Refusal::Unrouted)?]
                }
                source => reading.ids(source, self.limits.ids_max)?,
            };
            for id in ids {
                let resource = Uid::new(resource.kind.clone(), id)
                    .map_err(|_| Refusal::Malformed("an id is empty or too long".to_owned()))?;
                queries.push(Query {
                    principal: principal.uid.clone(),
                    action: rule.action.clone(),
                    resource,
                    context: context.clone(),
                });
            }
        }
        Ok(queries)
    }

    fn listing(
        &self,
        route: &Route,
        reading: &Reading<'_>,
        principal: Option<&Arc<Principal>>,
    ) -> Result<Option<Query>, Refusal> {
        let Some(filter) = route.filter() else { return Ok(None) };
        let principal = principal.ok_or_else(unauthenticated)?;
        let resource = Uid::new(filter.kind.clone(), "*").map_err(|_| Refusal::Internal)?;
        let context = route.rule().map(|rule| reading.context(rule)).unwrap_or_default();
        let (action, principal) = (filter.action.clone(), principal.uid.clone());
        Ok(Some(Query { principal, action, resource, context: Arc::new(context) }))
    }

    fn refuse_other_ids(
        &self,
        reading: &Reading<'_>,
        queries: &[Query],
        creation: Option<&Creation>,
    ) -> Result<(), Refusal> {
        // An id that is wished for is not in use, or the request is refused before it is sent.
        let wished = creation.and_then(|creation| creation.wished.as_deref());
        let decided = |id: &str| wished == Some(id) || queries.iter().any(|query| query.resource.id() == id);
        let known = self.routes.known_id_names();
        ids::refuse_others(reading.target, reading.payload, known, &decided)
    }

    /// Refuses what only the gateway may say, and what the route says that a request may not have.
    fn refuse_own_names(&self, route: &Route, reading: &Reading<'_>) -> Result<(), Refusal> {
        let (secrets, everywhere) = (self.routes.secret_names(), &self.fields.inject_query);
        let writes = |folded: &str| {
            let here = route.inject().iter().filter_map(|(place, _)| place.parameter());
            let mut written = here.chain(everywhere.iter().map(|pair| pair.key.as_str()));
            written.any(|name| fold_name(name) == folded)
        };
        if !(secrets.is_empty() && everywhere.is_empty() && route.inject().is_empty()) {
            let is_own = |name: &str| {
                let folded = fold_name(name);
                secrets.contains(folded.as_str()) || writes(&folded)
            };
            ids::refuse_names(reading.target, reading.payload, &is_own)?;
        }
        match route.refused().iter().find(|source| reading.has(source)) {
            Some(source) => Err(Refusal::Malformed(format!("`{source}` is not accepted here"))),
            None => Ok(()),
        }
    }

    fn outgoing(
        &self,
        route: &Route,
        reading: Reading<'_>,
        principal: Option<&Arc<Principal>>,
        peer: SocketAddr,
    ) -> Result<Outgoing, Refusal> {
        let client = &reading.parts.headers;
        let subject = principal.map(|principal| principal.uid.id());
        let mut headers = self.fields.upstream_fields(client, peer, subject)?;
        let unread = match (route.filter().is_some() || !route.redact().is_empty(), route.reads_answer()) {
            (true, _) => &NOT_FOR_LISTS[..],
            (false, true) => &NOT_FOR_READING,
            (false, false) => &[],
        };
        let writes = ![Method::GET, Method::HEAD].contains(&reading.parts.method);
        let guards = |name: &HeaderName| writes && GUARDS_OF_WRITES.contains(name);
        unread.iter().filter(|name: &&HeaderName| !guards(name)).for_each(|name| drop(headers.remove(name)));
        let mut further = self.fields.inject_query.clone();
        ids::inject(route, &mut headers, &mut further)?;
        Ok(Outgoing {
            method: reading.parts.method.clone(),
            target: reading.target.write_without(route.dropped(), &further),
            headers,
            client_host: client.get(header::HOST).cloned(),
            has_origin: client.contains_key(header::ORIGIN),
            body: crate::gateway::body::Body::empty(),
        })
    }
}

impl Reading<'_> {
    /// A value for a condition or a context attribute; texts but for what a JSON body holds.
    fn value(&self, source: &IdSource) -> Option<Json> {
        let text = |text: &str| Json::String(text.to_owned());
        match source {
            IdSource::Path { segment, .. } => self.target.segments().get(*segment).map(|it| text(it)),
            IdSource::Query(name) => self.target.parameter(name).map(text),
            IdSource::Header(name) => self.header(name).map(text),
            IdSource::Body(pointer) => pointer.get(self.payload.json()?).cloned(),
            IdSource::Principal(_) | IdSource::Response(_) => None,
        }
    }

    /// Whether the request has something at this place, whatever it is.
    fn has(&self, source: &IdSource) -> bool {
        match source {
            IdSource::Query(name) => {
                let mut pairs = self.target.query().iter().chain(self.payload.form());
                pairs.any(|pair| fold_name(&pair.key) == fold_name(name))
            }
            IdSource::Body(pointer) => self.payload.json().is_some_and(|body| pointer.is_in(body)),
            other => self.value(other).is_some(),
        }
    }

    /// What the request says of the device that it makes.
    fn creation(&self, creates: &Creates) -> Result<Creation, Refusal> {
        let told = |source: &IdSource| match source {
            IdSource::Response(pointer) => Some(Told::Later(pointer.clone())),
            source => self.value(source).as_ref().and_then(ids::id_text).map(Told::Now),
        };
        let id = match &creates.id {
            source @ IdSource::Path { .. } => Told::Now(self.ids(source, 1)?.pop().ok_or(Refusal::Internal)?),
            source => told(source).ok_or(Refusal::Internal)?,
        };
        let optional = |source: &Option<IdSource>| source.as_ref().and_then(told);
        let (name, template) = (optional(&creates.name), optional(&creates.template));
        let wished = match &creates.id {
            IdSource::Response(pointer) => pointer.last_key().and_then(|key| self.member(key)),
            _ => None,
        };
        Ok(Creation { id, wished, name, template, secrets: creates.secrets.clone() })
    }

    /// An id among the members of the body.
    fn member(&self, key: &str) -> Option<String> {
        self.payload.json()?.get(key).and_then(ids::id_text)
    }

    fn header(&self, name: &HeaderName) -> Option<&str> {
        let mut values = self.parts.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }

    fn context(&self, rule: &Rule) -> Context {
        let present = |(name, source): &(Box<str>, IdSource)| Some((name.to_string(), self.value(source)?));
        rule.context.iter().filter_map(present).collect()
    }
}

/// Only a route that decides may become a socket, and only one whose answer need not be read.
fn opening(
    route: &Arc<Route>,
    upgrade: Upgrade,
    principal: Option<&Arc<Principal>>,
    reading: &Reading<'_>,
) -> Result<(Upgrade, Opening), Refusal> {
    match principal {
        Some(principal) if route.rule().is_some() && !route.reads_answer() && !route.is_public() => {
            Ok((upgrade, Opening::new(route, principal, reading)))
        }
        _ => Err(Refusal::NotAllowed("an upgrade")),
    }
}

fn unrouted(caller: &Caller) -> Refusal {
    match caller {
        Caller::Anonymous => unauthenticated(),
        Caller::Known(_) => Refusal::Unrouted,
    }
}

/// The answer to a request that brought no credentials.
fn unauthenticated() -> Refusal {
    Refusal::Unauthenticated { code: "no-credentials", challenge: Challenge::Missing }
}
