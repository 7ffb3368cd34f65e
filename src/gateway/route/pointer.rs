//! JSON pointers (RFC 6901) in which a token `*` stands for each element of an array.

use std::fmt;

use serde_json::Value as Json;

use crate::gateway::route::fold_name;

/// Where values are in a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    tokens: Vec<Token>,
}

/// One step of a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// The member of this name, or the element of this number.
    Key(Box<str>),
    /// Each element of an array.
    Each,
}

impl Pointer {
    /// Reads a pointer; the empty text is the whole value.
    pub(in crate::gateway) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self { tokens: Vec::new() });
        }
        let tokens = text.strip_prefix('/')?.split('/').map(token).collect::<Option<_>>()?;
        Some(Self { tokens })
    }

    /// The steps, for who rebuilds a value along the pointer.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Whether it stands for several values.
    #[must_use]
    pub fn has_each(&self) -> bool {
        self.tokens.contains(&Token::Each)
    }

    /// The last name in it.
    #[must_use]
    pub fn last_key(&self) -> Option<&str> {
        self.tokens.iter().rev().find_map(|token| match token {
            Token::Key(key) => Some(&**key),
            Token::Each => None,
        })
    }

    /// Every value that it stands for, in order; nothing when one of them is missing.
    #[must_use]
    pub fn select<'v>(&self, value: &'v Json) -> Option<Vec<&'v Json>> {
        let mut found = vec![value];
        for token in &self.tokens {
            found = match token {
                Token::Key(key) => found.into_iter().map(|it| member(it, key)).collect::<Option<_>>()?,
                Token::Each => {
                    let arrays: Vec<_> = found.into_iter().map(Json::as_array).collect::<Option<_>>()?;
                    arrays.into_iter().flatten().collect()
                }
            };
        }
        Some(found)
    }

    /// Whether something is there, under this or a name that some servers take for the same.
    #[must_use]
    pub fn is_in(&self, value: &Json) -> bool {
        let mut at = vec![value];
        for token in &self.tokens {
            at = at.into_iter().flat_map(|it| like(it, token)).collect();
        }
        !at.is_empty()
    }

    /// The one value that it stands for.
    #[must_use]
    pub fn get<'v>(&self, value: &'v Json) -> Option<&'v Json> {
        match self.select(value)?.as_slice() {
            [one] if !self.has_each() => Some(one),
            _ => None,
        }
    }
}

/// The members that a token may mean.
fn like<'v>(value: &'v Json, token: &Token) -> Vec<&'v Json> {
    match (value, token) {
        (Json::Object(members), Token::Key(key)) => {
            let same = members.iter().filter(|(name, _)| fold_name(name) == fold_name(key));
            same.map(|(_, value)| value).collect()
        }
        (Json::Array(items), Token::Each) => items.iter().collect(),
        (value, Token::Key(key)) => member(value, key).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn member<'v>(value: &'v Json, key: &str) -> Option<&'v Json> {
    match value {
        Json::Object(members) => members.get(key),
        Json::Array(items) if key == "0" || !key.starts_with(['0', '+']) => {
            items.get(key.parse::<usize>().ok()?)
        }
        _ => None,
    }
}

fn token(text: &str) -> Option<Token> {
    if text == "*" { Some(Token::Each) } else { unescaped(text).map(Token::Key) }
}

/// A step's name as it is: `~0` and `~1` stand for `~` and `/` (RFC 6901 section 4).
pub(super) fn unescaped(text: &str) -> Option<Box<str>> {
    let mut key = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        key.push(match c {
            '~' => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            c => c,
        });
    }
    Some(key.into())
}

/// A name as it is written in a step.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tokens.iter().try_for_each(|token| match token {
            Token::Each => f.write_str("/*"),
            Token::Key(key) => write!(f, "/{}", escaped(key)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(pointer: &str, json: &str) -> Option<String> {
        let json: Json = serde_json::from_str(json).unwrap();
        let found = Pointer::parse(pointer).unwrap().select(&json)?.into_iter().cloned().collect();
        Some(Json::Array(found).to_string())
    }

    #[test]
    fn it_finds_each_value_in_order_or_none() {
        assert_eq!(select("/ids/*", r#"{"ids":["b","a"]}"#).unwrap(), r#"["b","a"]"#);
        assert_eq!(select("/d/*/id", r#"{"d":[{"id":1},{"id":2}]}"#).unwrap(), "[1,2]");
        assert_eq!(select("/*/*", "[[1],[],[2]]").unwrap(), "[1,2]");
        assert_eq!(select("", "7").unwrap(), "[7]");
        assert_eq!(select("/a~1b/~0", r#"{"a/b":{"~":1}}"#).unwrap(), "[1]");
        assert_eq!(select("/1", "[1,2]").unwrap(), "[2]");
        for (pointer, json) in [
            ("/d/*/id", r#"{"d":[{"id":1},{}]}"#),
            ("/a/*", r#"{"a":{"b":1}}"#),
            ("/01", "[1,2]"),
            ("/+1", "[1,2]"),
        ] {
            assert_eq!(select(pointer, json), None, "{pointer}");
        }
    }

    #[test]
    fn it_is_read_back_as_written() {
        for text in ["", "/", "/a~1b/~0/*", "/*"] {
            assert_eq!(Pointer::parse(text).unwrap().to_string(), text);
        }
        assert!(Pointer::parse("a").is_none() && Pointer::parse("/~2").is_none());
    }
}
