//! Everything on embedded defaults: the family's world before a small device API, ready to be tried.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;

use crate::config::Config;
use crate::demo::device_api;
use crate::demo::issuer::{AUDIENCE, ISSUER, Issuer, IssuerError};
use crate::domain::{Entity, Uid, UidError};
use crate::finding::Finding;
use crate::policy::{PolicySnapshot, Source};
use crate::server::{Loaded, Running, StartError, load, seed};

const POLICIES: [(&str, &str); 8] = [
    ("policies/schema.cedarschema", include_str!("../../policies/schema.cedarschema")),
    ("policies/devices.cedar", include_str!("../../policies/devices.cedar")),
    ("policies/grants.cedar", include_str!("../../policies/grants.cedar")),
    ("policies/guardrails.cedar", include_str!("../../policies/guardrails.cedar")),
    ("policies/machines.cedar", include_str!("../../policies/machines.cedar")),
    ("policies/organizations.cedar", include_str!("../../policies/organizations.cedar")),
    ("policies/people.cedar", include_str!("../../policies/people.cedar")),
    ("policies/permissions.toml", include_str!("../../policies/permissions.toml")),
];
const ENTITIES: &str = include_str!("../../entities/family.json");
const ROUTES: &str = include_str!("../../routes/demo.toml");

/// A running demo and what to try in it.
pub struct Demo {
    /// The deployment.
    pub running: Running,
    /// Ready `curl` lines, for people.
    pub tour: String,
    folder: PathBuf,
}

/// Why the demo does not start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Something that is embedded is broken.
    #[error("what the demo brings along does not load")]
    Findings(Vec<Finding>),
    /// The demo cannot run here.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A name in the tour is none.
    #[error(transparent)]
    Name(#[from] UidError),
    /// There is no key for tokens.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
}

/// Starts the demo on two addresses.
pub fn start(gateway: SocketAddr, control: SocketAddr) -> Result<Demo, DemoError> {
    let folder = std::env::temp_dir().join(format!("cedargate-demo-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir(&folder).map_err(StartError::io("cannot make a temporary folder"))?;
    let issuer = Issuer::new()?;
    let keys_file = folder.join("keys.json");
    std::fs::write(&keys_file, issuer.key_set()).map_err(StartError::io("cannot write the demo's keys"))?;
    let snapshot =
        PolicySnapshot::parse(POLICIES.iter().map(|(name, text)| Source::new(*name, *text)).collect())
            .map_err(DemoError::Findings)?;
    let entities = seed::read_text("entities/family.json", ENTITIES, &snapshot);
    let devices = entities.as_deref().map(devices).unwrap_or_default();
    let upstream = upstream(devices)?;
    let text = configuration(gateway, control, upstream, &folder, &keys_file);
    let config = Config::parse("demo", &text, &|_| None).map_err(DemoError::Findings)?;
    let loaded = load::assemble(config, snapshot, entities).map_err(DemoError::Findings)?;
    let running = super::start(Loaded { embedded: true, ..loaded })?;
    let tour = tour(&running, &issuer)?;
    Ok(Demo { running, tour, folder })
}

impl Demo {
    /// Stops the demo and removes what it wrote.
    pub fn stop(self) {
        self.running.stop();
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, "the demo's temporary folder could not be removed");
        }
    }
}

/// The devices of the household, as the sample API knows them.
fn devices(entities: &[Entity]) -> Vec<(String, String)> {
    let at_home = |entity: &&Entity| {
        let organization = entity.attrs.get("organization").and_then(|it| it.pointer("/__entity/id"));
        entity.uid.kind() == "Device" && organization.and_then(|it| it.as_str()) == Some("home")
    };
    let named = |entity: &Entity| {
        let name = entity.attrs.get("name").and_then(|it| it.as_str()).unwrap_or_default();
        (entity.uid.id().to_owned(), name.to_owned())
    };
    entities.iter().filter(at_home).map(named).collect()
}

/// The sample API on a free port, in a thread that lasts as long as the process.
fn upstream(devices: Vec<(String, String)>) -> Result<SocketAddr, StartError> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(StartError::io("cannot listen"))?;
    let address = listener.local_addr().map_err(StartError::io("cannot read the address"))?;
    listener.set_nonblocking(true).map_err(StartError::io("cannot listen"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::io("cannot start threads"))?;
    let serve = move || {
        let served = runtime.block_on(async {
            device_api::serve(tokio::net::TcpListener::from_std(listener)?, devices).await
        });
        if let Err(error) = served {
            tracing::error!(%error, "the demo's device API ended");
        }
    };
    std::thread::Builder::new()
        .name("device-api".to_owned())
        .spawn(serve)
        .map_err(StartError::io("cannot start threads"))?;
    Ok(address)
}

fn configuration(
    gateway: SocketAddr,
    control: SocketAddr,
    upstream: SocketAddr,
    folder: &std::path::Path,
    keys: &std::path::Path,
) -> String {
    let quoted = |path: PathBuf| json!(path.display().to_string());
    let records = quoted(folder.join("records.jsonl"));
    let keys = quoted(keys.to_path_buf());
    format!(
        "[gateway]\nlisten = \"{gateway}\"\n[control]\nlisten = \"{control}\"\n\
         [upstream]\nurl = \"http://{upstream}\"\n[store]\nurl = \"sqlite::memory:\"\n\
         [records]\npath = {records}\n[[authentication.jwt]]\nissuer = \"{ISSUER}\"\n\
         audience = \"{AUDIENCE}\"\njwks_file = {keys}\n{ROUTES}"
    )
}

fn tour(running: &Running, issuer: &Issuer) -> Result<String, DemoError> {
    let mut out = String::new();
    let devices = format!("http://{}/api/v1/devices", running.gateway);
    let json = "-H 'Content-Type: application/json' -d";
    let mut line = |text: &str| {
        let _infallible = writeln!(out, "{text}");
    };
    line("# Cedargate stands in front of a small device API. Paste these into another terminal:");
    for name in ["dad", "wife", "son"] {
        line(&format!("{name}='Authorization: Bearer {}'", issuer.token(name)?));
    }
    line("\n# allowed: the wife owns the garage door, and her role may view and control own devices");
    line(&format!("curl -H \"$wife\" {devices}/garage"));
    line(&format!("curl -X PUT -H \"$wife\" {json} '{{\"value\":1}}' {devices}/garage/datastreams/V1"));
    line("\n# denied: the drinking machine is dad's; to her it does not exist");
    line(&format!("curl -i -H \"$wife\" {devices}/drinking"));
    line("\n# filtered: the same list, as dad, wife and son may see it");
    for name in ["dad", "wife", "son"] {
        line(&format!("curl -H \"${name}\" {devices}"));
    }
    line("\n# nobody: no anonymous access, ever");
    line(&format!("curl -i {devices}"));
    lending(&mut line, running, &devices, json)?;
    line("\n# ask instead of do: the OpenID Authorization API on the control listener");
    line(&format!(
        "curl -H \"$wife\" http://{}/access/v1/evaluation {json} \
         '{{\"subject\":{{\"type\":\"User\",\"id\":\"wife\"}},\"action\":{{\"name\":\"control\"}},\
         \"resource\":{{\"type\":\"Device\",\"id\":\"garage\"}}}}'",
        running.control
    ));
    line(&format!("curl http://{}/readyz", running.control));
    Ok(out)
}

/// One device lent to one person and taken back; each line counts for the next one.
fn lending(
    line: &mut impl FnMut(&str),
    running: &Running,
    devices: &str,
    json: &str,
) -> Result<(), UidError> {
    let lent = Uid::of_grant(&Uid::new("Device", "drinking")?, &Uid::new("User", "son")?);
    let grants = format!("http://{}/api/v1/grants", running.control);
    let grant = format!("{grants}/{}", lent.id());
    let used =
        format!("curl -i -X PUT -H \"$son\" {json} '{{\"value\":1}}' {devices}/drinking/datastreams/V1");
    line("\n# lent: the son may not use dad's drinking machine; dad lends it, the son accepts, and he may");
    line(&used);
    line(&format!(
        "curl -X POST -H \"$dad\" {json} \
         '{{\"device\":\"drinking\",\"emails\":[\"son@example.com\"],\"control\":true}}' {grants}"
    ));
    line(&format!("curl -X POST -H \"$son\" {grant}/accept"));
    line(&used);
    line("\n# revoked: dad takes it back, and the very next request is refused");
    line(&format!("curl -X DELETE -H \"$dad\" {grant}"));
    line(&used);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_brings_all_policies_along() {
        let mut shipped: Vec<String> = std::fs::read_dir("policies")
            .unwrap()
            .map(|entry| format!("policies/{}", entry.unwrap().file_name().display()))
            .filter(|name| !name.ends_with(".md"))
            .collect();
        let mut embedded: Vec<&str> = POLICIES.iter().map(|(name, _)| *name).collect();
        shipped.sort();
        embedded.sort_unstable();
        assert_eq!(shipped, embedded);
    }
}
