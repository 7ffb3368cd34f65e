//! The suite that every store must pass; its oracle is the pure model `World`.

mod lists;
mod search;
mod secrets;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::domain::{Change, ChangeError, Entity, Facts, Uid, World};
use crate::store::{ApiKey, Store, StoreError};

/// What a store did that it must not do.
#[derive(Debug, thiserror::Error)]
pub enum Breach {
    /// The store answered otherwise than the model.
    #[error("{what}: expected {expected}, found {found}")]
    Differs {
        /// Where the two disagree.
        what: String,
        /// What the model says.
        expected: String,
        /// What the store says.
        found: String,
    },
    /// The store failed where it must not.
    #[error("the store failed")]
    Failed(#[from] StoreError),
    /// The suite itself named something wrongly.
    #[error(transparent)]
    Name(#[from] crate::domain::UidError),
    /// A task of the suite ended early.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

type Outcome = Result<(), Breach>;

/// Runs the whole suite on an empty store; `seed` chooses the random histories.
pub async fn check(store: &Arc<dyn Store>, seed: u64, steps: u32) -> Outcome {
    history(store, seed, steps).await?;
    names(store).await?;
    conflicts(store).await?;
    texts(store).await?;
    keys(store).await?;
    secrets::check(store).await?;
    batch(store).await?;
    grants(store).await?;
    circles(store).await?;
    search::check(store).await?;
    writers(store).await?;
    snapshots(store).await?;
    feed(store).await
}

fn same<T: Debug + PartialEq>(what: impl Into<String>, expected: T, found: T) -> Outcome {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
    Err(Breach::Differs { what: what.into(), expected, found })
}

/// Whether a refusal is the one that was expected; its text is what both are compared by.
fn refused<T: Debug>(what: &str, expected: &str, found: Result<T, StoreError>) -> Outcome {
    let found = found.map_or_else(|error| error.to_string(), |value| format!("{value:?}"));
    same(what, expected.to_owned(), found)
}

fn uid(kind: &str, id: &str) -> Result<Uid, Breach> {
    Ok(Uid::new(kind, id)?)
}

fn entity(uid: Uid, parents: impl IntoIterator<Item = Uid>, attrs: Json) -> Entity {
    let attrs = attrs.as_object().cloned().unwrap_or_default();
    Entity { uid, attrs, parents: parents.into_iter().collect(), tags: Map::new() }
}

fn reference(uid: &Uid) -> Json {
    json!({"__entity": {"type": uid.kind(), "id": uid.id()}})
}

/// The `xorshift64*` generator: random enough, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit.max(1)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let n = self.below(from.len() as u64);
        from.get(usize::try_from(n).unwrap_or_default()).copied().unwrap_or("a")
    }

    fn uid(&mut self) -> Result<Uid, Breach> {
        let kind = self.pick(&["Device", "device", "Ns::Device", "Organization"]);
        uid(
            kind,
            self.pick(&[
                "a",
                "A",
                "é",
                "e\u{301}",
                "a\"b\\",
                " a",
                "a ",
                "%_",
                "1",
                "01",
                "\u{1F4A1}",
                "'--",
            ]),
        )
    }

    fn uids(&mut self, limit: u64) -> Result<Vec<Uid>, Breach> {
        (0..self.below(limit)).map(|_| self.uid()).collect()
    }

    fn entity(&mut self) -> Result<Entity, Breach> {
        let (uid, parents) = (self.uid()?, self.uids(3)?);
        let attrs = self.attrs()?;
        let tags = Map::from_iter([("seen\0by".to_owned(), reference(&self.uid()?))]);
        let tags = if self.below(3) == 0 { tags } else { Map::new() };
        Ok(Entity { tags, ..entity(uid, parents, attrs) })
    }

    fn attrs(&mut self) -> Result<Json, Breach> {
        let (one, two) = (reference(&self.uid()?), reference(&self.uid()?));
        Ok(match self.below(5) {
            0 => json!({"owner": one, "n": i64::MIN}),
            1 => json!({"owner": {"deep": [[two], {"er": one}]}, "text": "\0\u{1F4A1}\\\""}),
            2 => json!({"": one}),
            3 => json!({"owner": one.clone(), "keeper": one, "is_on": true}),
            _ => json!({}),
        })
    }

    fn change(&mut self) -> Result<Change, Breach> {
        Ok(match self.below(10) {
            0 => Change::Remove(self.uid()?),
            1..4 => Change::Create(self.entity()?),
            4 => Change::Renew(self.entity()?),
            _ => Change::Put(self.entity()?),
        })
    }
}

/// Random histories: the same answers, the same refusals, the same slices, the same pages.
async fn history(store: &Arc<dyn Store>, seed: u64, steps: u32) -> Outcome {
    let mut random = Random(seed | 1);
    let mut world = World::default();
    for step in 0..steps {
        let changes = (0..random.below(4)).map(|_| random.change()).collect::<Result<Vec<_>, _>>()?;
        let expected = world.apply(&changes).map_err(|error| error.to_string());
        let found = store.apply(changes.clone(), None).await.map_err(|error| error.to_string());
        same(format!("step {step} of {seed}, {changes:?}"), expected, found)?;
        let (roots, depth) = (random.uids(5)?, u32::try_from(random.below(5)).unwrap_or_default());
        let found = store.facts_for(&roots, depth).await?;
        same(
            format!("slice {depth} deep of {roots:?}"),
            sorted(&world.slice(&roots, depth)),
            sorted(&found),
        )?;
        same("the slice's revision", world.revision(), found.revision)?;
    }
    same("the head", world.revision(), store.head().await?)?;
    lists::check(store, &world).await
}

fn sorted(facts: &Facts) -> Vec<Arc<Entity>> {
    let mut entities = facts.entities.clone();
    entities.sort_by(|a, b| a.uid.cmp(&b.uid));
    entities
}

/// No database may take a name that another one would cut or refuse.
async fn names(store: &Arc<dyn Store>) -> Outcome {
    let nul = uid("Name", "a\0b")?;
    let message = StoreError::Nul(nul.clone()).to_string();
    let put = |entity| store.apply(vec![Change::Put(entity)], None);
    refused("a name with NUL", &message, put(entity(nul.clone(), [], json!({}))).await)?;
    refused("a parent with NUL", &message, put(entity(uid("Name", "a")?, [nul.clone()], json!({}))).await)?;
    let attrs = json!({"owner": reference(&nul)});
    refused("a reference with NUL", &message, put(entity(uid("Name", "a")?, [], attrs)).await)?;
    let long = uid("Name", &"n".repeat(Uid::ID_BYTES_MAX))?;
    put(entity(long.clone(), [], json!({}))).await?;
    let found = store.facts_for(&[nul, uid("Name", "a")?, long.clone()], 1).await?;
    same("the slice of names", vec![long], found.entities.iter().map(|one| one.uid.clone()).collect())
}

/// A plan made on older facts changes nothing; a refused transaction leaves nothing behind.
async fn conflicts(store: &Arc<dyn Store>) -> Outcome {
    let (one, two) = (uid("Conflict", "one")?, uid("Conflict", "two")?);
    let create = |uid: &Uid| Change::Create(entity(uid.clone(), [], json!({})));
    let head = store.head().await?;
    let next = store.apply(vec![create(&one)], Some(head)).await?;
    same("the revision after a guarded change", head + 1, next)?;
    let message = StoreError::Conflict(next).to_string();
    refused("a change planned on older facts", &message, store.apply(vec![create(&two)], Some(head)).await)?;
    let message = ChangeError::Exists(one.clone()).to_string();
    refused("half a transaction", &message, store.apply(vec![create(&two), create(&one)], None).await)?;
    same("the head after refusals", next, store.head().await?)?;
    same("what refusals left", 0, store.facts_for(&[two], 1).await?.entities.len())
}

/// A unique text has one owner, in either case, until that one gives it up.
async fn texts(store: &Arc<dyn Store>) -> Outcome {
    let (ann, bob) = (uid("User", "ann")?, uid("User", "bob")?);
    let user = |uid: &Uid, email: Json| {
        store.apply(vec![Change::Put(entity(uid.clone(), [], json!({"email": email})))], None)
    };
    let find = async |text| store.find("User", "email", text).await;
    user(&ann, json!("Ann@Example.com")).await?;
    user(&ann, json!("ann@example.COM")).await?;
    same("the owner of a text", Some(ann.clone()), find("ANN@example.com").await?)?;
    let taken = StoreError::KeyTaken { uid: bob.clone(), attr: "email".to_owned() }.to_string();
    refused("a text twice", &taken, user(&bob, json!("aNN@example.com")).await)?;
    let form = StoreError::KeyForm { uid: bob.clone(), attr: "email".to_owned() }.to_string();
    for text in [
        json!("\u{212A}@example.com"),
        json!(""),
        json!("a b@c"),
        json!("a\0@c"),
        json!(1),
        json!("a".repeat(255)),
    ] {
        refused("a text that is not exact", &form, user(&bob, text).await)?;
    }
    user(&ann, json!("other@example.com")).await?;
    same("the owner of a text given up", None, find("ann@example.com").await?)?;
    user(&bob, json!("ann@example.com")).await?;
    store.apply(vec![Change::Remove(bob)], None).await?;
    same("the owner of a removed entity's text", None, find("ann@example.com").await?)?;
    for (name, expected) in [("bob", true), ("ann", false), ("nobody", false), ("b\0b", false)] {
        same("whether it was removed", expected, store.is_removed(&uid("User", name)?).await?)?;
    }
    same("a text with NUL", None, find("ann\0").await?)?;
    user(&uid("User", "cy")?, json!("ann@example.com")).await.map(|_| ()).map_err(Into::into)
}

/// API keys are found by hash, listed in order, and revoked once; the feed hears of both.
async fn keys(store: &Arc<dyn Store>) -> Outcome {
    let key = |id: &str, n: u8| -> Result<ApiKey, Breach> {
        let principal = uid("User", "ann")?;
        let (name, expires_ms) = (format!("key {n}"), (n == 2).then_some(9));
        Ok(ApiKey {
            id: id.into(),
            hash: [n; 32],
            principal,
            name,
            created_ms: 7,
            expires_ms,
            revoked_ms: None,
        })
    };
    let (one, two) = (key("one", 1)?, key("two", 2)?);
    let head = store.head().await?;
    same("the revision of a key", head + 1, store.create_key(one.clone()).await?)?;
    store.create_key(two.clone()).await?;
    let exists = |id| -> Result<String, Breach> { Ok(ChangeError::Exists(ApiKey::uid(id)?).to_string()) };
    refused("an id twice", &exists("one")?, store.create_key(key("one", 3)?).await)?;
    refused("a hash twice", &exists("three")?, store.create_key(key("three", 1)?).await)?;
    same("a key by its hash", Some(two.clone()), store.key_by_hash(&[2; 32]).await?)?;
    same("a key by an unknown hash", None, store.key_by_hash(&[9; 32]).await?)?;
    same("the first key", vec![one.clone()], store.keys(None, 1).await?)?;
    same("the keys behind it", vec![two.clone()], store.keys(Some("one"), 9).await?)?;
    let ann = uid("User", "ann")?;
    same("the keys of a principal", 2, store.keys_of(&ann, None, 9).await?.len())?;
    same("the second of them", vec![two], store.keys_of(&ann, Some("one"), 9).await?)?;
    same("the keys of nobody", 0, store.keys_of(&uid("User", "bob")?, None, 9).await?.len())?;
    store.revoke_key("one", 8).await?;
    store.revoke_key("one", 9).await?;
    let revoked = ApiKey { revoked_ms: Some(8), ..one };
    same("a revoked key", Some(revoked), store.key_by_hash(&[1; 32]).await?)?;
    let missing = ChangeError::Missing(ApiKey::uid("none")?).to_string();
    refused("revoking no key", &missing, store.revoke_key("none", 8).await)
}

/// A list of 1,000 devices is one slice.
async fn batch(store: &Arc<dyn Store>) -> Outcome {
    let organization = uid("Organization", "batch")?;
    let roots = (0..1_000).map(|n| uid("Batch", &n.to_string())).collect::<Result<Vec<_>, _>>()?;
    let attrs = json!({"organization": reference(&organization)});
    let mut changes = vec![Change::Create(entity(organization, [], json!({})))];
    changes.extend(roots.iter().map(|uid| Change::Create(entity(uid.clone(), [], attrs.clone()))));
    store.apply(changes, None).await?;
    same("a batch one level deep", 1_000, store.facts_for(&roots, 1).await?.entities.len())?;
    same("a batch two levels deep", 1_001, store.facts_for(&roots, 2).await?.entities.len())
}

/// Of many grants of a device, a decision reads the one of its pair.
async fn grants(store: &Arc<dyn Store>) -> Outcome {
    let device = uid("Lent", "lamp")?;
    let mut changes = vec![Change::Create(entity(device.clone(), [], json!({})))];
    for n in 0..100 {
        let grantee = uid("Guest", &n.to_string())?;
        let attrs = json!({"device": reference(&device), "grantee": reference(&grantee)});
        changes.push(Change::Create(entity(Uid::of_grant(&device, &grantee), [], attrs)));
        changes.push(Change::Create(entity(grantee, [], json!({}))));
    }
    let mut world = World::default();
    world.apply(&changes).map_err(StoreError::from)?;
    store.apply(changes, None).await?;
    let roots = [Uid::of_grant(&device, &uid("Guest", "7")?), device, uid("Guest", "7")?];
    let found = sorted(&store.facts_for(&roots, 2).await?);
    same("the entities read", 3, found.len())?;
    same("the grant of a pair", sorted(&world.slice(&roots, 2)), found)
}

/// Two writers that would close a circle together: one of them is refused.
async fn circles(store: &Arc<dyn Store>) -> Outcome {
    for round in 0..5 {
        let (one, two) = (uid("Circle", &format!("one {round}"))?, uid("Circle", &format!("two {round}"))?);
        let put = |inner: &Uid, outer: &Uid| {
            let change = Change::Put(entity(inner.clone(), [outer.clone()], json!({})));
            store.apply(vec![change], None)
        };
        let (first, second) = tokio::join!(put(&one, &two), put(&two, &one));
        same("how many of two halves of a circle are stored", 1, [first, second].iter().flatten().count())?;
    }
    Ok(())
}

/// Writers at once get revisions without a gap, and none gets another's.
async fn writers(store: &Arc<dyn Store>) -> Outcome {
    let head = store.head().await?;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (store, uid) = (Arc::clone(store), uid("Writer", &n.to_string())?);
        tasks.spawn(async move { store.apply(vec![Change::Create(entity(uid, [], json!({})))], None).await });
    }
    let mut revisions = BTreeSet::new();
    while let Some(done) = tasks.join_next().await {
        revisions.insert(done??);
    }
    same("the revisions of writers at once", (head + 1..=head + 20).collect(), revisions)
}

/// A reader never sees half of a transaction, nor an older one after a newer one.
async fn snapshots(store: &Arc<dyn Store>) -> Outcome {
    let pair = [uid("Pair", "one")?, uid("Pair", "two")?];
    let base = store.head().await?;
    let (writer, names) = (Arc::clone(store), pair.clone());
    let task = tokio::spawn(async move {
        for n in 1..=60 {
            let put = |uid: &Uid| Change::Put(entity(uid.clone(), [], json!({"n": n})));
            writer.apply(names.iter().map(put).collect(), None).await?;
        }
        Ok::<_, StoreError>(())
    });
    let mut newest = base;
    while !task.is_finished() {
        let facts = store.facts_for(&pair, 1).await?;
        same("whether revisions only grow", true, facts.revision >= newest)?;
        newest = facts.revision;
        let expected = (newest > base).then(|| json!(newest - base));
        for uid in &pair {
            let found = facts.get(uid).and_then(|entity| entity.attrs.get("n")).cloned();
            same(format!("{uid} at {newest}"), expected.clone(), found)?;
        }
    }
    Ok(task.await??)
}

/// When a change is answered, what depends on it is stale and what does not is not.
async fn feed(store: &Arc<dyn Store>) -> Outcome {
    let feed = store.feed();
    let touched = uid("Feed", "touched")?;
    let key = ApiKey::uid("two")?;
    let others = (0..9).map(|n| uid("Feed", &n.to_string())).collect::<Result<Vec<_>, _>>()?;
    let own = [feed.slot(&touched), feed.slot(&key)];
    let others: Vec<u32> =
        others.iter().map(|uid| feed.slot(uid)).filter(|slot| !own.contains(slot)).collect();
    let news = feed.subscribe();
    let before = feed.stamp();
    same("whether the feed is trusted", true, before.is_some())?;
    let before = before.unwrap_or_default();
    store.apply(vec![Change::Create(entity(touched.clone(), [], json!({})))], None).await?;
    same("what depends on a change", false, feed.is_current(before, &[feed.slot(&touched)]))?;
    same("what does not", true, feed.is_current(before, &others))?;
    same("whether subscribers hear of it", true, news.has_changed().unwrap_or_default())?;
    let after = feed.stamp().unwrap_or_default();
    same("what was made afterwards", true, feed.is_current(after, &[feed.slot(&touched)]))?;
    store.revoke_key("two", 9).await?;
    same("what depends on a revoked key", false, feed.is_current(after, &[feed.slot(&key)]))
}
