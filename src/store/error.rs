//! Why the store could not do what it was asked.

use std::time::Duration;

use crate::domain::{ChangeError, Revision, Uid};
use crate::vault::VaultError;

/// A failure of the store, or a change that it refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database is down, slow or out of reach; whether a change was stored is unknown.
    #[error("the store does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The facts that a change was planned on are not the newest.
    #[error("the store is at revision {0} now: read again, then repeat the change")]
    Conflict(Revision),
    /// The change contradicts what is stored.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// Another entity has the text of a unique attribute; the text itself stays out of messages.
    #[error("the `{attr}` of {uid} belongs to another entity: choose another one")]
    KeyTaken {
        /// The entity that was written.
        uid: Uid,
        /// The attribute that must be unique.
        attr: String,
    },
    /// A unique attribute cannot be compared exactly.
    #[error("the `{attr}` of {uid} must be 1 to 254 bytes of printable ASCII text")]
    KeyForm {
        /// The entity that was written.
        uid: Uid,
        /// The attribute that must be unique.
        attr: String,
    },
    /// A name that not every database can keep.
    #[error("{0} has a NUL byte in its name: leave it out")]
    Nul(Uid),
    /// A limit of the store is exceeded.
    #[error("{what} is over the limit of {max}")]
    TooLarge {
        /// What is too large, with its unit.
        what: &'static str,
        /// The limit.
        max: u64,
    },
    /// A secret cannot be sealed or opened.
    #[error(transparent)]
    Secret(#[from] VaultError),
    /// Something stored cannot be read.
    #[error("the store holds {0}, which cannot be read: restore it from a backup")]
    Corrupt(String),
    /// The address names no database that we know; it may hold a password and is not repeated.
    #[error("the store's address must begin with `sqlite:` or `postgres://`")]
    Address,
    /// The database has tables of another program, or of another version of this one.
    #[error("the store's tables could not be brought up to date")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    pub(super) fn late(limit: Duration) -> Self {
        Self::Unavailable(format!("no answer within {} ms", limit.as_millis()).into())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}
