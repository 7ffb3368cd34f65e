//! Who is asking: reads the credential of a request, and nothing but the one credential.

mod api_key;
mod claims;
mod jwks;
mod jwt;
mod key_ring;
mod options;
mod source;
mod unauthenticated;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, HeaderName, PROXY_AUTHORIZATION};
use tokio::runtime::Handle;

use crate::domain::Uid;
use crate::domain::moment::is_before;
use crate::identity::claims::Clock;
use crate::identity::jwt::{Issuer, Subject, Tokens};
use crate::identity::key_ring::KeyRing;

pub use api_key::KeyText;
pub use key_ring::{KeyLocation, KeyRefresh};
pub use options::{IssuerOptions, Options, OptionsError, Sources};
pub use source::{KeySource, Pending, PrincipalSource};
pub use unauthenticated::{Challenge, Reason, SourceError, Unauthenticated};

/// How a caller showed who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// By a token of a trusted issuer.
    Jwt,
    /// By an API key.
    ApiKey,
}

impl Method {
    /// The name in records and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::ApiKey => "api_key",
        }
    }
}

/// A caller whose credential was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The entity that it is to the policies.
    pub uid: Uid,
    /// How it showed that.
    pub method: Method,
    /// The address that the issuer has verified, in lower case, where the token says one; never an identity.
    pub email: Option<Arc<str>>,
    /// When the credential was issued, in seconds since 1970, if it says so.
    pub issued_at: Option<u64>,
    /// When the credential ends, in seconds since 1970; open streams end then too.
    pub expires_at: Option<u64>,
}

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Someone who sent no credential at all.
    Anonymous,
    /// Someone whose credential was verified.
    Known(Arc<Principal>),
}

/// The one credential of a request.
enum Credential<'a> {
    None,
    Bearer(&'a str),
    ApiKey(&'a str),
}

/// Finds out who is asking; may be used from any runtime.
pub struct Authenticator {
    tokens: Tokens,
    leeway: Duration,
    api_key_header: Option<HeaderName>,
    credential_headers: Vec<HeaderName>,
    sources: Sources,
}

impl Authenticator {
    /// Starts to fetch keys on `runtime`; fails on options that would let someone in by mistake.
    pub fn new(options: Options, sources: Sources, runtime: &Handle) -> Result<Self, OptionsError> {
        options.check(&sources)?;
        let client = options::client()?;
        let issuer = |it: IssuerOptions| Issuer {
            keys: KeyRing::start(it.issuer.clone(), it.keys, options.refresh, client.clone(), runtime),
            name: it.issuer,
            audiences: it.audiences,
            kind: it.kind.into(),
            claim: it.claim,
        };
        let issuers = options.issuers.into_iter().map(issuer).collect();
        let headers = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];
        Ok(Self {
            tokens: Tokens::new(issuers, options.token_types, options.token_cache_bytes),
            leeway: options.leeway,
            credential_headers: headers.into_iter().chain(options.api_key_header.clone()).collect(),
            api_key_header: options.api_key_header,
            sources,
        })
    }

    /// Finds out who is asking from the headers alone; a URL is never read.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Unauthenticated> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        match self.credential(headers)? {
            Credential::None => Ok(Caller::Anonymous),
            Credential::Bearer(token) => self.admit(self.bearer(token, now).await?).await,
            Credential::ApiKey(text) => self.admit(self.api_key(text, now).await?).await,
        }
    }

    /// Refuses what was issued before the principal was signed out, or does not say when it was.
    async fn admit(&self, principal: Arc<Principal>) -> Result<Caller, Unauthenticated> {
        let out_ms = match &self.sources.principals {
            Some(source) => source.signed_out_ms(&principal.uid).await?,
            None => None,
        };
        match out_ms {
            Some(out_ms) if is_before(principal.issued_at, out_ms) => Err(Reason::SignedOut.into()),
            _ => Ok(Caller::Known(principal)),
        }
    }

    /// The headers that hold credentials and must not travel on.
    #[must_use]
    pub fn credential_headers(&self) -> &[HeaderName] {
        &self.credential_headers
    }

    /// Whether every issuer has keys that are fresh enough to verify a token.
    #[must_use]
    pub fn keys_loaded(&self) -> bool {
        let loaded = |issuer: &Issuer| issuer.keys.current().is_some_and(|keys| !keys.is_empty());
        self.tokens.issuers().iter().all(loaded)
    }

    /// Waits until the keys of every issuer were fetched or could not be.
    pub async fn started(&self) {
        for issuer in self.tokens.issuers() {
            issuer.keys.begun().await;
        }
    }

    fn credential<'a>(&self, headers: &'a HeaderMap) -> Result<Credential<'a>, Reason> {
        let mut bearers = headers.get_all(AUTHORIZATION).iter();
        let mut keys = self.api_key_header.iter().flat_map(|name| headers.get_all(name));
        match (bearers.next(), keys.next(), bearers.next().is_some() || keys.next().is_some()) {
            (_, _, true) | (Some(_), Some(_), false) => Err(Reason::Ambiguous),
            (None, None, false) => Ok(Credential::None),
            (Some(value), None, false) => {
                bearer_token(value.to_str().map_err(|_| Reason::TokenMalformed)?).map(Credential::Bearer)
            }
            (None, Some(value), false) => {
                value.to_str().map(Credential::ApiKey).map_err(|_| Reason::ApiKeyMalformed)
            }
        }
    }

    async fn bearer(&self, token: &str, now: Duration) -> Result<Arc<Principal>, Unauthenticated> {
        let clock = Clock { now: now.as_secs_f64(), leeway: self.leeway.as_secs_f64() };
        match self.tokens.verify(token, clock).await? {
            Subject::Known(principal) => Ok(principal),
            Subject::Email { kind, email, issued_at, expires_at } => {
                let source = self.sources.principals.as_ref().ok_or(Reason::PrincipalUnknown)?;
                let found = source.principal_by_email(&kind, &email).await?;
                let uid = found.filter(|uid| uid.kind() == &*kind).ok_or(Reason::PrincipalUnknown)?;
                let email = Some(email);
                Ok(Arc::new(Principal { uid, method: Method::Jwt, email, issued_at, expires_at }))
            }
        }
    }

    async fn api_key(&self, text: &str, now: Duration) -> Result<Arc<Principal>, Unauthenticated> {
        let source = self.sources.keys.as_ref().ok_or(Reason::ApiKeyUnknown)?;
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        api_key::verify(text, source.as_ref(), now_ms).await
    }
}

/// The token of `Bearer TOKEN`; the scheme has no case (RFC 9110, section 11.1).
fn bearer_token(value: &str) -> Result<&str, Reason> {
    let (scheme, token) = value.split_once(' ').ok_or(Reason::SchemeUnsupported)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim_start_matches(' '))
    } else {
        Err(Reason::SchemeUnsupported)
    }
}
