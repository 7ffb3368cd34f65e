//! What can happen to the store, as data.

use std::sync::Arc;

use crate::domain::{Entity, SecretText, Uid};

/// One change; a transaction is a list of them, applied in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Creates the entity or replaces it whole.
    Put(Entity),
    /// Creates the entity; fails when it exists.
    Create(Entity),
    /// Creates the entity, also under an id that a removed one had; fails when it exists.
    ///
    /// For ids that can only mean the same again: an account at the issuer, the pair of a grant.
    Renew(Entity),
    /// Removes the entity; its id is not given out to anything else.
    Remove(Uid),
    /// Keeps a secret of an entity, in place of one of the same name; it goes when the entity does.
    Keep {
        /// Whose secret it is.
        of: Uid,
        /// What it is called.
        name: Arc<str>,
        /// The secret.
        value: SecretText,
    },
    /// Forgets a secret of an entity.
    Forget {
        /// Whose secret it is.
        of: Uid,
        /// What it is called.
        name: Arc<str>,
    },
}

impl Change {
    /// The entity that the change is about.
    #[must_use]
    pub fn uid(&self) -> &Uid {
        match self {
            Self::Put(entity) | Self::Create(entity) | Self::Renew(entity) => &entity.uid,
            Self::Remove(uid) | Self::Keep { of: uid, .. } | Self::Forget { of: uid, .. } => uid,
        }
    }
}

/// Why a change cannot happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// `Create` or `Renew` of an entity that exists.
    #[error("{0} exists already")]
    Exists(Uid),
    /// `Remove`, `Keep` or `Forget` of something that does not exist.
    #[error("{0} does not exist")]
    Missing(Uid),
    /// `Put` or `Create` under an id that a removed entity had.
    #[error("{0} was removed, and ids are never reused")]
    Reused(Uid),
    /// The parents would form a circle.
    #[error("{0} would be inside itself")]
    Cycle(Uid),
}
