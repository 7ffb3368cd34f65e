//! `[authentication]`: who may ask, and how they show who they are.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use toml::Spanned;

use crate::config::{Config, HeaderField, HttpUrl, OneOrMany, read};
use crate::finding::Finding;

/// `[authentication]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Authentication {
    /// Which entity a verified caller is.
    pub principal: PrincipalRule,
    /// The issuers whose tokens are believed.
    pub jwt: Vec<Jwt>,
    /// API keys, if they are taken.
    pub api_key: Option<ApiKeyConfig>,
}

/// Which entity a verified token names.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrincipalRule {
    /// The entity type.
    #[serde(rename = "type", deserialize_with = "read::entity_type")]
    pub kind: String,
    /// The claim with the id; `email` looks the address up.
    #[serde(deserialize_with = "read::filled")]
    pub claim: String,
}

impl Default for PrincipalRule {
    fn default() -> Self {
        Self { kind: "User".to_owned(), claim: "sub".to_owned() }
    }
}

/// `[[authentication.jwt]]`: one issuer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// The `iss` of its tokens, byte for byte.
    #[serde(deserialize_with = "issuer")]
    pub issuer: Spanned<String>,
    /// The `aud` that its tokens must have, one of these.
    #[serde(deserialize_with = "audience")]
    pub audience: Vec<String>,
    /// Where its keys are.
    #[serde(default)]
    pub jwks_url: Option<HttpUrl>,
    /// A file with its keys.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// How far its clock may be off.
    #[serde(default = "leeway", deserialize_with = "read::duration_or_zero")]
    pub leeway: Duration,
    /// The `typ` that its tokens may have, folded to lower case; one without `typ` counts as `jwt`.
    #[serde(default = "types", deserialize_with = "lower")]
    pub typ: Vec<String>,
}

/// `[authentication.api_key]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiKeyConfig {
    /// The header that holds the key.
    pub header: Spanned<HeaderField>,
}

impl Default for ApiKeyConfig {
    fn default() -> Self {
        Self { header: Spanned::new(0..0, HeaderField::fixed(http::HeaderName::from_static("x-api-key"))) }
    }
}

fn leeway() -> Duration {
    Duration::from_secs(30)
}

fn types() -> Vec<String> {
    vec!["jwt".to_owned(), "at+jwt".to_owned()]
}

fn issuer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Spanned<String>, D::Error> {
    let read = Spanned::<String>::deserialize(deserializer)?;
    if read.get_ref().trim().is_empty() {
        return Err(D::Error::custom("the issuer is empty\nwrite the `iss` of the tokens"));
    }
    Ok(read)
}

fn audience<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let read = OneOrMany::<String>::deserialize(deserializer)?.into_vec();
    if read.is_empty() || read.iter().any(|audience| audience.trim().is_empty()) {
        return Err(D::Error::custom(
            "the audience is empty\nwrite the `aud` that the issuer puts into tokens for this API",
        ));
    }
    Ok(read)
}

fn lower<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let read = OneOrMany::<String>::deserialize(deserializer)?.into_vec();
    Ok(read.iter().map(|typ| typ.to_ascii_lowercase()).collect())
}

pub(super) fn contradictions(config: &Config, found: &mut Vec<Finding>) {
    let (authentication, origin) = (&config.authentication, &config.origin);
    let mut issuers = BTreeSet::new();
    for jwt in &authentication.jwt {
        let (issuer, span) = (jwt.issuer.get_ref(), jwt.issuer.span());
        if !issuers.insert(issuer) {
            let error = origin.error(span.clone(), format!("the issuer `{issuer}` is listed twice"));
            found.push(error.with_help("give its `audience` as a list"));
        }
        if jwt.jwks_url.is_some() && jwt.jwks_file.is_some() {
            let error = origin.error(span.clone(), format!("the keys of `{issuer}` have two sources"));
            found.push(error.with_help("leave out `jwks_url` or `jwks_file`"));
        }
        if jwt.jwks_url.is_none() && jwt.jwks_file.is_none() && issuer.parse::<HttpUrl>().is_err() {
            let error =
                origin.error(span, format!("the keys of `{issuer}` cannot be discovered: it is no URL"));
            found.push(error.with_help("name them with `jwks_url` or `jwks_file`"));
        }
    }
    if let Some(header) = authentication.api_key.as_ref().map(|key| &key.header) {
        let name = header.get_ref().name();
        if *name == http::header::AUTHORIZATION && !authentication.jwt.is_empty() {
            let error = origin.error(header.span(), "tokens travel in `Authorization` already");
            found.push(error.with_help("take API keys from a header of their own, such as `X-API-Key`"));
        }
        if name == config.upstream.identity_header.get_ref().name() {
            let error = origin.error(header.span(), format!("`{name}` is the identity header"));
            found.push(error.with_help("take API keys from another header, such as `X-API-Key`"));
        }
    }
}
