//! Random text that opens something once, and what is kept of it.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::sharing::Conflict;

const RANDOM_BYTES: usize = 32;
/// What every token of an invitation begins with, so that scanners for secrets find it.
const PREFIX: &str = "cgi_";

/// The token of an invitation; it has no `Debug`, so it cannot be logged by accident.
pub struct Secret {
    text: String,
    invitation: String,
}

impl Secret {
    /// A token of 256 random bits for an invitation.
    pub fn random(invitation: &str) -> Result<Self, Conflict> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| Conflict::Invalid("there is no randomness".to_owned()))?;
        let text = format!("{PREFIX}{invitation}.{}", URL_SAFE_NO_PAD.encode(bytes));
        Ok(Self { text, invitation: invitation.to_owned() })
    }

    /// Reads a token as it was sent.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (invitation, random) = text.strip_prefix(PREFIX)?.rsplit_once('.')?;
        let is_random = URL_SAFE_NO_PAD.decode(random).is_ok_and(|it| it.len() == RANDOM_BYTES);
        is_random.then(|| Self { text: text.to_owned(), invitation: invitation.to_owned() })
    }

    /// The id of the invitation that it is for.
    #[must_use]
    pub fn invitation(&self) -> &str {
        &self.invitation
    }

    /// What is kept: the SHA-256 of the text, in hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(&self.text))
    }

    /// The text, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
