//! What is wrong in a file that a person wrote, where, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, ThemeCharacters, ThemeStyles};
use miette::{LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing starts with this.
    Error,
    /// It works, but probably not as meant.
    Warning,
}

/// One mistake or doubt in a config, route, schema, policy, entity or story file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file as people should see it.
    pub file: String,
    /// The file's text, when a place in it is known.
    pub source: Arc<str>,
    /// The bytes of the text that the finding is about.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Finding {
    /// A mistake that keeps the gateway from starting.
    pub fn error(file: impl Into<String>, message: impl Into<String>) -> Self {
        let (severity, source) = (Severity::Error, Arc::from(""));
        Self { severity, file: file.into(), source, span: None, message: message.into(), help: None }
    }

    /// A doubt: it works, but probably not as meant.
    pub fn warning(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(file, message) }
    }

    /// The same finding with its place.
    #[must_use]
    pub fn at(mut self, source: Arc<str>, span: Range<usize>) -> Self {
        self.source = source;
        self.span = Some(span);
        self
    }

    /// The same finding with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Line and column of the place, both from 1, the column in characters.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        let before = self.source.get(..self.span.as_ref()?.start)?;
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |text| text.chars().count()) + 1;
        Some((line, column))
    }

    /// The finding as a person reads it: message, file, line, caret and help.
    ///
    /// Only the line itself is shown: its neighbours may hold secrets.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let styles = if colours { ThemeStyles::ansi() } else { ThemeStyles::none() };
        let theme = GraphicalTheme { characters: ThemeCharacters::ascii(), styles };
        let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_context_lines(1);
        let mut text = String::new();
        match handler.render_report(&mut text, &Drawing(self)) {
            Ok(()) => text,
            Err(fmt::Error) => format!("{self}\n"),
        }
    }

    /// The finding as a program reads it.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let position = self.position();
        serde_json::json!({
            "severity": match self.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "file": self.file,
            "line": position.map(|(line, _)| line),
            "column": position.map(|(_, column)| column),
            "message": self.message,
            "help": self.help,
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position() {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for Finding {}

/// The finding as miette draws it: the message alone, as the place is drawn apart.
struct Drawing<'f>(&'f Finding);

impl Finding {
    fn clamped(&self) -> Option<SourceSpan> {
        let span = self.span.clone()?;
        let start = span.start.min(self.source.len());
        let line_end = self.source.get(start..)?.find('\n').map_or(self.source.len(), |at| start + at);
        let end = span.end.clamp(start, line_end.max(start));
        Some((start..end).into())
    }
}

impl fmt::Debug for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.span {
            Some(_) => f.write_str(&self.0.message),
            None => fmt::Display::fmt(self.0, f),
        }
    }
}

impl std::error::Error for Drawing<'_> {}

impl Diagnostic for Drawing<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.0.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.0.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.span.as_ref().map(|_| self as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.0.clamped()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, span))))
    }
}

impl SourceCode for Drawing<'_> {
    /// With context the whole line, never its neighbours; without context the place alone.
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text = &*self.0.source;
        let start = span.offset();
        let head = text.get(..start).ok_or(MietteError::OutOfBounds)?;
        let line_start = head.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let (row, column) = self.0.position().unwrap_or((1, 1));
        let (data, from, column) = match before {
            0 => (text.get(start..start + span.len()).unwrap_or_default(), start, column - 1),
            _ => (line, line_start, 0),
        };
        let read = SourceSpan::from((from, data.len()));
        let name = self.0.file.clone();
        Ok(Box::new(MietteSpanContents::new_named(name, data.as_bytes(), read, row - 1, column, 1)))
    }
}

/// An error and all its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        let source = Arc::from("# secret = 1\né = \"x\"\n# secret = 2\n");
        Finding::error("a.toml", "`x` is wrong").at(source, 18..21).with_help("write `y`")
    }

    #[test]
    fn it_is_drawn_with_file_line_caret_and_help_and_without_its_neighbours() {
        let text = finding().render(false);
        for part in ["x `x` is wrong", "[a.toml:2:5]", "2 | é = \"x\"", "^", "help: write `y`"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(!text.contains("secret") && !text.contains('\u{1b}'), "{text}");
        assert!(finding().render(true).contains('\u{1b}'));
    }

    #[test]
    fn a_program_reads_line_and_column() {
        let json = finding().to_json();
        assert_eq!((json["line"].as_u64(), json["column"].as_u64()), (Some(2), Some(5)));
        assert_eq!(json["help"], "write `y`");
    }

    #[test]
    fn a_place_beyond_the_text_is_drawn_at_its_end() {
        assert!(Finding::warning("a.toml", "odd").at(Arc::from("x"), 7..9).render(false).contains("odd"));
        assert!(Finding::error("a.toml", "cannot be read").render(false).contains("a.toml: cannot be read"));
    }
}
