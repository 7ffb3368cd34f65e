//! Texts that are never printed, and are wiped from memory when they are dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A secret of an entity, such as the token that the device API knows a device by.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

/// Why a text cannot be a secret; the text itself stays out of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret is 1 to {max} characters of printable ASCII, without a space at either end", max = SecretText::BYTES_MAX)]
pub struct SecretForm;

impl SecretText {
    /// The longest secret, in bytes.
    pub const BYTES_MAX: usize = 4096;

    /// Hides a text that can be sent in a header and in a query alike.
    pub fn new(text: String) -> Result<Self, SecretForm> {
        let text = Zeroizing::new(text);
        let is_plain = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
        let fits = (1..=Self::BYTES_MAX).contains(&text.len()) && text.trim().len() == text.len();
        if is_plain && fits { Ok(Self(text)) } else { Err(SecretForm) }
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether a text can be the name of a secret: a letter or `_`, then letters, digits and `_`.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (1..=64).contains(&text.len())
            && text.chars().all(inner)
            && !text.starts_with(|c: char| c.is_ascii_digit())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_plain_and_never_printed() {
        let secret = SecretText::new("hunter 2".to_owned()).unwrap();
        assert_eq!(format!("{secret:?}"), "***");
        let long = "x".repeat(4097);
        for bad in ["", " a", "a ", "a\nb", "é", "\0", &long] {
            assert_eq!(SecretText::new(bad.to_owned()), Err(SecretForm), "{bad:?}");
        }
        assert!(SecretText::is_name("upstream_token") && !SecretText::is_name("2nd"));
        assert!(!SecretText::is_name("") && !SecretText::is_name("a-b"));
    }
}
