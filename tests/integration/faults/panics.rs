use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cedargate::audit::{Log, LogOptions, Sink};
use cedargate::decision::{Decider, Limits};
use cedargate::domain::{Facts, Intent, Newcomer, SecretText, Uid};
use cedargate::gateway::admission::Admission;
use cedargate::gateway::effects::Effects;
use cedargate::gateway::forward::{HostName, Upstream, UpstreamSettings};
use cedargate::gateway::head::{FieldRules, Forwarded, HeadLimits};
use cedargate::gateway::refusal::Refusal;
use cedargate::gateway::secrets::Secrets;
use cedargate::gateway::translate::{BodyLimits, Switch};
use cedargate::gateway::{Gateway, Worker};
use cedargate::identity::{Authenticator, KeySource, KeyText, Options, Pending as Soon, Sources};
use cedargate::server::listen::{self, ConnectionLimits};
use cedargate::server::{self, Loaded};
use cedargate::store::{ApiKey, FactSource, Feed, Pending};
use futures_util::future::BoxFuture;
use serde_json::{Value as Json, json};
use tokio::sync::{Semaphore, watch};

use crate::support::gate::world;
use crate::support::upstream::{Answer, Recorder};
use crate::support::wire::{Reply, Wire};
use crate::support::world::Memory;

/// Where the next request meets a panic.
#[derive(Default)]
struct Traps {
    feed: AtomicBool,
    load: AtomicBool,
    removed: AtomicBool,
}

fn spring(trap: &AtomicBool) {
    assert!(!trap.load(Ordering::SeqCst), "told to panic");
}

struct Trapped(Memory, Arc<Traps>);

impl FactSource for Trapped {
    fn facts_for<'a>(&'a self, roots: &'a [Uid], depth: u32) -> Pending<'a, Facts> {
        spring(&self.1.load);
        self.0.facts_for(roots, depth)
    }

    fn feed(&self) -> &Arc<Feed> {
        spring(&self.1.feed);
        self.0.feed()
    }
}

struct Forgetful(Arc<Traps>);

type Settled = Result<(), Box<dyn std::error::Error + Send + Sync>>;

impl Effects for Forgetful {
    fn begin(&self, _: Intent) -> BoxFuture<'static, Result<Uid, Refusal>> {
        Box::pin(async { Ok(Uid::new("Note", "1").unwrap()) })
    }

    fn settle(&self, _: Uid, _: Intent) -> BoxFuture<'static, Settled> {
        spring(&self.0.removed);
        Box::pin(async { Ok(()) })
    }

    fn withdraw(&self, _: Uid) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn leave(&self, _: Uid, _: &'static str, _: Option<Newcomer>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

impl Secrets for Forgetful {
    fn secret(&self, _: Uid, _: Arc<str>) -> BoxFuture<'static, Result<Option<SecretText>, Refusal>> {
        Box::pin(async { Ok(None) })
    }
}

/// Knows every key as the wife's.
struct Keys;

impl KeySource for Keys {
    fn key_by_hash<'a>(&'a self, hash: &'a [u8; 32]) -> Soon<'a, Option<ApiKey>> {
        let key = ApiKey {
            id: "key".into(),
            hash: *hash,
            principal: Uid::new("User", "wife").unwrap(),
            name: String::new(),
            created_ms: 0,
            expires_ms: None,
            revoked_ms: None,
        };
        Box::pin(async move { Ok(Some(key)) })
    }
}

const CONFIG: &str = r#"
[upstream]
url = "http://127.0.0.1:1"
[[route]]
match = "GET /devices/{device}"
action = "view"
resource = { type = "Device", id = "path:device" }
[[route]]
match = "DELETE /devices/{device}"
action = "delete_device"
resource = { type = "Device", id = "path:device" }
removes = true
"#;

fn load() -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let text = format!("{CONFIG}\n[policies]\ndir = \"{policies}\"");
    std::fs::write(folder.path().join("config.toml"), text).unwrap();
    server::load(&folder.path().join("config.toml")).unwrap()
}

/// The parts of a gateway by hand, two of them with traps.
fn gateway(traps: &Arc<Traps>, lines: &Arc<Mutex<Vec<u8>>>, runtime: &tokio::runtime::Handle) -> Gateway {
    let Loaded { snapshot, routes, .. } = load();
    let entities = world().as_array().unwrap().clone();
    let memory = Memory::new(entities.into_iter().map(|it| snapshot.canonical(it).unwrap()));
    let limits = Limits { decisions: 100, closures: 100, load_timeout: Duration::from_secs(5) };
    let facts = Arc::new(Trapped(memory, traps.clone()));
    let options = Options { api_key_header: Some("x-api-key".parse().unwrap()), ..Options::default() };
    let sources = Sources { keys: Some(Arc::new(Keys)), ..Sources::default() };
    Gateway {
        switch: Switch::default(),
        authenticator: Arc::new(Authenticator::new(options, sources, runtime).unwrap()),
        routes: Arc::new(routes),
        decider: Decider::new(snapshot, facts, runtime.clone(), limits),
        admission: Admission::new(100, 100),
        log: Arc::new(Log::start(Sink::Memory(lines.clone()), LogOptions::default()).unwrap()),
        fields: FieldRules {
            extra: Vec::new(),
            inject_query: Vec::new(),
            identity: None,
            forwarded: Forwarded::None,
        },
        head_limits: HeadLimits { target_bytes_max: 8192, head_bytes_max: 16384 },
        body_limits: BodyLimits {
            decided_bytes_max: 1000,
            streamed_bytes_max: 1000,
            idle: Duration::from_secs(5),
            whole: Duration::from_secs(5),
            ids_max: 10,
        },
        list_bytes_max: 1000,
        list_items_max: 10,
        sockets: Arc::new(tokio::sync::Semaphore::new(1)),
        message_bytes_max: 1 << 20,
        effects: Arc::new(Forgetful(traps.clone())),
        secrets: Arc::new(Forgetful(traps.clone())),
    }
}

fn upstream(address: SocketAddr) -> Upstream {
    let seconds = Duration::from_secs(5);
    // An error only says that a provider was installed before.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = UpstreamSettings {
        scheme: http::uri::Scheme::HTTP,
        authority: address.to_string().parse().unwrap(),
        host: HostName::Upstream,
        connect_timeout: seconds,
        response_timeout: seconds,
        idle_timeout: seconds,
        pool_timeout: seconds,
        answer_bytes_max: 1000,
        idle_connections_max: 1,
        inject: Vec::new(),
    };
    Upstream::new(settings).unwrap()
}

#[test]
fn a_panic_is_a_recorded_refusal_and_ends_nothing_else() {
    let (traps, lines) = (Arc::<Traps>::default(), Arc::<Mutex<Vec<u8>>>::default());
    let recorder = Recorder::start(|_| Answer::status(204));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let entered = runtime.enter();
    let worker =
        Worker::new(Arc::new(gateway(&traps, &lines, runtime.handle())), upstream(recorder.address()));
    let limits = ConnectionLimits {
        header_timeout: Duration::from_secs(5),
        head_bytes_max: 16384,
        fields_max: 100,
        streams_max: 10,
        resets_max: 10,
        drain_timeout: Duration::ZERO,
    };
    let listener = listen::bind("127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
    let address = listener.local_addr().unwrap();
    let (_stop, stopped) = watch::channel(false);
    let handler = move |request, peer| {
        let worker = worker.clone();
        async move { worker.handle(request, peer).await }
    };
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    runtime.spawn(listen::serve(listener, handler, limits, Arc::new(Semaphore::new(10)), stopped));
    drop(entered);

    let key = KeyText::random().unwrap();
    let ask = |line: &str| -> Reply {
        let head = format!("{line} HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\n\r\n", key.reveal());
        Wire::connect(address).send(head).reply(false)
    };
    let record = |id: &str| -> Json {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
            let mut records = text.lines().map(|it| serde_json::from_str::<Json>(it).unwrap());
            if let Some(record) = records.find(|it| it["request_id"] == id) {
                return record;
            }
            assert!(Instant::now() < patience, "no record of `{id}`");
        }
    };
    let trapped = |trap: &AtomicBool, line: &str, status: u16, code: &str, decision: &str| {
        trap.store(true, Ordering::SeqCst);
        let reply = ask(line);
        assert_eq!(reply.problem(), (status, code.into()), "{line}");
        assert!(!reply.text().contains("told to panic"));
        let record = record(reply.id());
        assert_eq!((&record["decision"], &record["status"]), (&json!(decision), &json!(status)), "{line}");
        assert_eq!((&record["reason"], &record["abandoned"]), (&json!(code), &json!(false)), "{line}");
        trap.store(false, Ordering::SeqCst);
    };
    trapped(&traps.load, "GET /devices/lamp", 503, "late", "error");
    trapped(&traps.feed, "GET /devices/lamp", 500, "internal", "error");
    assert_eq!(recorder.count(), 0);
    assert_eq!(ask("GET /devices/lamp").status, 204);
    trapped(&traps.feed, "GET /devices/lamp", 500, "internal", "error");
    assert_eq!(recorder.count(), 1);
    trapped(&traps.removed, "DELETE /devices/lamp", 500, "internal", "allow");
    assert_eq!(recorder.count(), 2);
    assert_eq!(ask("GET /devices/lamp").status, 204);
    runtime.shutdown_timeout(Duration::from_secs(1));
}
