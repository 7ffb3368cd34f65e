//! Lists: each keeps the items that the caller may see; what cannot be read is not shown.

use std::fmt;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::domain::{Query, Uid};
use crate::gateway::redact;
use crate::gateway::refusal::Refusal;
use crate::gateway::route::{ListFilter, Redaction, Token};
use crate::json;

/// Answer fields that say nothing of the items.
const KEPT_FIELDS: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::CONTENT_LANGUAGE, header::DATE, header::VARY];
const TOTAL: HeaderName = HeaderName::from_static("x-total-count");

/// A list with its items told apart, each as the bytes that came.
pub struct List<'a> {
    items: Vec<&'a RawValue>,
    ids: Vec<Uid>,
}

/// The fields of a filtered answer; fails when the answer cannot be a list that was asked for whole.
pub fn fields(status: StatusCode, headers: &HeaderMap) -> Result<HeaderMap, Refusal> {
    let unfilterable = |what| Err(Refusal::Unfilterable(what));
    if status == StatusCode::PARTIAL_CONTENT || status.is_redirection() || status.is_informational() {
        return unfilterable("the answer is partial");
    }
    if status.is_server_error() {
        return unfilterable("the upstream failed");
    }
    if headers.get(header::CONTENT_ENCODING).is_some_and(|it| it.as_bytes() != b"identity") {
        return unfilterable("the answer is compressed");
    }
    if status.is_success() && status != StatusCode::NO_CONTENT && !is_json(headers) {
        return unfilterable("the answer is not JSON");
    }
    let kept = KEPT_FIELDS.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    Ok(kept.collect())
}

/// Whether a head declares JSON in UTF-8.
#[must_use]
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(declared) = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()) else {
        return false;
    };
    let mut parts = declared.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media = parts.next().unwrap_or_default();
    let json = media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"));
    json && parts.all(|part| match part.split_once('=') {
        Some(("charset", charset)) => charset.trim_matches('"') == "utf-8",
        _ => true,
    })
}

/// Names the visible count where the upstream names its own.
pub fn count_fields(upstream: &HeaderMap, visible: usize, fields: &mut HeaderMap) {
    if upstream.contains_key(TOTAL) {
        fields.insert(TOTAL, HeaderValue::from(visible));
    }
}

impl<'a> List<'a> {
    /// Finds the items and their ids; every item must have one.
    pub fn read(
        shape: &ListFilter,
        query: &Query,
        body: &'a [u8],
        items_max: usize,
    ) -> Result<Self, Refusal> {
        let unreadable = |_| Refusal::Unfilterable("the answer is not the JSON it should be");
        let whole: &RawValue = serde_json::from_slice(body).map_err(unreadable)?;
        let array = find(whole, shape.items.tokens())
            .map_err(unreadable)?
            .ok_or(Refusal::Unfilterable("the answer has no list where the route says"))?;
        let items: Vec<&RawValue> = serde_json::from_str(array.get()).map_err(unreadable)?;
        if items.len() > items_max {
            return Err(Refusal::Unfilterable("the list has too many items"));
        }
        let ids = items.iter().map(|item| id_of(shape, query, item)).collect::<Result<_, _>>()?;
        Ok(Self { items, ids })
    }

    /// The entities that the items are.
    #[must_use]
    pub fn ids(&self) -> &[Uid] {
        &self.ids
    }

    /// The answer with the items that may be shown, and nothing that tells of the others.
    pub fn write(
        &self,
        shape: &ListFilter,
        visible: &[bool],
        redact: &[Redaction],
        body: &[u8],
    ) -> Result<(Bytes, usize), Refusal> {
        let shown: Vec<&RawValue> =
            self.items.iter().zip(visible).filter(|(_, visible)| **visible).map(|(item, _)| *item).collect();
        let unwritable = |_| Refusal::Unfilterable("the answer cannot be written");
        let array = match redact {
            [] => serde_json::to_string(&shown).map_err(unwritable)?,
            redact => {
                let items = shown.iter().map(|item| redact::redacted(item.get(), redact));
                format!("[{}]", items.collect::<Result<Vec<_>, _>>()?.join(","))
            }
        };
        let whole: &RawValue = serde_json::from_slice(body).map_err(unwritable)?;
        let mut edits = vec![(shape.items.tokens(), Edit::Put(array))];
        edits.extend(shape.total.as_ref().map(|total| (total.tokens(), Edit::Put(shown.len().to_string()))));
        edits.extend(shape.keep.iter().map(|kept| (kept.tokens(), Edit::Keep)));
        let mut out = String::new();
        rewrite(whole, &edits, &mut out).map_err(unwritable)?;
        Ok((Bytes::from(out), shown.len()))
    }
}

fn id_of(shape: &ListFilter, query: &Query, item: &RawValue) -> Result<Uid, Refusal> {
    let unreadable = || Refusal::Unfilterable("an item has no id where the route says");
    let item = json::parse(item.get().as_bytes()).map_err(|_| unreadable())?;
    let id = match shape.id.get(&item) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Number(number)) => number.to_string(),
        _ => return Err(unreadable()),
    };
    let id = id.strip_prefix(&*shape.id_prefix).ok_or_else(unreadable)?;
    Uid::new(query.resource.kind(), id).map_err(|_| unreadable())
}

/// The members of an object in their order; a key named twice is an error.
pub(super) struct Members<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut members: Self::Value = Vec::new();
                while let Some((key, value)) = entries.next_entry::<String, &RawValue>()? {
                    if members.iter().any(|(known, _)| *known == key) {
                        return Err(A::Error::custom("a key is named twice"));
                    }
                    members.push((key, value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Read).map(Members)
    }
}

fn find<'a>(at: &'a RawValue, pointer: &[Token]) -> Result<Option<&'a RawValue>, serde_json::Error> {
    let Some((token, rest)) = pointer.split_first() else { return Ok(Some(at)) };
    let members: Members<'a> = serde_json::from_str(at.get())?;
    match members.0.into_iter().find(|(key, _)| is(token, key)) {
        Some((_, value)) => find(value, rest),
        None => Ok(None),
    }
}

fn is(token: &Token, key: &str) -> bool {
    matches!(token, Token::Key(name) if **name == *key)
}

#[derive(Clone)]
enum Edit {
    Put(String),
    Keep,
}

/// Writes an object with only the members that an edit names or leads to.
fn rewrite(at: &RawValue, edits: &[(&[Token], Edit)], out: &mut String) -> Result<(), serde_json::Error> {
    if let Some((_, edit)) = edits.iter().find(|(pointer, _)| pointer.is_empty()) {
        out.push_str(match edit {
            Edit::Put(text) => text,
            Edit::Keep => at.get(),
        });
        return Ok(());
    }
    let members: Members<'_> = serde_json::from_str(at.get())?;
    out.push('{');
    let mut first = true;
    for (key, value) in members.0 {
        let inner: Vec<(&[Token], Edit)> = edits
            .iter()
            .filter_map(|(pointer, edit)| match pointer.split_first() {
                Some((token, rest)) if is(token, &key) => Some((rest, edit.clone())),
                _ => None,
            })
            .collect();
        if inner.is_empty() {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        out.push_str(&serde_json::to_string(&key)?);
        out.push(':');
        rewrite(value, &inner, out)?;
    }
    out.push('}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::route::Pointer;

    fn shape(items: &str, total: Option<&str>) -> ListFilter {
        let pointer = |text: &str| Pointer::parse(text).unwrap();
        ListFilter {
            action: "view".into(),
            kind: "Device".into(),
            items: pointer(items),
            id: pointer("/id"),
            id_prefix: "".into(),
            total: total.map(pointer),
            keep: vec![pointer("/page")],
        }
    }

    fn filtered(shape: &ListFilter, body: &str, visible: &[bool]) -> Option<String> {
        let query = Query::new(Uid::new("User", "u").unwrap(), "view", Uid::new("Device", "*").unwrap());
        let list = List::read(shape, &query, body.as_bytes(), 3).ok()?;
        let (bytes, _) = list.write(shape, visible, &[], body.as_bytes()).ok()?;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn hidden_items_leave_no_trace() {
        let body = r#"{"devices":[{"id":"a","v":1.50},{"id":"b"},{"id":7}],"total":3,"next":"?after=b","page":{"n":1}}"#;
        assert_eq!(
            filtered(&shape("/devices", Some("/total")), body, &[true, false, true]).unwrap(),
            r#"{"devices":[{"id":"a","v":1.50},{"id":7}],"total":2,"page":{"n":1}}"#
        );
        assert_eq!(
            filtered(&shape("", None), r#"[ {"id":"a"}, {"id":"b"} ]"#, &[false, true]).unwrap(),
            r#"[{"id":"b"}]"#
        );
        assert_eq!(
            filtered(&shape("/d/r", None), r#"{"m":{"count":2},"d":{"x":1,"r":[{"id":"a"}]}}"#, &[false])
                .unwrap(),
            r#"{"d":{"r":[]}}"#
        );
    }

    #[test]
    fn what_cannot_be_read_is_not_shown() {
        for body in [
            r#"{"devices":[{"id":"a"}],"devices":[{"id":"b"}]}"#,
            r#"{"devices":[{"id":"a","id":"b"}]}"#,
            r#"{"devices":[{"name":"x"}]}"#,
            r#"{"devices":{"id":"a"}}"#,
            r#"{"other":[]}"#,
            r#"{"devices":[{"id":1},{"id":2},{"id":3},{"id":4}]}"#,
            r#"{"devices":[{"id":"a"}"#,
            "\u{feff}{\"devices\":[]}",
            "f([])",
        ] {
            assert_eq!(filtered(&shape("/devices", None), body, &[true]), None, "{body}");
        }
    }
}
