//! The only place that knows Cedar: policy text and facts in, verdicts out.

mod amend;
mod catalogue;
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

pub use catalogue::CATALOGUE_FILE;
pub use denial::Denial;
pub use entity_file::{EntityFile, Placed, Rejected};
pub use explain::NearPermit;
pub use prepared::{Closure, FactError};
pub use residual::Filter;
pub use snapshot::{PolicySnapshot, PolicyText};
pub use source::{Source, files, is_policy_file, read_dir};
pub use verdict::Verdict;
