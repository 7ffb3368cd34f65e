//! The plain tables: listeners, folders, store, records, caches and limits.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use toml::Spanned;

use crate::config::{Secret, read};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

fn loopback(port: u16) -> Spanned<SocketAddr> {
    Spanned::new(0..0, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// `[gateway]`: the listener of the callers, and what one connection and request may take.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// The address to listen on.
    #[serde(deserialize_with = "read::address")]
    pub listen: Spanned<SocketAddr>,
    /// Threads; 0: one for each core.
    #[serde(deserialize_with = "read::count::<_, 0, 1024>")]
    pub workers: usize,
    /// How long a request's head may take to arrive, the wait for it on an open connection included.
    #[serde(deserialize_with = "read::duration")]
    pub header_timeout: Duration,
    /// How long a body may pause.
    #[serde(deserialize_with = "read::duration")]
    pub body_timeout: Duration,
    /// How long open requests may go on when the gateway stops.
    #[serde(deserialize_with = "read::duration_or_zero")]
    pub drain_timeout: Duration,
    /// The longest head, in bytes.
    #[serde(deserialize_with = "read::size::<_, 1024, MIB>")]
    pub header_max: usize,
    /// The most header fields of a request.
    #[serde(deserialize_with = "read::count::<_, 8, 1000>")]
    pub headers_max: usize,
    /// The longest request target, in bytes.
    #[serde(deserialize_with = "read::size::<_, 64, 65536>")]
    pub target_max: usize,
    /// The longest body, in bytes.
    #[serde(deserialize_with = "read::size::<_, 0, GIB>")]
    pub body_max: usize,
    /// The most open connections.
    #[serde(deserialize_with = "read::count::<_, 1, 1_000_000>")]
    pub connections_max: usize,
    /// The most requests in progress.
    #[serde(deserialize_with = "read::count::<_, 1, 1_000_000>")]
    pub requests_max: usize,
    /// The most requests in progress of one principal.
    #[serde(deserialize_with = "read::count::<_, 1, 1_000_000>")]
    pub requests_per_principal_max: usize,
    /// The most open streams of one HTTP/2 connection.
    #[serde(deserialize_with = "read::count::<_, 1, 10_000>")]
    pub h2_streams_max: usize,
    /// The most streams of one HTTP/2 connection that may be reset before they are answered.
    #[serde(deserialize_with = "read::count::<_, 1, 10_000>")]
    pub h2_resets_max: usize,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            listen: loopback(8080),
            workers: 0,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            header_max: 16 * KIB,
            headers_max: 100,
            target_max: 8 * KIB,
            body_max: MIB,
            connections_max: 10_000,
            requests_max: 4096,
            requests_per_principal_max: 256,
            h2_streams_max: 100,
            h2_resets_max: 20,
        }
    }
}

/// `[control]`: the listener of the operator, the sharing API and the console.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// The address to listen on.
    #[serde(deserialize_with = "read::address")]
    pub listen: Spanned<SocketAddr>,
    /// The operator's own bearer token; empty: none.
    pub operator_token: Secret,
    /// The longest body, in bytes.
    #[serde(deserialize_with = "read::size::<_, 1024, GIB>")]
    pub body_max: usize,
    /// The most requests in progress.
    #[serde(deserialize_with = "read::count::<_, 1, 1_000_000>")]
    pub requests_max: usize,
}

impl Default for Control {
    fn default() -> Self {
        Self { listen: loopback(8081), operator_token: Secret::default(), body_max: MIB, requests_max: 1024 }
    }
}

/// `[policies]`: where schema and policies are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// The folder with `*.cedarschema` and `*.cedar`.
    pub dir: PathBuf,
}

impl Default for Policies {
    fn default() -> Self {
        Self { dir: PathBuf::from("policies") }
    }
}

/// `[entities]`: where static entities are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entities {
    /// The folder with `*.json`.
    pub dir: PathBuf,
}

impl Default for Entities {
    fn default() -> Self {
        Self { dir: PathBuf::from("entities") }
    }
}

/// `[store]`: the database of entities.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `sqlite::memory:`, `sqlite://FILE` or `postgres://…`; hidden, as it may hold a password.
    #[serde(deserialize_with = "store_url")]
    pub url: Secret,
    /// How long one question or change may take.
    #[serde(deserialize_with = "read::duration")]
    pub timeout: Duration,
    /// The most connections to the database.
    #[serde(deserialize_with = "read::count::<_, 1, 1000>")]
    pub connections_max: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: Secret::new("sqlite://cedargate.db"),
            timeout: Duration::from_secs(2),
            connections_max: 8,
        }
    }
}

impl Store {
    /// Makes a relative file of SQLite start at `folder`.
    pub(super) fn place(&mut self, folder: &Path) {
        let Some(file) = self.url.reveal().strip_prefix("sqlite://") else { return };
        if file.starts_with(":memory:") {
            return;
        }
        let placed = folder.join(file);
        self.url = Secret::new(format!("sqlite://{}", placed.display()));
    }
}

/// The message never repeats the URL.
fn store_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    let url = String::deserialize(deserializer)?;
    let file = url.strip_prefix("sqlite://").is_some_and(|file| !file.is_empty());
    if file || url == "sqlite::memory:" || url.starts_with("postgres://") || url.starts_with("postgresql://")
    {
        return Ok(Secret::new(url));
    }
    Err(D::Error::custom(
        "not a store\nwrite `sqlite://FILE`, `sqlite::memory:` or `postgres://USER:PASSWORD@HOST/DATABASE`",
    ))
}

/// What happens when records come faster than they can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overflow {
    /// Requests wait.
    Block,
    /// Requests are refused.
    Shed,
}

/// `[records]`: the decision log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Records {
    /// The file.
    pub path: PathBuf,
    /// The most records that wait to be written.
    #[serde(deserialize_with = "read::count::<_, 1, 1_000_000>")]
    pub queue: usize,
    /// What happens when the queue is full.
    pub overflow: Overflow,
    /// Whether each write reaches the disk before the next.
    pub fsync: bool,
}

impl Default for Records {
    fn default() -> Self {
        let path = PathBuf::from("cedargate-records.jsonl");
        Self { path, queue: 8192, overflow: Overflow::Block, fsync: false }
    }
}

/// `[cache]`: how much is remembered; 0: nothing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Decisions.
    #[serde(deserialize_with = "read::count::<_, 0, 100_000_000>")]
    pub decisions: usize,
    /// Entities with all that they are in.
    #[serde(deserialize_with = "read::count::<_, 0, 100_000_000>")]
    pub entities: usize,
    /// Verified tokens and keys.
    #[serde(deserialize_with = "read::count::<_, 0, 100_000_000>")]
    pub tokens: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Self { decisions: 100_000, entities: 100_000, tokens: 10_000 }
    }
}

/// `[limits]`: what a body, a list or a stream may take.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most resources of one request.
    #[serde(deserialize_with = "read::count::<_, 1, 100_000>")]
    pub batch_ids_max: usize,
    /// The longest list that is filtered, in bytes.
    #[serde(deserialize_with = "read::size::<_, 1024, GIB>")]
    pub list_bytes_max: usize,
    /// The most items of a list that is filtered.
    #[serde(deserialize_with = "read::count::<_, 1, 1_000_000>")]
    pub list_items_max: usize,
    /// The longest message of a socket, in bytes.
    #[serde(deserialize_with = "read::size::<_, 64, GIB>")]
    pub message_bytes_max: usize,
    /// The most open sockets and event streams.
    #[serde(deserialize_with = "read::count::<_, 1, 1_000_000>")]
    pub streams_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_ids_max: 1000,
            list_bytes_max: 8 * MIB,
            list_items_max: 100_000,
            message_bytes_max: 64 * KIB,
            streams_max: 10_000,
        }
    }
}
