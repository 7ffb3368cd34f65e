//! Keeps an issuer's keys fresh from a task of its own, so that no request's runtime is needed.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use reqwest::{Client, Url};
use serde_json::Value as Json;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::identity::jwks::{JwksError, KeySet};

/// The largest key set or discovery document.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// The first pause after a fetch that failed; it doubles up to the refresh interval.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Where an issuer's keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyLocation {
    /// A JWK set at an `http` or `https` address.
    Url(String),
    /// A JWK set in a file.
    File(PathBuf),
    /// The address that the issuer's discovery document names.
    Discovery,
}

/// How keys are kept fresh.
#[derive(Debug, Clone, Copy)]
pub struct KeyRefresh {
    /// How often keys are fetched without being asked.
    pub every: Duration,
    /// The shortest time between two fetches that tokens ask for.
    pub asked_pause: Duration,
    /// How long one fetch may take.
    pub fetch_timeout: Duration,
    /// How long keys are used while newer ones cannot be fetched.
    pub stale_max: Duration,
}

impl Default for KeyRefresh {
    fn default() -> Self {
        Self {
            every: Duration::from_mins(5),
            asked_pause: Duration::from_secs(30),
            fetch_timeout: Duration::from_secs(5),
            stale_max: Duration::from_hours(24),
        }
    }
}

/// Why keys cannot be fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("no answer")]
    Http(#[from] reqwest::Error),
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("the answer is larger than {DOCUMENT_BYTES_MAX} bytes")]
    Size,
    #[error("the file cannot be read")]
    File(#[from] std::io::Error),
    #[error("the discovery document is of another issuer or has no usable `jwks_uri`")]
    Discovery,
    #[error(transparent)]
    Keys(#[from] JwksError),
}

/// An issuer's keys, and the task that fetches them.
pub(super) struct KeyRing {
    shared: Arc<Shared>,
    asked: Mutex<Asked>,
    task: AbortHandle,
}

/// The last fetch that a token asked for.
struct Asked {
    at: Option<Instant>,
    /// The number of the fetch after which keys are as fresh as that token asked for.
    fetch: u64,
}

struct Shared {
    issuer: String,
    location: KeyLocation,
    refresh: KeyRefresh,
    client: Client,
    current: ArcSwapOption<KeySet>,
    wanted: Notify,
    fetches: watch::Sender<Fetches>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Fetches {
    begun: u64,
    ended: u64,
}

impl KeyRing {
    pub(super) fn start(
        issuer: String,
        location: KeyLocation,
        refresh: KeyRefresh,
        client: Client,
        runtime: &Handle,
    ) -> Self {
        let (current, wanted, fetches) = (ArcSwapOption::empty(), Notify::new(), watch::Sender::default());
        let shared = Arc::new(Shared { issuer, location, refresh, client, current, wanted, fetches });
        let task = runtime.spawn(Arc::clone(&shared).keep_fresh()).abort_handle();
        Self { shared, asked: Mutex::new(Asked { at: None, fetch: 1 }), task }
    }

    /// The keys, unless there never were any or they are too old.
    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        let keys = self.shared.current.load_full()?;
        (keys.fetched.elapsed() <= self.shared.refresh.stale_max).then_some(keys)
    }

    /// Asks for newer keys if it is time to, and waits for the fetch that is under way.
    pub(super) async fn renew(&self) {
        let fetch = self.ask();
        let mut fetches = self.shared.fetches.subscribe();
        // An error means that the task has ended with its runtime; the keys stay as they are.
        fetches.wait_for(|fetches| fetches.ended >= fetch).await.ok();
    }

    /// Waits for the first fetch to end, however it ends.
    pub(super) async fn begun(&self) {
        self.shared.fetches.subscribe().wait_for(|fetches| fetches.ended > 0).await.ok();
    }

    fn ask(&self) -> u64 {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = self.shared.refresh.asked_pause;
        let first = self.shared.current.load().is_none();
        if !first && asked.at.is_none_or(|at| at.elapsed() >= pause) {
            asked.at = Some(Instant::now());
            asked.fetch = self.shared.fetches.borrow().begun + 1;
            self.shared.wanted.notify_one();
        }
        asked.fetch
    }
}

impl Drop for KeyRing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn keep_fresh(self: Arc<Self>) {
        let mut failures = 0;
        loop {
            self.fetches.send_modify(|fetches| fetches.begun += 1);
            let fetched = self.fetch_keys().await;
            self.fetches.send_modify(|fetches| fetches.ended = fetches.begun);
            failures = match fetched {
                Ok(()) => 0,
                Err(error) => self.report(&error, failures),
            };
            tokio::select! {
                () = tokio::time::sleep(self.pause(failures)) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    fn pause(&self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => self.refresh.every,
            Some(again) => RETRY_PAUSE.saturating_mul(2_u32.saturating_pow(again)).min(self.refresh.every),
        }
    }

    /// Warns about the first of several failures and counts on.
    fn report(&self, error: &FetchError, failures: u32) -> u32 {
        let cause = error.source().map(ToString::to_string);
        if failures == 0 {
            tracing::warn!(issuer = self.issuer, %error, cause, "keys cannot be fetched; the last ones stay");
        }
        failures.saturating_add(1)
    }

    async fn fetch_keys(&self) -> Result<(), FetchError> {
        let text = match &self.location {
            KeyLocation::Url(url) => self.get(url).await?,
            KeyLocation::File(path) => read_file(path).await?,
            KeyLocation::Discovery => self.get(&self.discover().await?).await?,
        };
        let previous = self.current.load_full();
        let keys = KeySet::parse(&text, previous.as_deref())?;
        if keys.is_empty() {
            tracing::warn!(issuer = self.issuer, "the key set has no key that can be used");
        }
        self.current.store(Some(Arc::new(keys)));
        Ok(())
    }

    /// The address of the keys (OpenID Connect Discovery 1.0, sections 4.1 and 4.3).
    async fn discover(&self) -> Result<String, FetchError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let document: Json = serde_json::from_slice(&self.get(&url).await?).map_err(JwksError::Json)?;
        let text = |name: &str| document.get(name).and_then(Json::as_str);
        let keys_url = text("jwks_uri").ok_or(FetchError::Discovery)?;
        let scheme = Url::parse(keys_url).map_err(|_| FetchError::Discovery)?.scheme().to_owned();
        let guarded = scheme == "https" || (scheme == "http" && self.issuer.starts_with("http://"));
        if text("issuer") == Some(&self.issuer) && guarded {
            Ok(keys_url.to_owned())
        } else {
            Err(FetchError::Discovery)
        }
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let request =
            self.client.get(url).header("accept", "application/json").timeout(self.refresh.fetch_timeout);
        let mut answer = request.send().await?;
        if answer.status() != 200 {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > DOCUMENT_BYTES_MAX {
                return Err(FetchError::Size);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

async fn read_file(path: &std::path::Path) -> Result<Vec<u8>, FetchError> {
    match tokio::fs::metadata(path).await?.len() {
        len if len > DOCUMENT_BYTES_MAX as u64 => Err(FetchError::Size),
        _ => Ok(tokio::fs::read(path).await?),
    }
}
