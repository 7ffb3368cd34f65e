//! What a route says of its answer: lists, what is not shown, what was made.

use std::sync::Arc;

use crate::config::{CreatesConfig, FilterConfig, Text};
use crate::domain::SecretText;
use crate::domain::nouns::Device;
use crate::gateway::route::compile::Compiler;
use crate::gateway::route::{Creates, IdSource, ListFilter, Pointer, Redaction};

impl Compiler<'_> {
    pub(super) fn creates(&mut self, config: &CreatesConfig) -> Option<Creates> {
        self.kind(&config.kind);
        if config.kind.get_ref() != Device::KIND {
            let message = format!("`{}` cannot be registered", config.kind.get_ref());
            self.fail(config.kind.span(), message, "write `type = \"Device\"`");
            return None;
        }
        let (name, template) = (self.told(config.name.as_ref()), self.told(config.template.as_ref()));
        let id = self.source(&config.id)?;
        if id.has_each() || !matches!(id, IdSource::Response(_) | IdSource::Path { .. }) {
            let help = "write `response:/pointer` or `path:NAME`";
            self.fail(config.id.span(), format!("`{id}` does not say what was created"), help);
            return None;
        }
        let secrets = config.secrets.iter().map(|(name, source)| self.made_secret(name, source));
        let secrets = secrets.collect::<Option<_>>()?;
        Some(Creates { id, name, template, secrets })
    }

    fn told(&mut self, text: Option<&Text>) -> Option<IdSource> {
        let text = text?;
        let source = self.source(text)?;
        if source.has_each() || matches!(source, IdSource::Principal(_)) {
            self.fail(
                text.span(),
                format!("`{source}` is not one text"),
                "write `body:/name` or `response:/name`",
            );
            return None;
        }
        Some(source)
    }

    fn made_secret(&mut self, name: &Text, text: &Text) -> Option<(Arc<str>, Pointer)> {
        match self.source(text)? {
            IdSource::Response(pointer) if SecretText::is_name(name.get_ref()) && !pointer.has_each() => {
                Some((name.get_ref().as_str().into(), pointer))
            }
            _ => {
                let message = format!("`{}` does not say where a secret is", text.get_ref());
                self.fail(text.span(), message, "write `NAME = \"response:/pointer\"`");
                None
            }
        }
    }

    pub(super) fn redacted(&mut self, text: &Text) -> Option<Redaction> {
        let read = Redaction::parse(text.get_ref());
        if read.is_none() {
            let message = format!("`{}` is not a JSON pointer", text.get_ref());
            let help = "write one such as `/token`, `/items/*/ip` or `/items/*(name=Owner)/value`";
            self.fail(text.span(), message, help);
        }
        read
    }

    fn pointer(&mut self, text: &Text) -> Option<Pointer> {
        match Pointer::parse(text.get_ref()) {
            Some(pointer) if !pointer.has_each() => Some(pointer),
            _ => {
                let message = format!("`{}` is not a JSON pointer to one value", text.get_ref());
                self.fail(text.span(), message, "write one such as `/devices`, without `*`");
                None
            }
        }
    }

    pub(super) fn filter(&mut self, config: &FilterConfig) -> Option<ListFilter> {
        let (action, kind) = (self.action(&config.action), self.kind(&config.kind));
        let (items, id) = (self.pointer(&config.items), self.pointer(&config.id));
        let keep = config.keep.iter().map(|kept| self.pointer(kept)).collect::<Option<Vec<_>>>();
        let total = config.total.as_ref().map(|total| (total, self.pointer(total)));
        if let (Some((text, Some(total))), Some(items)) = (&total, &items)
            && total.tokens().starts_with(items.tokens())
        {
            let message = "the total is inside the list";
            self.fail(text.span(), message, "point `total` at a number beside `items`");
        }
        Some(ListFilter {
            action,
            kind,
            items: items?,
            id: id?,
            id_prefix: config.id_prefix.get_ref().as_str().into(),
            total: total.and_then(|(_, pointer)| pointer),
            keep: keep?,
        })
    }
}
