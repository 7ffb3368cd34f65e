//! The configuration as one typed tree: read from TOML, filled from the environment, checked at start.

mod authentication;
mod environment;
pub(crate) mod read;
mod route;
mod secrets;
mod sharing;
mod tables;
mod upstream;
mod values;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::finding::Finding;

pub use authentication::{ApiKeyConfig, Authentication, Jwt, PrincipalRule};
pub use environment::Environment;
pub use route::{
    CreatesConfig, FilterConfig, MessageConfig, OneOrMany, ResourceConfig, RouteConfig, Text, WhenConfig,
};
pub use secrets::Secrets;
pub use sharing::{Mail, MailScheme, MailUrl, Plan, Plans, Sharing};
pub use tables::{Cache, Control, Entities, Gateway, Limits, Overflow, Policies, Records, Store};
pub use upstream::{Credentials, Forwarded, HostRule, Place, Upstream};
pub use values::{HeaderField, HttpUrl, Secret};

/// The file that the configuration was read from, to point at in findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file's name as the operator wrote it.
    pub name: String,
    /// The file's text, before anything is filled in.
    pub text: Arc<str>,
}

impl Origin {
    /// A mistake at a place of the file.
    #[must_use]
    pub fn error(&self, span: std::ops::Range<usize>, message: impl Into<String>) -> Finding {
        Finding::error(self.name.clone(), message).at(Arc::clone(&self.text), span)
    }
}

/// The whole configuration; every part but the upstream has a default.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it was read from.
    pub origin: Origin,
    /// The listener of the callers.
    pub gateway: Gateway,
    /// The listener of the operator, the sharing API and the console.
    pub control: Control,
    /// The device API behind the gateway.
    pub upstream: Upstream,
    /// The bounds of organizations, invitations and grants.
    pub sharing: Sharing,
    /// What each plan includes.
    pub plans: Plans,
    /// How invitations are mailed; without it the inviter hands the link over.
    pub mail: Option<Mail>,
    /// The keys of secrets.
    pub secrets: Secrets,
    /// The policy folder.
    pub policies: Policies,
    /// The folder of static entities.
    pub entities: Entities,
    /// The entity store.
    pub store: Store,
    /// Who may ask, and how they show who they are.
    pub authentication: Authentication,
    /// The decision log.
    pub records: Records,
    /// How much is remembered.
    pub cache: Cache,
    /// What a single request, list or stream may take.
    pub limits: Limits,
    /// The route map, in the order of the file.
    pub routes: Vec<RouteConfig>,
}

impl Config {
    /// Reads a file; paths in it are relative to its folder.
    pub fn load(path: &Path) -> Result<Self, Vec<Finding>> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            vec![
                Finding::error(name.clone(), format!("cannot be read: {error}"))
                    .with_help("name the configuration with `--config FILE`"),
            ]
        })?;
        let mut config = Self::parse(&name, &text, &|variable| std::env::var(variable).ok())?;
        config.place(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    /// Reads a text; `env` answers for the environment, and paths stay as written.
    pub fn parse(name: &str, text: &str, env: &Environment<'_>) -> Result<Self, Vec<Finding>> {
        let origin = Origin { name: name.to_owned(), text: Arc::from(text) };
        let mut reader = Reader { origin: &origin, findings: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        reader.findings.extend(errors.iter().map(|error| finding(&origin, error, 0..0)));
        if !reader.findings.is_empty() {
            return Err(reader.findings);
        }
        let mut document = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
        environment::fill(&mut document, &origin, env, &mut reader.findings);
        let sections = reader.sections(document);
        let findings = reader.findings;
        match sections.build(origin.clone()) {
            Ok(config) if findings.is_empty() => match config.contradictions() {
                found if found.is_empty() => Ok(config),
                found => Err(found),
            },
            Err(missing) if findings.is_empty() => Err(vec![missing]),
            _ => Err(findings),
        }
    }

    fn contradictions(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let (gateway, control) = (&self.gateway.listen, &self.control.listen);
        if gateway.get_ref() == control.get_ref() && gateway.get_ref().port() != 0 {
            let message = format!("`{}` is the gateway's address already", control.get_ref());
            found.push(
                self.origin
                    .error(control.span(), message)
                    .with_help("give `control.listen` an address of its own"),
            );
        }
        upstream::contradictions(self, &mut found);
        authentication::contradictions(self, &mut found);
        sharing::contradictions(self, &mut found);
        found
    }

    /// Makes every relative path start at the folder of the file.
    fn place(&mut self, folder: &Path) {
        self.policies.dir = folder.join(&self.policies.dir);
        self.entities.dir = folder.join(&self.entities.dir);
        self.records.path = folder.join(&self.records.path);
        self.store.place(folder);
        for file in self.authentication.jwt.iter_mut().filter_map(|jwt| jwt.jwks_file.as_mut()) {
            *file = folder.join(&*file);
        }
    }
}

/// The tables as far as they were read.
#[derive(Default)]
struct Sections {
    gateway: Option<Gateway>,
    control: Option<Control>,
    upstream: Option<Upstream>,
    sharing: Option<Sharing>,
    plans: Option<Plans>,
    mail: Option<Mail>,
    secrets: Option<Secrets>,
    policies: Option<Policies>,
    entities: Option<Entities>,
    store: Option<Store>,
    authentication: Option<Authentication>,
    records: Option<Records>,
    cache: Option<Cache>,
    limits: Option<Limits>,
    routes: Vec<RouteConfig>,
}

impl Sections {
    fn build(self, origin: Origin) -> Result<Config, Finding> {
        let Some(upstream) = self.upstream else {
            return Err(origin
                .error(0..0, "there is no `[upstream]`")
                .with_help("add `[upstream]` with `url = \"http://127.0.0.1:9000\"`, the API to guard"));
        };
        Ok(Config {
            upstream,
            gateway: self.gateway.unwrap_or_default(),
            control: self.control.unwrap_or_default(),
            sharing: self.sharing.unwrap_or_default(),
            plans: self.plans.unwrap_or_default(),
            mail: self.mail,
            secrets: self.secrets.unwrap_or_default(),
            policies: self.policies.unwrap_or_default(),
            entities: self.entities.unwrap_or_default(),
            store: self.store.unwrap_or_default(),
            authentication: self.authentication.unwrap_or_default(),
            records: self.records.unwrap_or_default(),
            cache: self.cache.unwrap_or_default(),
            limits: self.limits.unwrap_or_default(),
            routes: self.routes,
            origin,
        })
    }
}

const TABLES: &str = "[gateway], [control], [upstream], [sharing], [plans], [mail], [secrets], [policies], [entities], [store], [authentication], \
                      [records], [cache], [limits] and [[route]]";

/// Reads table by table, so that one mistake does not hide the others.
struct Reader<'c> {
    origin: &'c Origin,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn sections(&mut self, document: Spanned<DeValue<'_>>) -> Sections {
        let mut sections = Sections::default();
        let DeValue::Table(table) = document.into_inner() else { return sections };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "gateway" => sections.gateway = self.read(value),
                "control" => sections.control = self.read(value),
                "upstream" => sections.upstream = self.read(value),
                "sharing" => sections.sharing = self.read(value),
                "plans" => sections.plans = self.read(value),
                "mail" => sections.mail = self.read(value),
                "secrets" => sections.secrets = self.read(value),
                "policies" => sections.policies = self.read(value),
                "entities" => sections.entities = self.read(value),
                "store" => sections.store = self.read(value),
                "authentication" => sections.authentication = self.read(value),
                "records" => sections.records = self.read(value),
                "cache" => sections.cache = self.read(value),
                "limits" => sections.limits = self.read(value),
                "route" => sections.routes = self.routes(value),
                unknown => self.findings.push(
                    self.origin
                        .error(key.span(), format!("unknown table `{unknown}`"))
                        .with_help(format!("the tables are {TABLES}")),
                ),
            }
        }
        sections
    }

    fn routes(&mut self, value: Spanned<DeValue<'_>>) -> Vec<RouteConfig> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Array(routes) => routes.into_iter().filter_map(|route| self.read(route)).collect(),
            _ => {
                let error = self.origin.error(span, "`route` is a list");
                self.findings.push(error.with_help("write `[[route]]`, once for each route"));
                Vec::new()
            }
        }
    }

    fn read<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'_>>) -> Option<T> {
        let span = value.span();
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(read) => Some(read),
            Err(error) => {
                self.findings.push(finding(self.origin, &error, span));
                None
            }
        }
    }
}

/// A message of the TOML reader or of [`read`], whose second line is the advice.
fn finding(origin: &Origin, error: &toml::de::Error, table: std::ops::Range<usize>) -> Finding {
    let span = error.span().unwrap_or(table);
    let message = error.message();
    if let Some((message, help)) = message.split_once('\n') {
        return origin.error(span, message).with_help(help);
    }
    if let Some((name, known)) = message.strip_prefix("unknown field ").and_then(|it| it.split_once(", ")) {
        return origin.error(span, format!("unknown key {name}")).with_help(known);
    }
    if let Some((name, known)) = message.strip_prefix("unknown variant ").and_then(|it| it.split_once(", ")) {
        return origin.error(span, format!("unknown value {name}")).with_help(known);
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return origin
            .error(span, format!("{name} is missing"))
            .with_help(format!("add {name} to the table"));
    }
    origin.error(span, message)
}

#[cfg(test)]
mod tests;
