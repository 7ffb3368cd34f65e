//! Names of entities: a type and an id, both compared byte for byte.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// The unique name of an entity, as in Cedar's `Type::"id"`.
///
/// Ids are bytes: case-sensitive, never normalised, never built by formatting text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid {
    kind: Arc<str>,
    id: Arc<str>,
}

/// Why a text is not the name of an entity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UidError {
    /// There is no `::` between type and id.
    #[error("`{0}` is not an entity name: write `Type::id` or `Type::\"id\"`")]
    Form(String),
    /// The type or the id is empty, or longer than the limit.
    #[error("an entity's type and id have 1 to {max} bytes", max = Uid::ID_BYTES_MAX)]
    Length,
}

impl Uid {
    /// The type of grants.
    pub const GRANT: &'static str = "Grant";
    /// The longest id, in bytes.
    pub const ID_BYTES_MAX: usize = 256;

    /// Names an entity by its parts; fails on an empty or oversized part.
    pub fn new(kind: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Result<Self, UidError> {
        let (kind, id) = (kind.into(), id.into());
        let fits = |part: &str| !part.is_empty() && part.len() <= Self::ID_BYTES_MAX;
        if fits(&kind) && fits(&id) { Ok(Self { kind, id }) } else { Err(UidError::Length) }
    }

    /// The grant of a device to a person: at most one, whose name follows from the two.
    ///
    /// A decision finds it without looking for it, and depends on it before it exists.
    #[must_use]
    pub fn of_grant(device: &Self, grantee: &Self) -> Self {
        let mut hash = Sha256::new();
        for part in [device.kind(), device.id(), grantee.kind(), grantee.id()] {
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        let id: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { kind: Self::GRANT.into(), id: id.into() }
    }

    /// Whether the id can be told in a header: a control character could end it.
    #[must_use]
    pub fn is_tellable(&self) -> bool {
        !self.id.chars().any(char::is_control)
    }

    /// Reads `Type::id` or `Ns::Type::"id"` as a person types it on a command line.
    ///
    /// Without quotes the id begins after the first `::`; a type in a namespace needs the quotes.
    pub fn parse(text: &str) -> Result<Self, UidError> {
        let form = || UidError::Form(text.to_owned());
        if let Some((kind, rest)) = text.split_once("::\"") {
            let id = rest.strip_suffix('"').ok_or_else(form)?;
            return Self::new(kind, unescape(id).ok_or_else(form)?);
        }
        let (kind, id) = text.split_once("::").ok_or_else(form)?;
        Self::new(kind, id)
    }

    /// The entity type, namespaces included.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The id within the type.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

fn unescape(id: &str) -> Option<String> {
    let mut out = String::with_capacity(id.len());
    let mut chars = id.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            '\\' => match chars.next()? {
                c @ ('"' | '\\' | '\'') => out.push(c),
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                '0' => out.push('\0'),
                'u' => out.push(unescape_unicode(&mut chars)?),
                _ => return None,
            },
            c => out.push(c),
        }
    }
    Some(out)
}

fn unescape_unicode(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let rest = chars.as_str().strip_prefix('{')?;
    let (hex, after) = rest.split_once('}')?;
    *chars = after.chars();
    char::from_u32(u32::from_str_radix(hex, 16).ok()?)
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::\"{}\"", self.kind, self.id.escape_debug())
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_as_written() {
        for id in ["lamp", "a\"b\\c", "é\n\0", "User::\"x\"", "\u{202e}x"] {
            let uid = Uid::new("Ns::Device", id).unwrap();
            assert_eq!(Uid::parse(&uid.to_string()).unwrap(), uid);
        }
        assert_eq!(Uid::parse("User::wife").unwrap(), Uid::new("User", "wife").unwrap());
        assert!(Uid::parse("User").is_err());
        assert!(Uid::parse("User::\"a\"b\"").is_err());
        assert!(Uid::parse("User::").is_err());
    }
}
