//! An API key as the store knows it: the key itself is never kept.

use crate::domain::Uid;

/// A key that a program shows instead of a person's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name in the control API; tells nothing about the key.
    pub id: String,
    /// SHA-256 of the whole key text.
    pub hash: [u8; 32],
    /// Who the holder of the key is.
    pub principal: Uid,
    /// What its owner calls it.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it ends, in milliseconds since 1970; `None` is never.
    pub expires_ms: Option<i64>,
    /// When it was taken back, in milliseconds since 1970.
    pub revoked_ms: Option<i64>,
}

impl ApiKey {
    /// Whether the key is past its end at `now_ms`; the end itself counts as past.
    #[must_use]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_ms.is_some_and(|end| end <= now_ms)
    }

    /// Whether the key was taken back.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked_ms.is_some()
    }
}
