//! Decides queries: the only maker of [`Permitted`], with a cache that never outlives a fact.

mod cache;
mod decider;
mod list;
mod recorded;
mod stated;
mod watch;

use std::sync::Arc;

use crate::domain::{Query, Revision};
use crate::policy::Verdict;
use crate::store::StoreError;

pub use decider::{Decider, Limits, Session};
pub use watch::{Credential, Ended};

/// Something that may be done only if all of its queries are permitted.
pub trait Ask {
    /// The queries; an ask without any is refused, unless it is exempt.
    fn queries(&self) -> &[Query];

    /// Why the ask may have no query.
    fn exempt(&self) -> Exempt<'_> {
        Exempt::No
    }
}

/// What may be done without a query of its own.
#[derive(Debug, Clone, Copy)]
pub enum Exempt<'a> {
    /// Nothing.
    No,
    /// What the operator declared public.
    Public,
    /// What the operator does himself, to set the gateway up.
    Operator,
    /// What whoever knows a secret may do; the plan checks the secret.
    Secret,
    /// A listing whose items are each decided by this query, its resource left open.
    Listing(&'a Query),
}

/// A target whose queries were all permitted; only [`Session::decide`] makes one.
///
/// A permission is taken apart once, by who does what is permitted:
///
/// ```
/// # use cedargate::decision::Permitted;
/// fn open(permitted: Permitted<&'static str>) -> &'static str {
///     permitted.into_parts().0
/// }
/// ```
///
/// It cannot be forged, copied or turned to another target:
///
/// ```compile_fail
/// # use cedargate::decision::Permitted;
/// let forged = Permitted { target: "open the garage door", decisions: Vec::new() };
/// ```
/// ```compile_fail
/// # use cedargate::decision::Permitted;
/// fn twice(permitted: Permitted<&'static str>) -> [Permitted<&'static str>; 2] {
///     [permitted.clone(), permitted]
/// }
/// ```
/// ```compile_fail
/// # use cedargate::decision::Permitted;
/// fn retarget(mut permitted: Permitted<&'static str>) {
///     permitted.target = "open the garage door";
/// }
/// ```
///
/// And nothing but a permitted call is forwarded, for nothing else can call that:
///
/// ```compile_fail
/// # use cedargate::gateway::{Worker, translate::Call};
/// async fn forward(worker: &Worker, call: Call) {
///     let _ = worker.forward(call).await;
/// }
/// ```
#[derive(Debug)]
pub struct Permitted<T> {
    target: T,
    decisions: Vec<Decision>,
}

impl<T> Permitted<T> {
    /// What is permitted.
    pub fn target(&self) -> &T {
        &self.target
    }

    /// What is permitted, with the decisions that permitted it.
    pub fn into_parts(self) -> (T, Vec<Decision>) {
        (self.target, self.decisions)
    }

    /// The decisions, one for each query.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }
}

/// One decided query.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What Cedar said.
    pub verdict: Arc<Verdict>,
    /// The store revision that the facts are at least as new as.
    pub store_revision: Option<Revision>,
    /// Whether it was answered from the cache.
    pub cached: bool,
}

/// Why something is not permitted.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The principal is nobody here, or a forbid says that it may do nothing.
    #[error("the principal has no access")]
    Unauthenticated(Decision),
    /// Denied, and the principal may know that the resource exists.
    #[error("the principal may not do this")]
    Forbidden(Decision),
    /// Denied, and to the principal the resource does not exist.
    #[error("there is no such resource")]
    Hidden(Decision),
    /// An ask without a query.
    #[error("nothing was asked")]
    Nothing,
    /// What was stated for one query does not fit the schema.
    #[error("the stated properties do not fit: {0}")]
    Unfit(String),
    /// The facts could not be read.
    #[error("the facts are not available: {0}")]
    Store(#[source] Arc<StoreError>),
    /// The facts did not come in time.
    #[error("the facts did not come in time")]
    Late,
}

impl Refused {
    /// The decision behind the refusal, where there was one.
    #[must_use]
    pub fn decision(&self) -> Option<&Decision> {
        match self {
            Self::Unauthenticated(it) | Self::Forbidden(it) | Self::Hidden(it) => Some(it),
            Self::Nothing | Self::Unfit(_) | Self::Store(_) | Self::Late => None,
        }
    }
}
