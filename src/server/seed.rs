//! Static entities: they seed an empty store, and those that no API manages are kept as in the files.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::domain::{Change, Entity, Uid};
use crate::finding::Finding;
use crate::policy::{EntityFile, PolicySnapshot, files};
use crate::store::{Store, StoreError};

/// Types that the store is the truth of once it was seeded: people change them at run time.
const MANAGED: [&str; 8] =
    ["Organization", "Role", "User", "Device", "Grant", "Invitation", "OAuthClient", "DeviceToken"];
/// Entities of one transaction.
const BATCH: usize = 1000;

/// Reads every `*.json` of a folder as a list of entities in Cedar's format; a missing folder is empty.
pub(super) fn read_dir(dir: &Path, snapshot: &PolicySnapshot) -> Result<Vec<Entity>, Vec<Finding>> {
    let (mut entities, mut findings) = (Vec::new(), Vec::new());
    for path in files(dir, &["json"]).unwrap_or_default() {
        match read_file(&path, snapshot) {
            Ok(read) => entities.extend(read),
            Err(found) => findings.extend(found),
        }
    }
    if findings.is_empty() { Ok(entities) } else { Err(findings) }
}

fn read_file(path: &Path, snapshot: &PolicySnapshot) -> Result<Vec<Entity>, Vec<Finding>> {
    let name = path.display().to_string();
    let file = File::open(path)
        .map_err(|error| vec![Finding::error(name.clone(), format!("cannot be read: {error}"))])?;
    read(EntityFile::new(snapshot, &name, BufReader::new(file)))
}

/// Reads a list of entities in Cedar's format.
pub(super) fn read_text(
    name: &str,
    text: &str,
    snapshot: &PolicySnapshot,
) -> Result<Vec<Entity>, Vec<Finding>> {
    read(EntityFile::new(snapshot, name, text.as_bytes()))
}

fn read<R: BufRead>(file: EntityFile<'_, R>) -> Result<Vec<Entity>, Vec<Finding>> {
    let (mut entities, mut findings) = (Vec::new(), Vec::new());
    for read in file {
        match read {
            Ok(placed) => entities.push(placed.entity),
            Err(rejected) => findings.push(*rejected.finding),
        }
    }
    if findings.is_empty() { Ok(entities) } else { Err(findings) }
}

/// Seeds an empty store with all entities; brings those that nothing else manages up to date in any.
pub(super) async fn seed(store: &dyn Store, entities: Vec<Entity>) -> Result<usize, StoreError> {
    let empty = store.page(None, None, 1).await?.is_empty();
    let wanted: Vec<Entity> =
        entities.into_iter().filter(|entity| empty || !MANAGED.contains(&entity.uid.kind())).collect();
    let mut changed = 0;
    for batch in wanted.chunks(BATCH) {
        let names: Vec<Uid> = batch.iter().map(|entity| entity.uid.clone()).collect();
        let facts = store.facts_for(&names, 1).await?;
        let differs = |entity: &&Entity| facts.get(&entity.uid).is_none_or(|known| **known != **entity);
        let changes: Vec<Change> = batch.iter().filter(differs).cloned().map(Change::Put).collect();
        changed += changes.len();
        if !changes.is_empty() {
            store.apply(changes, None).await?;
        }
    }
    Ok(changed)
}
