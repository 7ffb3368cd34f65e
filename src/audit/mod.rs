//! What happened, written down: one JSON line a request, whatever becomes of the request.

mod current;
mod log;
mod record;
mod writer;

pub use current::{SharedRecord, carried, note};
pub use log::{Counts, Log, LogError, LogOptions, OpenRecord, Overflow};
pub use record::{Decision, Record};
pub use writer::Sink;
