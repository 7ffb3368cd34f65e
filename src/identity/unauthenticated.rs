//! Why a caller is not who it says it is, in codes that tell nothing of the credential.

use std::error::Error;

use http::HeaderValue;

/// Why a credential was refused; the code stands in the record, never in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There is more than one credential.
    Ambiguous,
    /// `Authorization` is not of the kind `Bearer`, or no issuer is configured.
    SchemeUnsupported,
    /// It is not three parts of strict base64url with unambiguous JSON in them.
    TokenMalformed,
    /// It is longer than any honest token.
    TokenTooLarge,
    /// Its header asks for something that is not understood, such as `crit`.
    HeaderRefused,
    /// Its `typ` is not that of an access token.
    TypeRefused,
    /// Its `alg` is not the one of the key.
    AlgorithmRefused,
    /// No key of the issuer has its `kid`.
    KeyUnknown,
    /// The signature is not that of the key.
    SignatureWrong,
    /// `iss` is none of the issuers.
    IssuerUnknown,
    /// `aud` is missing or names someone else.
    AudienceWrong,
    /// `exp` is missing or not a time.
    ExpiryInvalid,
    /// It has ended.
    Expired,
    /// `nbf` or `iat` is not a time.
    TimeInvalid,
    /// `nbf` or `iat` is in the future.
    NotYetValid,
    /// The claim that names the principal is missing, empty or not text.
    SubjectInvalid,
    /// The e-mail address is not a plain ASCII one.
    EmailInvalid,
    /// The issuer has not verified the e-mail address.
    EmailUnverified,
    /// No principal has the e-mail address.
    PrincipalUnknown,
    /// It was issued before its principal was signed out.
    SignedOut,
    /// It does not have the form of an API key.
    ApiKeyMalformed,
    /// There is no such API key.
    ApiKeyUnknown,
    /// The API key has ended.
    ApiKeyExpired,
    /// The API key was taken back.
    ApiKeyRevoked,
    /// The API key speaks for an id with control characters, which no upstream can be told.
    ApiKeyPrincipal,
}

impl Reason {
    /// The code in the record.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Ambiguous => "credentials-ambiguous",
            Self::SchemeUnsupported => "scheme-unsupported",
            Self::TokenMalformed => "token-malformed",
            Self::TokenTooLarge => "token-too-large",
            Self::HeaderRefused => "token-header-refused",
            Self::TypeRefused => "token-type-refused",
            Self::AlgorithmRefused => "algorithm-refused",
            Self::KeyUnknown => "key-unknown",
            Self::SignatureWrong => "signature-wrong",
            Self::IssuerUnknown => "issuer-unknown",
            Self::AudienceWrong => "audience-wrong",
            Self::ExpiryInvalid => "expiry-invalid",
            Self::Expired => "token-expired",
            Self::TimeInvalid => "time-invalid",
            Self::NotYetValid => "token-not-yet-valid",
            Self::SubjectInvalid => "subject-invalid",
            Self::EmailInvalid => "email-invalid",
            Self::EmailUnverified => "email-unverified",
            Self::PrincipalUnknown => "principal-unknown",
            Self::SignedOut => "signed-out",
            Self::ApiKeyMalformed => "api-key-malformed",
            Self::ApiKeyUnknown => "api-key-unknown",
            Self::ApiKeyExpired => "api-key-expired",
            Self::ApiKeyRevoked => "api-key-revoked",
            Self::ApiKeyPrincipal => "api-key-principal",
        }
    }
}

/// A source that could not answer; the cause is kept for the log.
#[derive(Debug, thiserror::Error)]
#[error("the source of identities gives no answer")]
pub struct SourceError(#[source] pub Box<dyn Error + Send + Sync>);

/// Why it is not known who is asking.
#[derive(Debug, thiserror::Error)]
pub enum Unauthenticated {
    /// The credential is no good: 401.
    #[error("the credential was refused: {}", .0.code())]
    Refused(Reason),
    /// No keys of the issuer could be fetched yet, or only too long ago: 503.
    #[error("the issuer's keys are not available")]
    KeysUnavailable,
    /// The store could not answer: 503.
    #[error(transparent)]
    StoreUnavailable(#[from] SourceError),
}

impl From<Reason> for Unauthenticated {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl Unauthenticated {
    /// The code in the record.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(reason) => reason.code(),
            Self::KeysUnavailable => "keys-unavailable",
            Self::StoreUnavailable(_) => "store-unavailable",
        }
    }

    /// Whether the caller may be right and should come again: 503 and not 401.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// What `WWW-Authenticate` asks for (RFC 6750, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// The caller sent no credential.
    Missing,
    /// The caller sent one that was refused.
    Invalid,
}

impl Challenge {
    /// The value of the header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => r#"Bearer realm="cedargate""#,
            Self::Invalid => r#"Bearer realm="cedargate", error="invalid_token""#,
        }
    }
}

impl From<Challenge> for HeaderValue {
    fn from(challenge: Challenge) -> Self {
        Self::from_static(challenge.as_str())
    }
}
