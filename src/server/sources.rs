//! What identity asks of the store.

use std::sync::Arc;

use moka::sync::Cache;
use tokio::runtime::Handle;

use crate::decision::Decider;
use crate::domain::{Revision, Uid};
use crate::identity::{KeySource, Pending, PrincipalSource, SourceError};
use crate::store::{ApiKey, Store};

/// The store as the other modules see it, with the API keys that were asked for before.
pub(super) struct Sources {
    store: Arc<dyn Store>,
    decider: Arc<Decider>,
    runtime: Handle,
    keys: Cache<[u8; 32], Remembered>,
}

/// An API key, good until its slot in the feed is touched.
#[derive(Clone)]
struct Remembered {
    key: ApiKey,
    stamp: Revision,
    slot: u32,
}

impl Sources {
    /// Asks the store on `runtime` and remembers at most `keys_max` API keys.
    pub(super) fn new(store: Arc<dyn Store>, decider: Arc<Decider>, runtime: Handle, keys_max: u64) -> Self {
        Self { store, decider, runtime, keys: Cache::new(keys_max) }
    }

    fn remembered(&self, hash: &[u8; 32]) -> Option<ApiKey> {
        let known = self.keys.get(hash)?;
        self.store.feed().is_current(known.stamp, &[known.slot]).then_some(known.key)
    }
}

impl KeySource for Sources {
    fn key_by_hash<'a>(&'a self, hash: &'a [u8; 32]) -> Pending<'a, Option<ApiKey>> {
        if let Some(key) = self.remembered(hash) {
            return Box::pin(std::future::ready(Ok(Some(key))));
        }
        // Before the key is read: what changes from here on must make the memory stale.
        let stamp = self.store.feed().stamp();
        let (store, hash) = (self.store.clone(), *hash);
        let found = self.runtime.spawn(async move { store.key_by_hash(&hash).await });
        Box::pin(async move {
            let key = found.await.map_err(|error| SourceError(Box::new(error)))?;
            let key = key.map_err(|error| SourceError(Box::new(error)))?;
            // An unknown key is not remembered: guessing must not push known ones out.
            if let (Some(key), Some(stamp)) = (&key, stamp)
                && let Ok(uid) = ApiKey::uid(&key.id)
            {
                let slot = self.store.feed().slot(&uid);
                self.keys.insert(hash, Remembered { key: key.clone(), stamp, slot });
            }
            Ok(key)
        })
    }
}

impl PrincipalSource for Sources {
    fn principal_by_email<'a>(&'a self, kind: &'a str, email: &'a str) -> Pending<'a, Option<Uid>> {
        let (store, kind, email) = (self.store.clone(), kind.to_owned(), email.to_owned());
        let found = self.runtime.spawn(async move { store.find(&kind, "email", &email).await });
        Box::pin(async move {
            let uid = found.await.map_err(|error| SourceError(Box::new(error)))?;
            uid.map_err(|error| SourceError(Box::new(error)))
        })
    }

    fn signed_out_ms<'a>(&'a self, principal: &'a Uid) -> Pending<'a, Option<i64>> {
        Box::pin(async move {
            let found = self.decider.pin().signed_out_ms(principal).await;
            found.map_err(|error| SourceError(Box::new(error)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Limits;
    use crate::policy::{PolicySnapshot, Source};
    use crate::store::{Options, open};
    use std::time::Duration;

    async fn sources() -> Sources {
        let store = open("sqlite::memory:", Options::default()).await.unwrap();
        let schema = vec![Source::new("test.cedarschema", "entity User;")];
        let snapshot = Arc::new(PolicySnapshot::parse(schema).unwrap());
        let limits = Limits { decisions: 10, closures: 10, load_timeout: Duration::from_secs(10) };
        let decider = Decider::new(snapshot, store.clone(), Handle::current(), limits);
        Sources::new(store, decider, Handle::current(), 10)
    }

    fn key(id: &str, hash: [u8; 32]) -> ApiKey {
        let principal = Uid::new("User", "wife").unwrap();
        let (id, name) = (id.into(), String::new());
        ApiKey { id, hash, principal, name, created_ms: 1, expires_ms: None, revoked_ms: None }
    }

    #[tokio::test]
    async fn a_key_is_remembered_until_it_is_revoked() {
        let sources = sources().await;
        sources.store.create_key(key("one", [1; 32])).await.unwrap();
        assert_eq!(sources.remembered(&[1; 32]), None);
        assert_eq!(sources.key_by_hash(&[1; 32]).await.unwrap(), Some(key("one", [1; 32])));
        assert_eq!(sources.remembered(&[1; 32]), Some(key("one", [1; 32])));
        sources.store.create_key(key("two", [2; 32])).await.unwrap();
        assert!(sources.remembered(&[1; 32]).is_some(), "another key's change spares it");
        sources.store.revoke_key("one", 5).await.unwrap();
        assert_eq!(sources.remembered(&[1; 32]), None, "on the very next request");
        let revoked = sources.key_by_hash(&[1; 32]).await.unwrap().unwrap();
        assert_eq!(revoked.revoked_ms, Some(5));
    }

    #[tokio::test]
    async fn an_unknown_key_leaves_no_trace() {
        let sources = sources().await;
        assert_eq!(sources.key_by_hash(&[7; 32]).await.unwrap(), None);
        assert!(!sources.keys.contains_key(&[7; 32]));
        sources.store.create_key(key("new", [7; 32])).await.unwrap();
        assert!(sources.key_by_hash(&[7; 32]).await.unwrap().is_some());
    }
}
