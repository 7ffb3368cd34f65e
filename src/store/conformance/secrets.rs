//! Secrets: kept, replaced, forgotten, and gone with their entity; nothing else ever holds one.

use std::sync::Arc;

use serde_json::json;

use super::{Breach, Outcome, entity, refused, same, uid};
use crate::domain::{Change, ChangeError, SecretText, Uid};
use crate::store::Store;

fn keep(of: &Uid, name: &str, value: &str) -> Result<Change, Breach> {
    let value = SecretText::new(value.to_owned()).map_err(|it| Breach::Differs {
        what: it.to_string(),
        expected: String::new(),
        found: String::new(),
    })?;
    Ok(Change::Keep { of: of.clone(), name: name.into(), value })
}

pub(super) async fn check(store: &Arc<dyn Store>) -> Outcome {
    let (lamp, door) = (uid("Secretive", "lamp")?, uid("Secretive", "door")?);
    let missing = ChangeError::Missing(lamp.clone()).to_string();
    let early = store.apply(vec![keep(&lamp, "token", "early")?], None).await;
    refused("a secret of nothing", &missing, early)?;
    let create = |uid: &Uid| Change::Create(entity(uid.clone(), [], json!({})));
    store.apply(vec![create(&lamp), create(&door), keep(&lamp, "token", "one")?], None).await?;
    store.apply(vec![keep(&lamp, "token", "two")?, keep(&lamp, "pin", "three")?], None).await?;
    let text = |found: Option<SecretText>| found.map(|it| it.reveal().to_owned());
    same("a replaced secret", Some("two".to_owned()), text(store.secret(&lamp, "token").await?))?;
    same("the secret of another name", Some("three".to_owned()), text(store.secret(&lamp, "pin").await?))?;
    same("the secret of another entity", None, text(store.secret(&door, "token").await?))?;
    same("the names", vec!["pin".to_owned(), "token".to_owned()], store.secret_names(&lamp).await?)?;
    let facts = format!("{:?}", store.facts_for(std::slice::from_ref(&lamp), 1).await?);
    same("whether facts hold a secret", false, facts.contains("two") || facts.contains("three"))?;
    let forget = |name: &str| vec![Change::Forget { of: lamp.clone(), name: name.into() }];
    store.apply(forget("pin"), None).await?;
    same("a forgotten secret", None, text(store.secret(&lamp, "pin").await?))?;
    refused("forgetting it again", &missing, store.apply(forget("pin"), None).await)?;
    // A transaction that is refused keeps nothing.
    let refused_whole =
        vec![keep(&door, "token", "four")?, Change::Create(entity(lamp.clone(), [], json!({})))];
    let exists = ChangeError::Exists(lamp.clone()).to_string();
    refused("a secret beside what is refused", &exists, store.apply(refused_whole, None).await)?;
    same("its secret", None, text(store.secret(&door, "token").await?))?;
    store.apply(vec![Change::Remove(lamp.clone())], None).await?;
    same("a secret of what was removed", None, text(store.secret(&lamp, "token").await?))?;
    same("its names", Vec::<String>::new(), store.secret_names(&lamp).await?)
}
