//! The upstream: the only place that sends a request, and only a permitted one.

use std::time::Duration;

use http::header::{self, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::gateway::body::Body;
use crate::gateway::refusal::Refusal;
use crate::gateway::target::encode;

/// What an upstream needs to be reached.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and port.
    pub authority: Authority,
    /// The host to name: the upstream's, the client's or a fixed one.
    pub host: HostName,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long the head of an answer may take.
    pub response_timeout: Duration,
    /// How long an answer's body may pause.
    pub idle_timeout: Duration,
    /// How long a pooled connection may stay unused.
    pub pool_timeout: Duration,
    /// The most bytes of an answer.
    pub answer_bytes_max: u64,
    /// Connections kept open to the upstream.
    pub idle_connections_max: usize,
    /// Fields set on every request, such as the operator's own credential.
    pub inject: Vec<(http::HeaderName, HeaderValue)>,
}

/// The value of `Host` at the upstream; `Origin` follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostName {
    /// The upstream's own.
    Upstream,
    /// The one that the client named.
    Client,
    /// Always this one.
    Fixed(HeaderValue),
}

/// A request as it will be sent: rebuilt from what was parsed, nothing copied blindly.
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// Path and query, written anew.
    pub target: String,
    /// The fields, framing excluded: that is the client library's.
    pub headers: HeaderMap,
    /// The host that the client named.
    pub client_host: Option<HeaderValue>,
    /// Whether the client sent an `Origin`.
    pub has_origin: bool,
    /// The body.
    pub body: Body,
}

impl Outgoing {
    /// Adds a query parameter, written as the others are.
    pub(super) fn add_parameter(&mut self, key: &str, value: &str) {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        encode(key, &mut self.target);
        self.target.push('=');
        encode(value, &mut self.target);
    }
}

/// A pool of connections to one upstream, one for each runtime.
#[derive(Debug, Clone)]
pub struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    settings: UpstreamSettings,
}

impl Upstream {
    /// A pool; fails when the machine's trust roots cannot be used.
    pub fn new(settings: UpstreamSettings) -> Result<Self, rustls::Error> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(settings.connect_timeout));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .try_with_platform_verifier()?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        // Nothing here follows a redirect, reads a proxy from the environment or repeats a request.
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.pool_timeout)
            .pool_max_idle_per_host(settings.idle_connections_max)
            .retry_canceled_requests(false)
            .build(connector);
        Ok(Self { client, settings })
    }

    /// Sends the request and waits for the head of its answer.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Response<Incoming>, Refusal> {
        let request = self.request(outgoing)?;
        match tokio::time::timeout(self.settings.response_timeout, self.client.request(request)).await {
            Err(_) => Err(Refusal::UpstreamLate),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(upstream_failure(&error)),
        }
    }

    /// The answer's body, within this upstream's limits.
    #[must_use]
    pub fn answer_body(&self, incoming: Incoming) -> Body {
        Body::stream(incoming, self.settings.answer_bytes_max, self.settings.idle_timeout)
    }

    fn request(&self, outgoing: Outgoing) -> Result<Request<Body>, Refusal> {
        let Outgoing { method, target, mut headers, client_host, has_origin, body } = outgoing;
        let malformed = || Refusal::Malformed("the target cannot be written".to_owned());
        let target = PathAndQuery::try_from(target).map_err(|_| malformed())?;
        let own = HeaderValue::from_str(self.settings.authority.as_str()).map_err(|_| malformed())?;
        let host = match (&self.settings.host, client_host) {
            (HostName::Upstream, _) => own,
            (HostName::Client, client) => client.unwrap_or(own),
            (HostName::Fixed(fixed), _) => fixed.clone(),
        };
        if has_origin && let Ok(host) = host.to_str() {
            let origin = format!("{}://{host}", self.settings.scheme);
            headers.insert(header::ORIGIN, HeaderValue::from_str(&origin).map_err(|_| malformed())?);
        }
        headers.insert(header::HOST, host);
        for (name, value) in &self.settings.inject {
            headers.insert(name.clone(), value.clone());
        }
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.settings.scheme.clone());
        uri.authority = Some(self.settings.authority.clone());
        uri.path_and_query = Some(target);
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_parts(uri).map_err(|_| malformed())?;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Tells whether anything was sent, and whose fault a failed exchange was: a client whose body broke off is not the upstream's failure.
fn upstream_failure(error: &hyper_util::client::legacy::Error) -> Refusal {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        match inner.downcast_ref::<crate::gateway::body::BodyError>() {
            Some(crate::gateway::body::BodyError::TooLarge) => return Refusal::TooLarge("body"),
            Some(_) => return Refusal::Body,
            None => cause = inner.source(),
        }
    }
    match error.is_connect() {
        true => Refusal::Unreachable(format!("{error:#}").into()),
        false => Refusal::Upstream(format!("{error:#}").into()),
    }
}
