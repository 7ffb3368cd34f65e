//! Writing: one transaction, one revision, and an answer once it counts everywhere.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use sqlx::{Any, AnyConnection, Row, Transaction};
use tokio::time::{Instant, sleep};

use crate::domain::{Change, ChangeError, Entity, Revision, Uid};
use crate::store::secrets::{forget_secret, forget_secrets};
use crate::store::sql::Core;
use crate::store::{ApiKey, Pending, StoreError, rows};

/// The longest text of a unique attribute: an e-mail address has 254 bytes at most (RFC 5321).
const TEXT_KEY_BYTES_MAX: usize = 254;
/// How often a writer asks whether the replicas have followed.
const CONFIRM_EVERY: Duration = Duration::from_millis(5);

/// What one transaction does.
pub(super) enum Work {
    Changes(Vec<Change>, Option<Revision>),
    CreateKey(ApiKey),
    RevokeKey(Arc<str>, i64),
}

/// A transaction that only has to be committed.
struct Prepared {
    transaction: Transaction<'static, Any>,
    rev: Revision,
    nonce: String,
    touched: BTreeSet<Uid>,
}

impl Core {
    /// Runs on its own, so that a caller who leaves does not leave it half done.
    pub(super) fn write(self: &Arc<Self>, work: Work) -> Pending<'static, Revision> {
        let core = Arc::clone(self);
        let task = tokio::spawn(async move {
            let rev = core.commit(work).await?;
            core.confirm(rev).await?;
            Ok(rev)
        });
        Box::pin(async { task.await.unwrap_or_else(|error| Err(StoreError::Unavailable(Box::new(error)))) })
    }

    async fn commit(&self, work: Work) -> Result<Revision, StoreError> {
        let _turn = self.within(async { Ok(self.writing.lock().await) }).await?;
        let Prepared { transaction, rev, nonce, touched } = self.within(self.prepare(work)).await?;
        let done = self.within(async { Ok(transaction.commit().await?) }).await;
        match done {
            Ok(()) => {
                self.own.remember(rev, nonce);
                self.feed.publish(rev, &touched);
            }
            // Whether it was committed is unknown: nothing that we remember counts any more.
            Err(_) => self.feed.publish_all(rev - 1),
        }
        done.map(|()| rev)
    }

    /// Waits until every other process has heard of `rev` or may not use its memory any more.
    async fn confirm(&self, rev: Revision) -> Result<(), StoreError> {
        if !self.is_shared {
            return Ok(());
        }
        let limit = self.options.lease * 2 + self.options.timeout;
        let end = Instant::now() + limit;
        while Instant::now() < end {
            match self.within(self.count_behind(rev)).await {
                Ok(0) => return Ok(()),
                Ok(_) => sleep(CONFIRM_EVERY).await,
                Err(_) => sleep(CONFIRM_EVERY * 20).await,
            }
        }
        Err(StoreError::late(limit))
    }

    async fn count_behind(&self, rev: Revision) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar(self.dialect.count_behind);
        Ok(query.bind(self.replica.clone()).bind(rows::to_db(rev)).fetch_one(&self.pool).await?)
    }

    async fn prepare(&self, work: Work) -> Result<Prepared, StoreError> {
        let mut transaction = self.pool.begin_with(self.dialect.begin).await?;
        let head = sqlx::query_scalar(self.dialect.lock_head).fetch_one(&mut *transaction).await?;
        let head = rows::from_db(head);
        let rev = head + 1;
        let touched = match work {
            Work::Changes(_, Some(expected)) if expected != head => return Err(StoreError::Conflict(head)),
            Work::Changes(changes, _) => {
                for change in &changes {
                    self.change(&mut transaction, rev, change).await?;
                }
                changes.iter().map(|change| change.uid().clone()).collect()
            }
            Work::CreateKey(key) => BTreeSet::from([create_key(&mut transaction, key).await?]),
            Work::RevokeKey(id, at_ms) => BTreeSet::from([revoke_key(&mut transaction, &id, at_ms).await?]),
        };
        let nonce = uuid::Uuid::now_v7().simple().to_string();
        self.record(&mut transaction, rev, &nonce, &touched).await?;
        Ok(Prepared { transaction, rev, nonce, touched })
    }

    /// Writes the feed: the new head, at least one row with the nonce, and no more than is kept.
    async fn record(
        &self,
        connection: &mut AnyConnection,
        rev: Revision,
        nonce: &str,
        touched: &BTreeSet<Uid>,
    ) -> Result<(), StoreError> {
        let mut changes: Vec<_> =
            (0..).zip(touched).map(|(n, uid)| json!([n, uid.kind(), uid.id()])).collect();
        if changes.is_empty() {
            changes.push(json!([0, "", ""]));
        }
        sqlx::query(self.dialect.add_changes)
            .bind(rows::to_db(rev))
            .bind(nonce.to_owned())
            .bind(rows::list(changes))
            .execute(&mut *connection)
            .await?;
        let oldest = rows::to_db(rev) - i64::from(self.options.revisions_kept.max(1));
        sqlx::query("DELETE FROM change WHERE rev <= $1").bind(oldest).execute(&mut *connection).await?;
        let head = sqlx::query("UPDATE feed_head SET rev = $1 WHERE one = 1").bind(rows::to_db(rev));
        head.execute(connection).await?;
        Ok(())
    }

    async fn change(
        &self,
        connection: &mut AnyConnection,
        rev: Revision,
        change: &Change,
    ) -> Result<(), StoreError> {
        let uid = change.uid();
        if rows::has_nul(uid) {
            return Err(StoreError::Nul(uid.clone()));
        }
        let Presence { exists, is_removed } = presence(connection, uid).await?;
        match change {
            Change::Create(_) | Change::Renew(_) if exists => Err(ChangeError::Exists(uid.clone()).into()),
            Change::Put(_) | Change::Create(_) if is_removed => Err(ChangeError::Reused(uid.clone()).into()),
            Change::Remove(_) | Change::Keep { .. } | Change::Forget { .. } if !exists => {
                Err(ChangeError::Missing(uid.clone()).into())
            }
            Change::Put(entity) | Change::Create(entity) => self.put(connection, rev, entity, exists).await,
            Change::Renew(entity) => {
                let unearth = "DELETE FROM tombstone WHERE kind = $1 AND id = $2";
                named(unearth, uid).execute(&mut *connection).await?;
                self.put(connection, rev, entity, exists).await
            }
            Change::Remove(_) => {
                let bury = "INSERT INTO tombstone (kind, id, rev) VALUES ($1, $2, $3)";
                named(bury, uid).bind(rows::to_db(rev)).execute(&mut *connection).await?;
                named("DELETE FROM entity WHERE kind = $1 AND id = $2", uid)
                    .execute(&mut *connection)
                    .await?;
                self.unlist(connection, uid).await?;
                forget_secrets(connection, uid).await?;
                unlink(connection, uid).await
            }
            Change::Keep { name, value, .. } => self.keep_secret(connection, uid, name, value).await,
            Change::Forget { name, .. } => forget_secret(connection, uid, name).await,
        }
    }

    /// Whether there was an entity of this name, and it was removed.
    pub(super) async fn is_removed(&self, uid: &Uid) -> Result<bool, StoreError> {
        if rows::has_nul(uid) {
            return Ok(false);
        }
        let mut connection = self.pool.acquire().await?;
        Ok(presence(&mut connection, uid).await?.is_removed)
    }

    async fn put(
        &self,
        connection: &mut AnyConnection,
        rev: Revision,
        entity: &Entity,
        exists: bool,
    ) -> Result<(), StoreError> {
        let uid = &entity.uid;
        let references = rows::labelled(entity);
        if let Some((_, uid)) = references.iter().find(|(_, uid)| rows::has_nul(uid)) {
            return Err(StoreError::Nul(uid.clone()));
        }
        self.refuse_cycle(connection, entity).await?;
        let put = "INSERT INTO entity (kind, id, body, rev) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body, rev = excluded.rev";
        named(put, uid).bind(rows::body(entity)?).bind(rows::to_db(rev)).execute(&mut *connection).await?;
        if exists {
            self.unlist(connection, uid).await?;
            unlink(connection, uid).await?;
        }
        self.list(connection, entity).await?;
        if !references.is_empty() {
            let list = references.iter().map(|(label, to)| json!([label, to.kind(), to.id()]));
            named(self.dialect.add_references, uid).bind(rows::list(list)).execute(&mut *connection).await?;
        }
        self.claim_texts(connection, entity).await
    }

    async fn refuse_cycle(&self, connection: &mut AnyConnection, entity: &Entity) -> Result<(), StoreError> {
        if entity.parents.is_empty() {
            return Ok(());
        }
        let uid = &entity.uid;
        let query = sqlx::query_scalar(self.dialect.count_inside).bind(rows::names(&entity.parents));
        let query = query.bind(uid.kind().to_owned()).bind(uid.id().to_owned());
        let count: i64 = query.fetch_one(connection).await?;
        if count > 0 { Err(ChangeError::Cycle(uid.clone()).into()) } else { Ok(()) }
    }

    /// Takes the texts of the entity's unique attributes, unless they belong to another one.
    async fn claim_texts(&self, connection: &mut AnyConnection, entity: &Entity) -> Result<(), StoreError> {
        let uid = &entity.uid;
        for (_, attr) in self.options.unique.iter().filter(|(kind, _)| kind == uid.kind()) {
            let Some(value) = entity.attrs.get(attr) else { continue };
            let text = exact_text(value)
                .ok_or_else(|| StoreError::KeyForm { uid: uid.clone(), attr: attr.clone() })?;
            let claim =
                "INSERT INTO text_key (kind, id, attr, value) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
            let done = named(claim, uid).bind(attr.clone()).bind(text).execute(&mut *connection).await?;
            if done.rows_affected() == 0 {
                return Err(StoreError::KeyTaken { uid: uid.clone(), attr: attr.clone() });
            }
        }
        Ok(())
    }
}

pub(super) type Query = sqlx::query::Query<'static, Any, sqlx::any::AnyArguments>;

/// A statement whose first two parameters are type and id.
pub(super) fn named(text: &'static str, uid: &Uid) -> Query {
    sqlx::query(text).bind(uid.kind().to_owned()).bind(uid.id().to_owned())
}

/// Whether the entity exists, and whether it was removed.
struct Presence {
    exists: bool,
    is_removed: bool,
}

async fn presence(connection: &mut AnyConnection, uid: &Uid) -> Result<Presence, StoreError> {
    let text = "SELECT (SELECT COUNT(*) FROM entity WHERE kind = $1 AND id = $2), \
                       (SELECT COUNT(*) FROM tombstone WHERE kind = $1 AND id = $2)";
    let row = named(text, uid).fetch_one(connection).await?;
    Ok(Presence { exists: row.try_get::<i64, _>(0)? > 0, is_removed: row.try_get::<i64, _>(1)? > 0 })
}

/// Removes what is derived from the document.
async fn unlink(connection: &mut AnyConnection, uid: &Uid) -> Result<(), StoreError> {
    let references = "DELETE FROM reference WHERE from_kind = $1 AND from_id = $2";
    named(references, uid).execute(&mut *connection).await?;
    named("DELETE FROM text_key WHERE kind = $1 AND id = $2", uid).execute(connection).await?;
    Ok(())
}

/// The text as it is compared: without regard to case, and without letters that only look alike.
fn exact_text(value: &Json) -> Option<String> {
    let text = value.as_str()?;
    let is_exact =
        !text.is_empty() && text.len() <= TEXT_KEY_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic());
    is_exact.then(|| text.to_ascii_lowercase())
}

async fn create_key(connection: &mut AnyConnection, key: ApiKey) -> Result<Uid, StoreError> {
    let uid = key_uid(&key.id)?;
    if rows::has_nul(&uid) || rows::has_nul(&key.principal) || key.name.contains('\0') {
        return Err(StoreError::Nul(uid));
    }
    let text = "INSERT INTO api_key \
        (id, hash, principal_kind, principal_id, name, created_ms, expires_ms, revoked_ms) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    let query = sqlx::query(text).bind(key.id.to_string()).bind(key.hash.to_vec());
    let query =
        query.bind(key.principal.kind().to_owned()).bind(key.principal.id().to_owned()).bind(key.name);
    let query = query.bind(key.created_ms).bind(key.expires_ms).bind(key.revoked_ms);
    match query.execute(connection).await?.rows_affected() {
        0 => Err(ChangeError::Exists(uid).into()),
        _ => Ok(uid),
    }
}

async fn revoke_key(connection: &mut AnyConnection, id: &str, at_ms: i64) -> Result<Uid, StoreError> {
    let uid = key_uid(id)?;
    let text = "UPDATE api_key SET revoked_ms = COALESCE(revoked_ms, $1) WHERE id = $2";
    let query = sqlx::query(text).bind(at_ms).bind(id.replace('\0', "?"));
    match query.execute(connection).await?.rows_affected() {
        0 => Err(ChangeError::Missing(uid).into()),
        _ => Ok(uid),
    }
}

fn key_uid(id: &str) -> Result<Uid, StoreError> {
    ApiKey::uid(id)
        .map_err(|_| StoreError::TooLarge { what: "an API key's id in bytes", max: Uid::ID_BYTES_MAX as u64 })
}
