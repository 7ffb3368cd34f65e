//! The only place that knows Cedar: policy text and facts in, verdicts out.

mod amend;
mod denial;
mod entity_file;
mod evaluate;
mod explain;
mod guard;
mod prepared;
mod residual;
mod rule;
mod schema;
mod share;
mod snapshot;
mod source;
pub mod story;
mod time;
mod verdict;

pub use denial::Denial;
pub use entity_file::{EntityFile, Placed, Rejected};
pub use explain::NearPermit;
pub use prepared::{Closure, FactError};
pub use residual::Filter;
pub use snapshot::{PolicySnapshot, PolicyText};
pub use source::{Source, files, read_dir};
pub use verdict::Verdict;
