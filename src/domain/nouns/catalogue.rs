//! What belongs to permissions beside the policies: what each needs, and the roles of a new tree.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::nouns::Permission;

/// A role that each new tree has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The last part of its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it holds at first.
    pub permissions: BTreeSet<Permission>,
    /// What it always holds.
    pub keeps: BTreeSet<Permission>,
}

/// Permissions with what they need, and the roles of a new tree, as the policies' folder has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Each permission with those that it is nothing without.
    pub needs: BTreeMap<Permission, BTreeSet<Permission>>,
    /// The roles of a new tree.
    pub roles: Vec<Template>,
}

impl Catalogue {
    /// The set with everything that its members need.
    #[must_use]
    pub fn completed(&self, set: &BTreeSet<Permission>) -> BTreeSet<Permission> {
        grow(set, |grown| {
            let needed = grown.iter().filter_map(|it| self.needs.get(it)).flatten();
            needed.cloned().collect()
        })
    }

    /// The set with everything that needs one of its members.
    #[must_use]
    pub fn dependents(&self, set: &BTreeSet<Permission>) -> BTreeSet<Permission> {
        grow(set, |grown| {
            let needing = self.needs.iter().filter(|(_, needed)| !needed.is_disjoint(grown));
            needing.map(|(it, _)| it.clone()).collect()
        })
    }

    /// The template of the role of this name.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Template> {
        self.roles.iter().find(|it| it.name == name)
    }
}

fn grow(
    set: &BTreeSet<Permission>,
    more: impl Fn(&BTreeSet<Permission>) -> Vec<Permission>,
) -> BTreeSet<Permission> {
    let mut grown = set.clone();
    loop {
        let (found, before) = (more(&grown), grown.len());
        grown.extend(found);
        if grown.len() == before {
            return grown;
        }
    }
}
