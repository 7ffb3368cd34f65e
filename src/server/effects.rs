//! What the gateway asks of sharing and of the store: secrets of devices, and effects of a 2xx.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::domain::{Intent, Newcomer, SecretText, Uid};
use crate::gateway::effects::Effects;
use crate::gateway::refusal::Refusal;
use crate::gateway::secrets::Secrets;
use crate::sharing::{self, Failure, Sharing};
use crate::store::{Store, StoreError};

/// The store's secrets, read on the runtime of the store.
pub(super) struct Kept {
    pub(super) store: Arc<dyn Store>,
    pub(super) runtime: Handle,
}

impl Secrets for Kept {
    fn secret(&self, of: Uid, name: Arc<str>) -> BoxFuture<'static, Result<Option<SecretText>, Refusal>> {
        let store = self.store.clone();
        let found = self.runtime.spawn(async move {
            store.secret(&of, &name).await.map_err(|error| {
                tracing::error!(%of, %name, %error, "a secret could not be read");
                match error {
                    StoreError::Secret(_) => Refusal::NoSecret("unreadable"),
                    _ => Refusal::Unavailable("the store"),
                }
            })
        });
        found.map(|done| done.unwrap_or(Err(Refusal::Internal))).boxed()
    }
}

/// Sharing, as the gateway's effects see it.
pub(super) struct Settlement {
    pub(super) sharing: Arc<Sharing>,
    pub(super) runtime: Handle,
}

impl Effects for Settlement {
    fn begin(&self, intent: Intent) -> BoxFuture<'static, Result<Uid, Refusal>> {
        let sharing = self.sharing.clone();
        async move {
            let entry = Sharing::fresh_entry().map_err(|_| Refusal::Internal)?;
            sharing.begin(entry.clone(), intent).await.map_err(refusal)?;
            Ok(entry)
        }
        .boxed()
    }

    fn settle(
        &self,
        entry: Uid,
        intent: Intent,
    ) -> BoxFuture<'static, Result<(), Box<dyn std::error::Error + Send + Sync>>> {
        let sharing = self.sharing.clone();
        async move { Ok(sharing.settle(entry, intent).await?) }.boxed()
    }

    fn withdraw(&self, entry: Uid) -> BoxFuture<'static, ()> {
        let sharing = self.sharing.clone();
        let id = entry.id().to_owned();
        let work = self.runtime.spawn(async move { sharing.withdraw(entry).await });
        async move {
            if let Ok(Err(error)) = work.await {
                tracing::warn!(entry = id, %error, "a note of what was not done stays");
            }
        }
        .boxed()
    }

    fn leave(&self, entry: Uid, reason: &'static str, made: Option<Newcomer>) -> BoxFuture<'static, ()> {
        metrics::counter!("cedargate_unsettled_total").increment(1);
        tracing::error!(entry = entry.id(), reason, "what the upstream did is to be reconciled");
        let sharing = self.sharing.clone();
        let id = entry.id().to_owned();
        let work = self.runtime.spawn(async move { sharing.leave(entry, reason, made.as_ref()).await });
        async move {
            if let Ok(Err(error)) = work.await {
                tracing::error!(entry = id, %error, "the note says `under way` still");
            }
        }
        .boxed()
    }
}

fn refusal(failure: Failure) -> Refusal {
    match failure {
        Failure::Refused(refused) => Refusal::Refused(refused),
        Failure::Conflict(sharing::Conflict::Missing) => Refusal::Unrouted,
        Failure::Conflict(conflict) => Refusal::Contradicted(conflict.to_string()),
        Failure::Store(error) => {
            tracing::error!(%error, "what the upstream is asked could not be noted, so it is not asked");
            Refusal::Unavailable("the store")
        }
        Failure::Busy => Refusal::Unavailable("the store"),
        Failure::NotYours | Failure::Ended => Refusal::Internal,
    }
}
