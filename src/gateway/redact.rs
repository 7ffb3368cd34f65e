//! Members of a JSON answer that are not shown: each is left out, or the whole answer is.

use serde_json::value::RawValue;

use crate::gateway::filter::Members;
use crate::gateway::refusal::Refusal;
use crate::gateway::route::{Redaction, Step};

/// The JSON text without what the ways lead to; what has another shape than they say is refused.
pub(super) fn redacted(text: &str, ways: &[Redaction]) -> Result<String, Refusal> {
    let whole: &RawValue = serde_json::from_str(text).map_err(|_| UNREADABLE)?;
    let paths: Vec<&[Step]> = ways.iter().map(Redaction::steps).collect();
    let mut out = String::with_capacity(text.len());
    write(whole, &paths, &mut out)?;
    Ok(out)
}

const UNREADABLE: Refusal = Refusal::Withheld("it is not the JSON that it should be");

/// Writes a value without what the paths lead to from here.
fn write(at: &RawValue, paths: &[&[Step]], out: &mut String) -> Result<(), Refusal> {
    match at.get().as_bytes().first() {
        _ if paths.is_empty() => {
            out.push_str(at.get());
            Ok(())
        }
        Some(b'{') => object(at, paths, out),
        Some(b'[') => array(at, paths, out),
        // Nothing is inside a text or a number.
        _ => {
            out.push_str(at.get());
            Ok(())
        }
    }
}

fn object(at: &RawValue, paths: &[&[Step]], out: &mut String) -> Result<(), Refusal> {
    if !paths.iter().all(|path| matches!(path.first(), Some(Step::Key(_)))) {
        return Err(Refusal::Withheld("there is an object where a list should be"));
    }
    let members: Members<'_> = serde_json::from_str(at.get()).map_err(|_| UNREADABLE)?;
    out.push('{');
    let mut first = true;
    for (key, value) in members.0 {
        let leads = |path: &&[Step]| matches!(path.first(), Some(Step::Key(name)) if **name == *key);
        let inner: Vec<&[Step]> = paths.iter().filter(|path| leads(path)).map(rest).collect();
        if inner.iter().any(|path| path.is_empty()) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        out.push_str(&serde_json::to_string(&key).map_err(|_| UNREADABLE)?);
        out.push(':');
        write(value, &inner, out)?;
    }
    out.push('}');
    Ok(())
}

fn array(at: &RawValue, paths: &[&[Step]], out: &mut String) -> Result<(), Refusal> {
    if paths.iter().any(|path| matches!(path.first(), Some(Step::Key(_)))) {
        return Err(Refusal::Withheld("there is a list where an object should be"));
    }
    let items: Vec<&RawValue> = serde_json::from_str(at.get()).map_err(|_| UNREADABLE)?;
    out.push('[');
    let mut first = true;
    for item in items {
        let mut inner: Vec<&[Step]> = Vec::new();
        for path in paths {
            let leads = match path.first() {
                Some(Step::Where(name, value)) => says(item, name, value)?,
                _ => true,
            };
            inner.extend(leads.then(|| rest(path)));
        }
        if inner.iter().any(|path| path.is_empty()) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        write(item, &inner, out)?;
    }
    out.push(']');
    Ok(())
}

/// Whether an element has a member of this name with this text.
fn says(item: &RawValue, name: &str, value: &str) -> Result<bool, Refusal> {
    if !item.get().starts_with('{') {
        return Ok(false);
    }
    let members: Members<'_> = serde_json::from_str(item.get()).map_err(|_| UNREADABLE)?;
    let named = members.0.into_iter().find(|(key, _)| key == name);
    Ok(named.is_some_and(|(_, said)| serde_json::from_str::<String>(said.get()).is_ok_and(|it| it == value)))
}

fn rest<'p>(path: &&'p [Step]) -> &'p [Step] {
    path.get(1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(pointers: &[&str], text: &str) -> Option<String> {
        let pointers: Vec<_> = pointers.iter().map(|it| Redaction::parse(it).unwrap()).collect();
        redacted(text, &pointers).ok()
    }

    #[test]
    fn what_the_pointers_lead_to_is_left_out_and_the_rest_stays_as_it_came() {
        let device =
            r#"{"id":1.50,"token":"t","ip":"i","hw":{"token":"h","v":1}, "list":[{"x":1,"y":2},{"x":3}]}"#;
        assert_eq!(
            without(&["/token", "/ip", "/hw/token", "/list/*/x"], device).unwrap(),
            r#"{"id":1.50,"hw":{"v":1},"list":[{"y":2},{}]}"#
        );
        assert_eq!(without(&["/*/token"], r#"[{"token":1},{"a":2}]"#).unwrap(), r#"[{},{"a":2}]"#);
        assert_eq!(without(&["/a/*"], r#"{"a":[1,2],"b":3}"#).unwrap(), r#"{"a":[],"b":3}"#);
        assert_eq!(without(&["/a/b"], r#"{"a":null}"#).unwrap(), r#"{"a":null}"#);
        assert_eq!(
            without(
                &["/*(name=Device Owner)/value"],
                r#"[{"name":"Device Owner","value":"a@b"},{"name":"X","value":1},7]"#
            )
            .unwrap(),
            r#"[{"name":"Device Owner"},{"name":"X","value":1},7]"#
        );
        // An escaped name is the same name.
        assert_eq!(without(&["/token"], r#"{"\u0074oken":"t"}"#).unwrap(), "{}");
    }

    #[test]
    fn what_has_another_shape_is_not_shown() {
        for (pointer, text) in [
            ("/token", r#"[{"token":"t"}]"#),
            ("/*/token", r#"{"token":"t"}"#),
            ("/*(a=b)/token", r#"{"a":"b","token":"t"}"#),
            ("/*(a=b)/token", r#"[{"a":"b","a":"c","token":"t"}]"#),
            ("/token", r#"{"token":"t","token":"u"}"#),
            ("/token", r#"{"token":"t""#),
            ("/token", "token"),
            ("/token", ""),
        ] {
            assert_eq!(without(&[pointer], text), None, "{pointer} {text}");
        }
    }
}
