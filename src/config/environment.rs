//! `${NAME}` and `${NAME:-default}` in the strings of the file, after TOML was read: a value cannot add keys.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use crate::config::Origin;
use crate::finding::Finding;

/// Answers for the environment.
pub type Environment<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// Fills in every string below `value`; `$${` stands for a plain `${`.
pub(super) fn fill(
    value: &mut Spanned<DeValue<'_>>,
    origin: &Origin,
    env: &Environment<'_>,
    found: &mut Vec<Finding>,
) {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) if text.contains("${") => match filled(text, env) {
            Ok(done) => *text = Cow::Owned(done),
            Err(error) => found.push(error.finding(origin, span)),
        },
        DeValue::Array(items) => items.iter_mut().for_each(|item| fill(item, origin, env, found)),
        DeValue::Table(table) => {
            table.iter_mut().for_each(|(_, inner)| fill(inner, origin, env, found));
        }
        _ => {}
    }
}

#[derive(Debug, PartialEq)]
enum Unfilled {
    Unset(String),
    Unclosed,
    Name(String),
}

impl Unfilled {
    fn finding(&self, origin: &Origin, span: Range<usize>) -> Finding {
        match self {
            Self::Unset(name) => {
                let place = place(origin, &span, name).unwrap_or(span);
                let message = format!("the environment has no variable `{name}`");
                origin.error(place, message).with_help(format!("set it, or write `${{{name}:-default}}`"))
            }
            Self::Unclosed => {
                origin.error(span, "`${` has no `}`").with_help("write `${NAME}`, or `$${` for a plain `${`")
            }
            Self::Name(name) => origin
                .error(span, format!("`{name}` is not the name of a variable"))
                .with_help("names have letters, digits and `_`, and begin with no digit"),
        }
    }
}

/// Where in the string the variable stands.
fn place(origin: &Origin, span: &Range<usize>, name: &str) -> Option<Range<usize>> {
    let variable = format!("${{{name}");
    let start = span.start + origin.text.get(span.clone())?.find(&variable)?;
    Some(start..start + variable.len() + 1)
}

fn filled(text: &str, env: &Environment<'_>) -> Result<String, Unfilled> {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            done.push_str(escaped);
            done.push_str("${");
            rest = after;
            continue;
        }
        done.push_str(before);
        let (variable, after) = after.split_once('}').ok_or(Unfilled::Unclosed)?;
        done.push_str(&value_of(variable, env)?);
        rest = after;
    }
    done.push_str(rest);
    Ok(done)
}

fn value_of(variable: &str, env: &Environment<'_>) -> Result<String, Unfilled> {
    let (name, default) = match variable.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (variable, None),
    };
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(inner) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Unfilled::Name(name.to_owned()));
    }
    // As in a shell, `:-` also stands in for an empty value.
    match (env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Unfilled::Unset(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<String, Unfilled> {
        filled(text, &|name| match name {
            "A" => Some("a\"\nb = 1 ${B}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_are_filled_once_and_defaults_stand_in() {
        assert_eq!(fill("<${A}>").unwrap(), "<a\"\nb = 1 ${B}>");
        assert_eq!(fill("${B:-x}${EMPTY:-y}${B:-}${EMPTY}").unwrap(), "xy");
        assert_eq!(fill("$${A} $5 ${B:-a:-b}").unwrap(), "${A} $5 a:-b");
    }

    #[test]
    fn what_cannot_be_filled_is_an_error() {
        assert_eq!(fill("${B}"), Err(Unfilled::Unset("B".into())));
        assert_eq!(fill("${B"), Err(Unfilled::Unclosed));
        assert_eq!(fill("${}"), Err(Unfilled::Name(String::new())));
        assert_eq!(fill("${1A:-x}"), Err(Unfilled::Name("1A".into())));
    }
}
