//! How many requests are under way: bounded in all, and for each principal.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::Uid;
use crate::gateway::refusal::Refusal;

const SHARDS: usize = 64;

/// Counts requests under way.
#[derive(Debug)]
pub struct Admission {
    all: Arc<Semaphore>,
    each_max: usize,
    counts: Vec<Mutex<HashMap<Uid, usize>>>,
    hasher: foldhash::fast::RandomState,
}

/// A place among the requests under way, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    _among_all: OwnedSemaphorePermit,
    own: Option<(Arc<Admission>, Uid)>,
}

impl Admission {
    /// At most `all_max` requests at once, and `each_max` of one principal.
    #[must_use]
    pub fn new(all_max: usize, each_max: usize) -> Arc<Self> {
        Arc::new(Self {
            all: Arc::new(Semaphore::new(all_max)),
            each_max,
            counts: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: foldhash::fast::RandomState::default(),
        })
    }

    /// Takes a place, or refuses: a request that waits here would only wait longer upstream.
    pub fn enter(self: &Arc<Self>) -> Result<Place, Refusal> {
        let among_all = self.all.clone().try_acquire_owned().map_err(|_| Refusal::Overloaded)?;
        Ok(Place { _among_all: among_all, own: None })
    }

    fn shard(&self, principal: &Uid) -> Option<&Mutex<HashMap<Uid, usize>>> {
        let shards = self.counts.len().max(1) as u64;
        self.counts.get(usize::try_from(self.hasher.hash_one(principal) % shards).unwrap_or_default())
    }

    fn leave(&self, principal: &Uid) {
        let Some(shard) = self.shard(principal) else { return };
        let mut counts = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(principal) {
            *count -= 1;
            if *count == 0 {
                counts.remove(principal);
            }
        }
    }
}

impl Place {
    /// Counts the request as this principal's from now on.
    pub fn of(&mut self, admission: &Arc<Admission>, principal: &Uid) -> Result<(), Refusal> {
        let shard = admission.shard(principal).ok_or(Refusal::Internal)?;
        let mut counts = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(principal.clone()).or_default();
        if *count >= admission.each_max {
            return Err(Refusal::TooMany);
        }
        *count += 1;
        self.own = Some((admission.clone(), principal.clone()));
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((admission, principal)) = self.own.take() {
            admission.leave(&principal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let admission = Admission::new(3, 2);
        let (wife, dad) = (Uid::new("User", "wife").unwrap(), Uid::new("User", "dad").unwrap());
        let taken: Vec<Place> = [&wife, &wife]
            .into_iter()
            .map(|who| {
                let mut place = admission.enter().unwrap();
                place.of(&admission, who).unwrap();
                place
            })
            .collect();
        let mut third = admission.enter().unwrap();
        assert!(matches!(third.of(&admission, &wife), Err(Refusal::TooMany)));
        third.of(&admission, &dad).unwrap();
        assert!(matches!(admission.enter(), Err(Refusal::Overloaded)));
        drop(taken);
        admission.enter().unwrap().of(&admission, &wife).unwrap();
        drop(third);
        assert!(admission.counts.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
