//! `[upstream]`: the device API behind the gateway, and what travels to it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::uri::Authority;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use toml::Spanned;

use crate::config::{Config, HeaderField, HttpUrl, Secret, read};
use crate::finding::Finding;

/// `[upstream]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Scheme, host and port of the API.
    #[serde(deserialize_with = "origin")]
    pub url: HttpUrl,
    /// The header that names the caller to the API; a client's own is always removed.
    #[serde(default = "identity_header")]
    pub identity_header: Spanned<HeaderField>,
    /// What the Host header says; Origin follows it.
    #[serde(default)]
    pub host: HostRule,
    /// How the API learns the client's address.
    #[serde(default)]
    pub forwarded: Forwarded,
    /// What happens to the caller's own credentials.
    #[serde(default = "strip")]
    pub credentials: Spanned<Credentials>,
    /// What the gateway adds to each request; without the empty ones.
    #[serde(default, deserialize_with = "injected")]
    pub inject: BTreeMap<Place, Secret>,
    /// Request headers that travel on besides the usual ones.
    #[serde(default)]
    pub headers: Vec<Spanned<HeaderField>>,
    /// How long connecting may take.
    #[serde(default = "seconds::<3>", deserialize_with = "read::duration")]
    pub connect_timeout: Duration,
    /// How long the head of an answer may take.
    #[serde(default = "seconds::<30>", deserialize_with = "read::duration")]
    pub response_timeout: Duration,
    /// How long the body of an answer may pause.
    #[serde(default = "seconds::<60>", deserialize_with = "read::duration")]
    pub idle_timeout: Duration,
    /// The most idle connections that are kept.
    #[serde(default = "pool", deserialize_with = "read::count::<_, 0, 100_000>")]
    pub pool_max: usize,
    /// How long an idle connection is kept.
    #[serde(default = "seconds::<30>", deserialize_with = "read::duration")]
    pub pool_timeout: Duration,
}

fn seconds<const S: u64>() -> Duration {
    Duration::from_secs(S)
}

fn pool() -> usize {
    128
}

fn identity_header() -> Spanned<HeaderField> {
    Spanned::new(0..0, HeaderField::fixed(http::HeaderName::from_static("x-auth-subject")))
}

/// What is decided is what is sent, so the gateway adds no path of its own.
fn origin<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HttpUrl, D::Error> {
    let url = HttpUrl::deserialize(deserializer)?;
    if url.uri().path() == "/" {
        return Ok(url);
    }
    Err(D::Error::custom("the upstream has no path\nwrite scheme, host and port: routes hold the whole path"))
}

/// What the Host header says to the upstream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostRule {
    /// The upstream's own name.
    #[default]
    Upstream,
    /// The name that the client asked for.
    Client,
    /// Always this name.
    Fixed(Authority),
}

impl<'de> Deserialize<'de> for HostRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "upstream" => Ok(Self::Upstream),
            "client" => Ok(Self::Client),
            name => match Authority::from_str(name) {
                Ok(authority) if !name.contains('@') => Ok(Self::Fixed(authority)),
                _ => Err(D::Error::custom(format!(
                    "`{name}` is not a host\nwrite `upstream`, `client` or a name such as `api.example.com`"
                ))),
            },
        }
    }
}

/// How the upstream learns the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forwarded {
    /// Not at all.
    #[default]
    None,
    /// By `X-Forwarded-For`, `-Proto` and `-Host`.
    XForwarded,
    /// By `Forwarded` (RFC 7239).
    Forwarded,
}

/// What happens to the caller's own Authorization, Cookie and API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Credentials {
    /// They stay here.
    Strip,
    /// They travel on: only for an upstream that checks them too.
    Keep,
}

fn strip() -> Spanned<Credentials> {
    Spanned::new(0..0, Credentials::Strip)
}

/// A place in a request that the gateway writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A header, its name in lower case.
    Header(String),
    /// A query parameter.
    Query(String),
}

impl Place {
    /// The name of the query parameter that it is.
    #[must_use]
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::Query(name) => Some(name),
            Self::Header(_) => None,
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("header", name)) => Ok(Self::Header(name.parse::<HeaderField>()?.to_string())),
            Some(("query", name)) if read::is_query_name(name) => Ok(Self::Query(name.to_owned())),
            _ => Err(format!("`{text}` is not a place\nwrite `header:NAME` or `query:NAME`")),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
        }
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

fn injected<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Place, Secret>, D::Error> {
    let mut all = BTreeMap::<Place, Secret>::deserialize(deserializer)?;
    if all.values().any(|secret| secret.reveal().starts_with("secret:")) {
        return Err(D::Error::custom("`secret:` is of one device\nwrite it in the `inject` of a route"));
    }
    if all.values().any(|secret| http::HeaderValue::from_str(secret.reveal()).is_err()) {
        return Err(D::Error::custom(
            "a value has control characters\nsee whether the variable ends with a newline",
        ));
    }
    all.retain(|_, secret| !secret.is_empty());
    Ok(all)
}

/// Headers by which a request says that it is another one; some frameworks obey them.
const OVERRIDES: [&str; 8] = [
    "forwarded",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

pub(super) fn contradictions(config: &Config, found: &mut Vec<Finding>) {
    let (upstream, origin) = (&config.upstream, &config.origin);
    for header in &upstream.headers {
        let name = header.get_ref().name();
        let error = |why: &str| origin.error(header.span(), format!("`{name}` may not travel on: {why}"));
        if *name == *upstream.identity_header.get_ref().name() {
            found.push(error("it is the identity header").with_help("only the gateway may set it"));
        } else if name.as_str().starts_with("x-forwarded-") || OVERRIDES.contains(&name.as_str()) {
            found.push(error("it could make the request another one").with_help("see `upstream.forwarded`"));
        } else if upstream.inject.contains_key(&Place::Header(name.to_string())) {
            found.push(error("the gateway injects it").with_help("name it in one of the two places"));
        }
    }
    let identity = Place::Header(upstream.identity_header.get_ref().to_string());
    if upstream.inject.contains_key(&identity) {
        let error = origin.error(upstream.identity_header.span(), format!("`{identity}` is injected too"));
        found.push(error.with_help("inject another header, or change `identity_header`"));
    }
    for key in config.routes.iter().flat_map(|route| route.inject.keys()) {
        if key.get_ref().parse() == Ok(identity.clone()) {
            let error = origin.error(key.span(), format!("`{identity}` is the identity header"));
            found.push(error.with_help("inject another header: only the gateway may set it"));
        }
    }
    let authorization = Place::Header("authorization".to_owned());
    let kept = *upstream.credentials.get_ref() == Credentials::Keep;
    if kept && upstream.inject.contains_key(&authorization) {
        let error = origin
            .error(upstream.credentials.span(), "the caller's Authorization would meet the injected one");
        found.push(error.with_help("write `credentials = \"strip\"`, or inject no `header:Authorization`"));
    }
}
