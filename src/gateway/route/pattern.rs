//! `METHOD /path/{name}` as a list of exact segments.

use std::fmt;

use http::Method;

use crate::config::read::is_identifier;

/// A method and a path; a parameter stands for one whole segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    method: Method,
    segments: Vec<Segment>,
}

/// One segment of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// This text, byte for byte.
    Literal(Box<str>),
    /// Any text, under a name.
    Param(Box<str>),
}

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

impl Pattern {
    /// Reads a pattern; the error says what to write.
    pub(super) fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        let Some((method, path)) = text.split_once(' ') else {
            return Err((
                format!("`{text}` names no method"),
                "write `METHOD /path`, such as `GET /devices`",
            ));
        };
        let method = METHODS.into_iter().find(|known| known.as_str() == method).ok_or_else(|| {
            (format!("unknown method `{method}`"), "choose GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS")
        })?;
        let Some(path) = path.strip_prefix('/') else {
            return Err((format!("the path `{path}` does not begin with `/`"), "write `METHOD /path`"));
        };
        let segments = match path {
            "" => Vec::new(),
            path => path.split('/').map(segment).collect::<Result<Vec<_>, _>>()?,
        };
        let pattern = Self { method, segments };
        match pattern.repeated() {
            Some(name) => Err((format!("`{{{name}}}` stands twice in the path"), "give each its own name")),
            None => Ok(pattern),
        }
    }

    fn repeated(&self) -> Option<&str> {
        let twice = |name: &&str| self.names().filter(|other| other == name).count() > 1;
        self.names().find(twice)
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The names of the parameters, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Param(name) => Some(&**name),
            Segment::Literal(_) => None,
        })
    }

    /// The segment that a parameter stands for, counted from 0.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.segments.iter().position(|segment| matches!(segment, Segment::Param(it) if &**it == name))
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether both match the same paths, whatever their parameters are called.
    pub(super) fn same_shape(&self, other: &Self) -> bool {
        self.shape().eq(other.shape())
    }

    /// Literals, and `None` for each parameter.
    pub(super) fn shape(&self) -> impl Iterator<Item = Option<&str>> {
        self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => Some(&**text),
            Segment::Param(_) => None,
        })
    }

    /// If some path matches both and each is the more exact one somewhere: the paths that match both.
    pub(super) fn crossing(&self, other: &Self) -> Option<Self> {
        if self.segments.len() != other.segments.len() {
            return None;
        }
        let (mut here, mut there) = (false, false);
        let mut both = Vec::with_capacity(self.segments.len());
        for pair in self.segments.iter().zip(&other.segments) {
            both.push(match pair {
                (Segment::Literal(a), Segment::Literal(b)) if a != b => return None,
                (literal @ Segment::Literal(_), Segment::Param(_)) => {
                    here = true;
                    literal.clone()
                }
                (Segment::Param(_), literal @ Segment::Literal(_)) => {
                    there = true;
                    literal.clone()
                }
                (same, _) => same.clone(),
            });
        }
        (here && there).then(|| Self { method: self.method.clone(), segments: both })
    }
}

fn segment(text: &str) -> Result<Segment, (String, &'static str)> {
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return if is_identifier(name) {
            Ok(Segment::Param(name.into()))
        } else {
            Err((format!("`{{{name}}}` is not a parameter"), "write `{name}`, one whole segment"))
        };
    }
    let exact = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    match text {
        "" => Err(("the path has an empty segment".to_owned(), "write no `//`, and no `/` at the end")),
        "." | ".." => Err((format!("the path has a segment `{text}`"), "write the path that is meant")),
        text if text.chars().all(exact) => Ok(Segment::Literal(text.into())),
        text => Err((
            format!("`{text}` is not a segment"),
            "write letters, digits and `-._~`, or a parameter that is the whole segment: `{name}`",
        )),
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.method)?;
        if self.segments.is_empty() {
            f.write_str("/")?;
        }
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::Param(name) => write!(f, "/{{{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_read_back_as_written() {
        for text in ["GET /", "POST /a/{b}/c.d", "OPTIONS /~a/{_x1}"] {
            assert_eq!(Pattern::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let bad = [
            "/a",
            "get /a",
            "TRACE /a",
            "* /a",
            "GET a",
            "GET  /a",
            "GET /a/",
            "GET //a",
            "GET /./a",
            "GET /a/..",
            "GET /a b",
            "GET /a%20",
            "GET /{a}x",
            "GET /{}",
            "GET /{*a}",
            "GET /{a}/{a}",
            "GET /é",
            "",
        ];
        for text in bad {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
