//! Why the control listener refuses a request, and the one table of statuses that it answers with.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};

use crate::control::Unidentified;
use crate::decision::Refused;
use crate::problem::Problem;

/// Every way in which a request can fail; a denied question is an answer, not a failure.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The request has no reading, or more than one.
    #[error("{0}")]
    Malformed(String),
    /// More evaluations than one request may have.
    #[error("a request has at most {0} evaluations: split it")]
    TooMany(usize),
    /// A body over the limit, in bytes.
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    /// The body did not arrive.
    #[error("the request body did not arrive")]
    Incomplete,
    /// No credentials, or none that hold; the value of `WWW-Authenticate`.
    #[error("authenticate with the operator's token, a valid token or a key")]
    Unauthenticated(HeaderValue),
    /// Nobody can tell who is asking right now.
    #[error("the caller cannot be authenticated right now; try again")]
    Unidentifiable,
    /// A principal asks about another one.
    #[error("only the operator may ask about others: state yourself as subject")]
    NotSelf,
    /// A principal states properties of stored entities.
    #[error("only the operator may state properties of subject and resource: leave them out")]
    NotStated,
    /// The decision could not be made.
    #[error("{0}")]
    Undecided(Refused),
    /// The decision could not be recorded.
    #[error("the decision cannot be recorded right now; try again")]
    Unrecorded,
    /// There is no such path.
    #[error("there is nothing at this path")]
    NotFound,
    /// The path has no such method.
    #[error("this path does not take this method")]
    Method,
    /// The request took too long.
    #[error("the request took too long; try again")]
    Late,
    /// As many requests are under way as may be.
    #[error("the control listener is overloaded; try again")]
    Overloaded,
    /// A mistake of our own.
    #[error("the gateway failed")]
    Internal,
}

impl From<Unidentified> for ControlError {
    fn from(why: Unidentified) -> Self {
        match why {
            Unidentified::Refused(challenge) => Self::Unauthenticated(challenge),
            Unidentified::Unavailable => Self::Unidentifiable,
        }
    }
}

impl ControlError {
    /// What the client is told.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (status, code) = self.row();
        let detail = match self {
            Self::Undecided(Refused::Store(_) | Refused::Late) => {
                "the gateway cannot decide right now; try again".to_owned()
            }
            _ => self.to_string(),
        };
        Problem { status, code, detail }
    }

    /// The one table: status and code of each failure.
    fn row(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::Malformed(_) => (S::BAD_REQUEST, "malformed-request"),
            Self::TooMany(_) => (S::BAD_REQUEST, "too-many-evaluations"),
            Self::TooLarge(_) => (S::PAYLOAD_TOO_LARGE, "too-large"),
            Self::Incomplete => (S::REQUEST_TIMEOUT, "incomplete-body"),
            Self::Unauthenticated(_) => (S::UNAUTHORIZED, "unauthenticated"),
            Self::NotSelf => (S::FORBIDDEN, "not-self"),
            Self::NotStated => (S::FORBIDDEN, "properties-refused"),
            Self::Undecided(Refused::Unfit(_)) => (S::BAD_REQUEST, "unfit-properties"),
            Self::Undecided(Refused::Late) => (S::SERVICE_UNAVAILABLE, "late"),
            Self::Unidentifiable | Self::Unrecorded | Self::Undecided(Refused::Store(_)) => {
                (S::SERVICE_UNAVAILABLE, "unavailable")
            }
            Self::Overloaded => (S::SERVICE_UNAVAILABLE, "overloaded"),
            Self::NotFound => (S::NOT_FOUND, "not-found"),
            Self::Method => (S::METHOD_NOT_ALLOWED, "method"),
            Self::Late => (S::GATEWAY_TIMEOUT, "late"),
            Self::Internal | Self::Undecided(_) => (S::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// Whether it concerns one evaluation, so that the others of the request are still answered.
    #[must_use]
    pub fn is_of_one_evaluation(&self) -> bool {
        matches!(
            self,
            Self::Malformed(_) | Self::NotSelf | Self::NotStated | Self::Undecided(Refused::Unfit(_))
        )
    }
}

impl IntoResponse for ControlError {
    /// The rim writes the body, because it knows the request's id.
    fn into_response(self) -> Response {
        let problem = self.problem();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = problem.status;
        if let Self::Unauthenticated(challenge) = self {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(problem);
        response
    }
}
