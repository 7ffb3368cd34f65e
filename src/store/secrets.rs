//! Secrets of entities: sealed before they are written, opened for the one request that needs them.

use std::sync::Arc;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::domain::{ChangeError, SecretText, Uid};
use crate::store::sql::Core;
use crate::store::write::named;
use crate::store::{StoreError, rows};
use crate::vault::{Sealed, VaultError};

/// Secrets of one transaction that seals them anew.
const BATCH: i64 = 200;

impl Core {
    /// The secret of this name; read each time, so that none is kept in memory.
    pub(super) async fn secret(&self, of: &Uid, name: &str) -> Result<Option<SecretText>, StoreError> {
        if rows::has_nul(of) || name.contains('\0') {
            return Ok(None);
        }
        let text = "SELECT key_id, sealed FROM secret WHERE kind = $1 AND id = $2 AND name = $3";
        let found = named(text, of).bind(name.to_owned()).fetch_optional(&self.pool).await?;
        let Some(row) = found else { return Ok(None) };
        Ok(Some(self.options.secret_keys.open(of, name, &sealed(&row, 0)?)?))
    }

    /// The names of an entity's secrets, in their order.
    pub(super) async fn secret_names(&self, of: &Uid) -> Result<Vec<String>, StoreError> {
        if rows::has_nul(of) {
            return Ok(Vec::new());
        }
        let text = "SELECT name FROM secret WHERE kind = $1 AND id = $2 ORDER BY name";
        let found = named(text, of).fetch_all(&self.pool).await?;
        found.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Fails when something is sealed with a key that is not here.
    pub(super) async fn check_secret_keys(&self) -> Result<(), StoreError> {
        let used: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT key_id FROM secret").fetch_all(&self.pool).await?;
        match used.into_iter().find(|key| !self.options.secret_keys.has(key)) {
            Some(key) => Err(VaultError::UnknownKey(key).into()),
            None => Ok(()),
        }
    }

    pub(super) async fn keep_secret(
        &self,
        connection: &mut AnyConnection,
        of: &Uid,
        name: &str,
        value: &SecretText,
    ) -> Result<(), StoreError> {
        if name.contains('\0') {
            return Err(StoreError::Nul(of.clone()));
        }
        let Sealed { key, bytes } = self.options.secret_keys.seal(of, name, value)?;
        let text = "INSERT INTO secret (kind, id, name, key_id, sealed) VALUES ($1, $2, $3, $4, $5) \
                    ON CONFLICT (kind, id, name) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed";
        named(text, of).bind(name.to_owned()).bind(key).bind(bytes).execute(connection).await?;
        Ok(())
    }

    /// Seals some of what is not sealed with the first key anew; the number of them.
    pub(super) async fn reseal_batch(self: Arc<Self>) -> Result<u64, StoreError> {
        let keys = &self.options.secret_keys;
        let first = keys.first().ok_or(VaultError::NoKey)?.to_owned();
        let mut transaction = self.pool.begin_with(self.dialect.begin).await?;
        // The writers' lock: what is written meanwhile must not be overwritten.
        sqlx::query(self.dialect.lock_head).fetch_one(&mut *transaction).await?;
        let text = "SELECT kind, id, name, key_id, sealed FROM secret WHERE key_id <> $1 LIMIT $2";
        let found = sqlx::query(text).bind(first).bind(BATCH).fetch_all(&mut *transaction).await?;
        for row in &found {
            let (of, name) = (rows::uid(row.try_get(0)?, row.try_get(1)?)?, row.try_get::<String, _>(2)?);
            let value = keys.open(&of, &name, &sealed(row, 3)?)?;
            self.keep_secret(&mut transaction, &of, &name, &value).await?;
        }
        transaction.commit().await?;
        Ok(found.len() as u64)
    }
}

pub(super) async fn forget_secret(
    connection: &mut AnyConnection,
    of: &Uid,
    name: &str,
) -> Result<(), StoreError> {
    let text = "DELETE FROM secret WHERE kind = $1 AND id = $2 AND name = $3";
    match named(text, of).bind(name.replace('\0', "?")).execute(connection).await?.rows_affected() {
        0 => Err(ChangeError::Missing(of.clone()).into()),
        _ => Ok(()),
    }
}

/// Forgets all secrets of an entity that is removed.
pub(super) async fn forget_secrets(connection: &mut AnyConnection, of: &Uid) -> Result<(), StoreError> {
    named("DELETE FROM secret WHERE kind = $1 AND id = $2", of).execute(connection).await?;
    Ok(())
}

fn sealed(row: &AnyRow, at: usize) -> Result<Sealed, StoreError> {
    Ok(Sealed { key: row.try_get(at)?, bytes: row.try_get(at + 1)? })
}
