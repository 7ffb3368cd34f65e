//! Reads a JSON array one element at a time, so that a file of any length needs little memory.

use std::io::{self, BufRead};

/// The longest element, in bytes.
const ELEMENT_BYTES_MAX: usize = 4 << 20;

/// One element of the array as it is written, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its text, not yet parsed.
    pub text: String,
    /// The line that it begins on, from 1.
    pub line: usize,
    /// The character of the line that it begins at, from 1.
    pub column: usize,
}

/// Why the array cannot be read further.
#[derive(Debug, thiserror::Error)]
pub enum ElementError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// This is no array, or it is broken here.
    #[error("{message}")]
    Form {
        /// What is wrong.
        message: String,
        /// The line, from 1.
        line: usize,
        /// The character of the line, from 1.
        column: usize,
    },
}

/// The elements of an array; ends after the first error.
pub struct Elements<R> {
    input: R,
    line: usize,
    column: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Start,
    First,
    Further,
    Done,
}

impl<R: BufRead> Elements<R> {
    /// The elements of the array that `input` holds, and nothing else.
    pub fn new(input: R) -> Self {
        Self { input, line: 1, column: 1, state: State::Start }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.input.fill_buf()?.first().copied())
    }

    fn advance(&mut self, byte: u8) {
        self.input.consume(1);
        match byte {
            b'\n' => (self.line, self.column) = (self.line + 1, 1),
            // The further bytes of a character are no column of their own.
            _ if byte & 0xC0 == 0x80 => {}
            _ => self.column += 1,
        }
    }

    /// The next byte that is not white space.
    fn skip_space(&mut self) -> io::Result<Option<u8>> {
        while let Some(byte) = self.peek()? {
            if !is_space(byte) {
                return Ok(Some(byte));
            }
            self.advance(byte);
        }
        Ok(None)
    }

    fn broken(&self, message: impl Into<String>) -> ElementError {
        ElementError::Form { message: message.into(), line: self.line, column: self.column }
    }

    fn read_next(&mut self) -> Result<Option<Element>, ElementError> {
        if self.state == State::Start {
            match self.skip_space()? {
                Some(b'[') => self.advance(b'['),
                _ => return Err(self.broken("this is not a list of entities: it must begin with `[`")),
            }
            self.state = State::First;
        }
        let next = self.skip_space()?;
        match (self.state, next) {
            (_, None) => return Err(self.broken("the list is not closed: `]` is missing")),
            (_, Some(b']')) => return self.end().map(|()| None),
            (State::First, Some(b',')) => return Err(self.broken("an entity is missing before the `,`")),
            (State::Further, Some(b',')) => {
                self.advance(b',');
                if matches!(self.skip_space()?, None | Some(b']' | b',')) {
                    return Err(self.broken("an entity is missing after the `,`"));
                }
            }
            (State::Further, Some(_)) => return Err(self.broken("a `,` is missing between two entities")),
            _ => {}
        }
        self.state = State::Further;
        self.element().map(Some)
    }

    fn end(&mut self) -> Result<(), ElementError> {
        self.advance(b']');
        self.state = State::Done;
        match self.skip_space()? {
            None => Ok(()),
            Some(_) => Err(self.broken("there is more behind the list")),
        }
    }

    /// Takes bytes until the brackets are closed; whether they fit together is the parser's matter.
    fn element(&mut self) -> Result<Element, ElementError> {
        let (line, column) = (self.line, self.column);
        let (mut bytes, mut depth, mut quoted, mut escaped) = (Vec::new(), 0usize, false, false);
        while let Some(byte) = self.peek()? {
            let separates = is_space(byte) || matches!(byte, b',' | b']');
            if depth == 0 && !quoted && !bytes.is_empty() && separates {
                return self.finish(bytes, line, column);
            }
            self.advance(byte);
            bytes.push(byte);
            if bytes.len() > ELEMENT_BYTES_MAX {
                return Err(self.broken(format!("an entity is longer than {ELEMENT_BYTES_MAX} bytes")));
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'{' | b'[' if !quoted => depth += 1,
                b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && !quoted && matches!(byte, b'}' | b']') {
                return self.finish(bytes, line, column);
            }
        }
        Err(self.broken("the file ends inside an entity"))
    }

    fn finish(&self, bytes: Vec<u8>, line: usize, column: usize) -> Result<Element, ElementError> {
        let text = String::from_utf8(bytes).map_err(|_| self.broken("this is not UTF-8 text"))?;
        Ok(Element { text, line, column })
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

impl<R: BufRead> Iterator for Elements<R> {
    type Item = Result<Element, ElementError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Done {
            return None;
        }
        let next = self.read_next();
        if next.is_err() {
            self.state = State::Done;
        }
        next.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, usize, usize)>, String> {
        let place = |it: Element| (it.text, it.line, it.column);
        let elements = Elements::new(text.as_bytes()).map(|it| it.map(place));
        elements.collect::<Result<_, _>>().map_err(|error| match error {
            ElementError::Form { message, line, column } => format!("{line}:{column} {message}"),
            ElementError::Read(error) => error.to_string(),
        })
    }

    #[test]
    fn elements_come_one_by_one_with_their_place() {
        let found = read("[\n  {\"a\": \"]}\\\"\"},{\"é\": [1]}, {}\n]\n").unwrap();
        let told: Vec<_> = found.iter().map(|(text, line, column)| (text.as_str(), *line, *column)).collect();
        assert_eq!(told, [("{\"a\": \"]}\\\"\"}", 2, 3), ("{\"é\": [1]}", 2, 17), ("{}", 2, 29)]);
        assert_eq!(read(" [ ] ").unwrap(), []);
        assert_eq!(read("[1, \"x\"]").unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_array_is_told_with_its_place() {
        for (text, said) in [
            ("{}", "1:1 this is not a list"),
            ("", "1:1 this is not a list"),
            ("[{}", "1:4 the list is not closed"),
            ("[{\n", "2:1 the file ends inside"),
            ("[{} {}]", "1:5 a `,` is missing"),
            ("[{},]", "1:5 an entity is missing"),
            ("[,{}]", "1:2 an entity is missing"),
            ("[{}]\n[", "2:1 there is more"),
        ] {
            let told = read(text);
            assert!(told.as_ref().is_err_and(|it| it.starts_with(said)), "{text}: {told:?}");
        }
    }
}
