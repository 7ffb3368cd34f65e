//! Why an operation was not done.

use crate::decision::Refused;
use crate::domain::nouns::NounError;
use crate::domain::{ChangeError, UidError};
use crate::store::StoreError;
use crate::vault::VaultError;

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It is not permitted, or could not be decided.
    #[error("it is not permitted: {0}")]
    Refused(Refused),
    /// The operator acts as a member, or a member as the operator.
    #[error("this is done with other credentials: the operator sets up, members share")]
    NotYours,
    /// It contradicts what is stored.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[source] StoreError),
    /// Too much was written meanwhile.
    #[error("too much is written at the same time; try again")]
    Busy,
    /// The task ended early.
    #[error("the operation ended early")]
    Ended,
}

/// What contradicts the operation; permission does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// What it is about does not exist, or not for the actor.
    #[error("there is no such resource")]
    Missing,
    /// Where it leads does not exist, or not for the actor.
    #[error("the destination is not found, or you have no access to it")]
    Destination,
    /// Something that was sent cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// An invariant would be broken: a code for programs and a sentence for people.
    #[error("{1}")]
    Broken(&'static str, String),
    /// An id is in use, or was.
    #[error("the id is taken: choose another one")]
    Taken,
    /// An address belongs to an account or an invitation.
    #[error("the address is already in use")]
    AddressTaken,
    /// More entities than one operation may touch.
    #[error("it concerns more than {0} entities: do it in parts")]
    TooMuch(usize),
    /// The version that the caller has seen is not the newest.
    #[error("it was changed meanwhile: read it again, then repeat the request")]
    Outdated,
    /// The key was used for another request.
    #[error("the idempotency key was used for another request: choose another one")]
    KeyReused,
}

impl Conflict {
    pub(super) fn broken(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Broken(code, detail.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::KeyTaken { .. } => Conflict::AddressTaken.into(),
            StoreError::Change(ChangeError::Exists(_) | ChangeError::Reused(_)) => Conflict::Taken.into(),
            StoreError::Change(ChangeError::Missing(_)) => Conflict::Missing.into(),
            StoreError::KeyForm { .. } | StoreError::Nul(_) | StoreError::TooLarge { .. } => {
                Conflict::Invalid(error.to_string()).into()
            }
            StoreError::Secret(VaultError::NoKey) => {
                Conflict::broken("no-secret-key", "no key for secrets is configured here").into()
            }
            error => Self::Store(error),
        }
    }
}

impl From<NounError> for Failure {
    fn from(error: NounError) -> Self {
        Self::Store(StoreError::Corrupt(error.to_string()))
    }
}

impl From<UidError> for Conflict {
    fn from(error: UidError) -> Self {
        Self::Invalid(error.to_string())
    }
}
