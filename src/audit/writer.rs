//! The thread that appends lines to where they are kept, and knows what it could not write.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use crate::audit::record::Record;

/// The most records that are written at once.
const BATCH_RECORDS_MAX: usize = 256;
/// How long records gather; without it each of them would wake the writer's thread on its own.
const GATHER_PAUSE: Duration = Duration::from_millis(2);
/// The least places of a queue that does not fill up meanwhile.
const GATHER_PLACES_MIN: usize = 1024;
/// How long the writer waits before it tries again to write what must not be lost.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Where lines go.
#[derive(Debug)]
pub enum Sink {
    /// A file that is appended to, synced to the disk after each batch when `sync` is set.
    File {
        /// The open file.
        file: File,
        /// Whether a batch counts as written only once the disk has it.
        sync: bool,
    },
    /// Standard output.
    Stdout,
    /// Memory, for tests and short runs.
    Memory(Arc<Mutex<Vec<u8>>>),
}

impl Sink {
    /// Opens or creates a file to append to.
    pub fn file(path: &Path, sync: bool) -> io::Result<Self> {
        let file = File::options().append(true).create(true).open(path)?;
        Ok(Self::File { file, sync })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => file.write(bytes),
            Self::Stdout => io::stdout().lock().write(bytes),
            Self::Memory(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File { file, sync: true } => file.sync_data(),
            Self::File { .. } | Self::Memory(_) => Ok(()),
            Self::Stdout => io::stdout().lock().flush(),
        }
    }
}

/// What the writer tells the rest of the program.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) written: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) failing: AtomicBool,
    pub(super) closing: AtomicBool,
}

impl State {
    pub(super) fn lose(&self, records: u64) {
        if records > 0 {
            self.lost.fetch_add(records, Ordering::Relaxed);
            metrics::counter!("cedargate_records_lost_total").increment(records);
        }
    }

    fn keep(&self, records: u64) {
        self.written.fetch_add(records, Ordering::Relaxed);
        metrics::counter!("cedargate_records_written_total").increment(records);
    }

    fn fail(&self, error: &io::Error) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("cedargate_record_write_failures_total").increment(1);
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "records cannot be written; free the disk or repair the log's target");
        }
    }

    fn succeed(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("records can be written again");
        }
    }
}

/// One thing in the queue.
pub(super) enum Item {
    Record(Box<Record>),
    Close,
}

/// Writes batches until the queue is closed and empty.
pub(super) struct Writer {
    pub(super) queue: Receiver<Item>,
    pub(super) sink: Sink,
    pub(super) state: Arc<State>,
    /// Whether a batch is tried again until it is written, so that the queue fills up behind it.
    pub(super) patient: bool,
}

impl Writer {
    pub(super) fn run(mut self) {
        let mut items = Vec::with_capacity(BATCH_RECORDS_MAX);
        let mut lines = Vec::new();
        while self.queue.blocking_recv_many(&mut items, BATCH_RECORDS_MAX) > 0 {
            let records = self.render(&mut items, &mut lines);
            if self.write_all(&mut lines) {
                self.state.keep(records);
            } else {
                self.state.lose(records);
                // The next batch must not continue a line that was cut short.
                lines.clear();
                lines.push(b'\n');
            }
            self.gather();
        }
    }

    fn gather(&self) {
        let is_wide = self.queue.max_capacity() >= GATHER_PLACES_MIN;
        let is_calm = self.queue.len() < BATCH_RECORDS_MAX;
        if is_wide && is_calm && !self.state.closing.load(Ordering::Relaxed) {
            std::thread::sleep(GATHER_PAUSE);
        }
    }

    fn render(&mut self, items: &mut Vec<Item>, lines: &mut Vec<u8>) -> u64 {
        let mut records = 0;
        for item in items.drain(..) {
            match item {
                Item::Record(record) => match record.write_line(lines) {
                    Ok(()) => records += 1,
                    Err(error) => {
                        self.state.fail(&error);
                        self.state.lose(1);
                    }
                },
                Item::Close => self.queue.close(),
            }
        }
        records
    }

    /// Writes and empties `lines`; what was written already is never written twice.
    fn write_all(&mut self, lines: &mut Vec<u8>) -> bool {
        loop {
            match self.write_some(lines) {
                Ok(()) => {
                    self.state.succeed();
                    return true;
                }
                Err(error) => self.state.fail(&error),
            }
            if !self.patient || self.state.closing.load(Ordering::Relaxed) {
                return false;
            }
            std::thread::sleep(RETRY_PAUSE);
        }
    }

    fn write_some(&mut self, lines: &mut Vec<u8>) -> io::Result<()> {
        while !lines.is_empty() {
            match self.sink.write(lines) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => drop(lines.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.sink.flush()
    }
}
