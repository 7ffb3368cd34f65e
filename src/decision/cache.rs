//! What was prepared or decided before, each with the stamps that say how long it is true.

use std::hash::Hash;
use std::sync::Arc;

use moka::sync::Cache;

use crate::domain::{Query, Revision, Uid};
use crate::policy::{Closure, Filter, Verdict};
use crate::store::Feed;

type Table<K, V> = Cache<K, Arc<Stamped<V>>, foldhash::fast::RandomState>;

/// A value that holds under one policy set until one of its facts changes or its time is over.
pub(super) struct Stamped<V> {
    pub(super) value: V,
    /// The number of the policy set.
    pub(super) policies: u64,
    /// The revision read before the facts were.
    pub(super) stamp: Revision,
    /// The newest revision that the facts can be of; later than the stamp when it was not heard of yet.
    pub(super) as_of: Revision,
    /// The feed's slots of every entity it depends on.
    pub(super) slots: Box<[u32]>,
    /// The first millisecond since 1970 at which it is no longer known to hold.
    pub(super) until_ms: i64,
}

impl<V> Stamped<V> {
    fn holds(&self, feed: &Feed, policies: u64, now_ms: i64) -> bool {
        self.policies == policies && now_ms < self.until_ms && feed.is_current(self.stamp, &self.slots)
    }
}

/// What a filter is made for: a query with its resource open, and the resources' type.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct FilterKey {
    pub(super) query: Query,
    pub(super) kind: Arc<str>,
}

/// The three bounded tables of a decider.
pub(super) struct Tables {
    pub(super) closures: Table<Uid, Closure>,
    pub(super) decisions: Table<Query, Arc<Verdict>>,
    pub(super) filters: Table<FilterKey, Option<Filter>>,
}

impl Tables {
    pub(super) fn new(decisions: u64, closures: u64) -> Self {
        Self { closures: table(closures), decisions: table(decisions), filters: table(decisions / 16 + 64) }
    }
}

fn table<K: Hash + Eq + Send + Sync + 'static, V: Send + Sync + 'static>(capacity: u64) -> Table<K, V> {
    Cache::builder().max_capacity(capacity).build_with_hasher(foldhash::fast::RandomState::default())
}

/// A hit, if what is stored still holds.
pub(super) fn get<K, V>(
    table: &Table<K, V>,
    key: &K,
    feed: &Feed,
    policies: u64,
    now_ms: i64,
) -> Option<Arc<Stamped<V>>>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    table.get(key).filter(|it| it.holds(feed, policies, now_ms))
}

/// Keeps a value, unless what it depends on changed while it was made.
pub(super) fn put<K, V>(table: &Table<K, V>, key: K, value: Arc<Stamped<V>>, feed: &Feed)
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    if feed.is_current(value.stamp, &value.slots) {
        table.insert(key, value);
    }
}
