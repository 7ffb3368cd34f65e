//! Where entities live: the only SQL, over SQLite and PostgreSQL alike.

mod clock;
pub mod conformance;
mod dialect;
mod error;
mod feed;
mod key;
mod lease;
mod postgres;
mod rows;
mod search;
mod secrets;
mod sql;
mod sqlite;
mod write;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Change, Entity, Facts, Revision, SecretText, Uid};
use crate::vault::KeyRing;

pub use error::StoreError;
pub use feed::Feed;
pub use key::ApiKey;
pub use search::{Place, words, words_of};

/// An answer of the store that is still to come.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What decisions need of a store.
pub trait FactSource: Send + Sync {
    /// The entities within `depth` references of `roots`, of one snapshot; equals `World::slice`.
    fn facts_for<'a>(&'a self, roots: &'a [Uid], depth: u32) -> Pending<'a, Facts>;

    /// The stamps that tell whether something made of facts is still current.
    fn feed(&self) -> &Arc<Feed>;
}

/// The store as its writers and lists see it.
pub trait Store: FactSource {
    /// Applies all changes or none, and answers once no process decides by the older facts.
    ///
    /// With `if_revision`, only if nothing was changed since. The work goes on when the caller
    /// leaves; after `Unavailable` it may or may not have been done.
    fn apply(&self, changes: Vec<Change>, if_revision: Option<Revision>) -> Pending<'_, Revision>;

    /// Entities in the order of their names, from behind `after`; those of one type with `kind`.
    fn page<'a>(
        &'a self,
        kind: Option<&'a str>,
        after: Option<&'a Uid>,
        limit: u32,
    ) -> Pending<'a, Vec<Entity>>;

    /// The entities of one type that refer to `to`, in the order of their ids, from behind `after`.
    ///
    /// The label is the attribute or tag that refers; an empty one stands for parents.
    fn referring<'a>(
        &'a self,
        kind: &'a str,
        label: &'a str,
        to: &'a Uid,
        after: Option<&'a str>,
        limit: u32,
    ) -> Pending<'a, Vec<Entity>>;

    /// Entities of one type inside of these organizations in the order of their names, from behind `after`.
    fn in_order<'a>(
        &'a self,
        kind: &'a str,
        within: &'a [String],
        after: Option<&'a Place>,
        is_backwards: bool,
        limit: u32,
    ) -> Pending<'a, Vec<Entity>>;

    /// Entities of one type inside of these organizations with a word that begins so, in any order.
    fn with_word<'a>(
        &'a self,
        kind: &'a str,
        within: &'a [String],
        begins: &'a str,
        limit: u32,
    ) -> Pending<'a, Vec<Uid>>;

    /// How many entities of one type refer to `to`, counted up to `max`.
    fn count_referring<'a>(
        &'a self,
        kind: &'a str,
        label: &'a str,
        to: &'a Uid,
        max: u32,
    ) -> Pending<'a, u32>;

    /// The entity that a unique text belongs to; ASCII letters match in either case.
    fn find<'a>(&'a self, kind: &'a str, attr: &'a str, value: &'a str) -> Pending<'a, Option<Uid>>;

    /// Whether there was an entity of this name, and it was removed.
    fn is_removed<'a>(&'a self, uid: &'a Uid) -> Pending<'a, bool>;

    /// API keys in the order of their ids, from behind `after`, revoked ones included.
    fn keys<'a>(&'a self, after: Option<&'a str>, limit: u32) -> Pending<'a, Vec<ApiKey>>;

    /// The API keys of one principal in the order of their ids, from behind `after`.
    fn keys_of<'a>(
        &'a self,
        principal: &'a Uid,
        after: Option<&'a str>,
        limit: u32,
    ) -> Pending<'a, Vec<ApiKey>>;

    /// The API key with this hash, revoked or not.
    fn key_by_hash<'a>(&'a self, hash: &'a [u8; 32]) -> Pending<'a, Option<ApiKey>>;

    /// Stores a new API key.
    fn create_key(&self, key: ApiKey) -> Pending<'_, Revision>;

    /// Revokes an API key as of `now_ms`; a key that is revoked stays so since the first time.
    fn revoke_key(&self, id: &str, now_ms: i64) -> Pending<'_, Revision>;

    /// The secret of this name, if the entity has one; opened for whoever asks, and kept nowhere.
    fn secret<'a>(&'a self, of: &'a Uid, name: &'a str) -> Pending<'a, Option<SecretText>>;

    /// The names of an entity's secrets, in their order.
    fn secret_names<'a>(&'a self, of: &'a Uid) -> Pending<'a, Vec<String>>;

    /// Seals some secrets anew that are not sealed with the first key: how many; 0 when all are done.
    fn reseal(&self) -> Pending<'_, u64>;

    /// The revision of the newest transaction; also shows that the database answers.
    fn head(&self) -> Pending<'_, Revision>;

    /// Gives the lease back and closes the connections; nothing is current afterwards.
    fn close(&self) -> Pending<'_, ()>;
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether this process answers from memory, so that writers elsewhere must wait for it.
    pub replica: bool,
    /// How long one operation may take.
    pub timeout: Duration,
    /// The most connections to the database, besides the one that keeps the lease.
    pub connections: u32,
    /// The most entities in one slice.
    pub facts_max: u32,
    /// How long writers wait for a silent replica; its memory is trusted for four fifths of it.
    pub lease: Duration,
    /// How often a replica looks for changes made elsewhere.
    pub poll: Duration,
    /// How many revisions the change feed keeps; a replica further behind forgets everything.
    pub revisions_kept: u32,
    /// Entity types and attributes whose text belongs to one entity only.
    pub unique: Vec<(String, String)>,
    /// Entity types that are listed in the order of names, and found by words.
    pub listed: Vec<String>,
    /// The keys that secrets of entities are sealed with.
    pub secret_keys: KeyRing,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            replica: false,
            timeout: Duration::from_secs(5),
            connections: 8,
            facts_max: 20_000,
            lease: Duration::from_secs(3),
            poll: Duration::from_millis(100),
            revisions_kept: 100_000,
            unique: vec![("User".to_owned(), "email".to_owned())],
            listed: vec!["Device".to_owned(), "User".to_owned()],
            secret_keys: KeyRing::default(),
        }
    }
}

/// Opens the store at `sqlite::memory:`, `sqlite://file.db` or `postgres://…`, and brings its
/// tables up to date.
pub async fn open(url: &str, options: Options) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(sql::SqlStore::open(url, options).await?))
}
