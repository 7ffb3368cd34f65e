//! Values with rules of their own: secrets, URLs and header names.

use std::fmt;
use std::str::FromStr;

use http::{HeaderName, Uri};
use serde::de::{Deserialize, Deserializer, Error};

/// A text that is never printed; empty means that there is none.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is no secret.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "***" })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// An absolute `http` or `https` URL without user, query and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl(Uri);

impl HttpUrl {
    /// The URL in parts.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// Host and port as written.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.authority().map_or("", http::uri::Authority::as_str)
    }

    /// Whether it is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == Some(&http::uri::Scheme::HTTPS)
    }
}

impl FromStr for HttpUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `Uri` drops a fragment without a word.
        if text.contains('#') {
            return Err("a URL has no fragment here\nleave out `#` and what follows");
        }
        let uri: Uri = text.parse().map_err(|_| "not a URL\nwrite `http://host:port`")?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        if !known || uri.host().is_none_or(str::is_empty) {
            return Err("not an http or https URL\nwrite `http://host:port` or `https://host`");
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("a URL has no user or password here\nput credentials into `upstream.inject`");
        }
        if uri.query().is_some() {
            return Err("a URL has no query here\nleave out `?` and what follows");
        }
        Ok(Self(uri))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The name of a header that may be named in a configuration: no `_`, nothing that frames the message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeaderField(HeaderName);

/// Fields that belong to the connection or the framing; the gateway writes them itself.
const FRAMING: [&str; 14] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

impl HeaderField {
    pub(super) fn fixed(name: HeaderName) -> Self {
        Self(name)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.0
    }
}

impl FromStr for HeaderField {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name: HeaderName = text.parse().map_err(|_| {
            format!("`{text}` is not the name of a header\nwrite letters, digits and `-`, as in `X-Name`")
        })?;
        // Many servers read `X_Name` as `X-Name`.
        if name.as_str().contains('_') {
            return Err(format!("a header's name with `_` is ambiguous: `{text}`\nwrite `-` instead of `_`"));
        }
        if FRAMING.contains(&name.as_str()) {
            return Err(format!("`{text}` belongs to the connection\nthe gateway writes it itself"));
        }
        Ok(Self(name))
    }
}

impl fmt::Display for HeaderField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for HeaderField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }

    #[test]
    fn only_plain_http_urls_are_taken() {
        for good in ["http://127.0.0.1:9000", "https://a.example/jwks.json", "http://[::1]:1/"] {
            assert!(good.parse::<HttpUrl>().is_ok(), "{good}");
        }
        for bad in ["", "/x", "a.example", "ftp://a", "http://", "http://u:p@a", "http://a/?q", "http://a/#f"]
        {
            assert!(bad.parse::<HttpUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn header_names_that_frame_or_confuse_are_refused() {
        assert!("X-Api-Key".parse::<HeaderField>().is_ok());
        for bad in ["X_Key", "Host", "transfer-encoding", "a b", "", "é"] {
            assert!(bad.parse::<HeaderField>().is_err(), "{bad}");
        }
    }
}
