//! Bearer tokens: a strict reading, the one key that may verify them, and a cache of those that did.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::sync::Cache;
use serde_json::{Map, Value as Json};

use crate::domain::Uid;
use crate::identity::claims::{self, Clock};
use crate::identity::jwks::KeySet;
use crate::identity::key_ring::KeyRing;
use crate::identity::{Method, Principal, Reason, Unauthenticated};
use crate::json;

/// The longest token.
const TOKEN_BYTES_MAX: usize = 8192;
/// What a cached token costs beside its text.
const ENTRY_BYTES: u32 = 256;

/// One trusted issuer.
pub(super) struct Issuer {
    pub(super) name: String,
    pub(super) audiences: Vec<String>,
    pub(super) kind: Arc<str>,
    pub(super) claim: String,
    pub(super) keys: KeyRing,
}

/// Whom a token is about.
#[derive(Clone)]
pub(super) enum Subject {
    /// The claim is the id.
    Known(Arc<Principal>),
    /// The claim is an address, which must be looked up each time: it can pass to someone else.
    Email { kind: Arc<str>, email: Arc<str>, issued_at: Option<u64>, expires_at: Option<u64> },
}

/// A token that was verified, and what its verification hangs on.
#[derive(Clone)]
struct Verified {
    subject: Subject,
    issuer: usize,
    generation: u64,
    exp: f64,
}

/// Verifies tokens of all trusted issuers.
pub(super) struct Tokens {
    issuers: Vec<Issuer>,
    types: Vec<String>,
    verified: Cache<Arc<str>, Verified, foldhash::quality::RandomState>,
}

impl Tokens {
    pub(super) fn new(issuers: Vec<Issuer>, types: Vec<String>, cache_bytes: u64) -> Self {
        let weight = |token: &Arc<str>, _: &Verified| {
            u32::try_from(token.len()).unwrap_or(u32::MAX).saturating_add(ENTRY_BYTES)
        };
        let verified = Cache::builder().max_capacity(cache_bytes).weigher(weight);
        Self {
            issuers,
            types,
            verified: verified.build_with_hasher(foldhash::quality::RandomState::default()),
        }
    }

    pub(super) fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// Finds out whom the token is about; fails on any doubt.
    pub(super) async fn verify(&self, token: &str, clock: Clock) -> Result<Subject, Unauthenticated> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Reason::TokenTooLarge.into());
        }
        if let Some(known) = self.verified.get(token)
            && self.is_current(&known)
        {
            return if clock.is_past(known.exp) { Err(Reason::Expired.into()) } else { Ok(known.subject) };
        }
        let verified = self.verify_anew(token, clock).await?;
        let subject = verified.subject.clone();
        self.verified.insert(token.into(), verified);
        Ok(subject)
    }

    /// Whether the keys are still those that verified it.
    fn is_current(&self, verified: &Verified) -> bool {
        let keys = self.issuers.get(verified.issuer).and_then(|issuer| issuer.keys.current());
        keys.is_some_and(|keys| keys.generation == verified.generation)
    }

    async fn verify_anew(&self, token: &str, clock: Clock) -> Result<Verified, Unauthenticated> {
        let token = Token::read(token)?;
        let header = Header::read(token.header, &self.types)?;
        let (index, issuer) = self.issuer(&token.claims)?;
        let exp = claims::check_times(&token.claims, clock)?;
        claims::check_audience(&token.claims, &issuer.audiences)?;
        let subject = issuer.subject(&token.claims, exp)?;
        let generation = issuer.check_signature(&header, token.signed, token.signature).await?;
        Ok(Verified { subject, issuer: index, generation, exp })
    }

    /// The issuer that the token names, byte for byte; its keys will show whether that is true.
    fn issuer(&self, claims: &Map<String, Json>) -> Result<(usize, &Issuer), Reason> {
        let name = claims.get("iss").and_then(Json::as_str).ok_or(Reason::IssuerUnknown)?;
        let found = self.issuers.iter().enumerate().find(|(_, issuer)| issuer.name == name);
        found.ok_or(Reason::IssuerUnknown)
    }
}

impl Issuer {
    fn subject(&self, claims: &Map<String, Json>, exp: f64) -> Result<Subject, Reason> {
        // `check_times` has bounded it, and the end of a fraction of a second may come early.
        let expires_at = Some(exp as u64);
        let issued_at = claims.get("iat").and_then(Json::as_f64).map(|at| at as u64);
        if self.claim == "email" {
            let email = claims::verified_email(claims)?.into();
            return Ok(Subject::Email { kind: Arc::clone(&self.kind), email, issued_at, expires_at });
        }
        let id = claims::subject(claims, &self.claim)?;
        let uid = Uid::new(Arc::clone(&self.kind), id).map_err(|_| Reason::SubjectInvalid)?;
        let email = claims::stated_email(claims).map(Into::into);
        Ok(Subject::Known(Arc::new(Principal { uid, method: Method::Jwt, email, issued_at, expires_at })))
    }

    /// Verifies with the present keys, and once more with newer ones when these do not fit.
    async fn check_signature(
        &self,
        header: &Header,
        signed: &str,
        signature: &str,
    ) -> Result<u64, Unauthenticated> {
        let before = self.keys.current();
        let first = before.as_ref().map(|keys| check(keys, header, signed, signature));
        let stale = match first {
            Some(Ok(generation)) => return Ok(generation),
            Some(Err(reason @ (Reason::KeyUnknown | Reason::SignatureWrong))) => Some(reason),
            Some(Err(reason)) => return Err(reason.into()),
            None => None,
        };
        self.keys.renew().await;
        let Some(after) = self.keys.current() else { return Err(Unauthenticated::KeysUnavailable) };
        match (stale, before) {
            (Some(reason), Some(before)) if before.generation == after.generation => Err(reason.into()),
            _ => Ok(check(&after, header, signed, signature)?),
        }
    }
}

/// Verifies with the one key that fits, and tells of which generation it is.
fn check(keys: &KeySet, header: &Header, signed: &str, signature: &str) -> Result<u64, Reason> {
    let key = keys.find(header.kid.as_deref(), &header.alg)?;
    match jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key.decoding, key.algorithm) {
        Ok(true) => Ok(keys.generation),
        Ok(false) | Err(_) => Err(Reason::SignatureWrong),
    }
}

/// A token taken apart, nothing in it verified.
struct Token<'a> {
    header: Map<String, Json>,
    claims: Map<String, Json>,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Token<'a> {
    fn read(token: &'a str) -> Result<Self, Reason> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Reason::TokenMalformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Reason::TokenMalformed)?;
        // A third dot is no character of base64url, so five parts (a JWE) fail here too.
        if signature.is_empty() || decode(signature).is_none() {
            return Err(Reason::TokenMalformed);
        }
        let header = object(header).ok_or(Reason::TokenMalformed)?;
        let claims = object(claims).ok_or(Reason::TokenMalformed)?;
        Ok(Self { header, claims, signed, signature })
    }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

fn object(part: &str) -> Option<Map<String, Json>> {
    match json::parse(&decode(part)?).ok()? {
        Json::Object(map) => Some(map),
        _ => None,
    }
}

/// What of a token's header counts; a key or the address of one that it carries does not.
struct Header {
    alg: String,
    kid: Option<String>,
}

impl Header {
    fn read(header: Map<String, Json>, types: &[String]) -> Result<Self, Reason> {
        if ["crit", "b64", "enc", "zip"].iter().any(|name| header.contains_key(*name)) {
            return Err(Reason::HeaderRefused);
        }
        if !header.get("typ").is_none_or(|typ| typ.as_str().is_some_and(|typ| is_among(typ, types))) {
            return Err(Reason::TypeRefused);
        }
        let alg = header.get("alg").and_then(Json::as_str).ok_or(Reason::AlgorithmRefused)?.to_owned();
        let kid = match header.get("kid") {
            Some(kid) => Some(kid.as_str().ok_or(Reason::KeyUnknown)?.to_owned()),
            None => None,
        };
        Ok(Self { alg, kid })
    }
}

/// Media types compare without case, and `application/` may be left out (RFC 7515, section 4.1.9).
fn is_among(typ: &str, types: &[String]) -> bool {
    let short = |typ: &str| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
    };
    types.iter().any(|known| short(known) == short(typ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn header(value: Json) -> Result<Header, Reason> {
        let types = ["JWT".to_owned(), "at+jwt".to_owned()];
        Header::read(value.as_object().unwrap().clone(), &types)
    }

    #[test]
    fn a_header_says_nothing_that_is_not_understood() {
        for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"] {
            assert!(header(json!({"alg": "RS256", "typ": typ})).is_ok(), "{typ}");
        }
        assert!(header(json!({"alg": "RS256", "jwk": {}, "jku": "http://x", "x5u": "http://x"})).is_ok());
        for typ in
            [json!("JWT-ID"), json!(""), json!("application/application/jwt"), json!(null), json!(["JWT"])]
        {
            assert_eq!(header(json!({"alg": "RS256", "typ": typ})).err(), Some(Reason::TypeRefused), "{typ}");
        }
        for name in ["crit", "b64", "enc", "zip"] {
            assert_eq!(header(json!({"alg": "RS256", name: true})).err(), Some(Reason::HeaderRefused));
        }
        assert_eq!(header(json!({})).err(), Some(Reason::AlgorithmRefused));
        assert_eq!(header(json!({"alg": ["RS256"]})).err(), Some(Reason::AlgorithmRefused));
        assert_eq!(header(json!({"alg": "RS256", "kid": 1})).err(), Some(Reason::KeyUnknown));
    }

    #[test]
    fn a_token_has_three_strict_parts() {
        assert!(Token::read("e30.e30.AA").is_ok());
        for bad in [
            "",
            ".",
            "..",
            "e30.e30",
            "e30.e30.",
            "e30.e30.AA.x",
            "a.b.c.d.e",
            "e30=.e30.AA",
            "e30.e30.AB",
            "e30.e30.A+",
            "e30.W10.AA",
            "e30.e30.AA ",
            " e30.e30.AA",
            "e30.e30\n.AA",
        ] {
            assert!(Token::read(bad).is_err(), "{bad}");
        }
        assert!(Token::read(&".".repeat(200_000)).is_err());
    }
}
