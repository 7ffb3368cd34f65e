//! Where the value of an id, of a context attribute or of a condition comes from.

use std::fmt;

use http::HeaderName;

use crate::config::HeaderField;
use crate::config::read::{is_identifier, is_query_name};
use crate::gateway::route::{Pattern, Pointer};

/// One place of a request, of the principal or of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdSource {
    /// A segment of the path, counted from 0.
    Path {
        /// The parameter's name.
        name: Box<str>,
        /// The segment.
        segment: usize,
    },
    /// A query parameter.
    Query(Box<str>),
    /// A header.
    Header(HeaderName),
    /// Values of the JSON body, or of a message of a socket.
    Body(Pointer),
    /// An attribute of the principal that holds an entity or an id.
    Principal(Box<str>),
    /// A value of the JSON answer.
    Response(Pointer),
}

/// Why a text is not a source, and what to write.
pub(super) type Refusal = (String, &'static str);

const FORMS: &str =
    "write `path:NAME`, `query:NAME`, `header:NAME`, `body:/pointer` or `principal.ATTRIBUTE`";

impl IdSource {
    /// Reads a source for a route with this pattern.
    pub(super) fn parse(text: &str, pattern: &Pattern) -> Result<Self, Refusal> {
        if let Some(attribute) = text.strip_prefix("principal.") {
            return match is_identifier(attribute) {
                true => Ok(Self::Principal(attribute.into())),
                false => Err((format!("`{attribute}` is not the name of an attribute"), FORMS)),
            };
        }
        match text.split_once(':') {
            Some(("path", name)) => match pattern.position(name) {
                Some(segment) => Ok(Self::Path { name: name.into(), segment }),
                None => Err((
                    format!("the path of `{pattern}` has no `{{{name}}}`"),
                    "name a parameter of `match`, or add it there",
                )),
            },
            Some(("query", name)) if is_query_name(name) => Ok(Self::Query(name.into())),
            Some(("header", name)) => match name.parse::<HeaderField>() {
                Ok(field) => Ok(Self::Header(field.name().clone())),
                Err(_) => {
                    Err((format!("`{name}` is not a header that can be read"), "use one such as `X-Name`"))
                }
            },
            Some(("body", pointer)) => Ok(Self::Body(named(pointer)?)),
            Some(("response", pointer)) => Ok(Self::Response(named(pointer)?)),
            _ => Err((format!("`{text}` is not a source"), FORMS)),
        }
    }

    /// Whether it stands for several values.
    #[must_use]
    pub fn has_each(&self) -> bool {
        matches!(self, Self::Body(pointer) | Self::Response(pointer) if pointer.has_each())
    }

    /// The name under which the request carries the value.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Path { name, .. } | Self::Query(name) => Some(name),
            Self::Header(name) => Some(name.as_str()),
            Self::Body(pointer) | Self::Response(pointer) => pointer.last_key(),
            Self::Principal(_) => None,
        }
    }
}

fn named(text: &str) -> Result<Pointer, Refusal> {
    match Pointer::parse(text) {
        Some(pointer) if !pointer.tokens().is_empty() => Ok(pointer),
        _ => Err((format!("`{text}` is not a JSON pointer"), "write one such as `/device/id` or `/ids/*`")),
    }
}

impl fmt::Display for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { name, .. } => write!(f, "path:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Body(pointer) => write!(f, "body:{pointer}"),
            Self::Principal(attribute) => write!(f, "principal.{attribute}"),
            Self::Response(pointer) => write!(f, "response:{pointer}"),
        }
    }
}
