//! The few statements that the two databases spell differently.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::store::{Options, StoreError, postgres, sqlite};

/// One database's spelling. Lists travel as one parameter, a JSON array of arrays.
pub(super) struct Dialect {
    /// Begins a writing transaction.
    pub(super) begin: &'static str,
    /// Reads the head and keeps other writers out until the transaction ends.
    pub(super) lock_head: &'static str,
    /// The slice of the roots `$1`, `$2` levels deep, at most `$3` rows, and a row with the head.
    pub(super) facts: &'static str,
    /// How often `($2, $3)` is among the entities `$1` and all that they are in.
    pub(super) count_inside: &'static str,
    /// Adds the references `$3`, each label, type and id, of the entity `($1, $2)`.
    pub(super) add_references: &'static str,
    /// Adds the words `$4`, each an array of one, of the entity `($1, $2)` inside of `$3`.
    pub(super) add_words: &'static str,
    /// Adds the rows `$3`, each number, type and id, of the revision `$1` with the nonce `$2`.
    pub(super) add_changes: &'static str,
    /// Renews the lease of the replica `$1` at the revision `$2` with the nonce `$3`, for `$4` ms.
    pub(super) renew: &'static str,
    /// Counts the replicas, except `$1`, that may still answer by facts older than `$2`.
    pub(super) count_behind: &'static str,
    /// Forgets the replicas whose lease ended long ago.
    pub(super) reap: &'static str,
    /// The migrations in order: description and text.
    pub(super) migrations: &'static [(&'static str, &'static str)],
    /// Statements for each new connection.
    pub(super) session: fn(&Options) -> String,
}

impl Dialect {
    /// The dialect that an address asks for.
    pub(super) fn of(url: &str) -> Result<&'static Self, StoreError> {
        match url.split(':').next() {
            Some("sqlite") => Ok(&sqlite::DIALECT),
            Some("postgres" | "postgresql") => Ok(&postgres::DIALECT),
            _ => Err(StoreError::Address),
        }
    }

    pub(super) fn migrator(&self) -> Migrator {
        let numbered = (1..).zip(self.migrations);
        Migrator::with_migrations(
            numbered.map(|(number, (name, text))| migration(number, name, text)).collect(),
        )
    }
}

fn migration(number: i64, name: &'static str, text: &'static str) -> Migration {
    let text = AssertSqlSafe(text).into_sql_str();
    Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, text, false)
}
