//! A store in memory: the pure model that every real store is measured by, with its feed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use cedargate::domain::nouns::named;
use cedargate::domain::{Change, Entity, Facts, Revision, SecretText, Uid, World};
use cedargate::store::{ApiKey, FactSource, Feed, Pending, Place, Store, StoreError};

pub(super) struct Ram {
    world: Mutex<(World, Revision)>,
    feed: Arc<Feed>,
}

impl Ram {
    pub(super) fn new() -> Self {
        Self { world: Mutex::default(), feed: Arc::new(Feed::local()) }
    }

    fn world(&self) -> MutexGuard<'_, (World, Revision)> {
        self.world.lock().unwrap()
    }

    /// Begins anew with this world; revisions go on.
    pub(super) fn reset(&self, world: &World) {
        let mut held = self.world();
        let old: BTreeMap<Uid, Arc<Entity>> =
            held.0.entities().map(|it| (it.uid.clone(), it.clone())).collect();
        let same = |it: &&Arc<Entity>| old.get(&it.uid).is_some_and(|old| Arc::ptr_eq(old, it));
        let kept: BTreeSet<&Uid> = world.entities().filter(same).map(|it| &it.uid).collect();
        let base = held.1 + held.0.revision();
        *held = (world.clone(), base);
        let touched = old.keys().chain(world.entities().map(|it| &it.uid)).filter(|uid| !kept.contains(uid));
        self.feed.publish(base + held.0.revision(), touched);
    }

    pub(super) fn entities(&self) -> Vec<Arc<Entity>> {
        self.world().0.entities().cloned().collect()
    }

    fn write(&self, changes: &[Change], expected: Option<Revision>) -> Result<Revision, StoreError> {
        let mut held = self.world();
        let head = held.1 + held.0.revision();
        if expected.is_some_and(|it| it != head) {
            return Err(StoreError::Conflict(head));
        }
        let before = held.0.clone();
        held.0.apply(changes)?;
        let mut emails: Vec<(String, &Uid)> =
            held.0.entities().filter_map(|it| Some((email(it)?, &it.uid))).collect();
        emails.sort();
        if let Some(pair) = emails.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let taken = StoreError::KeyTaken { uid: pair[1].1.clone(), attr: "email".to_owned() };
            held.0 = before;
            return Err(taken);
        }
        let rev = held.1 + held.0.revision();
        self.feed.publish(rev, changes.iter().map(Change::uid));
        Ok(rev)
    }
}

fn email(entity: &Entity) -> Option<String> {
    Some(entity.attrs.get("email").filter(|_| entity.uid.kind() == "User")?.as_str()?.to_ascii_lowercase())
}

fn refers(entity: &Entity, label: &str, to: &Uid) -> bool {
    if label.is_empty() { entity.parents.contains(to) } else { named(entity, label).as_ref() == Some(to) }
}

fn soon<'a, T: Send + 'a>(value: Result<T, StoreError>) -> Pending<'a, T> {
    Box::pin(async { value })
}

impl FactSource for Ram {
    fn facts_for<'a>(&'a self, roots: &'a [Uid], depth: u32) -> Pending<'a, Facts> {
        let held = self.world();
        let mut facts = held.0.slice(roots, depth);
        facts.revision += held.1;
        soon(Ok(facts))
    }

    fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }
}

impl Store for Ram {
    fn apply(&self, changes: Vec<Change>, if_revision: Option<Revision>) -> Pending<'_, Revision> {
        soon(self.write(&changes, if_revision))
    }

    fn page<'a>(&'a self, _: Option<&'a str>, _: Option<&'a Uid>, _: u32) -> Pending<'a, Vec<Entity>> {
        soon(Ok(self.entities().iter().map(|it| Entity::clone(it)).collect()))
    }

    fn referring<'a>(
        &'a self,
        kind: &'a str,
        label: &'a str,
        to: &'a Uid,
        after: Option<&'a str>,
        limit: u32,
    ) -> Pending<'a, Vec<Entity>> {
        let held = self.world();
        let fits = |it: &&Arc<Entity>| {
            it.uid.kind() == kind && after.is_none_or(|after| it.uid.id() > after) && refers(it, label, to)
        };
        soon(Ok(held.0.entities().filter(fits).take(limit as usize).map(|it| Entity::clone(it)).collect()))
    }

    fn find<'a>(&'a self, _: &'a str, _: &'a str, value: &'a str) -> Pending<'a, Option<Uid>> {
        let value = value.to_ascii_lowercase();
        soon(Ok(self
            .world()
            .0
            .entities()
            .find(|it| email(it).as_ref() == Some(&value))
            .map(|it| it.uid.clone())))
    }

    fn in_order<'a>(
        &'a self,
        _: &'a str,
        _: &'a [String],
        _: Option<&'a Place>,
        _: bool,
        _: u32,
    ) -> Pending<'a, Vec<Entity>> {
        soon(Err(StoreError::Unavailable("nothing is searched here".into())))
    }

    fn with_word<'a>(&'a self, _: &'a str, _: &'a [String], _: &'a str, _: u32) -> Pending<'a, Vec<Uid>> {
        soon(Err(StoreError::Unavailable("nothing is searched here".into())))
    }

    fn count_referring<'a>(
        &'a self,
        kind: &'a str,
        label: &'a str,
        to: &'a Uid,
        max: u32,
    ) -> Pending<'a, u32> {
        let held = self.world();
        let fits = |it: &&Arc<Entity>| it.uid.kind() == kind && refers(it, label, to);
        let count = held.0.entities().filter(fits).count();
        soon(Ok(u32::try_from(count).unwrap_or(max).min(max)))
    }

    fn secret<'a>(&'a self, _: &'a Uid, _: &'a str) -> Pending<'a, Option<SecretText>> {
        soon(Ok(None))
    }

    fn secret_names<'a>(&'a self, _: &'a Uid) -> Pending<'a, Vec<String>> {
        soon(Ok(Vec::new()))
    }

    fn reseal(&self) -> Pending<'static, u64> {
        soon(Ok(0))
    }

    fn is_removed<'a>(&'a self, uid: &'a Uid) -> Pending<'a, bool> {
        soon(Ok(self.world().0.is_removed(uid)))
    }

    fn keys<'a>(&'a self, _: Option<&'a str>, _: u32) -> Pending<'a, Vec<ApiKey>> {
        soon(Ok(Vec::new()))
    }

    fn keys_of<'a>(&'a self, _: &'a Uid, _: Option<&'a str>, _: u32) -> Pending<'a, Vec<ApiKey>> {
        soon(Ok(Vec::new()))
    }

    fn key_by_hash<'a>(&'a self, _: &'a [u8; 32]) -> Pending<'a, Option<ApiKey>> {
        soon(Ok(None))
    }

    fn create_key(&self, _: ApiKey) -> Pending<'_, Revision> {
        soon(Err(StoreError::Unavailable("no keys here".into())))
    }

    fn revoke_key(&self, _: &str, _: i64) -> Pending<'_, Revision> {
        soon(Err(StoreError::Unavailable("no keys here".into())))
    }

    fn head(&self) -> Pending<'_, Revision> {
        let held = self.world();
        soon(Ok(held.1 + held.0.revision()))
    }

    fn close(&self) -> Pending<'_, ()> {
        soon(Ok(()))
    }
}
