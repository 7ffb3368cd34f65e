//! API keys: random text that is shown once and kept only as its hash.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::identity::{KeySource, Method, Principal, Reason, Unauthenticated};
use crate::store::ApiKey;

/// What every key begins with, so that scanners for secrets find it.
const PREFIX: &str = "cgk_";
const RANDOM_BYTES: usize = 32;

/// The text of a new key; it has no `Debug`, so it cannot be logged by accident.
pub struct KeyText(String);

impl KeyText {
    /// Makes a key from 256 random bits.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// Reads a key as a caller sends it; the form is exact, so one key has one text.
    pub fn parse(text: &str) -> Option<Self> {
        let random = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (random.len() == RANDOM_BYTES).then(|| Self(text.to_owned()))
    }

    /// SHA-256 of the whole text: what is stored.
    ///
    /// A fast hash is right here: 256 random bits cannot be guessed, unlike a password.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    /// The text, to be shown once to who asked for the key.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Finds out whose key it is; an unknown key costs the same work as a known one.
pub(super) async fn verify(
    text: &str,
    source: &dyn KeySource,
    now_ms: i64,
) -> Result<Arc<Principal>, Unauthenticated> {
    let hash = KeyText::parse(text).ok_or(Reason::ApiKeyMalformed)?.hash();
    let key = find(source, &hash).await?.ok_or(Reason::ApiKeyUnknown)?;
    if !bool::from(key.hash.ct_eq(&hash)) {
        return Err(Reason::ApiKeyUnknown.into());
    }
    if !key.is_live(now_ms) {
        let revoked = key.revoked_ms.is_some();
        return Err(if revoked { Reason::ApiKeyRevoked } else { Reason::ApiKeyExpired }.into());
    }
    if !key.principal.is_tellable() {
        return Err(Reason::ApiKeyPrincipal.into());
    }
    let expires_at = key.expires_ms.and_then(|end| u64::try_from(end / 1000).ok());
    let issued_at = u64::try_from(key.created_ms / 1000).ok();
    Ok(Arc::new(Principal { uid: key.principal, method: Method::ApiKey, email: None, issued_at, expires_at }))
}

/// The one place that looks a key up: a cache bound to the store's stamps belongs here.
async fn find(source: &dyn KeySource, hash: &[u8; 32]) -> Result<Option<ApiKey>, Unauthenticated> {
    Ok(source.key_by_hash(hash).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_form() {
        let key = KeyText::random().unwrap();
        let text = key.reveal();
        assert_eq!(text.len(), 47);
        assert_eq!(KeyText::parse(text).unwrap().hash(), key.hash());
        assert_ne!(KeyText::random().unwrap().hash(), key.hash());
        let last = text.chars().last().unwrap();
        // The last character carries two bits of nothing: no other character may stand for it.
        let twins = ('A'..='Z').filter(|c| KeyText::parse(&format!("{}{c}", &text[..46])).is_some()).count();
        assert!(twins < 26 && KeyText::parse(&format!("{}{last}", &text[..46])).is_some());
        for bad in [
            text[..46].to_owned(),
            format!("{text}="),
            format!("{text} "),
            text.to_uppercase(),
            text.replacen("cgk_", "", 1),
            text.replacen("cgk_", "cgk-", 1),
            format!("{}+", &text[..46]),
            String::new(),
        ] {
            assert!(KeyText::parse(&bad).is_none(), "{bad}");
        }
    }
}
