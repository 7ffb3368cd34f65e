//! Where the next page begins: opaque, and good only for the list and the caller it was made for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::control::ControlError;

const SEAL_BYTES: usize = 16;

/// What a cursor is bound to.
pub(super) struct Binding {
    digest: Sha256,
}

impl Binding {
    /// A list, as one caller asks for it.
    pub(super) fn new(parts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part.len().to_be_bytes());
            digest.update(part.as_bytes());
        }
        Self { digest }
    }

    fn seal(&self, id: &str) -> [u8; SEAL_BYTES] {
        let hash: [u8; 32] = self.digest.clone().chain_update(id).finalize().into();
        let mut seal = [0; SEAL_BYTES];
        seal.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        seal
    }

    /// The cursor of the page that begins behind `id`.
    pub(super) fn write(&self, id: &str) -> String {
        let mut bytes = self.seal(id).to_vec();
        bytes.extend_from_slice(id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The id that a cursor is about.
    pub(super) fn read(&self, cursor: &str) -> Result<String, ControlError> {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let (seal, id) = bytes.split_at_checked(SEAL_BYTES)?;
            let id = std::str::from_utf8(id).ok()?;
            bool::from(self.seal(id).ct_eq(seal)).then(|| id.to_owned())
        };
        read().ok_or_else(|| ControlError::Malformed("`cursor` is not of this list: leave it out".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_of_one_list_and_one_caller() {
        let binding = Binding::new(&["dad", "users", "home"]);
        let cursor = binding.write("wife");
        assert_eq!(binding.read(&cursor).unwrap(), "wife");
        for other in [["wife", "users", "home"], ["dad", "user", "shome"], ["dad", "users", "villa"]] {
            assert!(Binding::new(&other).read(&cursor).is_err());
        }
        for bad in ["", "x", "!", &cursor[1..], &format!("{cursor}AA")] {
            assert!(binding.read(bad).is_err(), "{bad}");
        }
    }
}
