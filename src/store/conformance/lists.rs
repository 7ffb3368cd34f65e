//! Lists come whole and in order, page by page, whichever side they are asked from.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::{Entity, Uid, World};
use crate::store::conformance::{Outcome, same, uid};
use crate::store::{Store, rows};

pub(super) async fn check(store: &Arc<dyn Store>, world: &World) -> Outcome {
    pages(store, world).await?;
    backwards(store, world).await
}

async fn pages(store: &Arc<dyn Store>, world: &World) -> Outcome {
    for kind in [None, Some("Device"), Some("Ns::Device"), Some("Nothing")] {
        let of_kind = |entity: &&Arc<Entity>| kind.is_none_or(|kind| entity.uid.kind() == kind);
        let expected: Vec<Entity> = world.entities().filter(of_kind).map(|one| Entity::clone(one)).collect();
        let mut found: Vec<Entity> = Vec::new();
        loop {
            let page = store.page(kind, found.last().map(|entity| &entity.uid), 3).await?;
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        same(format!("pages of {kind:?}"), expected, found)?;
    }
    let behind = store.page(Some("Device"), Some(&uid("Zebra", "a")?), 3).await?;
    same("a page of a type from behind all of it", 0, behind.len())?;
    let before = store.page(Some("Device"), Some(&uid("Apple", "z")?), 99).await?;
    same("a page of a type from before it", store.page(Some("Device"), None, 99).await?, before)
}

/// What refers to an entity, found from the entity's side.
async fn backwards(store: &Arc<dyn Store>, world: &World) -> Outcome {
    let lists: BTreeSet<(&str, String, Uid)> = world
        .entities()
        .flat_map(|entity| {
            rows::labelled(entity).into_iter().map(|(label, to)| (entity.uid.kind(), label, to))
        })
        .collect();
    for (kind, label, to) in lists {
        let refers = |entity: &&Arc<Entity>| {
            entity.uid.kind() == kind && rows::labelled(entity).contains(&(label.clone(), to.clone()))
        };
        let expected: Vec<Entity> = world.entities().filter(refers).map(|one| Entity::clone(one)).collect();
        let mut found: Vec<Entity> = Vec::new();
        loop {
            let after = found.last().map(|entity| entity.uid.id());
            let page = store.referring(kind, &label, &to, after, 2).await?;
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        let count = store.count_referring(kind, &label, &to, 3).await?;
        same(
            format!("the count of what {kind} refers by `{label}` to {to}"),
            expected.len().min(3),
            count as usize,
        )?;
        same(format!("what {kind} refers by `{label}` to {to}"), expected, found)?;
    }
    let nothing = store.referring("Device", "owner\0", &uid("Device", "a\0")?, None, 9).await?;
    same("what refers to a name with NUL", 0, nothing.len())
}
