//! A whole gateway in this process: real listeners, a real store, real tokens, records in a file.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cedargate::domain::{Change, SecretText, Uid};
use cedargate::identity::KeyText;
use cedargate::policy::PolicySnapshot;
use cedargate::server::{self, Running, StartError};
use cedargate::store::ApiKey;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::wire::{Reply, Wire};
use crate::identity::issuer::{Pair, now};

const ISSUER: &str = "https://id.example.org";
/// The operator's token on the control listener.
pub(crate) const OPERATOR: &str = "the-operators-own-token";

/// How a gateway differs from the usual one; each text is what its table holds.
pub(crate) struct Setup<'a> {
    pub(crate) gateway: &'a str,
    pub(crate) upstream: &'a str,
    pub(crate) store: &'a str,
    pub(crate) records: &'a str,
    /// Further tables.
    pub(crate) tables: &'a str,
    pub(crate) routes: &'a str,
    /// Policies besides the shipped ones.
    pub(crate) policies: &'a str,
    /// All entities; without: those of [`world`].
    pub(crate) entities: Option<Json>,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            gateway: "drain_timeout = \"1s\"",
            upstream: "",
            store: "url = \"sqlite::memory:\"",
            records: "",
            tables: "",
            routes: ROUTES,
            policies: "",
            entities: None,
        }
    }
}

/// One route of each kind.
const ROUTES: &str = r#"
[[route]]
match = "GET /health"
public = true
[[route]]
match = "GET /devices"
filter = { action = "view", type = "Device", items = "/devices", id = "/id", total = "/total" }
[[route]]
match = "POST /devices/batch"
action = "view"
resource = { type = "Device", id = "body:/ids/*" }
[[route]]
match = "POST /devices/one"
action = "view"
resource = { type = "Device", id = "body:/id" }
[[route]]
match = "GET /devices/{device}"
action = "view"
resource = { type = "Device", id = "path:device" }
[[route]]
match = "OPTIONS /devices/{device}"
action = "view"
resource = { type = "Device", id = "path:device" }
[[route]]
match = "PUT /devices/{device}"
action = "control"
resource = { type = "Device", id = "path:device" }
[[route]]
match = "DELETE /devices/{device}"
action = "delete_device"
resource = { type = "Device", id = "path:device" }
removes = true
[[route]]
match = "GET /devices/{device}/pins/{pin}"
action = "view"
resource = { type = "Device", id = "path:device" }
context = { datastream = "path:pin" }
[[route]]
match = "GET /query"
action = "view"
resource = { type = "Device", id = "query:deviceId" }
[[route]]
match = "GET /header"
action = "view"
resource = { type = "Device", id = "header:X-Device" }
"#;

/// The world of most tests: the wife owns `lamp`, sees `garage-door`, and is to know nothing of `drinking-machine`.
pub(crate) fn world() -> Json {
    let mut entities: Json = serde_json::from_str(include_str!("../../upstreams/attack-entities.json"))
        .expect("a list of entities");
    let suspended = json!({
        "uid": { "type": "User", "id": "former" },
        "attrs": { "organization": { "type": "Organization", "id": "house-family" }, "status": "suspended" },
        "parents": [{ "type": "Role", "id": "house-family/member" }]
    });
    entities.as_array_mut().expect("a list of entities").push(suspended);
    entities
}

/// The running gateway; it stops with the value.
pub(crate) struct Gate {
    running: Option<Running>,
    address: SocketAddr,
    snapshot: Arc<PolicySnapshot>,
    pair: Pair,
    folder: TempDir,
    asked: AtomicUsize,
}

impl Gate {
    /// Starts the usual gateway in front of an upstream.
    pub(crate) fn start(upstream: &str) -> Self {
        Self::start_with(upstream, Setup::default())
    }

    pub(crate) fn start_with(upstream: &str, setup: Setup<'_>) -> Self {
        Self::try_start(upstream, setup).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn try_start(upstream: &str, setup: Setup<'_>) -> Result<Self, StartError> {
        let folder = tempfile::Builder::new().prefix("cedargate-gate-").tempdir().expect("a folder");
        let pair = Pair::ed25519();
        let write =
            |name: &str, text: String| std::fs::write(folder.path().join(name), text).expect("a file");
        write("jwks.json", json!({ "keys": [pair.jwk("key")] }).to_string());
        std::fs::create_dir(folder.path().join("entities")).expect("a folder");
        write("entities/world.json", setup.entities.clone().unwrap_or_else(world).to_string());
        let mut policies = root().join("policies");
        if !setup.policies.is_empty() {
            policies = copy(&policies, &folder.path().join("policies"));
            write("policies/further.cedar", setup.policies.to_owned());
        }
        write("config.toml", config(upstream, &setup, &policies));
        let loaded = server::load(&folder.path().join("config.toml")).unwrap_or_else(|findings| {
            panic!("{}", findings.iter().fold(String::new(), |all, it| all + &it.render(false)))
        });
        let snapshot = loaded.snapshot.clone();
        let running = server::start(loaded)?;
        let address = running.gateway;
        Ok(Self { running: Some(running), address, snapshot, pair, folder, asked: AtomicUsize::new(0) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().expect("a gateway that was not stopped")
    }

    /// Takes the gateway out, to stop it elsewhere.
    pub(crate) fn take(&mut self) -> Running {
        self.running.take().expect("a gateway that was not stopped")
    }

    /// A good token of a user.
    pub(crate) fn token(&self, user: &str) -> String {
        self.token_of(&json!({ "sub": user }))
    }

    /// A token that holds until its claims say otherwise.
    pub(crate) fn token_of(&self, claims: &Json) -> String {
        let now = now();
        let mut all =
            json!({ "iss": ISSUER, "aud": "device-api", "iat": now - 5, "nbf": now - 5, "exp": now + 3600 });
        let given = claims.as_object().expect("claims").clone();
        all.as_object_mut().expect("claims").extend(given);
        self.pair.token(
            &json!({ "alg": self.pair.alg(), "typ": "JWT", "kid": "key" }).to_string(),
            &all.to_string(),
        )
    }

    /// An id for a request that nothing else has.
    pub(crate) fn fresh_id(&self) -> String {
        format!("test-{}", self.asked.fetch_add(1, Ordering::Relaxed))
    }

    /// The head of a request of a user's, with further lines and without its end.
    pub(crate) fn head(&self, user: &str, line: &str) -> String {
        let (token, host) = (self.token(user), self.address);
        format!("{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n")
    }

    /// What a user gets for `METHOD /target` without a body.
    pub(crate) fn ask(&self, user: &str, line: &str) -> Reply {
        self.ask_with(user, line, "")
    }

    /// The same with further header lines, each ended by CR LF.
    pub(crate) fn ask_with(&self, user: &str, line: &str, fields: &str) -> Reply {
        self.raw(line, &format!("{}{fields}\r\n", self.head(user, line)))
    }

    /// What a user gets for a JSON body.
    pub(crate) fn send(&self, user: &str, line: &str, body: &Json) -> Reply {
        let body = body.to_string();
        let fields =
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.raw(line, &format!("{}{fields}", self.head(user, line)))
    }

    /// What somebody without credentials gets.
    pub(crate) fn ask_as_nobody(&self, line: &str, fields: &str) -> Reply {
        self.raw(line, &format!("{line} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", self.address))
    }

    /// What the operator gets on the control listener; a null body is none.
    pub(crate) fn operate(&self, line: &str, body: &Json) -> Reply {
        let address = self.running().control;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {OPERATOR}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Wire::connect(address).send(request).reply(false)
    }

    /// What is left to the operator.
    pub(crate) fn unsettled(&self) -> Vec<Json> {
        let list = self.operate("GET /api/v1/reconciliations", &Json::Null).json();
        list["items"].as_array().expect("a list").clone()
    }

    /// Keeps a secret of a device.
    pub(crate) fn keep(&self, device: &str, name: &str, value: &str) {
        let of = Uid::new("Device", device).expect("a name");
        let value = SecretText::new(value.to_owned()).expect("a secret");
        self.apply(vec![Change::Keep { of, name: name.into(), value }]);
    }

    fn raw(&self, line: &str, request: &str) -> Reply {
        self.connect().send(request).reply(line.starts_with("HEAD "))
    }

    pub(crate) fn connect(&self) -> Wire {
        Wire::connect(self.address)
    }

    /// Applies changes; once it returns, they are in force.
    pub(crate) fn apply(&self, changes: Vec<Change>) {
        let running = self.running();
        running
            .handle()
            .block_on(async { running.store.apply(changes, None).await })
            .expect("the changes fit");
    }

    /// Writes an entity, given in Cedar's JSON format.
    pub(crate) fn put(&self, entity: Json) {
        self.apply(vec![Change::Put(self.snapshot.canonical(entity).expect("a valid entity"))]);
    }

    /// Writes an entity of [`world`] after `edit` changed it; the other half of each test puts it back.
    pub(crate) fn change(&self, kind: &str, id: &str, edit: impl FnOnce(&mut Json)) {
        let named = |entity: &&Json| entity["uid"] == json!({ "type": kind, "id": id });
        let mut entity =
            world().as_array().and_then(|all| all.iter().find(named).cloned()).expect("an entity");
        edit(&mut entity);
        self.put(entity);
    }

    /// Makes an API key of a user's.
    pub(crate) fn key(&self, user: &str) -> KeyText {
        let key = KeyText::random().expect("random bytes");
        let stored = ApiKey {
            id: format!("key of {user}").into(),
            hash: key.hash(),
            principal: Uid::new("User", user).expect("a name"),
            name: String::new(),
            created_ms: 0,
            expires_ms: None,
            revoked_ms: None,
        };
        let running = self.running();
        running.handle().block_on(async { running.store.create_key(stored).await }).expect("a new key");
        key
    }

    /// Whether the store has an entity.
    pub(crate) fn knows(&self, kind: &str, id: &str) -> bool {
        let (running, uid) = (self.running(), Uid::new(kind, id).expect("a name"));
        let facts =
            running.handle().block_on(async { running.store.facts_for(std::slice::from_ref(&uid), 1).await });
        facts.expect("a store that answers").get(&uid).is_some()
    }

    /// All records so far.
    pub(crate) fn records(&self) -> Vec<Json> {
        let text = std::fs::read_to_string(self.folder.path().join("records.jsonl")).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).expect("one JSON value in a line")).collect()
    }

    /// Waits for so many records; there must never be more.
    pub(crate) fn all_records(&self, count: usize) -> Vec<Json> {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let records = self.records();
            if records.len() >= count || Instant::now() > patience {
                assert_eq!(records.len(), count);
                return records;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the record of a request; there must never be two.
    pub(crate) fn record(&self, request_id: &str) -> Json {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let mut found = self.records();
            found.retain(|record| record["request_id"] == request_id);
            match found.len() {
                0 if Instant::now() < patience => std::thread::sleep(Duration::from_millis(5)),
                1 => return found.remove(0),
                count => panic!("{count} records of `{request_id}`"),
            }
        }
    }

    /// A file in the gateway's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn copy(from: &Path, to: &Path) -> PathBuf {
    std::fs::create_dir(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a file to copy");
    }
    to.to_owned()
}

fn config(upstream: &str, setup: &Setup<'_>, policies: &Path) -> String {
    let mut text = String::new();
    let records = if setup.records.contains("path =") { "" } else { "path = \"records.jsonl\"\n" };
    let keys = match setup.tables.contains("[secrets]") {
        true => String::new(),
        false => format!("[secrets]\nkeys = [\"{}\"]\n", crate::secrets::key(1)),
    };
    let threads = if setup.gateway.contains("workers =") { "" } else { "workers = 1\n" };
    write!(
        text,
        "[gateway]\nlisten = \"127.0.0.1:0\"\n{threads}{}\n\
         [control]\nlisten = \"127.0.0.1:0\"\noperator_token = \"{OPERATOR}\"\n\
         [upstream]\nurl = \"{upstream}\"\n{}\n\
         [policies]\ndir = \"{}\"\n\
         [entities]\ndir = \"entities\"\n\
         [store]\n{}\n\
         [records]\n{records}{}\n\
         [[authentication.jwt]]\nissuer = \"{ISSUER}\"\naudience = \"device-api\"\njwks_file = \"jwks.json\"\n\
         {keys}{}\n{}\n",
        setup.gateway,
        setup.upstream,
        policies.display(),
        setup.store,
        setup.records,
        setup.tables,
        setup.routes,
    )
    .expect("a text");
    text
}
