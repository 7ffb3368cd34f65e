//! What commands write: findings as people read them, values as programs do.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};

use serde_json::Value as Json;

use crate::finding::Finding;
use crate::json::is_acted_upon;

/// Every finding with its place.
pub(super) fn findings(out: &mut dyn Write, findings: &[Finding], terminal: bool) -> io::Result<()> {
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    for finding in findings {
        write!(out, "{}", finding.render(colours))?;
    }
    Ok(())
}

/// Every finding on standard output.
pub(super) fn found(list: &[Finding]) -> io::Result<()> {
    findings(&mut io::stdout().lock(), list, io::stdout().is_terminal())
}

/// One line on standard output.
pub(super) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Lines that hold texts of others, on standard output.
pub(super) fn lines(texts: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    texts.iter().try_for_each(|text| writeln!(out, "{}", Harmless(text)))
}

/// A remark on standard error, beside the answer.
pub(super) fn remark(text: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "cedargate: {}", Harmless(text))
}

/// A value on standard output, indented.
pub(super) fn json(value: &Json) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    let mut out = io::stdout().lock();
    // JSON itself escapes what is below U+0020; the rest stands in texts only, where an escape means the same.
    text.chars().try_for_each(|c| match c {
        '\n' => writeln!(out),
        c if is_acted_upon(c) => write!(out, "\\u{:04x}", u32::from(c)),
        c => write!(out, "{c}"),
    })?;
    writeln!(out)
}

/// Text that does nothing to a terminal: what it would act upon is shown as `\u{1b}`.
pub(super) struct Harmless<'a>(pub(super) &'a str);

impl fmt::Display for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match is_acted_upon(c) {
            true => write!(f, "{}", c.escape_unicode()),
            false => f.write_char(c),
        })
    }
}

/// `1 error`, `2 errors`.
pub(super) fn count(number: usize, what: &str) -> String {
    let (stem, plural) = match what.strip_suffix('y') {
        Some(stem) => (stem, "ies"),
        None => (what, "s"),
    };
    if number == 1 { format!("1 {what}") } else { format!("{number} {stem}{plural}") }
}
