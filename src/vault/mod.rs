//! Secrets at rest: sealed with AES-256-GCM, each bound to its entity, its name and its key.

mod key_ring;

pub use key_ring::{KeyForm, KeyRing, Sealed, VaultError};
