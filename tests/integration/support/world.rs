//! The pure model of the store as a source of facts, and its failures on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cedargate::domain::{Change, Entity, Facts, Uid, World};
use cedargate::store::{FactSource, Feed, Pending, StoreError};

/// A world in memory that nothing changes.
pub(crate) struct Memory {
    world: World,
    feed: Arc<Feed>,
    down: AtomicBool,
}

impl Memory {
    /// A world with these entities.
    pub(crate) fn new(entities: impl IntoIterator<Item = Entity>) -> Self {
        let mut world = World::default();
        world.apply(&entities.into_iter().map(Change::Put).collect::<Vec<_>>()).unwrap();
        Self { world, feed: Arc::new(Feed::local()), down: AtomicBool::new(false) }
    }

    /// From now on every load fails, and nothing that was kept counts.
    pub(crate) fn fail(&self) {
        self.down.store(true, Ordering::SeqCst);
        self.feed.distrust();
    }
}

impl FactSource for Memory {
    fn facts_for<'a>(&'a self, roots: &'a [Uid], depth: u32) -> Pending<'a, Facts> {
        Box::pin(async move {
            if self.down.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable("it was told to fail".into()));
            }
            Ok(self.world.slice(roots, depth))
        })
    }

    fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }
}
