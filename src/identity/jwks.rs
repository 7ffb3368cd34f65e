//! The keys of an issuer, each bound to the one algorithm that it may verify.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value as Json;

use crate::identity::Reason;

/// The most keys that are looked at in one set.
const KEYS_MAX: usize = 64;

/// One public key.
#[derive(Clone)]
pub(super) struct Key {
    kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// The keys that an issuer published at one time.
pub(super) struct KeySet {
    /// Grows when the published keys change; a cached token lives no longer than its generation.
    pub(super) generation: u64,
    pub(super) fetched: Instant,
    keys: Vec<Key>,
    published: Json,
}

impl KeySet {
    /// Reads a JWK set; keys of other kinds or for other uses are passed over.
    pub(super) fn parse(text: &[u8], previous: Option<&Self>) -> Result<Self, JwksError> {
        let set: Json = serde_json::from_slice(text).map_err(JwksError::Json)?;
        let published = set.get("keys").cloned().ok_or(JwksError::NoKeys)?;
        let keys =
            published.as_array().ok_or(JwksError::NoKeys)?.iter().take(KEYS_MAX).filter_map(key).collect();
        let generation = match previous {
            Some(previous) if previous.published == published => previous.generation,
            Some(previous) => previous.generation + 1,
            None => 1,
        };
        Ok(Self { generation, fetched: Instant::now(), keys, published })
    }

    /// Whether no token can be verified with it.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that a token's header names; without a name, the only key of that algorithm.
    pub(super) fn find(&self, kid: Option<&str>, alg: &str) -> Result<&Key, Reason> {
        let algorithm = algorithm(alg).ok_or(Reason::AlgorithmRefused)?;
        let mut named = self.keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid).peekable();
        if named.peek().is_none() {
            return Err(Reason::KeyUnknown);
        }
        let mut fitting = named.filter(|key| key.algorithm == algorithm);
        let key = fitting.next().ok_or(Reason::AlgorithmRefused)?;
        if kid.is_none() && fitting.next().is_some() { Err(Reason::KeyUnknown) } else { Ok(key) }
    }
}

/// Why a JWK set cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum JwksError {
    #[error("the key set is not JSON")]
    Json(#[source] serde_json::Error),
    #[error("the key set has no list `keys`")]
    NoKeys,
}

/// The algorithms that tokens may name (RFC 7518, RFC 8037, RFC 9864).
pub(super) fn algorithm(alg: &str) -> Option<Algorithm> {
    match alg {
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

fn key(jwk: &Json) -> Option<Key> {
    let text = |name: &str| jwk.get(name).and_then(Json::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let for_signatures = jwk.get("use").is_none_or(|usage| usage == "sig")
        && jwk
            .get("key_ops")
            .is_none_or(|ops| ops.as_array().is_some_and(|ops| ops.contains(&"verify".into())));
    let (algorithm, decoding) = match (text("kty")?, text("crv")) {
        ("RSA", _) => (Algorithm::RS256, rsa(&bytes("n")?, &bytes("e")?)?),
        ("EC", Some("P-256")) => (Algorithm::ES256, p256(&bytes("x")?, &bytes("y")?)?),
        ("OKP", Some("Ed25519")) => (Algorithm::EdDSA, ed25519(&bytes("x")?)?),
        _ => return None,
    };
    let stated = match jwk.get("alg") {
        Some(alg) => self::algorithm(alg.as_str()?) == Some(algorithm),
        None => true,
    };
    let kid = text("kid").map(str::to_owned);
    (for_signatures && stated).then_some(Key { kid, algorithm, decoding })
}

/// RSA keys have at least 2048 bits.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<DecodingKey> {
    let bits = modulus.iter().skip_while(|byte| **byte == 0).count() * 8;
    (2048..=8192).contains(&bits).then(|| DecodingKey::from_rsa_raw_components(modulus, exponent))
}

fn p256(x: &[u8], y: &[u8]) -> Option<DecodingKey> {
    let point = [&[4], x, y].concat();
    (x.len() == 32 && y.len() == 32).then(|| DecodingKey::from_ec_der(&point))
}

fn ed25519(x: &[u8]) -> Option<DecodingKey> {
    (x.len() == 32).then(|| DecodingKey::from_ed_der(x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn b64(byte: u8, len: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![byte; len])
    }

    fn set(keys: Json) -> KeySet {
        KeySet::parse(json!({"keys": keys}).to_string().as_bytes(), None).unwrap()
    }

    #[test]
    fn a_key_serves_its_own_algorithm_only() {
        let keys = set(json!([
            {"kty": "RSA", "kid": "r", "n": b64(0xff, 256), "e": "AQAB"},
            {"kty": "EC", "crv": "P-256", "kid": "e", "x": b64(1, 32), "y": b64(1, 32)},
            {"kty": "OKP", "crv": "Ed25519", "kid": "d", "alg": "EdDSA", "x": b64(1, 32)},
        ]));
        for (kid, alg) in [("r", "RS256"), ("e", "ES256"), ("d", "EdDSA"), ("d", "Ed25519")] {
            assert!(keys.find(Some(kid), alg).is_ok(), "{kid} {alg}");
            assert!(keys.find(None, alg).is_ok(), "{alg}");
        }
        for (kid, alg) in
            [("r", "ES256"), ("r", "HS256"), ("r", "none"), ("r", "PS256"), ("e", "RS256"), ("d", "rs256")]
        {
            assert_eq!(keys.find(Some(kid), alg).err(), Some(Reason::AlgorithmRefused), "{kid} {alg}");
        }
        assert_eq!(keys.find(Some("R"), "RS256").err(), Some(Reason::KeyUnknown));
        assert_eq!(keys.find(Some(""), "RS256").err(), Some(Reason::KeyUnknown));
    }

    #[test]
    fn keys_of_other_kinds_and_uses_are_passed_over() {
        let good = json!({"kty": "RSA", "kid": "r", "n": b64(0xff, 256), "e": "AQAB"});
        for (name, value) in [
            ("use", json!("enc")),
            ("key_ops", json!(["sign"])),
            ("alg", json!("RSA-OAEP")),
            ("alg", json!("HS256")),
            ("alg", json!(5)),
            ("n", json!(b64(0xff, 128))),
            ("kty", json!("oct")),
        ] {
            let mut bad = good.clone();
            bad[name] = value.clone();
            assert!(set(json!([bad, 1, null])).is_empty(), "{name} {value}");
        }
        assert!(!set(json!([good])).is_empty());
        assert!(set(json!([{"kty": "oct", "kid": "k", "k": b64(1, 32)}])).is_empty());
        assert!(KeySet::parse(b"{}", None).is_err());
        assert!(KeySet::parse(b"<html>", None).is_err());
    }

    #[test]
    fn a_token_without_a_key_name_needs_a_single_key() {
        let one = json!({"kty": "OKP", "crv": "Ed25519", "x": b64(1, 32)});
        assert!(set(json!([one])).find(None, "EdDSA").is_ok());
        assert_eq!(set(json!([one, one])).find(None, "EdDSA").err(), Some(Reason::KeyUnknown));
    }

    #[test]
    fn the_generation_grows_with_a_change_only() {
        let text = |x: u8| json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": b64(x, 32)}]}).to_string();
        let first = KeySet::parse(text(1).as_bytes(), None).unwrap();
        let same = KeySet::parse(text(1).as_bytes(), Some(&first)).unwrap();
        let other = KeySet::parse(text(2).as_bytes(), Some(&same)).unwrap();
        assert_eq!((first.generation, same.generation, other.generation), (1, 1, 2));
    }
}
