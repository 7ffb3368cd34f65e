//! What commands write: findings as people read them, values as programs do.

use std::io::{self, IsTerminal, Write};

use serde_json::Value as Json;

use crate::finding::Finding;

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

/// A remark on standard error, beside the answer.
pub(super) fn remark(text: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "cedargate: {text}")
}

/// A value on standard output, indented.
pub(super) fn json(value: &Json) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// `1 error`, `2 errors`.
pub(super) fn count(number: usize, what: &str) -> String {
    let (stem, plural) = match what.strip_suffix('y') {
        Some(stem) => (stem, "ies"),
        None => (what, "s"),
    };
    if number == 1 { format!("1 {what}") } else { format!("{number} {stem}{plural}") }
}
