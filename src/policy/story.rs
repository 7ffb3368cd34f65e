//! Stories: a world, and who may do what in it because of which policy, as policy authors write them.

mod file;
mod run;
mod world;

pub use file::parse;
pub use run::{Coverage, Outcome};
pub use world::read_world;

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::domain::Context;
use crate::finding::Finding;

/// A story as parsed; names are looked up when it runs.
#[derive(Debug, Clone)]
pub struct Story {
    /// What it tells, in one sentence.
    pub title: String,
    /// The name of its world: `family` for `entities/family.json`.
    pub world: String,
    /// The time at which it plays, in milliseconds since 1970.
    pub now_ms: i64,
    /// What happens, in order; each scene starts from where the one before ended.
    pub scenes: Vec<Scene>,
    file: String,
    text: Arc<str>,
}

impl Story {
    /// The file that it stands in.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    fn finding(&self, span: &Range<usize>, message: impl Into<String>) -> Finding {
        Finding::error(self.file.clone(), message).at(self.text.clone(), span.clone())
    }
}

/// Changes of the world, and what is expected afterwards.
#[derive(Debug, Clone)]
pub struct Scene {
    /// What the scene is about, where the story has several.
    pub title: Option<String>,
    after: Vec<Edit>,
    checks: Vec<Check>,
}

/// One line of a story: a question and the expected answer.
#[derive(Debug, Clone)]
struct Check {
    principal: String,
    action: String,
    resource: String,
    context: Arc<Context>,
    expected: Expected,
    /// Policies that must be among those that made the decision.
    because: Vec<String>,
    span: Range<usize>,
}

/// What a line expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Allow,
    Deny(Option<Refusal>),
}

/// How a refusal looks to the one who is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// As if the resource did not exist.
    Hidden,
    /// The resource is seen, the action is not permitted.
    Visible,
    /// The caller is nobody here.
    Unauthenticated,
}

impl Refusal {
    /// The word that stories use for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Visible => "visible",
            Self::Unauthenticated => "unauthenticated",
        }
    }
}

/// One `[[after]]`: how an entity differs from then on.
#[derive(Debug, Clone)]
struct Edit {
    entity: String,
    set: Map<String, Json>,
    unset: Vec<String>,
    join: Vec<String>,
    leave: Vec<String>,
    remove: bool,
    span: Range<usize>,
}
