//! Lists in the order of names, and what is found by words, follow every change.

use std::sync::Arc;

use serde_json::json;

use crate::domain::{Change, Entity, Uid};
use crate::store::conformance::{Outcome, entity, reference, same, uid};
use crate::store::{Place, Store};

fn lamp(id: &str, within: &Uid, name: &str) -> Result<Entity, super::Breach> {
    let attrs = json!({ "name": name, "organization": reference(within), "tags": ["red hot"] });
    Ok(entity(uid("Device", id)?, [], attrs))
}

fn names(entities: &[Entity]) -> Vec<String> {
    entities.iter().map(|it| it.uid.id().to_owned()).collect()
}

pub(super) async fn check(store: &Arc<dyn Store>) -> Outcome {
    let (house, hut) = (uid("Organization", "search-house")?, uid("Organization", "search-hut")?);
    let both = ["search-house".to_owned(), "search-hut".to_owned()];
    let made = [
        lamp("search-3", &house, "alpha")?,
        lamp("search-1", &hut, "Alpha")?,
        lamp("search-2", &house, "Ärger im Flur")?,
        lamp("search-4", &hut, "beta")?,
    ];
    let changes = made.iter().cloned().map(Change::Put).collect();
    store.apply(changes, None).await?;
    let expected = ["search-1", "search-3", "search-4", "search-2"].map(str::to_owned);
    for is_backwards in [false, true] {
        let mut expected = expected.to_vec();
        if is_backwards {
            expected.reverse();
        }
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.in_order("Device", &both, after.as_ref(), is_backwards, 1).await?;
            let Some(last) = page.last() else { break };
            after = Some(Place::of(last));
            found.extend(names(&page));
        }
        same(format!("the order of names, backwards: {is_backwards}"), expected, found)?;
    }
    let some = store.in_order("Device", &both, None, false, 3).await?;
    same("the first three", expected.get(..3).unwrap_or_default().to_vec(), names(&some))?;
    let mine = store.in_order("Device", both.get(1..).unwrap_or_default(), None, false, 9).await?;
    same("one organization's", vec!["search-1".to_owned(), "search-4".to_owned()], names(&mine))?;
    words(store, &both, &house).await
}

async fn words(store: &Arc<dyn Store>, both: &[String], house: &Uid) -> Outcome {
    let found = async |word: &str| {
        let mut found = store.with_word("Device", both, word, 9).await?;
        found.sort();
        Ok::<_, super::Breach>(found.iter().map(|it| it.id().to_owned()).collect::<Vec<_>>())
    };
    let ids = |ids: &[&str]| ids.iter().map(|it| format!("search-{it}")).collect::<Vec<_>>();
    same("a word's beginning", ids(&["1", "3"]), found("alph").await?)?;
    same("a letter beyond ASCII", ids(&["2"]), found("ärg").await?)?;
    same("a word inside", ids(&["2"]), found("flur").await?)?;
    same("a tag", 4, found("hot").await?.len())?;
    same("no word", 0, found("lpha").await?.len())?;
    same("no more than asked for", 2, store.with_word("Device", both, "red", 2).await?.len())?;
    let renamed = lamp("search-3", house, "gamma")?;
    store.apply(vec![Change::Put(renamed), Change::Remove(uid("Device", "search-1")?)], None).await?;
    same("the old name", 0, found("alpha").await?.len())?;
    same("the new name", ids(&["3"]), found("gam").await?)?;
    let left = store.in_order("Device", both, None, false, 9).await?;
    same("what is left", ids(&["4", "3", "2"]), names(&left))
}
