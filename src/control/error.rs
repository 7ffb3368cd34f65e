//! Why the control listener refuses a request, and the one table of statuses that it answers with.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};

use crate::control::Unidentified;
use crate::decision::Refused;
use crate::problem::Problem;
use crate::sharing::{Conflict, Failure};

/// The challenge to who is known, but not here.
const INVALID: &str = r#"Bearer realm="cedargate", error="invalid_token""#;

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
    /// The operation is not permitted, or could not be decided.
    #[error("{0}")]
    Denied(Refused),
    /// The operation contradicts what is stored.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The operator acts as a member, or a member as the operator.
    #[error("this is done with other credentials: the operator sets up, members share")]
    WrongCaller,
    /// The store failed, or is too busy.
    #[error("the store is not available; try again")]
    Unavailable,
    /// The reader asks for a revision that is not reached yet.
    #[error("the store has not reached that revision; try again")]
    Behind,
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

impl From<Failure> for ControlError {
    fn from(why: Failure) -> Self {
        match why {
            Failure::Refused(refused) => Self::Denied(refused),
            Failure::NotYours => Self::WrongCaller,
            Failure::Conflict(conflict) => Self::Conflict(conflict),
            Failure::Store(error) => {
                tracing::error!(%error, "an operation of the sharing API failed");
                Self::Unavailable
            }
            Failure::Busy => Self::Unavailable,
            Failure::Ended => Self::Internal,
        }
    }
}

impl ControlError {
    /// What the client is told.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (status, code) = self.row();
        let detail = match self {
            // Hidden and missing look the same.
            Self::Denied(Refused::Hidden(_)) => Conflict::Missing.to_string(),
            Self::Denied(Refused::Forbidden(_)) => "you may see it, but not do this".to_owned(),
            Self::Denied(Refused::Unauthenticated(_)) => {
                "you have no account here, or it is not in use".to_owned()
            }
            Self::Denied(_) | Self::Undecided(Refused::Store(_) | Refused::Late) => {
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
            Self::Denied(refused) => denied(refused),
            Self::Conflict(conflict) => contradicted(conflict),
            Self::WrongCaller => (S::FORBIDDEN, "wrong-caller"),
            Self::Unavailable => (S::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Behind => (S::CONFLICT, "revision-not-reached"),
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

/// The rows of operations that are not permitted.
fn denied(refused: &Refused) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match refused {
        Refused::Unauthenticated(_) => (S::UNAUTHORIZED, "unauthenticated"),
        Refused::Forbidden(_) | Refused::Nothing => (S::FORBIDDEN, "forbidden"),
        Refused::Hidden(_) => (S::NOT_FOUND, "no-such-resource"),
        Refused::Unfit(_) => (S::BAD_REQUEST, "malformed-request"),
        Refused::Store(_) | Refused::Late => (S::SERVICE_UNAVAILABLE, "unavailable"),
    }
}

/// The rows of operations that contradict what is stored.
fn contradicted(conflict: &Conflict) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match conflict {
        Conflict::Missing => (S::NOT_FOUND, "no-such-resource"),
        Conflict::Destination => (S::NOT_FOUND, "no-such-destination"),
        Conflict::Invalid(_) => (S::BAD_REQUEST, "malformed-request"),
        Conflict::Broken(code, _) => (S::BAD_REQUEST, code),
        Conflict::AddressTaken => (S::BAD_REQUEST, "address-taken"),
        Conflict::TooMuch(_) => (S::BAD_REQUEST, "too-much"),
        Conflict::Taken => (S::CONFLICT, "id-taken"),
        Conflict::Outdated => (S::PRECONDITION_FAILED, "outdated"),
        Conflict::KeyReused => (S::UNPROCESSABLE_ENTITY, "idempotency-key-reused"),
    }
}

impl IntoResponse for ControlError {
    /// The rim writes the body, because it knows the request's id.
    fn into_response(self) -> Response {
        let problem = self.problem();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = problem.status;
        let challenge = match self {
            Self::Unauthenticated(challenge) => Some(challenge),
            Self::Denied(Refused::Unauthenticated(_)) => Some(HeaderValue::from_static(INVALID)),
            _ => None,
        };
        if let Some(challenge) = challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(problem);
        response
    }
}
