//! The demo's own issuer of tokens: a fresh key at each start.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

/// The `iss` of the demo's tokens.
pub const ISSUER: &str = "https://demo.cedargate.invalid";
/// The `aud` of the demo's tokens.
pub const AUDIENCE: &str = "device-api";
const KEY_ID: &str = "demo";
/// How long a token works, in seconds.
const TOKEN_SECONDS: u64 = 24 * 3600;

/// A key that signs tokens until the process ends.
pub struct Issuer {
    pkcs8: Vec<u8>,
    public: String,
}

/// The machine has no randomness or no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot make a key for the demo's tokens")]
pub struct IssuerError;

impl Issuer {
    /// Makes a key.
    pub fn new() -> Result<Self, IssuerError> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| IssuerError)?;
        let key = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(|_| IssuerError)?;
        let public = URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
        Ok(Self { pkcs8: pkcs8.as_ref().to_vec(), public })
    }

    /// The key set that verifies the tokens (RFC 7517).
    #[must_use]
    pub fn key_set(&self) -> String {
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": KEY_ID, "x": self.public,
        });
        json!({ "keys": [key] }).to_string()
    }

    /// A token of a day for one person.
    pub fn token(&self, subject: &str) -> Result<String, IssuerError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| IssuerError)?.as_secs();
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(KEY_ID.to_owned());
        let claims =
            json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + TOKEN_SECONDS });
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&self.pkcs8))
            .map_err(|_| IssuerError)
    }
}
