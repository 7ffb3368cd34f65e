//! Readers of single settings; what they refuse says why, and on a second line what to write instead.

use std::net::SocketAddr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use toml::Spanned;

const DAY_S: u64 = 24 * 60 * 60;

/// A duration such as `"30s"`, from a millisecond to a day.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let read = duration_or_zero(deserializer)?;
    if read < Duration::from_millis(1) {
        return Err(D::Error::custom("the shortest time is 1ms\nwrite a time such as `\"30s\"`"));
    }
    Ok(read)
}

/// A duration such as `"30s"` or `"0s"`, up to a day.
pub(super) fn duration_or_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let read = humantime::parse_duration(&text).map_err(|_| {
        D::Error::custom(format!("`{text}` is not a time\nwrite a number and a unit, such as `\"30s\"`"))
    })?;
    if read > Duration::from_secs(DAY_S) {
        return Err(D::Error::custom(format!("`{text}` is too long\nthe longest time is `\"1day\"`")));
    }
    Ok(read)
}

/// A number of bytes such as `"1MiB"`, within bounds.
pub(super) fn size<'de, D: Deserializer<'de>, const MIN: usize, const MAX: usize>(
    deserializer: D,
) -> Result<usize, D::Error> {
    let text = String::deserialize(deserializer)?;
    let read = bytes(&text).ok_or_else(|| {
        D::Error::custom(format!("`{text}` is not a size\nwrite a number and B, KiB, MiB or GiB: `\"1MiB\"`"))
    })?;
    within::<D, MIN, MAX>(read, " bytes")
}

/// A whole number within bounds.
pub(super) fn count<'de, D: Deserializer<'de>, const MIN: usize, const MAX: usize>(
    deserializer: D,
) -> Result<usize, D::Error> {
    let read = i64::deserialize(deserializer)
        .map_err(|_| D::Error::custom("not a whole number\nwrite digits, without quotes"))?;
    let read = usize::try_from(read).map_err(|_| D::Error::custom("the number is below zero"))?;
    within::<D, MIN, MAX>(read, "")
}

fn within<'de, D: Deserializer<'de>, const MIN: usize, const MAX: usize>(
    read: usize,
    unit: &str,
) -> Result<usize, D::Error> {
    if (MIN..=MAX).contains(&read) {
        return Ok(read);
    }
    Err(D::Error::custom(format!("{read}{unit} is out of range\nchoose from {MIN} to {MAX}{unit}")))
}

fn bytes(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = match unit.trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(factor)
}

/// An address to listen on.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Spanned<SocketAddr>, D::Error> {
    let text = Spanned::<String>::deserialize(deserializer)?;
    let read = text.get_ref().parse().map_err(|_| {
        let message = format!("`{}` is not an address to listen on", text.get_ref());
        D::Error::custom(message + "\nwrite an IP address and a port, such as `\"127.0.0.1:8080\"`")
    })?;
    Ok(Spanned::new(text.span(), read))
}

/// A text that is not empty.
pub(super) fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match String::deserialize(deserializer)? {
        text if text.trim().is_empty() => Err(D::Error::custom("this must not be empty")),
        text => Ok(text),
    }
}

/// The name of an entity type, such as `Device` or `Home::Device`.
pub(super) fn entity_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if is_entity_type(&text) {
        return Ok(text);
    }
    Err(D::Error::custom(format!("`{text}` is not the name of an entity type\nwrite it as in the schema")))
}

/// Whether a text has the form of an entity type's name.
pub(crate) fn is_entity_type(text: &str) -> bool {
    text.split("::").all(is_identifier)
}

/// Whether a text is a letter or `_`, then letters, digits and `_`.
pub(crate) fn is_identifier(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether a text can be the name of a query parameter as it is sent.
pub(crate) fn is_query_name(text: &str) -> bool {
    let sent = |c: char| c.is_ascii_alphanumeric() || "-._~[]".contains(c);
    !text.is_empty() && text.chars().all(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("16KiB"), Some(16384));
        assert_eq!(bytes("2 MiB"), Some(2 << 20));
        for bad in ["", "1", "MiB", "1MB", "-1B", "1.5KiB", "99999999999999999999B", "99999999999999GiB"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
