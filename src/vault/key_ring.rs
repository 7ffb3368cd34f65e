//! The keys that secrets are sealed with: the first seals, all of them open.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::domain::{SecretText, Uid};

const KEY_BYTES: usize = 32;
/// What is authenticated begins with this, so that no other use of a key is ever taken for this one.
const PURPOSE: &str = "cedargate secret 1";
const KEY_PURPOSE: &str = "cedargate secret key 1";

/// The keys; without any, no secret can be kept.
#[derive(Clone, Default)]
pub struct KeyRing(Arc<[Key]>);

struct Key {
    /// Follows from the key, so that the two cannot be mixed up.
    id: Box<str>,
    cipher: RandomizedNonceKey,
}

/// A secret as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key that opens it.
    pub key: String,
    /// The nonce, then the text and its tag.
    pub bytes: Vec<u8>,
}

/// Why a text is not a key; the text itself stays out of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is 32 bytes in base64: `cedargate secrets key` makes one")]
pub struct KeyForm;

/// Why a secret cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// There is no key to seal with.
    #[error("no key for secrets is configured: add one to `[secrets] keys`")]
    NoKey,
    /// The key that it was sealed with is not here.
    #[error("secrets are stored under the key {0}, which `[secrets] keys` does not have: add it")]
    UnknownKey(String),
    /// It is not what was sealed under this name.
    #[error("a stored secret was changed, or belongs to another entity")]
    Broken,
}

impl KeyRing {
    /// Reads keys in base64; empty texts are left out.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, KeyForm> {
        let texts = texts.into_iter().filter(|text| !text.is_empty());
        texts.map(Key::parse).collect::<Result<Arc<[Key]>, _>>().map(Self)
    }

    /// A new key in base64.
    pub fn fresh() -> Result<Zeroizing<String>, VaultError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *bytes).map_err(|_| VaultError::NoKey)?;
        Ok(Zeroizing::new(STANDARD.encode(*bytes)))
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(|key| &*key.id)
    }

    /// Whether a key of this id is here.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| *key.id == *id)
    }

    /// Seals a secret under the first key.
    pub fn seal(&self, of: &Uid, name: &str, value: &SecretText) -> Result<Sealed, VaultError> {
        let key = self.0.first().ok_or(VaultError::NoKey)?;
        // What is encrypted in place leaves no plain copy.
        let mut text = value.reveal().as_bytes().to_vec();
        let bound = bound(&key.id, of, name);
        let nonce = key
            .cipher
            .seal_in_place_append_tag(Aad::from(bound), &mut text)
            .map_err(|_| VaultError::Broken)?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut text);
        Ok(Sealed { key: key.id.to_string(), bytes })
    }

    /// Opens a secret that was sealed for this entity and name.
    pub fn open(&self, of: &Uid, name: &str, sealed: &Sealed) -> Result<SecretText, VaultError> {
        let unknown = || VaultError::UnknownKey(sealed.key.clone());
        let key = self.0.iter().find(|key| *key.id == *sealed.key).ok_or_else(unknown)?;
        let (nonce, text) = sealed.bytes.split_at_checked(NONCE_LEN).ok_or(VaultError::Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Broken)?;
        let mut text = Zeroizing::new(text.to_vec());
        let opened = key.cipher.open_in_place(nonce, Aad::from(bound(&key.id, of, name)), &mut text);
        let opened = opened.map_err(|_| VaultError::Broken)?;
        let text = std::str::from_utf8(opened).map_err(|_| VaultError::Broken)?;
        SecretText::new(text.to_owned()).map_err(|_| VaultError::Broken)
    }
}

impl Key {
    fn parse(text: &str) -> Result<Self, KeyForm> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| KeyForm)?);
        if bytes.len() != KEY_BYTES {
            return Err(KeyForm);
        }
        let hash = Sha256::new().chain_update(KEY_PURPOSE).chain_update(&*bytes).finalize();
        let mut id = String::new();
        for byte in hash.iter().take(8) {
            let _infallible = write!(id, "{byte:02x}");
        }
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| KeyForm)?;
        Ok(Self { id: id.into(), cipher })
    }
}

/// What a secret is bound to, each part with its length.
fn bound(key: &str, of: &Uid, name: &str) -> Vec<u8> {
    let mut bound = Vec::new();
    for part in [PURPOSE, key, of.kind(), of.id(), name] {
        bound.extend((part.len() as u64).to_be_bytes());
        bound.extend(part.as_bytes());
    }
    bound
}

impl PartialEq for KeyRing {
    fn eq(&self, other: &Self) -> bool {
        let ids = |ring: &Self| ring.0.iter().map(|key| key.id.clone()).collect::<Vec<_>>();
        ids(self) == ids(other)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> String {
        STANDARD.encode([byte; KEY_BYTES])
    }

    fn ring(keys: &[u8]) -> KeyRing {
        let keys: Vec<String> = keys.iter().map(|byte| key(*byte)).collect();
        KeyRing::parse(keys.iter().map(String::as_str)).unwrap()
    }

    fn lamp() -> Uid {
        Uid::new("Device", "lamp").unwrap()
    }

    fn token() -> SecretText {
        SecretText::new("a-token".to_owned()).unwrap()
    }

    #[test]
    fn every_key_opens_and_the_first_seals() {
        let old = ring(&[1]).seal(&lamp(), "token", &token()).unwrap();
        let both = ring(&[2, 1]);
        assert_eq!(both.open(&lamp(), "token", &old).unwrap(), token());
        let new = both.seal(&lamp(), "token", &token()).unwrap();
        assert_eq!(both.first(), Some(new.key.as_str()));
        assert_ne!(new.key, old.key);
        assert_eq!(ring(&[1]).open(&lamp(), "token", &new), Err(VaultError::UnknownKey(new.key)));
        assert_eq!(ring(&[]).seal(&lamp(), "token", &token()), Err(VaultError::NoKey));
    }

    #[test]
    fn the_same_secret_never_looks_the_same_nor_like_itself() {
        let ring = ring(&[1]);
        let seal = || ring.seal(&lamp(), "token", &token()).unwrap().bytes;
        assert_ne!(seal(), seal());
        assert!(!seal().windows(7).any(|part| part == b"a-token"));
    }

    #[test]
    fn a_secret_is_bound_to_entity_name_and_key_and_cannot_be_changed() {
        let ring = ring(&[1, 2]);
        let sealed = ring.seal(&lamp(), "token", &token()).unwrap();
        let garage = Uid::new("Device", "garage").unwrap();
        let user = Uid::new("User", "lamp").unwrap();
        let broken = Err(VaultError::Broken);
        assert_eq!(ring.open(&garage, "token", &sealed), broken);
        assert_eq!(ring.open(&user, "token", &sealed), broken);
        assert_eq!(ring.open(&lamp(), "other", &sealed), broken);
        let other_key = ring.0.get(1).unwrap().id.to_string();
        assert_eq!(ring.open(&lamp(), "token", &Sealed { key: other_key, ..sealed.clone() }), broken);
        for at in 0..sealed.bytes.len() {
            let mut changed = sealed.clone();
            changed.bytes[at] ^= 1;
            assert_eq!(ring.open(&lamp(), "token", &changed), broken, "byte {at}");
            let bytes = sealed.bytes[..at].to_vec();
            assert_eq!(ring.open(&lamp(), "token", &Sealed { bytes, ..sealed.clone() }), broken);
        }
    }

    #[test]
    fn a_key_has_32_bytes_and_is_not_printed() {
        let fresh = KeyRing::fresh().unwrap();
        let ring = KeyRing::parse(["", &fresh]).unwrap();
        assert!(!format!("{ring:?}").contains(&**fresh) && ring.first().is_some());
        let short = STANDARD.encode([1; 31]);
        for bad in ["x", "hunter2hunter2hunter2hunter2hunt", &short] {
            assert!(KeyRing::parse([bad]).is_err(), "{bad}");
        }
    }
}
