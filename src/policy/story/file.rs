//! The text of a story: TOML whose lines read `wife view garage because view-own-devices`.

use std::ops::Range;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde::Deserialize;
use serde_json::{Map, Value as Json};
use toml::Spanned;

use crate::finding::Finding;
use crate::policy::story::{Check, Edit, Expected, Refusal, Scene, Story};

/// When stories play that do not say it.
const NOW_DEFAULT: &str = "2026-01-01T12:00:00Z";
const LINE_FORM: &str = "write `PRINCIPAL ACTION RESOURCE`, then `hidden`, `visible` or `unauthenticated` \
                         for a refusal, then `because POLICY-ID`";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoryFile {
    title: String,
    world: String,
    now: Option<Spanned<String>>,
    #[serde(default)]
    after: Vec<Spanned<EditFile>>,
    #[serde(default)]
    allow: Vec<Spanned<LineFile>>,
    #[serde(default)]
    deny: Vec<Spanned<LineFile>>,
    #[serde(default)]
    scene: Vec<SceneFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SceneFile {
    title: String,
    #[serde(default)]
    after: Vec<Spanned<EditFile>>,
    #[serde(default)]
    allow: Vec<Spanned<LineFile>>,
    #[serde(default)]
    deny: Vec<Spanned<LineFile>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum LineFile {
    Text(String),
    Full { ask: String, context: Map<String, Json> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditFile {
    entity: String,
    #[serde(default)]
    set: Map<String, Json>,
    #[serde(default)]
    unset: Vec<String>,
    #[serde(default)]
    join: Vec<String>,
    #[serde(default)]
    leave: Vec<String>,
    #[serde(default)]
    remove: bool,
}

/// Reads a story; every line that cannot be understood is a finding.
pub fn parse(file: impl Into<String>, text: impl Into<Arc<str>>) -> Result<Story, Vec<Finding>> {
    let (file, text) = (file.into(), text.into());
    let read: StoryFile = toml::from_str(&text).map_err(|error| {
        let found = Finding::error(file.clone(), error.message().to_owned());
        vec![match error.span() {
            Some(span) => found.at(text.clone(), span),
            None => found,
        }]
    })?;
    let mut mistakes = Vec::new();
    let now_ms = now_ms(read.now.as_ref()).unwrap_or_else(|span| {
        mistakes.push((span, "this is not a time such as `2026-01-01T12:00:00Z`".to_owned()));
        0
    });
    let mut scenes = vec![scene(None, read.after, read.allow, read.deny, &mut mistakes)];
    for it in read.scene {
        scenes.push(scene(Some(it.title), it.after, it.allow, it.deny, &mut mistakes));
    }
    if mistakes.is_empty() {
        return Ok(Story { title: read.title, world: read.world, now_ms, scenes, file, text });
    }
    let finding = |(span, message)| Finding::error(file.clone(), message).at(text.clone(), span);
    Err(mistakes.into_iter().map(finding).map(|it| it.with_help(LINE_FORM)).collect())
}

type Mistake = (Range<usize>, String);

fn scene(
    title: Option<String>,
    after: Vec<Spanned<EditFile>>,
    allow: Vec<Spanned<LineFile>>,
    deny: Vec<Spanned<LineFile>>,
    mistakes: &mut Vec<Mistake>,
) -> Scene {
    let allow = allow.into_iter().map(|line| (line, Expected::Allow));
    let deny = deny.into_iter().map(|line| (line, Expected::Deny(None)));
    let mut checks = Vec::new();
    for (line, expected) in allow.chain(deny) {
        let span = line.span();
        match check(line, expected) {
            Ok(check) => checks.push(check),
            Err(message) => mistakes.push((span, message)),
        }
    }
    Scene { title, after: after.into_iter().map(edit).collect(), checks }
}

fn now_ms(given: Option<&Spanned<String>>) -> Result<i64, Range<usize>> {
    let (text, span) = given.map_or((NOW_DEFAULT, 0..0), |it| (it.get_ref(), it.span()));
    let time = humantime::parse_rfc3339(text).map_err(|_| span.clone())?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| span.clone())?;
    i64::try_from(since.as_millis()).map_err(|_| span)
}

fn edit(given: Spanned<EditFile>) -> Edit {
    let span = given.span();
    let EditFile { entity, set, unset, join, leave, remove } = given.into_inner();
    Edit { entity, set, unset, join, leave, remove, span }
}

fn check(line: Spanned<LineFile>, expected: Expected) -> Result<Check, String> {
    let span = line.span();
    let (ask, context) = match line.into_inner() {
        LineFile::Text(ask) => (ask, Map::new()),
        LineFile::Full { ask, context } => (ask, context),
    };
    let mut words = words(&ask).into_iter();
    let mut next = |what: &str| words.next().ok_or_else(|| format!("`{ask}` names no {what}"));
    let (principal, action, resource) = (next("principal")?, next("action")?, next("resource")?);
    let mut rest: Vec<String> = words.collect();
    let mut expected = expected;
    if let Some(refusal) = rest.first().and_then(|word| refusal(word)) {
        if expected == Expected::Allow {
            return Err(format!("`{}` belongs to a refusal, and this line allows", refusal.word()));
        }
        expected = Expected::Deny(Some(refusal));
        rest.remove(0);
    }
    let because = match rest.split_first() {
        None => Vec::new(),
        Some((word, ids)) if word == "because" && !ids.is_empty() => {
            ids.iter().map(|id| id.trim_end_matches(',').to_owned()).collect()
        }
        Some((word, _)) => return Err(format!("`{word}` is not understood here")),
    };
    Ok(Check { principal, action, resource, context: Arc::new(context), expected, because, span })
}

fn refusal(word: &str) -> Option<Refusal> {
    [Refusal::Hidden, Refusal::Visible, Refusal::Unauthenticated].into_iter().find(|it| it.word() == word)
}

/// Splits at white space outside of quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        if c.is_whitespace() && !quoted {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_an_id_together() {
        assert_eq!(words(r#"User::"a b" view  x"#), [r#"User::"a b""#, "view", "x"]);
        assert_eq!(words(r#"User::"a\" b" view"#), [r#"User::"a\" b""#, "view"]);
    }

    #[test]
    fn a_line_that_cannot_be_understood_is_found_where_it_stands() {
        for line in ["wife view", "wife view lamp perhaps", "wife view lamp because", "wife view lamp hidden"]
        {
            let text = format!("title = \"t\"\nworld = \"w\"\nallow = [\"{line}\"]\n");
            let findings = parse("x.toml", text.as_str()).unwrap_err();
            let span = findings[0].span.clone().unwrap();
            assert_eq!(&text[span], format!("\"{line}\""));
        }
        assert!(parse("x.toml", "title = \"t\"\nworld = \"w\"\nallows = []").is_err());
    }
}
