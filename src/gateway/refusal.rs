//! Why the gateway refuses a request, and the one table of statuses that it answers with.

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;

use crate::decision::Refused;
use crate::identity::{Challenge, Unauthenticated};
use crate::problem::Problem;

/// Every way in which a request can end without its upstream's answer.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request has no reading, or more than one.
    #[error("malformed request: {0}")]
    Malformed(String),
    /// A head, target or body over its limit.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// A body that must be read to decide has a media type that is not JSON.
    #[error("the body must be JSON")]
    MediaType,
    /// A method that the gateway does not speak.
    #[error("the method is not implemented")]
    Method,
    /// An upgrade or expectation that the route does not allow.
    #[error("{0} is not allowed here")]
    NotAllowed(&'static str),
    /// No credentials, or none that hold.
    #[error("not authenticated: {code}")]
    Unauthenticated {
        /// The reason's code for the record.
        code: &'static str,
        /// What `WWW-Authenticate` asks for.
        challenge: Challenge,
    },
    /// No route of the map matches.
    #[error("no route")]
    Unrouted,
    /// The decision, or the want of one.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The store of keys or records did not answer.
    #[error("{0} is not available")]
    Unavailable(&'static str),
    /// The gateway has as much to do as it may.
    #[error("overloaded")]
    Overloaded,
    /// The principal has as many requests under way as it may.
    #[error("too many requests of one principal")]
    TooMany,
    /// The client's body did not come whole or in time.
    #[error("the request body did not arrive")]
    Body,
    /// The upstream cannot be reached or broke off.
    #[error("the upstream failed: {0}")]
    Upstream(Arc<str>),
    /// The upstream cannot be reached, so that nothing was sent.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(Arc<str>),
    /// What the request would make contradicts what is stored.
    #[error("{0}")]
    Contradicted(String),
    /// The upstream did it, and the store was not changed.
    #[error("the upstream did it, but it could not be registered")]
    Unsettled,
    /// The upstream did not answer in time.
    #[error("the upstream did not answer in time")]
    UpstreamLate,
    /// The upstream's list cannot be filtered, so it cannot be shown.
    #[error("the upstream's list cannot be filtered: {0}")]
    Unfilterable(&'static str),
    /// The device has no secret of the name that the route injects, or none that can be opened.
    #[error("the device's secret is {0}")]
    NoSecret(&'static str),
    /// The upstream's answer would show what must not be seen.
    #[error("the upstream's answer cannot be shown: {0}")]
    Withheld(&'static str),
    /// A handler panicked.
    #[error("internal error")]
    Internal,
}

/// Status, code and sentence.
type Row = (StatusCode, &'static str, Cow<'static, str>);

impl Refusal {
    /// What the client is told.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (status, code, detail) = self.row();
        Problem { status, code, detail: detail.into_owned() }
    }

    /// The reason's code in the record.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated { code, .. } => code,
            Self::Unrouted => "no-route",
            Self::Refused(refused) if refused.decision().is_some_and(|it| !it.verdict.errors.is_empty()) => {
                "evaluation-error"
            }
            Self::Refused(Refused::Hidden(it)) if it.verdict.missing.is_some() => "unknown-resource",
            Self::Refused(Refused::Hidden(_)) => "hidden",
            Self::Refused(Refused::Unauthenticated(it)) if it.verdict.missing.is_some() => {
                "unknown-principal"
            }
            _ => self.row().1,
        }
    }

    /// The one table: status, code and sentence of each refusal.
    fn row(&self) -> Row {
        use StatusCode as S;
        match self {
            Self::Malformed(what) => (S::BAD_REQUEST, "malformed-request", what.clone().into()),
            Self::TooLarge("target") => (S::URI_TOO_LONG, "too-large", "the target is too long".into()),
            Self::TooLarge("head") => {
                (S::REQUEST_HEADER_FIELDS_TOO_LARGE, "too-large", "the header fields are too large".into())
            }
            Self::TooLarge(what) => {
                (S::PAYLOAD_TOO_LARGE, "too-large", format!("the {what} is too large").into())
            }
            Self::MediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "media-type", "send the body as application/json".into())
            }
            Self::Method => (S::NOT_IMPLEMENTED, "method", "the method is not implemented".into()),
            Self::NotAllowed(what) => {
                (S::BAD_REQUEST, "not-allowed", format!("{what} is not allowed here").into())
            }
            Self::Unauthenticated { .. } | Self::Refused(Refused::Unauthenticated(_)) => {
                (S::UNAUTHORIZED, "unauthenticated", "authenticate with a valid token or key".into())
            }
            Self::Unrouted | Self::Refused(Refused::Hidden(_) | Refused::Nothing) => {
                (S::NOT_FOUND, "not-found", "there is no such resource".into())
            }
            Self::Refused(Refused::Forbidden(_)) => {
                (S::FORBIDDEN, "forbidden", "you may see this resource but not do this with it".into())
            }
            Self::Refused(Refused::Store(_)) | Self::Unavailable(_) => (
                S::SERVICE_UNAVAILABLE,
                "unavailable",
                "the gateway cannot decide right now; try again".into(),
            ),
            Self::Refused(Refused::Late) => {
                (S::SERVICE_UNAVAILABLE, "late", "the gateway could not decide in time; try again".into())
            }
            Self::Overloaded => {
                (S::SERVICE_UNAVAILABLE, "overloaded", "the gateway is overloaded; try again".into())
            }
            Self::TooMany => {
                (S::TOO_MANY_REQUESTS, "too-many", "you have too many requests under way; try again".into())
            }
            Self::Body => (S::REQUEST_TIMEOUT, "incomplete-body", "the request body did not arrive".into()),
            Self::Contradicted(what) => (S::CONFLICT, "conflict", what.clone().into()),
            // The gateway states no properties; were it to, that they misfit would be its own mistake.
            Self::Internal | Self::Refused(Refused::Unfit(_)) => {
                (S::INTERNAL_SERVER_ERROR, "internal", "the gateway failed".into())
            }
            _ => self.upstream_row(),
        }
    }

    /// The rows of what was permitted, and failed or cannot be shown.
    fn upstream_row(&self) -> Row {
        use StatusCode as S;
        match self {
            Self::Unsettled => (
                S::BAD_GATEWAY,
                "unsettled",
                "the device API did it, but the gateway could not register it: do not repeat the request, \
                 the operator puts it right"
                    .into(),
            ),
            Self::UpstreamLate => {
                (S::GATEWAY_TIMEOUT, "upstream-late", "the device API did not answer in time".into())
            }
            Self::Unfilterable(_) => {
                (S::BAD_GATEWAY, "unfilterable", "the device API's list cannot be shown".into())
            }
            Self::NoSecret(_) => {
                (S::BAD_GATEWAY, "no-secret", "the gateway has no credential for this device".into())
            }
            Self::Withheld(_) => {
                (S::BAD_GATEWAY, "withheld", "the device API's answer cannot be shown".into())
            }
            _ => (S::BAD_GATEWAY, "upstream", "the device API failed".into()),
        }
    }

    /// After how many seconds to try again, where that may help.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        let status = self.row().0;
        let passing = status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE;
        passing.then_some(1)
    }

    /// What `WWW-Authenticate` asks for, where the answer is 401.
    #[must_use]
    pub fn challenge(&self) -> Option<Challenge> {
        match self {
            Self::Unauthenticated { challenge, .. } => Some(*challenge),
            Self::Refused(Refused::Unauthenticated(_)) => Some(Challenge::Invalid),
            _ => None,
        }
    }
}

impl From<Unauthenticated> for Refusal {
    fn from(error: Unauthenticated) -> Self {
        if error.is_unavailable() {
            return Self::Unavailable("the store");
        }
        Self::Unauthenticated { code: error.code(), challenge: Challenge::Invalid }
    }
}
