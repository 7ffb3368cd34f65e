//! `[[route]]` as it is written; `gateway::route` gives it its meaning.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use toml::Spanned;

use crate::config::Secret;

/// A text with its place in the file.
pub type Text = Spanned<String>;

/// `when`: sources and the values that they may have.
pub type WhenConfig = BTreeMap<Text, OneOrMany<Json>>;

/// One `[[route]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// `METHOD /path/{name}`.
    #[serde(rename = "match")]
    pub pattern: Text,
    /// The Cedar action to decide.
    #[serde(default)]
    pub action: Option<Text>,
    /// What the action is done to; with several, each must be permitted.
    #[serde(default)]
    pub resource: Option<OneOrMany<ResourceConfig>>,
    /// Context attributes and where they come from.
    #[serde(default)]
    pub context: BTreeMap<Text, Text>,
    /// The route holds only for requests with these values.
    #[serde(default)]
    pub when: WhenConfig,
    /// The answer is a list, of which only the permitted items are passed on.
    #[serde(default)]
    pub filter: Option<FilterConfig>,
    /// Nothing is decided.
    #[serde(default)]
    pub public: bool,
    /// A 2xx registers this entity.
    #[serde(default)]
    pub creates: Option<CreatesConfig>,
    /// A 2xx removes the resource.
    #[serde(default)]
    pub removes: bool,
    /// A batch is answered item by item.
    #[serde(default)]
    pub per_item: bool,
    /// What the gateway adds to the request: `secret:NAME` of the device, or a fixed value.
    #[serde(default)]
    pub inject: BTreeMap<Text, Spanned<Secret>>,
    /// Query parameters that the client sends to the gateway, and that do not travel on.
    #[serde(default)]
    pub drop: Vec<Text>,
    /// What a request may not have, such as an owner that the route does not decide on.
    #[serde(default)]
    pub refuse: Vec<Text>,
    /// JSON pointers into the answer, or into each item of a filtered list, to what is not shown.
    #[serde(default)]
    pub redact: Vec<Text>,
    /// Rules for the messages of a socket.
    #[serde(default)]
    pub message: Vec<MessageConfig>,
}

/// `resource = { type, id }`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceConfig {
    /// The entity type.
    #[serde(rename = "type")]
    pub kind: Text,
    /// Where the id comes from.
    pub id: Text,
}

/// `creates = { type, id, name, template, secrets }`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreatesConfig {
    /// The entity type.
    #[serde(rename = "type")]
    pub kind: Text,
    /// Where its id comes from.
    pub id: Text,
    /// Where its name comes from; without: it is called by its id.
    #[serde(default)]
    pub name: Option<Text>,
    /// Where its template comes from.
    #[serde(default)]
    pub template: Option<Text>,
    /// Secrets of the device in the answer, by the names that they are kept under.
    #[serde(default)]
    pub secrets: BTreeMap<Text, Text>,
}

/// `filter = { action, type, items, id, total }`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterConfig {
    /// The action that each item is decided by.
    pub action: Text,
    /// The items' entity type.
    #[serde(rename = "type")]
    pub kind: Text,
    /// JSON pointer from the answer to the list; empty: the answer is the list.
    pub items: Text,
    /// JSON pointer from an item to its id; empty: the item is the id.
    pub id: Text,
    /// What precedes the id in that text, such as `/` of a link.
    #[serde(default = "no_prefix")]
    pub id_prefix: Text,
    /// JSON pointer from the answer to the number of items.
    #[serde(default)]
    pub total: Option<Text>,
    /// JSON pointers from the answer to members that tell nothing of the items; others are left out.
    #[serde(default)]
    pub keep: Vec<Text>,
}

fn no_prefix() -> Text {
    Spanned::new(0..0, String::new())
}

/// One `[[route.message]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageConfig {
    /// The messages that the rule is for.
    #[serde(default)]
    pub when: WhenConfig,
    /// The Cedar action to decide.
    #[serde(default)]
    pub action: Option<Text>,
    /// What the action is done to; without: the route's resource.
    #[serde(default)]
    pub resource: Option<OneOrMany<ResourceConfig>>,
    /// Context attributes and where they come from.
    #[serde(default)]
    pub context: BTreeMap<Text, Text>,
    /// Messages that no rule is for are passed on.
    #[serde(default)]
    pub pass: Option<Spanned<bool>>,
}

/// One value, or a list of them.
#[derive(Debug, Clone, PartialEq)]
pub struct OneOrMany<T> {
    items: Vec<T>,
    span: Range<usize>,
}

impl<T> OneOrMany<T> {
    /// The values in order.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.items
    }

    /// The values themselves.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.items
    }

    /// Their place in the file.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Spanned::<Items<T>>::deserialize(deserializer)?;
        Ok(Self { span: read.span(), items: read.into_inner().0 })
    }
}

struct Items<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemsVisitor(PhantomData)).map(Self)
    }
}

struct ItemsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ItemsVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one value or a list of values")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(vec![T::deserialize(value.into_deserializer())?])
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(vec![T::deserialize(value.into_deserializer())?])
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(vec![T::deserialize(value.into_deserializer())?])
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Ok(vec![T::deserialize(MapAccessDeserializer::new(map))?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items))
    }
}
