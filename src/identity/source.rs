//! What identity asks of the store.

use std::pin::Pin;
use std::sync::Arc;

use crate::domain::Uid;
use crate::identity::SourceError;
use crate::store::{ApiKey, Store, StoreError};

/// An answer that is on its way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, SourceError>> + Send + 'a>>;

/// Knows API keys by the hash of their text.
pub trait KeySource: Send + Sync {
    /// The key of this hash, expired and revoked ones included.
    fn key_by_hash<'a>(&'a self, hash: &'a [u8; 32]) -> Pending<'a, Option<ApiKey>>;
}

/// Knows principals by their e-mail address.
pub trait PrincipalSource: Send + Sync {
    /// The one principal of this type with this address, which is ASCII and in lower case.
    fn principal_by_email<'a>(&'a self, kind: &'a str, email: &'a str) -> Pending<'a, Option<Uid>>;
}

/// Answers from the store, where a principal's address is its unique attribute `email`.
pub struct FromStore(pub Arc<dyn Store>);

impl KeySource for FromStore {
    fn key_by_hash<'a>(&'a self, hash: &'a [u8; 32]) -> Pending<'a, Option<ApiKey>> {
        Box::pin(async { Ok(self.0.key_by_hash(hash).await?) })
    }
}

impl PrincipalSource for FromStore {
    fn principal_by_email<'a>(&'a self, kind: &'a str, email: &'a str) -> Pending<'a, Option<Uid>> {
        Box::pin(async { Ok(self.0.find(kind, "email", email).await?) })
    }
}

impl From<StoreError> for SourceError {
    fn from(error: StoreError) -> Self {
        Self(Box::new(error))
    }
}
