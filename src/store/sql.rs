//! The store over sqlx: how it is opened, read and closed.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{AnyPool, AssertSqlSafe, Row};

use crate::domain::{Change, Entity, Facts, Revision, SecretText, Uid};
use crate::store::dialect::Dialect;
use crate::store::lease::{Keeper, Lease, Own};
use crate::store::rows;
use crate::store::write::Work;
use crate::store::{ApiKey, FactSource, Feed, Options, Pending, Place, Store, StoreError, sqlite};

const KEY_COLUMNS: &str =
    "SELECT id, hash, principal_kind, principal_id, name, created_ms, expires_ms, revoked_ms FROM api_key ";

const REFERRING: &str = "SELECT e.kind, e.id, e.body FROM reference AS r \
    JOIN entity AS e ON e.kind = r.from_kind AND e.id = r.from_id \
    WHERE r.to_kind = $1 AND r.to_id = $2 AND r.label = $3 AND r.from_kind = $4 AND r.from_id > $5 \
    ORDER BY r.from_id LIMIT $6";

const COUNT_REFERRING: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM reference AS r \
    WHERE r.to_kind = $1 AND r.to_id = $2 AND r.label = $3 AND r.from_kind = $4 LIMIT $5) AS counted";

/// A store in SQLite or PostgreSQL.
pub(super) struct SqlStore {
    pub(super) core: Arc<Core>,
    keeper: Option<Keeper>,
}

/// What a write that outlives its caller needs.
pub(super) struct Core {
    pub(super) pool: AnyPool,
    pub(super) dialect: &'static Dialect,
    pub(super) feed: Arc<Feed>,
    pub(super) options: Options,
    /// The turn to write, so that writers of this process don't poll the database for it.
    pub(super) writing: tokio::sync::Mutex<()>,
    /// The name of this process's lease; empty without one.
    pub(super) replica: String,
    /// The last transaction of this process, which the lease must find in the history.
    pub(super) own: Arc<Own>,
    /// Whether other processes can have the database open.
    pub(super) is_shared: bool,
}

impl SqlStore {
    pub(super) async fn open(url: &str, options: Options) -> Result<Self, StoreError> {
        install_default_drivers();
        let dialect = Dialect::of(url)?;
        let is_shared = !sqlite::is_memory(url);
        let pool = connect(url, dialect, &options, is_shared, options.connections).await?;
        migrate(dialect, &pool).await?;
        let feed = Arc::new(if is_shared { Feed::leased() } else { Feed::local() });
        let own = Arc::<Own>::default();
        let keeper = match is_shared && options.replica {
            true => {
                let pool = connect(url, dialect, &options, is_shared, 1).await?;
                let lease = Lease::new(pool, dialect, Arc::clone(&feed), Arc::clone(&own), &options);
                Some(lease.keep().await?)
            }
            false => None,
        };
        let replica = keeper.as_ref().map(|keeper| keeper.id().to_owned()).unwrap_or_default();
        let writing = tokio::sync::Mutex::default();
        let core = Arc::new(Core { pool, dialect, feed, options, writing, replica, own, is_shared });
        core.fill().await?;
        if core.options.replica {
            // Who serves must be able to open what is kept.
            core.within(core.check_secret_keys()).await?;
        }
        let head = core.within(core.head()).await?;
        core.feed.publish(head, []);
        Ok(Self { core, keeper })
    }
}

/// A memory database lives as long as its one connection: that is never closed.
async fn connect(
    url: &str,
    dialect: &'static Dialect,
    options: &Options,
    is_shared: bool,
    connections: u32,
) -> Result<AnyPool, StoreError> {
    let session = (dialect.session)(options);
    let mut pool = AnyPoolOptions::new()
        .max_connections(if is_shared { connections } else { 1 })
        .acquire_timeout(options.timeout)
        .test_before_acquire(!url.starts_with("sqlite:"))
        .after_connect(move |connection, _| {
            let session = session.clone();
            Box::pin(
                async move { sqlx::raw_sql(AssertSqlSafe(session)).execute(connection).await.map(|_| ()) },
            )
        });
    if !is_shared {
        pool = pool.min_connections(1).idle_timeout(None).max_lifetime(None);
    }
    match pool.connect(&sqlite::address(url)).await {
        Err(sqlx::Error::Configuration(_)) => Err(StoreError::Address),
        other => Ok(other?),
    }
}

/// Two processes may open a new SQLite file at once: the one that comes second looks again.
async fn migrate(dialect: &Dialect, pool: &AnyPool) -> Result<(), StoreError> {
    let migrator = dialect.migrator();
    for _ in 0..3 {
        if migrator.run(pool).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    migrator.run(pool).await.map_err(|error| StoreError::Migration(Box::new(error)))
}

impl Core {
    /// Gives `work` the time of one operation.
    pub(super) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let limit = self.options.timeout;
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(StoreError::late(limit)))
    }

    pub(super) async fn head(&self) -> Result<Revision, StoreError> {
        let rev = sqlx::query_scalar("SELECT rev FROM feed_head WHERE one = 1").fetch_one(&self.pool).await?;
        Ok(rows::from_db(rev))
    }

    async fn facts(&self, roots: &[Uid], depth: u32) -> Result<Facts, StoreError> {
        let max = self.options.facts_max;
        let found = sqlx::query(self.dialect.facts)
            .bind(rows::names(roots))
            .bind(i64::from(depth))
            .bind(i64::from(max) + 1)
            .fetch_all(&self.pool)
            .await?;
        if found.len() > max as usize + 1 {
            return Err(StoreError::TooLarge { what: "a slice in entities", max: max.into() });
        }
        let mut facts = Facts::default();
        for row in &found {
            match row.try_get::<&str, _>(0)? {
                "" => facts.revision = rows::from_db(row.try_get(3)?),
                _ => facts.entities.push(Arc::new(rows::entity_of(row)?)),
            }
        }
        Ok(facts)
    }

    async fn page(
        &self,
        kind: Option<&str>,
        after: Option<&Uid>,
        limit: u32,
    ) -> Result<Vec<Entity>, StoreError> {
        if let Some(after) = after.filter(|uid| rows::has_nul(uid)) {
            return Err(StoreError::Nul(after.clone()));
        }
        let (after_kind, after_id) = after.map_or(("", ""), |uid| (uid.kind(), uid.id()));
        let query = match kind {
            None => sqlx::query(
                "SELECT kind, id, body FROM entity WHERE (kind, id) > ($1, $2) ORDER BY kind, id LIMIT $3",
            )
            .bind(after_kind.to_owned()),
            Some(kind) if after_kind > kind || kind.contains('\0') => return Ok(Vec::new()),
            Some(kind) => sqlx::query(
                "SELECT kind, id, body FROM entity WHERE kind = $1 AND id > $2 ORDER BY kind, id LIMIT $3",
            )
            .bind(kind.to_owned()),
        };
        let start = if kind.is_none_or(|kind| kind == after_kind) { after_id } else { "" };
        let found = query.bind(start.to_owned()).bind(i64::from(limit)).fetch_all(&self.pool).await?;
        found.iter().map(rows::entity_of).collect()
    }

    async fn referring(
        &self,
        kind: &str,
        label: &str,
        to: &Uid,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entity>, StoreError> {
        let after = after.unwrap_or_default();
        if rows::has_nul(to) || [kind, label, after].iter().any(|part| part.contains('\0')) {
            return Ok(Vec::new());
        }
        let query = sqlx::query(REFERRING).bind(to.kind().to_owned()).bind(to.id().to_owned());
        let query = query.bind(label.to_owned()).bind(kind.to_owned()).bind(after.to_owned());
        let found = query.bind(i64::from(limit)).fetch_all(&self.pool).await?;
        found.iter().map(rows::entity_of).collect()
    }

    async fn count_referring(&self, kind: &str, label: &str, to: &Uid, max: u32) -> Result<u32, StoreError> {
        if rows::has_nul(to) || [kind, label].iter().any(|part| part.contains('\0')) {
            return Ok(0);
        }
        let query = sqlx::query_scalar(COUNT_REFERRING).bind(to.kind().to_owned()).bind(to.id().to_owned());
        let query = query.bind(label.to_owned()).bind(kind.to_owned()).bind(i64::from(max));
        let count: i64 = query.fetch_one(&self.pool).await?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn find(&self, kind: &str, attr: &str, value: &str) -> Result<Option<Uid>, StoreError> {
        if [kind, attr, value].iter().any(|part| part.contains('\0')) {
            return Ok(None);
        }
        let text = "SELECT kind, id FROM text_key WHERE kind = $1 AND attr = $2 AND value = $3";
        let query = sqlx::query(text).bind(kind.to_owned()).bind(attr.to_owned());
        let found = query.bind(value.to_ascii_lowercase()).fetch_optional(&self.pool).await?;
        found.map(|row| rows::uid(row.try_get(0)?, row.try_get(1)?)).transpose()
    }

    async fn keys(&self, after: Option<&str>, limit: u32) -> Result<Vec<ApiKey>, StoreError> {
        let text = AssertSqlSafe(format!("{KEY_COLUMNS} WHERE id > $1 ORDER BY id LIMIT $2"));
        let after = after.and_then(|id| id.split('\0').next()).unwrap_or_default();
        let query = sqlx::query(text).bind(after.to_owned()).bind(i64::from(limit));
        query.fetch_all(&self.pool).await?.iter().map(rows::key_of).collect()
    }

    async fn keys_of(
        &self,
        principal: &Uid,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ApiKey>, StoreError> {
        let after = after.unwrap_or_default();
        if rows::has_nul(principal) || after.contains('\0') {
            return Ok(Vec::new());
        }
        let text = AssertSqlSafe(format!(
            "{KEY_COLUMNS} WHERE principal_kind = $1 AND principal_id = $2 AND id > $3 ORDER BY id LIMIT $4"
        ));
        let query = sqlx::query(text).bind(principal.kind().to_owned()).bind(principal.id().to_owned());
        let query = query.bind(after.to_owned()).bind(i64::from(limit));
        query.fetch_all(&self.pool).await?.iter().map(rows::key_of).collect()
    }

    async fn key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>, StoreError> {
        let text = AssertSqlSafe(format!("{KEY_COLUMNS} WHERE hash = $1"));
        let found = sqlx::query(text).bind(hash.to_vec()).fetch_optional(&self.pool).await?;
        found.as_ref().map(rows::key_of).transpose()
    }
}

impl FactSource for SqlStore {
    fn facts_for<'a>(&'a self, roots: &'a [Uid], depth: u32) -> Pending<'a, Facts> {
        Box::pin(self.core.within(self.core.facts(roots, depth)))
    }

    fn feed(&self) -> &Arc<Feed> {
        &self.core.feed
    }
}

impl Store for SqlStore {
    fn apply(&self, changes: Vec<Change>, if_revision: Option<Revision>) -> Pending<'_, Revision> {
        self.core.write(Work::Changes(changes, if_revision))
    }

    fn page<'a>(
        &'a self,
        kind: Option<&'a str>,
        after: Option<&'a Uid>,
        limit: u32,
    ) -> Pending<'a, Vec<Entity>> {
        Box::pin(self.core.within(self.core.page(kind, after, limit)))
    }

    fn referring<'a>(
        &'a self,
        kind: &'a str,
        label: &'a str,
        to: &'a Uid,
        after: Option<&'a str>,
        limit: u32,
    ) -> Pending<'a, Vec<Entity>> {
        Box::pin(self.core.within(self.core.referring(kind, label, to, after, limit)))
    }

    fn in_order<'a>(
        &'a self,
        kind: &'a str,
        within: &'a [String],
        after: Option<&'a Place>,
        is_backwards: bool,
        limit: u32,
    ) -> Pending<'a, Vec<Entity>> {
        Box::pin(self.core.within(self.core.in_order(kind, within, after, is_backwards, limit)))
    }

    fn with_word<'a>(
        &'a self,
        kind: &'a str,
        within: &'a [String],
        begins: &'a str,
        limit: u32,
    ) -> Pending<'a, Vec<Uid>> {
        Box::pin(self.core.within(self.core.with_word(kind, within, begins, limit)))
    }

    fn count_referring<'a>(
        &'a self,
        kind: &'a str,
        label: &'a str,
        to: &'a Uid,
        max: u32,
    ) -> Pending<'a, u32> {
        Box::pin(self.core.within(self.core.count_referring(kind, label, to, max)))
    }

    fn find<'a>(&'a self, kind: &'a str, attr: &'a str, value: &'a str) -> Pending<'a, Option<Uid>> {
        Box::pin(self.core.within(self.core.find(kind, attr, value)))
    }

    fn is_removed<'a>(&'a self, uid: &'a Uid) -> Pending<'a, bool> {
        Box::pin(self.core.within(self.core.is_removed(uid)))
    }

    fn keys<'a>(&'a self, after: Option<&'a str>, limit: u32) -> Pending<'a, Vec<ApiKey>> {
        Box::pin(self.core.within(self.core.keys(after, limit)))
    }

    fn keys_of<'a>(
        &'a self,
        principal: &'a Uid,
        after: Option<&'a str>,
        limit: u32,
    ) -> Pending<'a, Vec<ApiKey>> {
        Box::pin(self.core.within(self.core.keys_of(principal, after, limit)))
    }

    fn key_by_hash<'a>(&'a self, hash: &'a [u8; 32]) -> Pending<'a, Option<ApiKey>> {
        Box::pin(self.core.within(self.core.key_by_hash(hash)))
    }

    fn create_key(&self, key: ApiKey) -> Pending<'_, Revision> {
        self.core.write(Work::CreateKey(key))
    }

    fn revoke_key(&self, id: &str, now_ms: i64) -> Pending<'_, Revision> {
        self.core.write(Work::RevokeKey(id.into(), now_ms))
    }

    fn secret<'a>(&'a self, of: &'a Uid, name: &'a str) -> Pending<'a, Option<SecretText>> {
        Box::pin(self.core.within(self.core.secret(of, name)))
    }

    fn secret_names<'a>(&'a self, of: &'a Uid) -> Pending<'a, Vec<String>> {
        Box::pin(self.core.within(self.core.secret_names(of)))
    }

    fn reseal(&self) -> Pending<'_, u64> {
        Box::pin(self.core.within(Arc::clone(&self.core).reseal_batch()))
    }

    fn head(&self) -> Pending<'_, Revision> {
        Box::pin(self.core.within(self.core.head()))
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {
            self.core.feed.distrust();
            if let Some(keeper) = &self.keeper {
                keeper.release().await;
            }
            let closed = async {
                self.core.pool.close().await;
                Ok(())
            };
            self.core.within(closed).await
        })
    }
}
