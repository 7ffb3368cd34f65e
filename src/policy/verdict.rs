//! What Cedar answers, in words that the rest of the gateway understands.

use std::sync::Arc;

use crate::domain::Uid;

/// The outcome of one evaluation; anything but a clean permit is a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Whether the query is permitted.
    pub allowed: bool,
    /// The `@id`s of the policies that made the decision.
    pub reasons: Vec<Arc<str>>,
    /// What went wrong while evaluating; never empty together with `allowed`.
    pub errors: Vec<Arc<str>>,
    /// The entity of the query that does not exist.
    pub missing: Option<Uid>,
    /// The `@refuse` annotation of a deciding forbid, such as `unauthenticated`.
    pub refuse: Option<Arc<str>>,
}

impl Verdict {
    pub(super) fn error(message: impl Into<Arc<str>>) -> Self {
        Self { errors: vec![message.into()], ..Self::default() }
    }

    /// Whether a grant could change nothing: it only adds to what the principal may do by himself.
    pub(crate) fn is_settled(&self) -> bool {
        self.allowed || !self.errors.is_empty() || self.refuse.is_some() || self.missing.is_some()
    }

    /// The same verdict, if it is a refusal with the reasons of the refusal before it as well.
    pub(super) fn after(mut self, refusal: Self) -> Self {
        if !self.allowed {
            self.reasons.extend(refusal.reasons);
            self.reasons.sort_unstable();
            self.reasons.dedup();
        }
        self
    }

    pub(super) fn missing(uid: Uid) -> Self {
        Self { missing: Some(uid), ..Self::default() }
    }
}
