//! API keys: the store knows their hashes, never the keys.

use std::fmt;
use std::sync::Arc;

use crate::domain::{Uid, UidError};

/// An API key as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public name.
    pub id: Arc<str>,
    /// The SHA-256 of the key.
    pub hash: [u8; 32],
    /// Who the key speaks for.
    pub principal: Uid,
    /// What its owner calls it.
    pub name: String,
    /// When it was made, in Unix milliseconds.
    pub created_ms: i64,
    /// When it ends by itself.
    pub expires_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
}

impl ApiKey {
    /// The type under which keys appear in the change feed.
    pub const KIND: &'static str = "ApiKey";

    /// The name of the key with this id in the change feed.
    pub fn uid(id: &str) -> Result<Uid, UidError> {
        Uid::new(Self::KIND, id)
    }

    /// Whether the key opens anything at `now_ms`.
    #[must_use]
    pub fn is_live(&self, now_ms: i64) -> bool {
        self.revoked_ms.is_none() && self.expires_ms.is_none_or(|expires| now_ms < expires)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.id)
            .field("principal", &self.principal)
            .field("revoked_ms", &self.revoked_ms)
            .finish_non_exhaustive()
    }
}
