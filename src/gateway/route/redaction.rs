//! What of an answer is not shown: JSON pointers in which `*` stands for each element of an array, and
//! `*(name=value)` for those elements that say so of themselves.

use std::fmt;

use crate::gateway::route::pointer::{escaped, unescaped};

/// The way to what is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    steps: Vec<Step>,
}

/// One step of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The member of this name.
    Key(Box<str>),
    /// Each element.
    Each,
    /// Each element whose member of the first name is the second text.
    Where(Box<str>, Box<str>),
}

impl Redaction {
    /// Reads one; the whole answer cannot be left out.
    pub(in crate::gateway) fn parse(text: &str) -> Option<Self> {
        let steps = text.strip_prefix('/')?.split('/').map(step).collect::<Option<_>>()?;
        Some(Self { steps })
    }

    /// The steps in their order; at least one.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

fn step(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::Each);
    }
    match text.strip_prefix("*(").and_then(|it| it.strip_suffix(')')).and_then(|it| it.split_once('=')) {
        Some((name, value)) => Some(Step::Where(unescaped(name)?, unescaped(value)?)),
        None => Some(Step::Key(unescaped(text)?)),
    }
}

impl fmt::Display for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| match step {
            Step::Key(key) => write!(f, "/{}", escaped(key)),
            Step::Each => f.write_str("/*"),
            Step::Where(name, value) => write!(f, "/*({}={})", escaped(name), escaped(value)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_back_as_written() {
        for text in ["/token", "/", "/a~1b/~0/*", "/list/*(name=Device Owner)/value", "/*(a~1b=c)"] {
            assert_eq!(Redaction::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "token", "/~2", "/~"] {
            assert!(Redaction::parse(bad).is_none(), "{bad}");
        }
    }
}
