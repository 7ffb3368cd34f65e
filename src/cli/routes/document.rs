//! An OpenAPI 3 document: its operations, with references followed.

use serde_json::{Map, Value as Json};

/// How many references may lead to one another.
const REFERENCES_MAX: usize = 32;
/// How deep schemas may be put together from others.
const PARTS_MAX: usize = 4;
/// The methods that a route can have (OpenAPI 3.1 section 4.8.9 knows `trace` too).
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// A parsed document.
pub(super) struct Document {
    root: Json,
}

/// One method of one path.
pub(super) struct Operation<'a> {
    /// In capitals.
    pub(super) method: String,
    /// With the path of the server in front.
    pub(super) path: String,
    /// Those of the path and its own; each with `name` and `in`.
    pub(super) parameters: Vec<(&'a str, &'a str)>,
    /// What it is, where it is said.
    pub(super) summary: Option<&'a str>,
    item: &'a Json,
}

impl Document {
    /// Reads JSON, or else YAML.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let root: Json = match text.trim_start().starts_with('{') {
            true => crate::json::parse(text.as_bytes()).map_err(|error| format!("not JSON: {error}"))?,
            false => serde_saphyr::from_str(text).map_err(|error| format!("not YAML: {error}"))?,
        };
        let version = root.get("openapi").and_then(Json::as_str).unwrap_or_default();
        match version.starts_with("3.") && root.get("paths").is_some_and(Json::is_object) {
            true => Ok(Self { root }),
            false => Err("this is no OpenAPI 3 document with paths".to_owned()),
        }
    }

    /// Every operation, in the order of the document.
    pub(super) fn operations(&self) -> Vec<Operation<'_>> {
        let prefix = self.prefix();
        let paths = self.root.get("paths").and_then(Json::as_object);
        let mut found = Vec::new();
        for (path, item) in paths.into_iter().flatten().filter(|(path, _)| path.starts_with('/')) {
            let item = self.followed(item);
            for (method, operation) in METHODS.iter().filter_map(|it| Some((it, item.get(it)?))) {
                found.push(Operation {
                    method: method.to_uppercase(),
                    path: format!("{prefix}{path}"),
                    parameters: [item, operation].into_iter().flat_map(|it| self.parameters(it)).collect(),
                    summary: operation.get("summary").and_then(Json::as_str),
                    item: operation,
                });
            }
        }
        found
    }

    /// The path of the first server, without the slash at its end.
    fn prefix(&self) -> &str {
        let url = self.root.pointer("/servers/0/url").and_then(Json::as_str).unwrap_or_default();
        let path = url
            .split_once("://")
            .map_or(url, |(_, rest)| rest.find('/').map_or("", |at| rest.split_at(at).1));
        if path.contains(['{', '?', '#']) { "" } else { path.trim_end_matches('/') }
    }

    fn parameters<'a>(&'a self, item: &'a Json) -> impl Iterator<Item = (&'a str, &'a str)> {
        let list = item.get("parameters").and_then(Json::as_array).into_iter().flatten();
        list.map(|it| self.followed(it))
            .filter_map(|it| Some((it.get("name")?.as_str()?, it.get("in")?.as_str()?)))
    }

    /// What a reference within the document leads to.
    pub(super) fn followed<'a>(&'a self, mut value: &'a Json) -> &'a Json {
        for _ in 0..REFERENCES_MAX {
            let next = value.get("$ref").and_then(Json::as_str).and_then(|it| it.strip_prefix('#'));
            match next.and_then(|pointer| self.root.pointer(pointer)) {
                Some(next) => value = next,
                None => return value,
            }
        }
        &Json::Null
    }

    /// The schema of the JSON body, if there is one.
    pub(super) fn body<'a>(&'a self, operation: &Operation<'a>) -> Option<&'a Json> {
        self.schema(self.followed(operation.item.get("requestBody")?))
    }

    /// The schema of the JSON that a success answers with.
    pub(super) fn answer<'a>(&'a self, operation: &Operation<'a>) -> Option<&'a Json> {
        let responses = operation.item.get("responses")?.as_object()?;
        let (_, success) = responses.iter().find(|(status, _)| status.starts_with('2'))?;
        self.schema(self.followed(success))
    }

    fn schema<'a>(&'a self, message: &'a Json) -> Option<&'a Json> {
        let content = message.get("content")?.as_object()?;
        let (_, media) = content.iter().find(|(name, _)| name.contains("json"))?;
        media.get("schema").map(|it| self.followed(it))
    }

    /// The properties of a schema, those of the schemas that it is put together from included.
    pub(super) fn properties<'a>(&'a self, schema: &'a Json) -> Vec<(&'a str, &'a Json)> {
        self.collected(schema, PARTS_MAX)
    }

    fn collected<'a>(&'a self, schema: &'a Json, depth: usize) -> Vec<(&'a str, &'a Json)> {
        let schema = self.followed(schema);
        let own = schema.get("properties").and_then(Json::as_object).into_iter().flat_map(Map::iter);
        let mut found: Vec<_> = own.map(|(name, it)| (name.as_str(), self.followed(it))).collect();
        if let Some(depth) = depth.checked_sub(1) {
            let parts = schema.get("allOf").and_then(Json::as_array).into_iter().flatten();
            found.extend(parts.flat_map(|it| self.collected(it, depth)));
        }
        found
    }
}
