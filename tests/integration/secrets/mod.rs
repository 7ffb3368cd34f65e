//! Secrets of devices: kept sealed, injected by routes, and seen by nobody.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cedargate::vault::KeyRing;

mod api;
mod inject;
mod stored;

/// A key, different for each number.
pub(crate) fn key(number: u8) -> String {
    STANDARD.encode([number; 32])
}

/// Keys in their order.
pub(crate) fn keys(numbers: &[u8]) -> KeyRing {
    let keys: Vec<String> = numbers.iter().map(|number| key(*number)).collect();
    KeyRing::parse(keys.iter().map(String::as_str)).unwrap()
}
