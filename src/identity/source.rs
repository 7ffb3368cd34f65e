//! What identity asks of the store.

use std::pin::Pin;

use crate::domain::Uid;
use crate::identity::SourceError;
use crate::store::ApiKey;

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
