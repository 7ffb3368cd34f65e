//! `[secrets]`: the keys that secrets of devices are sealed with.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::config::Secret;
use crate::vault::KeyRing;

/// `[secrets]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Secrets {
    /// The keys: the first seals, all of them open.
    #[serde(deserialize_with = "keys")]
    pub keys: KeyRing,
}

/// The message never repeats a key.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyRing, D::Error> {
    let texts = Vec::<Secret>::deserialize(deserializer)?;
    KeyRing::parse(texts.iter().map(Secret::reveal)).map_err(|_| {
        D::Error::custom("this is not a key\nwrite 32 bytes in base64: `cedargate secrets key` makes one")
    })
}
