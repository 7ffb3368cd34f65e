//! From settings to the parts that run.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::uri::{Authority, Scheme};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::audit::{Log, LogOptions, Overflow, Sink};
use crate::config::{self, Config};
use crate::decision::{Decider, Limits};
use crate::domain::Entity;
use crate::gateway::Gateway;
use crate::gateway::admission::Admission;
use crate::gateway::forward::{HostName, UpstreamSettings};
use crate::gateway::head::{FieldRules, Forwarded, HeadLimits};
use crate::gateway::route::Routes;
use crate::gateway::target::Pair;
use crate::gateway::translate::{BodyLimits, Switch};
use crate::identity::{self, Authenticator, IssuerOptions, KeyLocation};
use crate::policy::PolicySnapshot;
use crate::server::effects::{Kept, Settlement};
use crate::server::listen::ConnectionLimits;
use crate::server::sources::Sources;
use crate::server::{StartError, post, seed};
use crate::sharing::Sharing;
use crate::store::{self, Store};

/// The most bytes of one request body or answer that streams through.
const STREAM_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;

/// What the listeners share.
pub(super) struct Parts {
    pub(super) gateway: Arc<Gateway>,
    pub(super) sharing: Arc<Sharing>,
    pub(super) store: Arc<dyn Store>,
    pub(super) log: Arc<Log>,
}

pub(super) async fn build(
    config: &Config,
    snapshot: Arc<PolicySnapshot>,
    routes: Routes,
    entities: Vec<Entity>,
    runtime: &Handle,
) -> Result<Parts, StartError> {
    let store = open_store(config).await?;
    let seeded = seed::seed(&*store, entities).await?;
    if seeded > 0 {
        tracing::info!(entities = seeded, "static entities were written to the store");
    }
    let limits = Limits {
        decisions: config.cache.decisions as u64,
        closures: config.cache.entities as u64,
        load_timeout: config.store.timeout,
    };
    let decider = Decider::new(snapshot, Arc::new(Facts(store.clone())), runtime.clone(), limits);
    let keys_max = config.cache.tokens as u64;
    let sources = Sources::new(store.clone(), decider.clone(), runtime.clone(), keys_max);
    let sources = Arc::new(sources);
    let authenticator = Arc::new(authenticator(config, &sources, runtime)?);
    authenticator.started().await;
    let log = Arc::new(open_log(config)?);
    let sharing = post::sharing(config, &decider, &store, runtime)?;
    let gateway = Gateway {
        fields: field_rules(config, &authenticator),
        authenticator,
        routes: Arc::new(routes),
        decider,
        admission: Admission::new(config.gateway.requests_max, config.gateway.requests_per_principal_max),
        log: log.clone(),
        head_limits: HeadLimits {
            target_bytes_max: config.gateway.target_max,
            head_bytes_max: config.gateway.header_max,
        },
        body_limits: BodyLimits {
            decided_bytes_max: config.gateway.body_max as u64,
            streamed_bytes_max: STREAM_BYTES_MAX,
            idle: config.gateway.body_timeout,
            whole: config.gateway.body_timeout,
            ids_max: config.limits.batch_ids_max,
        },
        list_bytes_max: config.limits.list_bytes_max as u64,
        list_items_max: config.limits.list_items_max,
        sockets: Arc::new(Semaphore::new(config.limits.streams_max)),
        message_bytes_max: config.limits.message_bytes_max,
        switch: Switch {
            header: config.sharing.organization_header.as_ref().map(|it| it.name().clone()),
            query: config.sharing.organization_query.clone(),
        },
        effects: Arc::new(Settlement { sharing: sharing.clone(), runtime: runtime.clone() }),
        secrets: Arc::new(Kept { store: store.clone(), runtime: runtime.clone() }),
    };
    Ok(Parts { gateway: Arc::new(gateway), sharing, store, log })
}

/// The part of a store that decisions read.
struct Facts(Arc<dyn Store>);

impl store::FactSource for Facts {
    fn facts_for<'a>(
        &'a self,
        roots: &'a [crate::domain::Uid],
        depth: u32,
    ) -> store::Pending<'a, crate::domain::Facts> {
        self.0.facts_for(roots, depth)
    }

    fn feed(&self) -> &Arc<store::Feed> {
        self.0.feed()
    }
}

async fn open_store(config: &Config) -> Result<Arc<dyn Store>, StartError> {
    let options = store::Options {
        replica: true,
        timeout: config.store.timeout,
        connections: u32::try_from(config.store.connections_max).unwrap_or(u32::MAX),
        secret_keys: config.secrets.keys.clone(),
        ..store::Options::default()
    };
    Ok(store::open(config.store.url.reveal(), options).await?)
}

fn open_log(config: &Config) -> Result<Log, StartError> {
    let path = &config.records.path;
    let failed = || StartError::io(format!("cannot write records to `{}`", path.display()));
    let sink = Sink::file(path, config.records.fsync).map_err(failed())?;
    let overflow = match config.records.overflow {
        config::Overflow::Block => Overflow::Block(Duration::from_secs(1)),
        config::Overflow::Shed => Overflow::Shed,
    };
    let options = LogOptions { queue_records_max: config.records.queue, overflow };
    Log::start(sink, options).map_err(StartError::io("cannot start the log of records"))
}

fn authenticator(
    config: &Config,
    sources: &Arc<Sources>,
    runtime: &Handle,
) -> Result<Authenticator, StartError> {
    let settings = &config.authentication;
    let issuers = settings.jwt.iter().map(|jwt| IssuerOptions {
        issuer: jwt.issuer.get_ref().clone(),
        audiences: jwt.audience.clone(),
        keys: match (&jwt.jwks_url, &jwt.jwks_file) {
            (Some(url), _) => KeyLocation::Url(url.uri().to_string()),
            (None, Some(file)) => KeyLocation::File(file.clone()),
            (None, None) => KeyLocation::Discovery,
        },
        kind: settings.principal.kind.clone(),
        claim: settings.principal.claim.clone(),
    });
    let defaults = identity::Options::default();
    let options = identity::Options {
        issuers: issuers.collect(),
        api_key_header: settings.api_key.as_ref().map(|it| it.header.get_ref().name().clone()),
        leeway: settings.jwt.iter().map(|jwt| jwt.leeway).min().unwrap_or(defaults.leeway),
        token_types: settings.jwt.first().map_or(defaults.token_types, |jwt| jwt.typ.clone()),
        token_cache_bytes: config.cache.tokens as u64 * 4096,
        refresh: defaults.refresh,
    };
    let sources = identity::Sources { keys: Some(sources.clone()), principals: Some(sources.clone()) };
    Ok(Authenticator::new(options, sources, runtime)?)
}

fn field_rules(config: &Config, authenticator: &Authenticator) -> FieldRules {
    let upstream = &config.upstream;
    let mut extra: Vec<_> = upstream.headers.iter().map(|it| it.get_ref().name().clone()).collect();
    if *upstream.credentials.get_ref() == config::Credentials::Keep {
        extra.extend(authenticator.credential_headers().iter().cloned());
    }
    let inject_query = upstream.inject.iter().filter_map(|(place, secret)| match place {
        config::Place::Query(key) => Some(Pair { key: key.clone(), value: Some(secret.reveal().to_owned()) }),
        config::Place::Header(_) => None,
    });
    FieldRules {
        extra,
        inject_query: inject_query.collect(),
        identity: Some(upstream.identity_header.get_ref().name().clone()),
        forwarded: match upstream.forwarded {
            config::Forwarded::None => Forwarded::None,
            config::Forwarded::XForwarded => Forwarded::XForwarded,
            config::Forwarded::Forwarded => Forwarded::Forwarded,
        },
    }
}

pub(super) fn upstream_settings(config: &Config) -> Result<UpstreamSettings, StartError> {
    let upstream = &config.upstream;
    let unusable = |what: &str| StartError::Setting(format!("the upstream's {what} cannot be used"));
    let value = |text: &str, what| HeaderValue::from_str(text).map_err(|_| unusable(what));
    let mut inject = Vec::new();
    for (place, secret) in &upstream.inject {
        if let config::Place::Header(name) = place {
            let name = name.parse().map_err(|_| unusable("injected header"))?;
            let mut secret = value(secret.reveal(), "injected header")?;
            secret.set_sensitive(true);
            inject.push((name, secret));
        }
    }
    Ok(UpstreamSettings {
        scheme: if upstream.url.is_https() { Scheme::HTTPS } else { Scheme::HTTP },
        authority: upstream.url.authority().parse::<Authority>().map_err(|_| unusable("host"))?,
        host: match &upstream.host {
            config::HostRule::Upstream => HostName::Upstream,
            config::HostRule::Client => HostName::Client,
            config::HostRule::Fixed(name) => HostName::Fixed(value(name.as_str(), "host")?),
        },
        connect_timeout: upstream.connect_timeout,
        response_timeout: upstream.response_timeout,
        idle_timeout: upstream.idle_timeout,
        pool_timeout: upstream.pool_timeout,
        answer_bytes_max: STREAM_BYTES_MAX,
        idle_connections_max: upstream.pool_max,
        inject,
    })
}

pub(super) fn connection_limits(config: &Config) -> ConnectionLimits {
    let gateway = &config.gateway;
    ConnectionLimits {
        header_timeout: gateway.header_timeout,
        head_bytes_max: gateway.header_max,
        fields_max: gateway.headers_max,
        streams_max: u32::try_from(gateway.h2_streams_max).unwrap_or(u32::MAX),
        resets_max: gateway.h2_resets_max,
        drain_timeout: gateway.drain_timeout,
    }
}
