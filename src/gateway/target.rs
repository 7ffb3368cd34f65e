//! The request target in one canonical reading: what is matched here is what is sent.

use crate::gateway::refusal::Refusal;

/// A path and query that every reader of HTTP reads the same way.
///
/// Rules 1 to 17 of the threat model: no percent-triplets, dot segments, empty segments, matrix parameters
/// or backslashes in a path; no key twice in a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    path: String,
    query: Vec<Pair>,
}

/// One parameter of a query, decoded; `value` is `None` for a bare key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The decoded key.
    pub key: String,
    /// The decoded value.
    pub value: Option<String>,
}

impl Target {
    /// Reads an origin-form target (RFC 9112 section 3.2.1).
    pub fn parse(path: &str, query: Option<&str>) -> Result<Self, Refusal> {
        check_path(path)?;
        let query = query.map_or_else(|| Ok(Vec::new()), parse_query)?;
        Ok(Self { path: path.to_owned(), query })
    }

    /// The path, as matched and as sent.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path's segments; none for `/`.
    #[must_use]
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').skip(1).filter(|segment| !segment.is_empty()).collect()
    }

    /// The query's parameters in their order.
    #[must_use]
    pub fn query(&self) -> &[Pair] {
        &self.query
    }

    /// The value of a parameter that occurs once.
    #[must_use]
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref())
    }

    /// Takes a parameter out, if it is there.
    pub fn take(&mut self, key: &str) -> Option<Option<String>> {
        let at = self.query.iter().position(|pair| pair.key == key)?;
        Some(self.query.remove(at).value)
    }

    /// The target written anew from what was read, with further parameters at its end.
    #[must_use]
    pub fn write(&self, further: &[Pair]) -> String {
        self.write_without(&[], further)
    }

    /// The same without some of the parameters that were read.
    #[must_use]
    pub fn write_without(&self, dropped: &[Box<str>], further: &[Pair]) -> String {
        let mut out = self.path.clone();
        let kept = self.query.iter().filter(|pair| !dropped.iter().any(|it| **it == *pair.key));
        for (n, pair) in kept.chain(further).enumerate() {
            out.push(if n == 0 { '?' } else { '&' });
            encode(&pair.key, &mut out);
            if let Some(value) = &pair.value {
                out.push('=');
                encode(value, &mut out);
            }
        }
        out
    }
}

fn check_path(path: &str) -> Result<(), Refusal> {
    let refuse = |what: &str| Err(Refusal::Malformed(format!("the path {what}")));
    let Some(rest) = path.strip_prefix('/') else { return refuse("does not begin with a slash") };
    if let Some(c) = rest.chars().find(|c| !is_path_char(*c)) {
        return refuse(&format!("has a character that is not accepted: `{}`", c.escape_default()));
    }
    if rest.is_empty() {
        return Ok(());
    }
    match rest.split('/').find(|segment| matches!(*segment, "" | "." | "..")) {
        Some(_) => refuse("has an empty or a dot segment"),
        None => Ok(()),
    }
}

/// Unreserved characters and those of RFC 3986 `pchar` that no server takes for a separator.
fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '/' | '-' | '.' | '_' | '~' | ':' | '@' | '+' | '=' | ',' | '$' | '!')
}

/// Whether a path parameter's value reads the same everywhere: unreserved characters only.
#[must_use]
pub fn is_plain_segment(value: &str) -> bool {
    !value.is_empty()
        && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | ':' | '@'))
}

fn parse_query(query: &str) -> Result<Vec<Pair>, Refusal> {
    let refuse = |what: &str| Refusal::Malformed(format!("the query {what}"));
    let mut pairs: Vec<Pair> = Vec::new();
    for part in query.split('&') {
        if part.is_empty() {
            continue;
        }
        let (key, value) = part.split_once('=').map_or((part, None), |(key, value)| (key, Some(value)));
        let decode = |text: &str| decode(text).ok_or_else(|| refuse("has a character that is not accepted"));
        let pair = Pair { key: decode(key)?, value: value.map(decode).transpose()? };
        if pair.key.is_empty() {
            return Err(refuse("has a parameter without a name"));
        }
        if pairs.iter().any(|it| it.key == pair.key) {
            return Err(refuse("names a parameter twice"));
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

/// Decodes percent-triplets once and `+` as the space that forms write so; control characters are refused.
///
/// Upstreams differ in what a bare `+` is, so it is never written again: a space is `%20`, a plus sign `%2B`.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                bytes.push(high * 16 + low);
            }
            b'+' => bytes.push(b' '),
            b';' | b'#' | b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => return None,
            0x21..=0x7e => bytes.push(byte),
            _ => return None,
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    text.chars().all(|c| !c.is_control()).then_some(text)
}

/// Writes a text so that every reader of a query reads it back.
pub(super) fn encode(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~:@,/!$'()*?[]".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &str, query: Option<&str>) -> Option<String> {
        Target::parse(path, query).ok().map(|target| target.write(&[]))
    }

    #[test]
    fn an_ordinary_target_is_sent_as_it_came() {
        for (path, query) in [
            ("/", None),
            ("/api/v1/devices/lamp", Some("limit=10&sort=name")),
            ("/external/api/get", Some("deviceId=lamp&v1&v2")),
            ("/a", Some("q=caf%C3%A9%20au%26lait")),
        ] {
            let whole = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
            assert_eq!(written(path, query).as_deref(), Some(whole.as_str()));
        }
        assert_eq!(written("/a", Some("l%61mp=%31&&x")).as_deref(), Some("/a?lamp=1&x"));
    }

    #[test]
    fn a_target_with_two_readings_is_refused() {
        for path in [
            "",
            "*",
            "a",
            "//",
            "/a//b",
            "/a/",
            "/./a",
            "/a/..",
            "/a/../b",
            "/a/%2e%2e/b",
            "/a%2fb",
            "/a;b",
            "/a\\b",
            "/a%00",
            "/a b",
            "/é",
            "/a#b",
            "/a%",
        ] {
            assert_eq!(written(path, None), None, "{path}");
        }
        for query in
            ["a=1&a=2", "a&a=1", "a=%", "a=%zz", "a=%00", "a;b=1", "=1", "a=%ff", "a=1&%61=2", "a=\\"]
        {
            assert_eq!(written("/a", Some(query)), None, "{query}");
        }
    }

    #[test]
    fn a_plus_sign_has_one_reading_upstream() {
        for (sent, expected) in
            [("q=front+door", "q=front%20door"), ("q=a%2Bb", "q=a%2Bb"), ("a+b=1", "a%20b=1")]
        {
            assert_eq!(written("/a", Some(sent)), Some(format!("/a?{expected}")));
        }
        assert_eq!(written("/a", Some("a+b=1&a%20b=2")), None);
    }

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let target = Target::parse("/a", Some("k%20y=%26%3D%25%2B+x&%5B%5D")).unwrap();
        let text = target.write(&[]);
        let (path, query) = text.split_once('?').unwrap();
        assert_eq!(Target::parse(path, Some(query)).unwrap(), target);
    }
}
