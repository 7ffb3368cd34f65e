//! The only wiring: configuration in, running listeners out.

mod control;
pub mod demo;
mod effects;
pub mod listen;
mod load;
mod parts;
mod post;
mod reload;
mod run;
mod seed;
mod sources;

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, watch};

use crate::audit::{Counts, Log};
use crate::config::Config;
use crate::gateway::forward::{Upstream, UpstreamSettings};
use crate::gateway::{Gateway, Worker};
use crate::server::listen::ConnectionLimits;
use crate::store::Store;
use crate::telemetry;

pub use load::{Loaded, load};
pub(crate) use load::{compile_routes, doubts};
pub use run::{RunError, run_demo, run_serve};

/// Why a deployment that was checked does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened or seeded.
    #[error("the store cannot be used: {0}")]
    Store(#[from] crate::store::StoreError),
    /// An address cannot be bound, or a file not be written.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The ways to authenticate contradict each other.
    #[error("authentication: {0}")]
    Authentication(#[from] crate::identity::OptionsError),
    /// TLS cannot be set up.
    #[error("the upstream's TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// A setting cannot be used.
    #[error("{0}")]
    Setting(String),
}

impl StartError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// A running deployment.
pub struct Running {
    /// Where the gateway listens.
    pub gateway: SocketAddr,
    /// Where the control API listens.
    pub control: SocketAddr,
    /// The store, for whoever started the deployment.
    pub store: Arc<dyn Store>,
    stop: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
    log: Arc<Log>,
    runtime: Runtime,
    drain: Duration,
}

/// Starts everything that a checked configuration describes.
pub fn start(loaded: Loaded) -> Result<Running, StartError> {
    // An error only says that a provider was installed before.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(StartError::io("cannot start threads"))?;
    let Loaded { config, snapshot, routes, entities, embedded } = loaded;
    let metrics = telemetry::metrics();
    let parts = runtime.block_on(parts::build(&config, snapshot, routes, entities, runtime.handle()))?;
    let (decider, routes) = (parts.gateway.decider.clone(), parts.gateway.routes.clone());
    let trouble = match embedded {
        true => reload::Trouble::default(),
        false => {
            let (dir, grants) = (config.policies.dir.clone(), config.sharing.grants);
            reload::watch(dir, decider, routes, grants, runtime.handle())
        }
    };
    let (stop, stopped) = watch::channel(false);
    let workers = worker_count(&config);
    let listeners = bind(config.gateway.listen.get_ref(), workers)?;
    let gateway = address(listeners.first())?;
    let control_listeners = bind(config.control.listen.get_ref(), 1)?;
    let control_address = address(control_listeners.first())?;
    for listener in control_listeners {
        let served = control::router(&config, &parts, metrics.clone(), trouble.clone());
        runtime.spawn(serve_control(listener, served, stopped.clone()));
    }
    let settings = parts::upstream_settings(&config)?;
    let connections = Arc::new(Semaphore::new(config.gateway.connections_max));
    let limits = parts::connection_limits(&config);
    let workers = listeners
        .into_iter()
        .enumerate()
        .map(|(n, listener)| {
            let work = Work {
                listener,
                gateway: parts.gateway.clone(),
                settings: settings.clone(),
                limits: limits.clone(),
                connections: connections.clone(),
                stop: stopped.clone(),
            };
            spawn_worker(n, work)
        })
        .collect::<Result<_, _>>()?;
    let drain = config.gateway.drain_timeout;
    let (store, log) = (parts.store, parts.log);
    Ok(Running { gateway, control: control_address, store, stop, workers, log, runtime, drain })
}

impl Running {
    /// Stops taking connections, lets requests under way finish, and writes every record.
    pub fn stop(self) {
        self.stop.send_replace(true);
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a worker ended by a panic");
            }
        }
        self.runtime.block_on(async {
            if !self.log.close(self.drain.max(Duration::from_secs(1))).await {
                tracing::error!("some records could not be written before the end");
            }
            if let Err(error) = self.store.close().await {
                tracing::warn!(%error, "the store did not close");
            }
        });
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }

    /// How many records went which way so far.
    #[must_use]
    pub fn records(&self) -> Counts {
        self.log.counts()
    }

    /// The runtime of everything but the gateway's own workers.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.runtime.handle()
    }
}

fn worker_count(config: &Config) -> usize {
    match config.gateway.workers {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        workers => workers,
    }
}

fn bind(listen: &SocketAddr, workers: usize) -> Result<Vec<StdListener>, StartError> {
    listen::bind(*listen, workers).map_err(StartError::io(format!("cannot listen on {listen}")))
}

fn address(listener: Option<&StdListener>) -> Result<SocketAddr, StartError> {
    let unknown = || StartError::Setting("there is no listener".to_owned());
    listener.ok_or_else(unknown)?.local_addr().map_err(StartError::io("cannot read the address"))
}

struct Work {
    listener: StdListener,
    gateway: Arc<Gateway>,
    settings: UpstreamSettings,
    limits: ConnectionLimits,
    connections: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// One core, one runtime, one pool: a connection stays where it was accepted.
fn spawn_worker(number: usize, work: Work) -> Result<JoinHandle<()>, StartError> {
    let upstream = Upstream::new(work.settings.clone())?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::io("cannot start a worker"))?;
    let thread = std::thread::Builder::new().name(format!("gateway-{number}"));
    let run = move || {
        runtime.block_on(async move {
            match tokio::net::TcpListener::from_std(work.listener) {
                Ok(listener) => {
                    let worker = Worker::new(work.gateway, upstream);
                    let handler = move |request, peer| {
                        let worker = worker.clone();
                        async move { worker.handle(request, peer).await }
                    };
                    listen::serve(listener, handler, work.limits, work.connections, work.stop).await;
                }
                Err(error) => tracing::error!(%error, "a worker cannot use its listener"),
            }
        });
    };
    thread.spawn(run).map_err(StartError::io("cannot start a worker"))
}

async fn serve_control(listener: StdListener, router: axum::Router, mut stop: watch::Receiver<bool>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the control listener cannot be used"),
    };
    let stopped = async move {
        let _closed = stop.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "the control listener ended");
    }
}
