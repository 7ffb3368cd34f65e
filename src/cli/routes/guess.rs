//! What an operation asks of Cedar, guessed from names; whatever may be more than looking is `control`.

use serde_json::Value as Json;

use crate::cli::routes::document::{Document, Operation};

/// Words of paths that do something, whatever the method is.
const VERBS: [&str; 24] = [
    "update", "set", "write", "control", "command", "commands", "action", "actions", "execute", "run",
    "start", "stop", "open", "close", "lock", "unlock", "toggle", "turn", "trigger", "reset", "restart",
    "reboot", "send", "activate",
];
/// Members of answers that count the items of a list.
const TOTALS: [&str; 5] = ["total", "totalelements", "totalcount", "totalitems", "count"];

/// An operation with its route, or with the reason why it has none.
pub(super) struct Placed {
    /// `METHOD /path`.
    pub(super) operation: String,
    /// What the document says it is.
    pub(super) summary: Option<String>,
    /// The route.
    pub(super) route: Result<Proposal, &'static str>,
}

/// A route to edit.
#[derive(Default)]
pub(super) struct Proposal {
    /// What to think about.
    pub(super) remarks: Vec<&'static str>,
    /// The action, for a route that decides.
    pub(super) action: Option<&'static str>,
    /// Entity type and id source of each resource.
    pub(super) resources: Vec<(String, String)>,
    /// For a list.
    pub(super) filter: Option<Filter>,
    /// Entity type and id source of what a success registers.
    pub(super) creates: Option<(String, String)>,
    /// Whether a success removes the resource.
    pub(super) removes: bool,
}

/// A list in an answer.
pub(super) struct Filter {
    /// The items' type.
    pub(super) kind: String,
    /// Pointers to the list, to an item's id and to the total.
    pub(super) items: String,
    pub(super) id: String,
    pub(super) total: Option<String>,
}

/// What the API calls a device, and what Cedar does.
pub(super) struct Guesser {
    nouns: Vec<String>,
    kind: String,
}

/// Letters and digits only, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase()).collect()
}

fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

impl Guesser {
    pub(super) fn new(nouns: &[String], kind: &str) -> Self {
        Self { nouns: nouns.iter().map(|it| plain(it)).collect(), kind: kind.to_owned() }
    }

    /// The route of an operation.
    pub(super) fn place(&self, document: &Document, operation: &Operation<'_>) -> Placed {
        let summary =
            operation.summary.map(|it| it.chars().filter(|it| !it.is_control()).take(100).collect());
        let named = format!("{} {}", operation.method, operation.path);
        Placed { operation: named, summary, route: self.route(document, operation) }
    }

    fn route(&self, document: &Document, operation: &Operation<'_>) -> Result<Proposal, &'static str> {
        let segments: Vec<&str> = operation.path.split('/').skip(1).collect();
        if let Some(why) = unfit(&segments) {
            return Err(why);
        }
        if ["OPTIONS", "HEAD"].contains(&operation.method.as_str()) {
            return Err("HEAD is answered by the GET route; OPTIONS asks nothing of a device");
        }
        let sources = self.sources(document, operation, &segments);
        if !sources.is_empty() {
            return Ok(self.about_devices(operation, &segments, sources));
        }
        let is_of_devices = segments.last().is_some_and(|it| self.is_plural(it));
        match operation.method.as_str() {
            "GET" => self.list(document, operation, is_of_devices),
            "POST" if is_of_devices => self.provision(document, operation),
            _ => Err("no device is named in its path, query or body"),
        }
    }

    fn is_noun(&self, word: &str) -> bool {
        self.nouns.iter().any(|noun| *noun == word)
    }

    /// Whether it means several devices.
    fn is_plural(&self, word: &str) -> bool {
        plain(word).strip_suffix('s').is_some_and(|it| self.is_noun(it))
    }

    /// Whether it names a device by itself.
    fn is_id(&self, name: &str) -> bool {
        let name = plain(name);
        self.is_noun(&name)
            || ["id", "uid", "uuid"].iter().any(|it| name.strip_suffix(it).is_some_and(|it| self.is_noun(it)))
    }

    /// Everywhere that the operation names a device.
    fn sources(&self, document: &Document, operation: &Operation<'_>, segments: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for (before, here) in std::iter::once(&"").chain(segments).zip(segments) {
            let Some(name) = parameter(here) else { continue };
            let is_short = ["id", "uid", "uuid", "name", "key"].contains(&plain(name).as_str());
            if self.is_id(name) || (is_short && (self.is_plural(before) || self.is_noun(&plain(before)))) {
                found.push(format!("path:{name}"));
            }
        }
        let query = operation
            .parameters
            .iter()
            .filter(|(name, place)| self.is_id(name) && ["query", "header"].contains(place));
        found.extend(query.map(|(name, place)| format!("{place}:{name}")));
        let body = document.body(operation).map(|it| document.properties(it)).unwrap_or_default();
        for (name, _) in body {
            let is_list = plain(name).strip_suffix('s').is_some_and(|it| self.is_id(it));
            match (is_list, self.is_id(name)) {
                (true, _) => found.push(format!("body:/{}/*", escaped(name))),
                (_, true) => found.push(format!("body:/{}", escaped(name))),
                _ => {}
            }
        }
        found
    }

    fn about_devices(&self, operation: &Operation<'_>, segments: &[&str], sources: Vec<String>) -> Proposal {
        let is_itself = segments
            .last()
            .is_some_and(|it| parameter(it).is_some_and(|it| sources.contains(&format!("path:{it}"))));
        let acts = segments.iter().any(|it| VERBS.contains(&plain(it).as_str()));
        let mut made = Proposal::default();
        made.action = Some(match (operation.method.as_str(), is_itself) {
            ("GET", _) if acts => {
                made.remarks
                    .push("a GET whose path sounds like doing something: `control`, unless it only looks");
                "control"
            }
            ("GET", _) => "view",
            ("DELETE", true) => {
                made.removes = true;
                "delete_device"
            }
            ("PUT" | "PATCH", true) => {
                made.remarks.push(
                    "`update_metadata` if it only describes the device, `control` if it moves anything",
                );
                "update_metadata"
            }
            _ => "control",
        });
        if sources.len() > 1 {
            made.remarks.push("several places name a device: each is decided; leave out what is none");
        }
        made.resources = sources.into_iter().map(|it| (self.kind.clone(), it)).collect();
        made
    }

    fn list(
        &self,
        document: &Document,
        operation: &Operation<'_>,
        is_of_devices: bool,
    ) -> Result<Proposal, &'static str> {
        let schema =
            document.answer(operation).ok_or("it names no device, and its answer is not described")?;
        let properties = document.properties(schema);
        let whole = std::iter::once(("", schema));
        let lists = whole.chain(properties.iter().copied()).filter_map(|(name, it)| {
            let items = document.properties(document.followed(it.get("items")?));
            Some((name, self.id_of(&items, is_of_devices)?))
        });
        let lists: Vec<_> = lists.collect();
        let [(name, id)] = lists.as_slice() else {
            return Err("it names no device, and its answer has not exactly one list with ids of devices");
        };
        let pointer = |name: &str| format!("/{}", escaped(name));
        let total = properties.iter().find(|(name, it)| {
            TOTALS.contains(&plain(name).as_str()) && it.get("type").and_then(Json::as_str) == Some("integer")
        });
        let filter = Filter {
            kind: self.kind.clone(),
            items: if name.is_empty() { String::new() } else { pointer(name) },
            id: pointer(id),
            total: total.map(|(name, _)| pointer(name)),
        };
        Ok(Proposal {
            remarks: vec!["the answer is cut down to what the caller may view"],
            filter: Some(filter),
            ..Proposal::default()
        })
    }

    /// The member that names the device of an item.
    fn id_of<'a>(&self, properties: &[(&'a str, &Json)], is_of_devices: bool) -> Option<&'a str> {
        let short =
            |it: &&(&str, &Json)| is_of_devices && ["id", "uid", "uuid"].contains(&plain(it.0).as_str());
        let own = properties.iter().find(|it| self.is_id(it.0));
        own.or_else(|| properties.iter().find(short)).map(|(name, _)| *name)
    }

    fn provision(&self, document: &Document, operation: &Operation<'_>) -> Result<Proposal, &'static str> {
        let answer = document.answer(operation).map(|it| document.properties(it)).unwrap_or_default();
        let id = self.id_of(&answer, true).ok_or("it makes a device, and its answer does not say which")?;
        Ok(Proposal {
            remarks: vec!["whoever adds the device owns it, in his organization"],
            action: Some("provision"),
            resources: vec![("Organization".to_owned(), "principal.organization".to_owned())],
            creates: Some((self.kind.clone(), format!("response:/{}", escaped(id)))),
            ..Proposal::default()
        })
    }
}

/// A member's name within a JSON pointer (RFC 6901 section 3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Why a route cannot have such a path.
fn unfit(segments: &[&str]) -> Option<&'static str> {
    let is_literal = |it: &str| {
        !it.is_empty() && it.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:@+=,$!".contains(&b))
    };
    let is_name = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_fit = |it: &&str| parameter(it).map_or_else(|| is_literal(it), is_name);
    let is_root = segments == [""];
    (!is_root && !segments.iter().all(is_fit))
        .then_some("a route's segment is plain text or one whole parameter")
}
