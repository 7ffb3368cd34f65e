//! Files of entities in Cedar's JSON format, read one by one, each checked against the schema.

use std::io::BufRead;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::domain::{Entity, Uid};
use crate::finding::Finding;
use crate::json::{self, Element, ElementError, Elements};
use crate::policy::PolicySnapshot;

/// What Cedar says before it says what is wrong.
const PREAMBLE: &str = "error during entity deserialization: ";

/// The entities of one file; after a mistake in the form of the file nothing follows.
pub struct EntityFile<'p, R> {
    policies: &'p PolicySnapshot,
    name: Arc<str>,
    elements: Elements<R>,
}

/// An entity with its place in the file.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The entity, as it is stored.
    pub entity: Entity,
    name: Arc<str>,
    element: Element,
}

/// An entity that is not accepted.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// What is wrong with it.
    pub finding: Box<Finding>,
    /// Its name, as far as it can be told.
    pub uid: Option<Uid>,
}

impl From<Finding> for Rejected {
    fn from(finding: Finding) -> Self {
        Self { finding: Box::new(finding), uid: None }
    }
}

impl<'p, R: BufRead> EntityFile<'p, R> {
    /// The entities that `input` holds, called `name` in findings.
    pub fn new(policies: &'p PolicySnapshot, name: &str, input: R) -> Self {
        Self { policies, name: name.into(), elements: Elements::new(input) }
    }

    fn entity(&self, element: Element) -> Result<Placed, Rejected> {
        let parsed = json::parse(element.text.as_bytes()).map_err(|error| {
            let at = offset(&element.text, error.line(), error.column());
            // The place is drawn, and the parser counts from the beginning of the entity.
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            place(&self.name, &element, at..at + 1, format!("not JSON: {message}"))
        })?;
        if !parsed.is_object() {
            let found = place(&self.name, &element, 0..element.text.len(), "not an entity");
            return Err(found.with_help("write `{\"uid\": …, \"attrs\": …, \"parents\": …}`").into());
        }
        let uid = uid_of(&parsed);
        match self.policies.canonical(parsed) {
            Ok(entity) => Ok(Placed { entity, name: Arc::clone(&self.name), element }),
            Err(reason) => {
                let reason = reason.strip_prefix(PREAMBLE).unwrap_or(&reason);
                let finding = place(&self.name, &element, blamed(&element.text, reason), reason);
                Err(Rejected { finding: Box::new(finding), uid })
            }
        }
    }
}

/// The name of an entity that may have other mistakes.
fn uid_of(entity: &Json) -> Option<Uid> {
    let uid = entity.get("uid")?;
    let uid = uid.get("__entity").unwrap_or(uid);
    Uid::new(uid.get("type")?.as_str()?, uid.get("id")?.as_str()?).ok()
}

impl<R: BufRead> Iterator for EntityFile<'_, R> {
    type Item = Result<Placed, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.elements.next()? {
            Ok(element) => self.entity(element),
            Err(ElementError::Read(error)) => {
                Err(Finding::error(&*self.name, format!("cannot be read: {error}")).into())
            }
            Err(ElementError::Form { message, line, column }) => {
                let here = Element { text: " ".to_owned(), line, column };
                Err(place(&self.name, &here, 0..1, message).into())
            }
        })
    }
}

impl Placed {
    /// The file that it stands in.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.name
    }

    /// A mistake of the entity as a whole.
    #[must_use]
    pub fn finding(&self, message: impl Into<String>) -> Finding {
        place(&self.name, &self.element, blamed(&self.element.text, ""), message)
    }

    /// A mistake at the last place where the entity writes this text.
    #[must_use]
    pub fn finding_at(&self, text: &str, message: impl Into<String>) -> Finding {
        let written = Json::from(text).to_string();
        let at = self.element.text.rfind(&written).map(|start| start..start + written.len());
        let span = at.unwrap_or_else(|| blamed(&self.element.text, ""));
        place(&self.name, &self.element, span, message)
    }
}

/// The rest of the file is not at hand: lines and columns before the entity are left blank.
fn place(name: &str, element: &Element, span: Range<usize>, message: impl Into<String>) -> Finding {
    let mut source = "\n".repeat(element.line.saturating_sub(1));
    source.extend(std::iter::repeat_n(' ', element.column.saturating_sub(1)));
    let before = source.len();
    source.push_str(&element.text);
    Finding::error(name, message).at(source.into(), before + span.start..before + span.end)
}

/// The part of an entity that a message speaks of: an attribute, a value, or else its `uid`.
fn blamed(text: &str, message: &str) -> Range<usize> {
    let named = || message.split('`').skip(1).step_by(2).map(|name| Json::from(name).to_string());
    let key = |name: &String| {
        let start = text.find(name.as_str())?;
        let after = text.get(start + name.len()..)?.trim_start();
        after.starts_with(':').then(|| start..start + name.len())
    };
    let value = |name: &String| text.find(name.as_str()).map(|start| start..start + name.len());
    let found = named().find_map(|name| key(&name)).or_else(|| named().find_map(|name| value(&name)));
    found.or_else(|| value(&"\"uid\"".to_owned())).unwrap_or(0..text.len().min(1))
}

/// The byte at a line and a column in bytes, both from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let at = (before + column.saturating_sub(1)).min(text.len().saturating_sub(1));
    text.floor_char_boundary(at)
}
