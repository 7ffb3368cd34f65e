//! The slice of the store that a decision can depend on.

use std::sync::Arc;

use crate::domain::{Entity, Uid};

/// The number of the last change that a reader has seen; grows by one with each transaction.
pub type Revision = u64;

/// Entities of one snapshot: the roots that exist and everything within reach of them.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The revision of the snapshot.
    pub revision: Revision,
    /// The entities, each once.
    pub entities: Vec<Arc<Entity>>,
}

impl Facts {
    /// The entity of this name, if it exists in the snapshot.
    #[must_use]
    pub fn get(&self, uid: &Uid) -> Option<&Arc<Entity>> {
        self.entities.iter().find(|entity| &entity.uid == uid)
    }
}
