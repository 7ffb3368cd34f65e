//! Caps on policy text before Cedar's parser sees it: its recursion can end the process.

use crate::finding::Finding;
use crate::policy::Source;

/// The longest policy or schema file, in bytes.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// How deep brackets, `if`s and unary operators may nest; the parser survives about 120 on a small stack.
const NESTING_MAX: usize = 32;

/// Refuses text that is too long or nested too deeply to be parsed safely.
pub(super) fn check(source: &Source) -> Result<(), Finding> {
    if source.text.len() > TEXT_BYTES_MAX {
        return Err(Finding::error(
            source.name.clone(),
            format!("{} bytes of policy text are over the limit of {TEXT_BYTES_MAX}", source.text.len()),
        )
        .with_help("split the file by subject"));
    }
    match too_deep(&source.text) {
        None => Ok(()),
        Some(at) => {
            Err(Finding::error(source.name.clone(), format!("nested deeper than {NESTING_MAX} levels"))
                .at(source.text.clone(), at..at + 1)
                .with_help("split the condition over several policies"))
        }
    }
}

/// The byte offset at which the nesting first exceeds the limit.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut prefix = 0usize;
    let mut conditions = 0usize;
    let mut tokens = Tokens { text, at: 0 };
    while let Some((at, token)) = tokens.next_token() {
        match token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            ";" => conditions = 0,
            "if" => conditions += 1,
            _ => {}
        }
        prefix = if token == "!" || token == "-" { prefix + 1 } else { 0 };
        if depth + prefix + conditions > NESTING_MAX {
            return Some(at);
        }
    }
    None
}

struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    /// The next word or single character outside strings and comments.
    fn next_token(&mut self) -> Option<(usize, &'a str)> {
        loop {
            let rest = self.text.get(self.at..)?;
            let first = rest.chars().next()?;
            let start = self.at;
            if first == '"' {
                self.at += string_len(rest);
            } else if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if first.is_alphanumeric() || first == '_' {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                self.at += end;
                return Some((start, rest.get(..end)?));
            } else {
                self.at += first.len_utf8();
                if !first.is_whitespace() {
                    return Some((start, rest.get(..first.len_utf8())?));
                }
            }
        }
    }
}

fn string_len(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_nesting_is_refused_before_parsing() {
        for text in ["(".repeat(400), "!".repeat(400), "if true then ".repeat(400), "[{(".repeat(20)] {
            assert!(check(&Source::new("a.cedar", text)).is_err());
        }
        let strings =
            format!("permit(principal, action, resource) when {{ \"{}\" == \"\" }};", "((".repeat(99));
        assert!(check(&Source::new("a.cedar", strings)).is_ok());
        assert!(check(&Source::new("a.cedar", "a".repeat(TEXT_BYTES_MAX + 1))).is_err());
    }

    #[test]
    fn many_policies_in_a_row_are_not_deep() {
        let text = "permit(principal, action, resource) when { if true then true else false };\n".repeat(100);
        assert!(check(&Source::new("a.cedar", text)).is_ok());
    }
}
