//! The lease: a process may answer from memory only while writers elsewhere wait for it.
//!
//! A round goes *renew, read, trust*, in this order. A writer commits first and looks for leases
//! afterwards, so either the round reads the change, or the writer finds the lease that the round
//! has just renewed and waits until a later round confirms the change.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sqlx::{AnyPool, Row};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::domain::{Revision, Uid};
use crate::store::clock::since_start;
use crate::store::dialect::Dialect;
use crate::store::{Feed, Options, StoreError, rows};

/// The most change rows that are read one by one; with more, everything is stale.
const ROWS_MAX: i64 = 10_000;

/// Keeps one process's feed up to date with the changes of all.
pub(super) struct Lease {
    pool: AnyPool,
    dialect: &'static Dialect,
    feed: Arc<Feed>,
    own: Arc<Own>,
    /// The own transaction that this round has to find.
    expected: Option<(Revision, String)>,
    id: String,
    length: Duration,
    poll: Duration,
    /// The last change that the feed has, and its nonce.
    cursor: Revision,
    nonce: String,
    /// The revision that other processes know us to have seen.
    confirmed: Option<Revision>,
    renewed: Option<Duration>,
}

/// The last transaction that this process committed, and published without waiting for a round.
#[derive(Default)]
pub(super) struct Own(std::sync::Mutex<Option<(Revision, String)>>);

impl Own {
    /// Remembers a committed transaction, before it is published.
    pub(super) fn remember(&self, rev: Revision, nonce: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((rev, nonce));
    }

    fn take(&self) -> Option<(Revision, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The hold on the task that renews the lease; dropping it ends the task.
pub(super) struct Keeper {
    id: String,
    stop: DropGuard,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Lease {
    pub(super) fn new(
        pool: AnyPool,
        dialect: &'static Dialect,
        feed: Arc<Feed>,
        own: Arc<Own>,
        options: &Options,
    ) -> Self {
        Self {
            pool,
            dialect,
            feed,
            own,
            expected: None,
            id: uuid::Uuid::now_v7().simple().to_string(),
            length: options.lease,
            poll: options.poll,
            cursor: 0,
            nonce: String::new(),
            confirmed: None,
            renewed: None,
        }
    }

    /// Takes the lease, then keeps it in the background.
    pub(super) async fn keep(mut self) -> Result<Keeper, StoreError> {
        sqlx::query(self.dialect.reap).execute(&self.pool).await?;
        (self.cursor, self.nonce) = self.newest().await?;
        self.feed.publish(self.cursor, []);
        while self.round().await? {}
        let id = self.id.clone();
        let stop = CancellationToken::new();
        let task = tokio::spawn(self.run(stop.clone()));
        Ok(Keeper { id, stop: stop.drop_guard(), task: Mutex::new(Some(task)) })
    }

    async fn run(mut self, stop: CancellationToken) {
        let mut is_well = true;
        while !stop.is_cancelled() {
            let round = timeout(self.length / 3, self.round()).await;
            let is_behind = matches!(round, Ok(Ok(true)));
            self.report(&mut is_well, matches!(round, Ok(Ok(_))));
            if !is_behind {
                tokio::select! { () = sleep(self.poll) => {}, () = stop.cancelled() => {} }
            }
        }
        self.feed.distrust();
        let gone = sqlx::query("DELETE FROM replica WHERE id = $1").bind(self.id).execute(&self.pool);
        let _ = timeout(self.length / 3, gone).await;
        self.pool.close().await;
    }

    fn report(&self, was_well: &mut bool, is_well: bool) {
        match (*was_well, is_well) {
            (true, false) => tracing::warn!("the change feed is out of reach: memory is trusted no longer"),
            (false, true) => tracing::info!("the change feed is back"),
            _ => {}
        }
        *was_well = is_well;
    }

    /// Renews if it is time, reads what is new, then trusts; says whether others wait for us.
    async fn round(&mut self) -> Result<bool, StoreError> {
        let noted = since_start();
        let is_due = self.confirmed != Some(self.cursor)
            || self.renewed.is_none_or(|at| noted.saturating_sub(at) >= self.length / 6);
        if is_due {
            self.renew().await?;
        }
        self.catch_up().await?;
        if is_due {
            self.feed.trust_until(noted + self.length * 4 / 5);
            self.renewed = Some(noted);
        }
        Ok(self.confirmed != Some(self.cursor))
    }

    async fn renew(&mut self) -> Result<(), StoreError> {
        let seen = self.cursor;
        sqlx::query(self.dialect.renew)
            .bind(self.id.clone())
            .bind(rows::to_db(seen))
            .bind(self.nonce.clone())
            .bind(i64::try_from(self.length.as_millis()).unwrap_or(i64::MAX))
            .execute(&self.pool)
            .await?;
        self.confirmed = Some(seen);
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<(), StoreError> {
        // Before the head is read, so that the history that is read must contain it.
        self.expected = self.own.take().or(self.expected.take());
        let text = "SELECT rev, COALESCE((SELECT nonce FROM change WHERE rev = $1 AND n = 0), '') \
                    FROM feed_head WHERE one = 1";
        let row = sqlx::query(text).bind(rows::to_db(self.cursor)).fetch_one(&self.pool).await?;
        let head = rows::from_db(row.try_get(0)?);
        let expected = self.expected.as_ref().map_or(0, |(rev, _)| *rev);
        let is_same_history = row.try_get::<&str, _>(1)? == self.nonce && head >= self.cursor.max(expected);
        match is_same_history {
            true if head == self.cursor => Ok(()),
            true => self.follow().await,
            false => self.reload().await,
        }
    }

    /// Publishes the changes after the cursor; a gap or too many of them make everything stale.
    async fn follow(&mut self) -> Result<(), StoreError> {
        let text = "SELECT rev, kind, id, nonce FROM change WHERE rev > $1 ORDER BY rev, n LIMIT $2";
        let query = sqlx::query(text).bind(rows::to_db(self.cursor)).bind(ROWS_MAX);
        let found = query.fetch_all(&self.pool).await?;
        let mut changes = Vec::with_capacity(found.len());
        let (mut last, mut nonce) = (self.cursor, String::new());
        for row in &found {
            let rev = rows::from_db(row.try_get(0)?);
            let nonce_here: String = row.try_get(3)?;
            let is_other = |(own, nonce): &(_, _)| *own == rev && *nonce != nonce_here;
            if rev > last + 1 || self.expected.as_ref().is_some_and(is_other) {
                return self.reload().await;
            }
            (last, nonce) = (rev, nonce_here);
            if let Ok(uid) = Uid::new(row.try_get::<String, _>(1)?, row.try_get::<String, _>(2)?) {
                changes.push(uid);
            }
        }
        if found.is_empty() || found.len() as i64 == ROWS_MAX {
            return self.reload().await;
        }
        self.feed.publish(last, &changes);
        (self.cursor, self.nonce, self.expected) = (last, nonce, None);
        Ok(())
    }

    /// Forgets everything: history was rewritten or pruned.
    async fn reload(&mut self) -> Result<(), StoreError> {
        (self.cursor, self.nonce) = self.newest().await?;
        (self.confirmed, self.expected) = (None, None);
        self.feed.publish_all(self.cursor);
        Ok(())
    }

    async fn newest(&self) -> Result<(Revision, String), StoreError> {
        let text = "SELECT rev, COALESCE((SELECT nonce FROM change WHERE rev = feed_head.rev AND n = 0), '') \
                    FROM feed_head WHERE one = 1";
        let row = sqlx::query(text).fetch_one(&self.pool).await?;
        Ok((rows::from_db(row.try_get(0)?), row.try_get(1)?))
    }
}

impl Keeper {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Ends the lease, so that no writer waits for this process.
    pub(super) async fn release(&self) {
        self.stop.token().cancel();
        if let Some(task) = self.task.lock().await.take() {
            let _ = task.await;
        }
    }
}
