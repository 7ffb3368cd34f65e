//! How a denial is answered: may the principal know that the resource exists?

use crate::domain::Query;
use crate::policy::{PolicySnapshot, Verdict};

/// How a denied query is answered, as far as the verdict tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// The principal is nobody here, or a forbid says that it may do nothing: 401.
    Unauthenticated,
    /// As if the resource did not exist: 404.
    Hidden,
    /// 403 if this is permitted, else 404.
    IfSeen(Query),
}

impl PolicySnapshot {
    /// The one choice between 401, 403 and 404 (decision 0010).
    #[must_use]
    pub fn denial(&self, query: &Query, verdict: &Verdict) -> Denial {
        let is_nobody = verdict.missing.as_ref() == Some(&query.principal);
        if is_nobody || verdict.refuse.as_deref() == Some("unauthenticated") {
            return Denial::Unauthenticated;
        }
        match self.visibility(query.resource.kind()) {
            Some(sight) if sight != query.action => Denial::IfSeen(query.with_action(sight)),
            _ => Denial::Hidden,
        }
    }
}
