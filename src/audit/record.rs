//! One record and its form as one line of JSON that cannot be forged from inside a field.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Serialize, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};
use uuid::Uuid;

use crate::domain::{ActionName, Revision, Uid};
use crate::json::is_acted_upon;

/// The longest text of a field, in bytes; longer text is cut.
const TEXT_BYTES_MAX: usize = 1024;
/// The most resources, and the most policies, that one record names.
const LIST_ITEMS_MAX: usize = 100;

/// How a request was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The policies permit it.
    Allow,
    /// The policies do not permit it, or the request was refused before them.
    Deny,
    /// There was no decision, so it was refused.
    Error,
}

/// What is known about one request; fields that never became known are left out of the line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// The record's own id, in the order of time (UUID version 7).
    #[serde(serialize_with = "text")]
    pub id: Uuid,
    /// The id that the caller is told.
    #[serde(serialize_with = "text")]
    pub request_id: String,
    /// When the request arrived (RFC 3339, milliseconds).
    #[serde(serialize_with = "time")]
    pub at: SystemTime,
    /// Who asked.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub principal: Option<Uid>,
    /// How the caller showed who it is.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub authentication: Option<&'static str>,
    /// Who asked about the principal, where that was another one: an enforcement point.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<Arc<str>>,
    /// What was asked for.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionName>,
    /// On what; the first hundred of them.
    #[serde(serialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Uid>,
    /// How it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The `@id` of each policy that decided; the first hundred of them.
    #[serde(serialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Arc<str>>,
    /// A short code that says why.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// Which policies were in force.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub policy_revision: Option<Arc<str>>,
    /// Which state of the store was decided on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_revision: Option<Revision>,
    /// The method of the request.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub http_method: Option<Cow<'static, str>>,
    /// The pattern of the route that matched, without the ids.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub route: Option<Arc<str>>,
    /// The status that the caller got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The status that the upstream gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// From arrival to the end, in microseconds.
    pub latency_us: u64,
    /// Whether the request ended before its answer did, as when the caller hangs up.
    pub abandoned: bool,
    /// Whether the decision came from the cache.
    pub cached: bool,
}

impl Record {
    /// A record of a request that arrives now.
    #[must_use]
    pub fn new(request_id: impl Into<String>) -> Self {
        Self {
            id: Uuid::now_v7(),
            request_id: request_id.into(),
            at: SystemTime::now(),
            principal: None,
            authentication: None,
            asked_by: None,
            action: None,
            resources: Vec::new(),
            decision: None,
            policies: Vec::new(),
            reason: None,
            policy_revision: None,
            store_revision: None,
            http_method: None,
            route: None,
            status: None,
            upstream_status: None,
            latency_us: 0,
            abandoned: true,
            cached: false,
        }
    }

    /// Appends the record as one line, its end included.
    pub fn write_line(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut line = serde_json::Serializer::with_formatter(&mut *out, OneLine(CompactFormatter));
        self.serialize(&mut line)?;
        out.push(b'\n');
        Ok(())
    }
}

fn text<T: Display + ?Sized, S: Serializer>(value: &T, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&Cut(value))
}

fn option<T: Display, S: Serializer>(value: &Option<T>, out: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => text(value, out),
        None => out.serialize_none(),
    }
}

fn list<T: Display, S: Serializer>(values: &[T], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(values.iter().take(LIST_ITEMS_MAX).map(Cut))
}

fn time<S: Serializer>(at: &SystemTime, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&humantime::format_rfc3339_millis(*at))
}

/// Text up to the limit, cut between characters.
struct Cut<T>(T);

impl<T: Display> Display for Cut<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Within { out: f, left: TEXT_BYTES_MAX }, "{}", self.0)
    }
}

/// Passes on as many bytes as are left.
struct Within<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    left: usize,
}

impl fmt::Write for Within<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let part = text.get(..text.floor_char_boundary(self.left)).unwrap_or_default();
        // Once a part was cut, nothing may follow it.
        self.left = if part.len() == text.len() { self.left - part.len() } else { 0 };
        self.out.write_str(part)
    }
}

impl<T: Display> Serialize for Cut<T> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

/// JSON in which no text can end the line or turn it around for a reader.
///
/// JSON itself escapes only U+0000 to U+001F.
struct OneLine(CompactFormatter);

impl Formatter for OneLine {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.bytes().all(|byte| byte < 0x7f) {
            return self.0.write_string_fragment(out, fragment);
        }
        for part in fragment.split_inclusive(is_acted_upon) {
            match part.char_indices().next_back() {
                // All of these are below U+FFFF, so one escape is enough.
                Some((at, last)) if is_acted_upon(last) => {
                    self.0.write_string_fragment(out, part.get(..at).unwrap_or_default())?;
                    write!(out, "\\u{:04x}", u32::from(last))?;
                }
                _ => self.0.write_string_fragment(out, part)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(record: &Record) -> String {
        let mut out = Vec::new();
        record.write_line(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn hostile_text_stays_in_its_field() {
        let hostile = "a\"}\n{\"x\":\"\u{2028}\u{2029}\u{85}\u{7f}\u{1b}[2J\u{202e}é😀";
        let mut record = Record::new(hostile);
        record.principal = Some(Uid::new("User", hostile).unwrap());
        record.resources = vec![Uid::new("Device", hostile).unwrap()];
        let line = line_of(&record);
        let body = line.strip_suffix('\n').unwrap();
        let raw = ['\n', '\u{2028}', '\u{2029}', '\u{85}', '\u{7f}', '\u{1b}', '\u{202e}'];
        assert!(!body.contains(raw), "{body}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["request_id"], hostile);
        assert_eq!(Uid::parse(read["principal"].as_str().unwrap()).unwrap(), record.principal.unwrap());
    }

    #[test]
    fn long_text_is_cut_between_characters_and_long_lists_are_short() {
        let mut record = Record::new("é".repeat(4000));
        record.reason = Some("x".repeat(5000).into());
        record.policies = vec!["p".into(); 1000];
        let read: serde_json::Value = serde_json::from_str(&line_of(&record)).unwrap();
        assert_eq!(read["request_id"].as_str().unwrap().len(), TEXT_BYTES_MAX);
        assert_eq!(read["reason"].as_str().unwrap().len(), TEXT_BYTES_MAX);
        assert_eq!(read["policies"].as_array().unwrap().len(), LIST_ITEMS_MAX);
    }

    #[test]
    fn a_record_says_what_is_known() {
        let read: serde_json::Value = serde_json::from_str(&line_of(&Record::new("r"))).unwrap();
        let mut names: Vec<_> = read.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["abandoned", "at", "cached", "id", "latency_us", "request_id"]);
        assert_eq!(read["at"].as_str().unwrap().len(), "2026-01-01T00:00:00.000Z".len());
        assert_eq!(read["id"].as_str().unwrap().as_bytes()[14], b'7');
    }
}
