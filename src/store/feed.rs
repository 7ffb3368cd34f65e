//! Stamps in memory: which cached answers no change has touched since they were made.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::quality::RandomState;
use tokio::sync::watch;

use crate::domain::{Revision, Uid};
use crate::store::clock::since_start;

const SLOTS: usize = 65_536;
const ALWAYS: u64 = u64::MAX;
const NEVER: u64 = 0;

/// For each entity, folded into 65,536 slots, the stamp of the last change that touched it.
///
/// Read [`stamp`](Self::stamp) *before* loading facts, keep it with what was made of them, and ask
/// [`is_current`](Self::is_current) before using that again. Two entities may share a slot: then one
/// makes the other stale, never the reverse. A stamp is the revision until the database loses
/// history; from then on it runs ahead, so compare stamps with stamps only.
pub struct Feed {
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
    head: AtomicU64,
    /// Nanoseconds since the host started until which other processes wait for us before they answer.
    trusted_until: AtomicU64,
    /// What a revision is short of its stamp; also the turn of whoever publishes.
    offset: Mutex<u64>,
    news: watch::Sender<Revision>,
}

impl Feed {
    /// A feed that hears of every change because the changes are made in this process only.
    #[must_use]
    pub fn local() -> Self {
        Self::new(ALWAYS)
    }

    /// A feed that is trusted for as long as [`trust_until`](Self::trust_until) says.
    #[must_use]
    pub fn leased() -> Self {
        Self::new(NEVER)
    }

    fn new(trusted_until: u64) -> Self {
        Self {
            slots: std::iter::repeat_with(AtomicU64::default).take(SLOTS).collect(),
            hasher: RandomState::default(),
            head: AtomicU64::new(0),
            trusted_until: AtomicU64::new(trusted_until),
            offset: Mutex::new(0),
            news: watch::Sender::new(0),
        }
    }

    /// The slot of an entity, which need not exist.
    #[must_use]
    pub fn slot(&self, uid: &Uid) -> u32 {
        let hash = self.hasher.hash_one(uid);
        u32::try_from(hash % SLOTS as u64).unwrap_or_default()
    }

    /// The newest stamp, or none while changes elsewhere may pass unheard.
    #[must_use]
    pub fn stamp(&self) -> Option<Revision> {
        self.is_trusted().then(|| self.head.load(Ordering::Acquire))
    }

    /// Whether nothing that was loaded after `stamp` was read, and depends on `slots`, has changed.
    #[must_use]
    pub fn is_current(&self, stamp: Revision, slots: &[u32]) -> bool {
        // Trust first: it must have held at an instant before the slots are read. The other way
        // round, a lease could end and be renewed in between, and a change in that gap be missed.
        self.is_trusted() && slots.iter().all(|slot| self.touched(*slot) <= stamp)
    }

    fn touched(&self, slot: u32) -> u64 {
        self.slots.get(slot as usize).map_or(u64::MAX, |slot| slot.load(Ordering::Acquire))
    }

    fn is_trusted(&self) -> bool {
        match self.trusted_until.load(Ordering::Acquire) {
            ALWAYS => true,
            NEVER => false,
            until => nanos(since_start()) < until,
        }
    }

    /// Makes everything stale that depends on `uids`, as of `rev`.
    pub fn publish<'a>(&self, rev: Revision, uids: impl IntoIterator<Item = &'a Uid>) {
        let offset = self.turn();
        let stamp = offset.saturating_add(rev);
        for uid in uids {
            if let Some(slot) = self.slots.get(self.slot(uid) as usize) {
                slot.fetch_max(stamp, Ordering::AcqRel);
            }
        }
        self.announce(stamp);
    }

    /// Makes everything stale: the database is at `rev`, by a history that we did not follow.
    pub fn publish_all(&self, rev: Revision) {
        let mut offset = self.turn();
        let stamp = offset.saturating_add(rev).max(self.head.load(Ordering::Acquire).saturating_add(1));
        *offset = stamp.saturating_sub(rev);
        self.slots.iter().for_each(|slot| slot.store(stamp, Ordering::Release));
        self.announce(stamp);
    }

    /// The head comes last: whoever reads it as a stamp must find the slots written.
    fn announce(&self, stamp: u64) {
        self.head.fetch_max(stamp, Ordering::AcqRel);
        self.news.send_if_modified(|newest| {
            let is_news = *newest < stamp;
            *newest = stamp.max(*newest);
            is_news
        });
    }

    fn turn(&self) -> MutexGuard<'_, u64> {
        self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A receiver that wakes with the newest stamp.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Revision> {
        self.news.subscribe()
    }

    /// Trusts the feed until that time since the host started.
    pub(super) fn trust_until(&self, since_start: Duration) {
        let until = nanos(since_start).clamp(NEVER, ALWAYS - 1);
        self.trusted_until.store(until, Ordering::Release);
    }

    /// Trusts the feed no longer.
    pub fn distrust(&self) {
        self.trusted_until.store(NEVER, Ordering::Release);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(ALWAYS - 1)
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("stamp", &self.stamp()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(id: &str) -> Uid {
        Uid::new("Device", id).unwrap()
    }

    /// Two entities that do not share a slot.
    fn apart(feed: &Feed) -> (Uid, Uid) {
        let lamp = uid("lamp");
        let other =
            (0..9).map(|n| uid(&n.to_string())).find(|other| feed.slot(other) != feed.slot(&lamp)).unwrap();
        (lamp, other)
    }

    #[test]
    fn a_change_makes_its_own_entity_stale_only() {
        let feed = Feed::local();
        let (lamp, other) = apart(&feed);
        let stamp = feed.stamp().unwrap();
        feed.publish(1, [&lamp]);
        assert!(!feed.is_current(stamp, &[feed.slot(&other), feed.slot(&lamp)]));
        assert!(feed.is_current(stamp, &[feed.slot(&other)]));
        assert!(feed.is_current(feed.stamp().unwrap(), &[feed.slot(&lamp)]));
        assert!(!feed.is_current(9, &[u32::MAX]));
    }

    #[test]
    fn lost_history_makes_everything_stale_and_later_changes_are_still_heard() {
        let feed = Feed::local();
        let (lamp, other) = apart(&feed);
        feed.publish(15, [&lamp]);
        let before = feed.stamp().unwrap();
        feed.publish_all(10);
        let after = feed.stamp().unwrap();
        assert!(!feed.is_current(before, &[feed.slot(&other)]));
        assert!(feed.is_current(after, &[feed.slot(&lamp), feed.slot(&other)]));
        feed.publish(11, [&lamp]);
        assert!(!feed.is_current(after, &[feed.slot(&lamp)]));
        assert!(feed.is_current(after, &[feed.slot(&other)]));
    }

    #[test]
    fn an_older_change_heard_late_does_not_turn_the_head_back() {
        let feed = Feed::local();
        let (lamp, other) = apart(&feed);
        let news = feed.subscribe();
        feed.publish(5, [&lamp]);
        feed.publish(4, [&other]);
        assert_eq!(feed.stamp(), Some(5));
        assert_eq!(*news.borrow(), 5);
        assert!(!feed.is_current(3, &[feed.slot(&other)]));
    }

    #[test]
    fn nothing_is_current_without_trust() {
        let feed = Feed::leased();
        assert_eq!(feed.stamp(), None);
        assert!(!feed.is_current(9, &[]));
        feed.trust_until(since_start() + Duration::from_secs(60));
        assert_eq!(feed.stamp(), Some(0));
        feed.trust_until(since_start());
        assert_eq!(feed.stamp(), None);
        feed.trust_until(since_start() + Duration::from_secs(60));
        feed.distrust();
        assert!(!feed.is_current(9, &[]));
    }
}
