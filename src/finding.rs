//! What is wrong in a file that a person wrote, where, and what to do about it.

use std::ops::Range;
use std::sync::Arc;

/// One mistake or doubt in a config, route, schema, policy, entity or story file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file as people should see it.
    pub file: String,
    /// The file's text, when a place in it is known.
    pub source: Arc<str>,
    /// The bytes of the text that the finding is about.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Finding {
    /// A mistake that keeps the gateway from starting.
    pub fn error(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), source: Arc::from(""), span: None, message: message.into(), help: None }
    }

    /// The same finding with its place.
    #[must_use]
    pub fn at(mut self, source: Arc<str>, span: Range<usize>) -> Self {
        self.source = source;
        self.span = Some(span);
        self
    }

    /// The same finding with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
