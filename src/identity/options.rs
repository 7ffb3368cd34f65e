//! How callers may show who they are, and which ways of saying so are refused at the start.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderName, TRANSFER_ENCODING};
use reqwest::{Client, Url};

use crate::domain::Uid;
use crate::identity::{KeyLocation, KeyRefresh, KeySource, PrincipalSource};

/// How callers may show who they are.
#[derive(Debug, Clone)]
pub struct Options {
    /// The issuers whose tokens are good; none means that no token is.
    pub issuers: Vec<IssuerOptions>,
    /// The header of API keys; `None` means that there are no API keys.
    pub api_key_header: Option<HeaderName>,
    /// How far an issuer's clock may be off.
    pub leeway: Duration,
    /// The values of `typ` that a token may have; it may also have none.
    pub token_types: Vec<String>,
    /// How much memory verified tokens may take.
    pub token_cache_bytes: u64,
    /// How keys are kept fresh.
    pub refresh: KeyRefresh,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            api_key_header: None,
            leeway: Duration::from_secs(30),
            token_types: vec!["JWT".into(), "at+jwt".into()],
            token_cache_bytes: 32 * 1024 * 1024,
            refresh: KeyRefresh::default(),
        }
    }
}

/// One issuer, and how its tokens name a principal.
#[derive(Debug, Clone)]
pub struct IssuerOptions {
    /// `iss`, byte for byte.
    pub issuer: String,
    /// The values of `aud` that mean this gateway.
    pub audiences: Vec<String>,
    /// Where its keys are.
    pub keys: KeyLocation,
    /// The entity type of its principals.
    pub kind: String,
    /// The claim that names the principal; `email` is looked up and must be verified.
    pub claim: String,
}

/// What the store answers for identity.
#[derive(Clone, Default)]
pub struct Sources {
    /// API keys, needed with a header for them.
    pub keys: Option<Arc<dyn KeySource>>,
    /// Principals by address, needed with the claim `email`.
    pub principals: Option<Arc<dyn PrincipalSource>>,
}

/// Why options would let someone in by mistake, or nobody.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// An issuer without a name.
    #[error("an issuer is empty: set `issuer` to the `iss` of its tokens")]
    IssuerEmpty,
    /// An issuer that is there twice.
    #[error("issuer `{0}` is there twice: keep one and list the audiences there")]
    IssuerTwice(String),
    /// An issuer whose tokens would be good here whoever they are for.
    #[error("issuer `{0}` has an empty audience: set `audience` to the `aud` of its tokens for this gateway")]
    AudienceEmpty(String),
    /// Keys at no address that can be fetched.
    #[error("`{0}` is not an address of keys: write an `http` or `https` URL without user and password")]
    Address(String),
    /// A type or claim that can name no principal.
    #[error("issuer `{0}` names no principals: set `type` and `claim`")]
    Principal(String),
    /// A header that cannot hold API keys.
    #[error("`{0}` cannot be the header of API keys: choose one of your own, such as `X-API-Key`")]
    ApiKeyHeader(HeaderName),
    /// No type of token would be good.
    #[error("no token type is allowed: list `JWT` or `at+jwt`")]
    TypesEmpty,
    /// Addresses or API keys without anyone to ask about them.
    #[error("there is no store to look up {0} in")]
    SourceMissing(&'static str),
    /// The client that fetches keys.
    #[error("the client that fetches keys cannot be made")]
    Client(#[from] reqwest::Error),
}

impl Options {
    pub(super) fn check(&self, sources: &Sources) -> Result<(), OptionsError> {
        let mut names = BTreeSet::new();
        for issuer in &self.issuers {
            issuer.check()?;
            if !names.insert(&issuer.issuer) {
                return Err(OptionsError::IssuerTwice(issuer.issuer.clone()));
            }
        }
        if self.token_types.iter().all(String::is_empty) {
            return Err(OptionsError::TypesEmpty);
        }
        if self.issuers.iter().any(|issuer| issuer.claim == "email") && sources.principals.is_none() {
            return Err(OptionsError::SourceMissing("e-mail addresses"));
        }
        self.check_api_keys(sources)?;
        self.warn_of_shared_names();
        Ok(())
    }

    fn check_api_keys(&self, sources: &Sources) -> Result<(), OptionsError> {
        let Some(header) = &self.api_key_header else { return Ok(()) };
        let taken = [AUTHORIZATION, COOKIE, HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];
        if taken.contains(header) {
            return Err(OptionsError::ApiKeyHeader(header.clone()));
        }
        if sources.keys.is_none() { Err(OptionsError::SourceMissing("API keys")) } else { Ok(()) }
    }

    /// The same `sub` of two issuers is one principal when both have the same type.
    fn warn_of_shared_names(&self) {
        let mut kinds = BTreeSet::new();
        for issuer in self.issuers.iter().filter(|issuer| issuer.claim != "email") {
            if !kinds.insert(&issuer.kind) {
                tracing::warn!(
                    kind = issuer.kind,
                    "two issuers name the same principals; each can speak for the other's"
                );
            }
        }
    }
}

impl IssuerOptions {
    fn check(&self) -> Result<(), OptionsError> {
        let name = || self.issuer.clone();
        if self.issuer.trim().is_empty() {
            return Err(OptionsError::IssuerEmpty);
        }
        if self.audiences.is_empty() || self.audiences.iter().any(|audience| audience.trim().is_empty()) {
            return Err(OptionsError::AudienceEmpty(name()));
        }
        if Uid::new(self.kind.as_str(), "id").is_err() || self.claim.is_empty() {
            return Err(OptionsError::Principal(name()));
        }
        match &self.keys {
            KeyLocation::Url(url) => check_address(url),
            KeyLocation::Discovery => check_address(&self.issuer),
            KeyLocation::File(_) => Ok(()),
        }
    }
}

fn check_address(address: &str) -> Result<(), OptionsError> {
    let plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    };
    match Url::parse(address) {
        Ok(url) if plain(&url) => Ok(()),
        _ => Err(OptionsError::Address(address.to_owned())),
    }
}

/// Follows no redirect and no proxy of the environment: keys come from where they are configured.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()
}
