//! Who asks on the control listener: the operator by his token, or a principal by its own credentials.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use crate::audit;
use crate::control::{Asker, Control, ControlError};
use crate::domain::Uid;

/// The operator's bearer token, kept as a digest so that comparing takes the same time for every guess.
#[derive(Clone)]
pub struct OperatorToken {
    digest: [u8; 32],
}

impl OperatorToken {
    /// The token, unless it is empty: then there is none.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        (!token.is_empty()).then(|| Self { digest: Sha256::digest(token).into() })
    }

    fn is(&self, given: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        self.digest.ct_eq(&given).into()
    }
}

impl std::fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OperatorToken(…)")
    }
}

/// What records call the operator.
const OPERATOR: &str = "operator";

/// An authenticated asker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// May ask anything.
    Operator,
    /// May ask about itself.
    Principal(Asker),
}

impl Caller {
    /// Who asked, for the record.
    pub(super) fn uid(&self) -> Option<&Uid> {
        match self {
            Self::Operator => None,
            Self::Principal(asker) => Some(&asker.uid),
        }
    }

    /// The address that the caller's issuer has verified.
    pub(super) fn email(&self) -> Option<&str> {
        match self {
            Self::Operator => None,
            Self::Principal(asker) => asker.email.as_deref(),
        }
    }
}

impl Control {
    /// Authenticates the caller; nobody asks anonymously.
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, ControlError> {
        let given = bearer(headers);
        if let (Some(operator), Some(given)) = (&self.operator, given)
            && operator.is(given)
        {
            audit::note(|record| record.asked_by = Some(OPERATOR.into()));
            return Ok(Caller::Operator);
        }
        let missing = || HeaderValue::from_static(r#"Bearer realm="cedargate""#);
        let principal = (self.authenticate)(headers).await?;
        audit::note(|record| record.principal = principal.as_ref().map(|it| it.uid.clone()));
        principal.map(Caller::Principal).ok_or_else(|| ControlError::Unauthenticated(missing()))
    }
}

/// The token of the only `Authorization` header, if its scheme is `Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = only.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Names the authentication in the OpenAPI document.
pub(super) struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}
