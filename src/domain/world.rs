//! The pure model of the store: what changes mean, and which slice a query can depend on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{Change, ChangeError, Entity, Facts, Revision, Uid};

/// All entities in memory; the oracle that every store must agree with, and the store of stories.
#[derive(Debug, Clone, Default)]
pub struct World {
    revision: Revision,
    entities: BTreeMap<Uid, Arc<Entity>>,
    removed: BTreeSet<Uid>,
    secrets: BTreeSet<(Uid, Arc<str>)>,
}

impl World {
    /// Applies all changes or none.
    pub fn apply(&mut self, changes: &[Change]) -> Result<Revision, ChangeError> {
        let mut next = self.clone();
        changes.iter().try_for_each(|change| next.apply_one(change))?;
        next.revision += 1;
        *self = next;
        Ok(self.revision)
    }

    fn apply_one(&mut self, change: &Change) -> Result<(), ChangeError> {
        match change {
            Change::Create(entity) | Change::Renew(entity) if self.entities.contains_key(&entity.uid) => {
                Err(ChangeError::Exists(entity.uid.clone()))
            }
            Change::Create(entity) | Change::Put(entity) => self.put(entity),
            Change::Renew(entity) => {
                self.removed.remove(&entity.uid);
                self.put(entity)
            }
            Change::Remove(uid) => match self.entities.remove(uid) {
                Some(_) => {
                    self.removed.insert(uid.clone());
                    self.secrets.retain(|(of, _)| of != uid);
                    Ok(())
                }
                None => Err(ChangeError::Missing(uid.clone())),
            },
            Change::Keep { of, name, .. } if self.entities.contains_key(of) => {
                self.secrets.insert((of.clone(), name.clone()));
                Ok(())
            }
            Change::Forget { of, name } if self.secrets.remove(&(of.clone(), name.clone())) => Ok(()),
            Change::Keep { of, .. } | Change::Forget { of, .. } => Err(ChangeError::Missing(of.clone())),
        }
    }

    fn put(&mut self, entity: &Entity) -> Result<(), ChangeError> {
        if self.removed.contains(&entity.uid) {
            return Err(ChangeError::Reused(entity.uid.clone()));
        }
        if self.ancestors(entity.parents.iter().cloned()).contains(&entity.uid) {
            return Err(ChangeError::Cycle(entity.uid.clone()));
        }
        self.entities.insert(entity.uid.clone(), Arc::new(entity.clone()));
        Ok(())
    }

    /// The given entities and everything that they are in, existing or not.
    fn ancestors(&self, parents: impl IntoIterator<Item = Uid>) -> BTreeSet<Uid> {
        let mut todo: Vec<Uid> = parents.into_iter().collect();
        let mut found = BTreeSet::new();
        while let Some(uid) = todo.pop() {
            if found.insert(uid.clone())
                && let Some(entity) = self.entities.get(&uid)
            {
                todo.extend(entity.parents.iter().cloned());
            }
        }
        found
    }

    /// The slice of `roots`: up to `depth` references away, each with all that it is in.
    ///
    /// `depth` is the level that the policies validate at (Cedar RFC 76): level 1 reads the roots'
    /// own attributes, level 2 those of the entities that they refer to.
    #[must_use]
    pub fn slice(&self, roots: &[Uid], depth: u32) -> Facts {
        let mut kept: BTreeSet<Uid> = BTreeSet::new();
        let mut layer: BTreeSet<Uid> = roots.iter().cloned().collect();
        for level in 0..depth.max(1) {
            let existing: Vec<_> = layer.iter().filter_map(|uid| self.entities.get(uid)).collect();
            let next = existing.iter().flat_map(|entity| entity.referenced()).collect();
            let above = self.ancestors(existing.iter().flat_map(|entity| entity.parents.iter().cloned()));
            kept.extend(layer);
            kept.extend(above);
            layer = if level + 1 < depth { next } else { BTreeSet::new() };
        }
        let entities = kept.iter().filter_map(|uid| self.entities.get(uid).cloned()).collect();
        Facts { revision: self.revision, entities }
    }

    /// Every entity, in the order of names.
    pub fn entities(&self) -> impl Iterator<Item = &Arc<Entity>> {
        self.entities.values()
    }

    /// Whether there was an entity of this name, and it was removed.
    #[must_use]
    pub fn is_removed(&self, uid: &Uid) -> bool {
        self.removed.contains(uid)
    }

    /// The number of transactions applied.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }
}
