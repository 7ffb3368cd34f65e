//! What identity asks of the store, and what the gateway tells it.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::domain::{Change, Uid};
use crate::gateway::Removed;
use crate::identity::{KeySource, Pending, PrincipalSource, SourceError};
use crate::store::{ApiKey, Store};

/// The store as the other modules see it.
pub(super) struct Sources {
    pub(super) store: Arc<dyn Store>,
    pub(super) runtime: tokio::runtime::Handle,
}

impl KeySource for Sources {
    fn key_by_hash<'a>(&'a self, hash: &'a [u8; 32]) -> Pending<'a, Option<ApiKey>> {
        let (store, hash) = (self.store.clone(), *hash);
        let found = self.runtime.spawn(async move { store.key_by_hash(&hash).await });
        Box::pin(async move {
            let key = found.await.map_err(|error| SourceError(Box::new(error)))?;
            key.map_err(|error| SourceError(Box::new(error)))
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
}

impl Removed for Sources {
    fn removed(&self, uid: Uid) -> BoxFuture<'static, Result<(), ()>> {
        let store = self.store.clone();
        // A task of its own: a client that leaves cannot stop it.
        let removing = self.runtime.spawn(async move {
            if let Err(error) = store.apply(vec![Change::Remove(uid.clone())], None).await {
                tracing::error!(%uid, %error, "the upstream removed it, but it could not be forgotten");
                return Err(());
            }
            Ok(())
        });
        removing.map(|done| done.unwrap_or(Err(()))).boxed()
    }
}
