//! A control listener with the sharing API over the family's world, and a client for it.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use cedargate::audit::{Log, LogOptions, Overflow, Sink};
use cedargate::control::{Control, Limits, OperatorToken, Readiness, SwitchNames, Unidentified};
use cedargate::decision::{self, Decider};
use cedargate::domain::{Change, Uid};
use cedargate::identity::{
    Authenticator, Caller, KeySource, Options as IdentityOptions, Pending, PrincipalSource, SourceError,
    Sources,
};
use cedargate::policy::PolicySnapshot;
use cedargate::sharing::{self, Sharing};
use cedargate::store::{ApiKey, FactSource, Options, Store, open};
use http::HeaderValue;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use sqlx::Connection as _;
use tokio::runtime::Handle;

use crate::pack;
use crate::secrets::keys;

/// The operator, as a caller.
pub(crate) const OPERATOR: &str = "operator";
/// Nobody, as a caller.
pub(crate) const ANONYMOUS: &str = "";
/// Somebody with a good token and no account.
pub(crate) const STRANGER: &str = "stranger";
/// The administrator of another tree.
pub(crate) const OUTSIDER: &str = "cabin-dad";

/// One expectation: who, method, path, body, status and the end of the problem's type.
pub(crate) type Row<'a> = (&'a str, &'a str, &'a str, Value, u16, &'a str);

/// A running listener; it ends with the test's runtime.
pub(crate) struct Bench {
    pub(super) base: String,
    client: Client,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) log: Arc<Log>,
    lines: Arc<Mutex<Vec<u8>>>,
}

/// A log in memory, with so many places.
fn log(places: usize) -> (Arc<Log>, Arc<Mutex<Vec<u8>>>) {
    let lines = Arc::<Mutex<Vec<u8>>>::default();
    let overflow = Overflow::Block(Duration::from_millis(100));
    let options = LogOptions { queue_records_max: places, overflow };
    (Arc::new(Log::start(Sink::Memory(lines.clone()), options).unwrap()), lines)
}

/// The variable that names a PostgreSQL cluster to run on, without a database.
pub(super) const CLUSTER: &str = "SHARING_TESTS_CLUSTER";

/// The address of an empty store: in memory, or a new database of the cluster that is named.
async fn empty_store() -> String {
    let Ok(cluster) = std::env::var(CLUSTER) else { return "sqlite::memory:".to_owned() };
    let name = format!("sharing_{}", uuid::Uuid::now_v7().simple());
    let mut connection = sqlx::PgConnection::connect(&format!("{cluster}/postgres")).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
    format!("{cluster}/{name}")
}

pub(super) fn snapshot() -> Arc<PolicySnapshot> {
    static SNAPSHOT: OnceLock<Arc<PolicySnapshot>> = OnceLock::new();
    SNAPSHOT.get_or_init(|| Arc::new(pack::policies())).clone()
}

impl Bench {
    /// Over an empty store of its own.
    pub(crate) async fn start() -> Self {
        Self::over(&empty_store().await, sharing::Limits::default()).await
    }

    /// The same, with room for so many records.
    pub(crate) async fn with_places(places: usize) -> Self {
        Self::build(snapshot(), &empty_store().await, sharing::Limits::default(), places).await
    }

    /// Over any store; an empty one is given the family's world.
    pub(crate) async fn over(url: &str, limits: sharing::Limits) -> Self {
        Self::build(snapshot(), url, limits, LogOptions::default().queue_records_max).await
    }

    /// The same under other policies.
    pub(super) async fn under(snapshot: Arc<PolicySnapshot>, url: &str, limits: sharing::Limits) -> Self {
        Self::build(snapshot, url, limits, LogOptions::default().queue_records_max).await
    }

    async fn build(snapshot: Arc<PolicySnapshot>, url: &str, limits: sharing::Limits, places: usize) -> Self {
        let bench = Self::raise(snapshot.clone(), url, limits, places).await;
        if bench.store.page(None, None, 1).await.unwrap().is_empty() {
            let world = pack::world(&snapshot, "family");
            let changes = world.entities().map(|it| Change::Put(it.as_ref().clone())).collect();
            bench.store.apply(changes, None).await.unwrap();
        }
        bench
    }

    /// Over any store as it is.
    pub(super) async fn bare(url: &str, limits: sharing::Limits) -> Self {
        Self::raise(snapshot(), url, limits, LogOptions::default().queue_records_max).await
    }

    async fn raise(snapshot: Arc<PolicySnapshot>, url: &str, limits: sharing::Limits, places: usize) -> Self {
        let store = open(url, Options { replica: true, secret_keys: keys(&[1]), ..Options::default() })
            .await
            .unwrap();
        let facts: Arc<dyn FactSource> = store.clone();
        let bounds =
            decision::Limits { decisions: 1_000, closures: 1_000, load_timeout: Duration::from_secs(10) };
        let decider = Decider::new(snapshot, facts, Handle::current(), bounds);
        let (log, lines) = log(places);
        let control = control(&store, &decider, log.clone(), limits);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, control.router()).await.unwrap() });
        Self { base, client: Client::builder().no_proxy().build().unwrap(), store, log, lines }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> &str {
        &self.base
    }

    pub(crate) fn request(&self, who: &str, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        let request = self.client.request(method, format!("{}{path}", self.base));
        match who {
            ANONYMOUS => request,
            OPERATOR => request.bearer_auth("the-operators-own-token"),
            key if key.starts_with("cgk_") => request.header("x-api-key", key),
            name => request.bearer_auth(format!("user-{name}")),
        }
    }

    /// Status and body of one request; a null body is none.
    pub(crate) async fn call(&self, who: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        read(with(self.request(who, method, path), &body).send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, who: &str, path: &str) -> (u16, Value) {
        self.call(who, "GET", path, Value::Null).await
    }

    /// The answer of a request that must succeed.
    pub(crate) async fn done(&self, who: &str, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(who, method, path, body).await;
        assert!((200..300).contains(&status), "{who} {method} {path}: {status} {answer}");
        answer
    }

    /// Every row in its order.
    pub(crate) async fn expect(&self, rows: &[Row<'_>]) {
        for (who, method, path, body, status, code) in rows {
            let (found, answer) = self.call(who, method, path, body.clone()).await;
            let kind = answer["type"].as_str().unwrap_or_default();
            let is_right = found == *status && kind.ends_with(code);
            assert!(is_right, "{who} {method} {path} {body}: expected {status} {code}, got {found} {answer}");
        }
    }

    /// The decision that the Authorization API gives the person on a device.
    pub(crate) async fn may(&self, who: &str, action: &str, device: &str) -> bool {
        let asked = json!({
            "subject": { "type": "User", "id": who }, "action": { "name": action },
            "resource": { "type": "Device", "id": device },
        });
        let (status, answer) = self.call(OPERATOR, "POST", "/access/v1/evaluation", asked).await;
        assert_eq!(status, 200, "{answer}");
        answer["decision"].as_bool().unwrap()
    }

    /// The ids of a whole list, page by page.
    pub(crate) async fn ids(&self, who: &str, path: &str) -> Vec<String> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.done(who, "GET", &format!("{path}?limit=2{cursor}"), Value::Null).await;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2, "{page}");
            found.extend(items.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                None => return found,
                Some(next) => cursor = format!("&cursor={next}"),
            }
        }
    }

    /// All records so far.
    pub(crate) fn records(&self) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        let whole = lines.split_inclusive(|it| *it == b'\n').filter(|it| it.ends_with(b"\n"));
        whole.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    /// Waits for the record of a request; there must never be two.
    pub(crate) async fn record(&self, request_id: &str) -> Value {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let mut found = self.records();
            found.retain(|record| record["request_id"] == request_id);
            match found.len() {
                0 if Instant::now() < patience => tokio::time::sleep(Duration::from_millis(5)).await,
                1 => return found.remove(0),
                count => panic!("{count} records of `{request_id}`"),
            }
        }
    }
}

/// The request with a JSON body.
pub(crate) fn with(request: RequestBuilder, body: &Value) -> RequestBuilder {
    if body.is_null() {
        return request;
    }
    request.header("content-type", "application/json").body(body.to_string())
}

/// Status and body; an empty body reads as null.
pub(crate) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

fn control(
    store: &Arc<dyn Store>,
    decider: &Arc<Decider>,
    log: Arc<Log>,
    limits: sharing::Limits,
) -> Control {
    let book = Arc::new(Book { store: store.clone(), decider: decider.clone() });
    let options =
        IdentityOptions { api_key_header: Some("x-api-key".parse().unwrap()), ..IdentityOptions::default() };
    let sources = Sources { keys: Some(book.clone()), principals: Some(book) };
    let keys = Arc::new(Authenticator::new(options, sources, &Handle::current()).unwrap());
    Control {
        decider: decider.clone(),
        sharing: Some(Sharing::new(decider.clone(), store.clone(), Handle::current(), limits)),
        probe: Arc::new(|| {
            let store_revision = Some(1);
            let well = Readiness {
                store_ok: true,
                store_revision,
                policies_ok: true,
                policy_error: None,
                keys_ok: true,
                records_ok: true,
            };
            Box::pin(async { well })
        }),
        metrics: Arc::new(String::new),
        authenticate: Arc::new(move |headers| {
            let bearer = headers.get("authorization").map(|it| it.to_str().unwrap().to_owned());
            let (keys, headers) = (keys.clone(), headers.clone());
            Box::pin(async move {
                if let Some(name) = bearer.as_deref().and_then(|it| it.strip_prefix("Bearer user-")) {
                    return Ok(Some(Uid::new("User", name).unwrap().into()));
                }
                let refused = |_| Unidentified::Refused(HeaderValue::from_static("Bearer"));
                match keys.authenticate(&headers).await.map_err(refused)? {
                    Caller::Anonymous => Ok(None),
                    Caller::Known(principal) => Ok(Some(principal.uid.clone().into())),
                }
            })
        }),
        operator: OperatorToken::new("the-operators-own-token"),
        recorder: Arc::new(|_| Box::pin(async { true })),
        log,
        public_url: None,
        switch: SwitchNames::default(),
        limits: Limits::default(),
    }
}

/// What the real authenticator of API keys asks.
struct Book {
    store: Arc<dyn Store>,
    decider: Arc<Decider>,
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> SourceError {
    SourceError(Box::new(error))
}

impl KeySource for Book {
    fn key_by_hash<'a>(&'a self, hash: &'a [u8; 32]) -> Pending<'a, Option<ApiKey>> {
        Box::pin(async move { self.store.key_by_hash(hash).await.map_err(failed) })
    }
}

impl PrincipalSource for Book {
    fn principal_by_email<'a>(&'a self, kind: &'a str, email: &'a str) -> Pending<'a, Option<Uid>> {
        Box::pin(async move { self.store.find(kind, "email", email).await.map_err(failed) })
    }

    fn signed_out_ms<'a>(&'a self, principal: &'a Uid) -> Pending<'a, Option<i64>> {
        Box::pin(
            async move { self.decider.pin().attribute_ms(principal, "signed_out").await.map_err(failed) },
        )
    }
}
