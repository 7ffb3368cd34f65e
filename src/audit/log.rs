//! The way of a record from the request that opens it to the writer, with a place kept from the start.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, OwnedPermit, Sender};
use tokio::sync::watch;

use crate::audit::record::Record;
use crate::audit::writer::{Item, Sink, State, Writer};

/// What happens when records come faster than they can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// A request waits up to the deadline for a place and is then refused; nothing is lost.
    Block(Duration),
    /// A request goes on without a record, and the loss is counted.
    Shed,
}

/// How a log is kept.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// The most records that wait to be written, those of requests under way included.
    pub queue_records_max: usize,
    /// What happens beyond that.
    pub overflow: Overflow,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { queue_records_max: 8192, overflow: Overflow::Block(Duration::from_secs(1)) }
    }
}

/// Why no record can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// No place came free before the deadline.
    #[error("the queue of records is full")]
    Full,
    /// The log was closed.
    #[error("the log of records is closed")]
    Closed,
}

/// How many records went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that were written.
    pub written: u64,
    /// Records that were shed or could not be written.
    pub lost: u64,
    /// Attempts to write that failed.
    pub failures: u64,
}

/// The log of records: a bounded queue and one thread that writes it down.
#[derive(Debug)]
pub struct Log {
    queue: Sender<Item>,
    overflow: Overflow,
    state: Arc<State>,
    /// Nothing is ever sent: its sender goes when the writer ends.
    writer: watch::Receiver<()>,
}

impl Log {
    /// Starts a log that writes to `sink`.
    pub fn start(sink: Sink, options: LogOptions) -> io::Result<Self> {
        let (queue, receiver) = mpsc::channel(options.queue_records_max.max(1));
        let state = Arc::new(State::default());
        let patient = options.overflow != Overflow::Shed;
        let writer = Writer { queue: receiver, sink, state: Arc::clone(&state), patient };
        let (ended, running) = watch::channel(());
        std::thread::Builder::new().name("records".into()).spawn(move || {
            writer.run();
            drop(ended);
        })?;
        Ok(Self { queue, overflow: options.overflow, state, writer: running })
    }

    /// Opens a record and keeps its place in the queue, before the request is looked at.
    pub async fn open(&self, request_id: impl Into<String>) -> Result<OpenRecord, LogError> {
        let place = self.place().await?;
        let record = Box::new(Record::new(request_id));
        let state = Arc::clone(&self.state);
        Ok(OpenRecord { record: Some(record), place, state, begun: Instant::now() })
    }

    async fn place(&self) -> Result<Option<OwnedPermit<Item>>, LogError> {
        let busy = match self.queue.clone().try_reserve_owned() {
            Ok(place) => return Ok(Some(place)),
            Err(TrySendError::Closed(_)) => return Err(LogError::Closed),
            Err(TrySendError::Full(queue)) => queue,
        };
        match self.overflow {
            Overflow::Shed => Ok(None),
            Overflow::Block(deadline) => match tokio::time::timeout(deadline, busy.reserve_owned()).await {
                Ok(Ok(place)) => Ok(Some(place)),
                Ok(Err(_)) => Err(LogError::Closed),
                Err(_) => Err(LogError::Full),
            },
        }
    }

    /// Whether the last attempt to write succeeded.
    #[must_use]
    pub fn healthy(&self) -> bool {
        !self.state.failing.load(Ordering::Relaxed)
    }

    /// How many records went which way so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            written: self.state.written.load(Ordering::Relaxed),
            lost: self.state.lost.load(Ordering::Relaxed),
            failures: self.state.failures.load(Ordering::Relaxed),
        }
    }

    /// Refuses new records, then waits for those that are open and for all to be written.
    ///
    /// Returns whether that came to its end before the deadline.
    pub async fn close(&self, deadline: Duration) -> bool {
        self.state.closing.store(true, Ordering::Relaxed);
        let ended = async {
            // An error means that it is closed already, and that is as good.
            self.queue.send(Item::Close).await.ok();
            let mut writer = self.writer.clone();
            while writer.changed().await.is_ok() {}
        };
        tokio::time::timeout(deadline, ended).await.is_ok()
    }
}

/// A record that is being filled in; it is written when it is dropped, whatever happens to the request.
#[derive(Debug)]
pub struct OpenRecord {
    record: Option<Box<Record>>,
    place: Option<OwnedPermit<Item>>,
    state: Arc<State>,
    begun: Instant,
}

impl OpenRecord {
    /// Fills in what is known by now.
    pub fn note(&mut self, note: impl FnOnce(&mut Record)) {
        if let Some(record) = self.record.as_deref_mut() {
            note(record);
        }
    }

    /// The record's id.
    #[must_use]
    pub fn id(&self) -> Option<uuid::Uuid> {
        self.record.as_ref().map(|record| record.id)
    }

    /// Ends the record of a decision that was asked for and took this long.
    pub fn finish_after(mut self, latency: Duration) {
        self.begun = self.begun.checked_sub(latency).unwrap_or(self.begun);
        self.finish(200);
    }

    /// Ends the record of a request that was answered to the end.
    pub fn finish(mut self, status: u16) {
        self.note(|record| {
            record.status = Some(status);
            record.abandoned = false;
        });
    }
}

impl Drop for OpenRecord {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else { return };
        record.latency_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        match self.place.take() {
            Some(place) => drop(place.send(Item::Record(record))),
            None => self.state.lose(1),
        }
    }
}
