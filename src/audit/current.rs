//! The record of the request that a task works for: whoever learns something notes it, and none can forget to pass it on.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use crate::audit::{OpenRecord, Record};

tokio::task_local! {
    static CURRENT: SharedRecord;
}

/// A record that several tasks fill in; it is written when the last of them has ended.
#[derive(Debug, Clone)]
pub struct SharedRecord(Arc<Mutex<OpenRecord>>);

impl SharedRecord {
    /// The record of one request.
    #[must_use]
    pub fn new(record: OpenRecord) -> Self {
        Self(Arc::new(Mutex::new(record)))
    }

    /// Fills in what is known by now.
    pub fn note(&self, note: impl FnOnce(&mut Record)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).note(note);
    }

    /// Does work whose notes go into this record.
    pub async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self.clone(), work).await
    }
}

/// Fills in the record of the current task's request, if it has one.
pub fn note(note: impl FnOnce(&mut Record)) {
    let _without_one = CURRENT.try_with(|record| record.note(note));
}

/// Takes the current record along to another task, which may outlive the request.
pub fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let record = CURRENT.try_with(Clone::clone).ok();
    async move {
        match record {
            Some(record) => record.around(work).await,
            None => work.await,
        }
    }
}
