//! Changes to what a role holds, with what permissions need of each other.

use std::collections::BTreeSet;

use crate::domain::nouns::{Catalogue, Permission};
use crate::sharing::Conflict;

/// A change to the permissions of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// What is switched on.
    pub add: BTreeSet<Permission>,
    /// What is switched off.
    pub remove: BTreeSet<Permission>,
}

impl Edit {
    /// The permissions afterwards: what is on brings what it needs, what is off takes what needs it.
    pub fn apply(
        &self,
        catalogue: &Catalogue,
        held: &BTreeSet<Permission>,
    ) -> Result<BTreeSet<Permission>, Conflict> {
        let added = catalogue.completed(&self.add);
        let taken = catalogue.dependents(&self.remove);
        if let Some(both) = added.intersection(&taken).next() {
            let detail = format!("`{both}` would be both on and off: permissions depend on each other");
            return Err(Conflict::broken("permission-contradiction", detail));
        }
        Ok(held.difference(&taken).cloned().chain(added).collect())
    }
}

#[cfg(test)]
mod tests;
