//! Where a command finds policies, entities and the store: its options, or the configuration.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::Failure;
use crate::config::Config;
use crate::policy::PolicySnapshot;
use crate::store::{self, Options, Store};

/// The configuration that is read when none is named.
pub(super) const CONFIG: &str = "cedargate.toml";
/// The folders that are read without a configuration.
pub(super) const POLICIES: &str = "policies";
pub(super) const ENTITIES: &str = "entities";
/// A batch of a thousand entities takes longer than one question.
const TIMEOUT_MIN: Duration = Duration::from_secs(60);

/// The options that say where the store is.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct StorePlace {
    /// The configuration that names the store [default: ./cedargate.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The store itself: sqlite://FILE or postgres://…
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub store: Option<String>,
}

/// The configuration that is named, or the one that lies here, if any.
pub(super) fn config(named: Option<&Path>) -> Result<Option<Config>, Failure> {
    match named {
        Some(path) => Ok(Some(Config::load(path)?)),
        None if Path::new(CONFIG).exists() => Ok(Some(Config::load(Path::new(CONFIG))?)),
        None => Ok(None),
    }
}

impl StorePlace {
    /// The configuration, unless the store is named without one.
    pub(super) fn config(&self) -> Result<Option<Config>, Failure> {
        if self.store.is_some() { Ok(None) } else { config(self.config.as_deref()) }
    }

    /// Opens the store, which is made when it does not exist.
    pub(super) async fn open(&self, config: Option<&Config>) -> Result<Arc<dyn Store>, Failure> {
        let url = self.url(config)?;
        if url.starts_with("sqlite:") && (url.contains(":memory:") || url.contains("mode=memory")) {
            return Err(Failure::Message(
                "a store in memory ends with this command: name a file, such as `sqlite://cedargate.db`"
                    .to_owned(),
            ));
        }
        Ok(store::open(url, options(config)).await?)
    }

    /// Opens a store that exists already: a question makes none.
    pub(super) async fn open_existing(&self, config: Option<&Config>) -> Result<Arc<dyn Store>, Failure> {
        if let Some(file) = self.missing_file(config)? {
            return Err(Failure::Message(format!(
                "the store `{}` does not exist yet: `cedargate import` makes it",
                file.display()
            )));
        }
        self.open(config).await
    }

    /// The file of SQLite that is not there.
    pub(super) fn missing_file(&self, config: Option<&Config>) -> Result<Option<PathBuf>, Failure> {
        let file = self.url(config)?.strip_prefix("sqlite://");
        let file = file.map(|file| PathBuf::from(file.split('?').next().unwrap_or(file)));
        Ok(file.filter(|file| !file.exists()))
    }

    fn url<'a>(&'a self, config: Option<&'a Config>) -> Result<&'a str, Failure> {
        match (&self.store, config) {
            (Some(url), _) => Ok(url),
            (None, Some(config)) => Ok(config.store.url.reveal()),
            (None, None) => Err(Failure::Message(
                "there is no ./cedargate.toml: name the store with `--store URL` or `--config FILE`"
                    .to_owned(),
            )),
        }
    }
}

fn options(config: Option<&Config>) -> Options {
    let mut options = Options { timeout: TIMEOUT_MIN, connections: 2, ..Options::default() };
    if let Some(config) = config {
        options.timeout = options.timeout.max(config.store.timeout);
        options.secret_keys = config.secrets.keys.clone();
    }
    options
}

/// The policies of the folder that is named, of the configuration, or of ./policies.
pub(super) fn policies(dir: Option<&Path>, config: Option<&Config>) -> Result<PolicySnapshot, Failure> {
    let dir = dir.or_else(|| config.map(|it| it.policies.dir.as_path())).unwrap_or(Path::new(POLICIES));
    let policies = PolicySnapshot::load(dir)?;
    let are_lending = config.is_none_or(|it| it.sharing.grants);
    Ok(if are_lending { policies } else { policies.without_grants() })
}

/// Runs work that waits for the store.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Message(format!("cannot start: {error}")))?.block_on(work)
}
