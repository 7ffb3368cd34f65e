//! A control listener with the sharing API over the family's world, and a client for it.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use cedargate::control::{AskedRecord, Control, Limits, OperatorToken, Readiness, Unidentified};
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
use tokio::runtime::Handle;

use crate::pack;

/// The operator, as a caller.
pub(super) const OPERATOR: &str = "operator";
/// Nobody, as a caller.
pub(super) const ANONYMOUS: &str = "";
/// Somebody with a good token and no account.
pub(super) const STRANGER: &str = "stranger";
/// The administrator of another tree.
pub(super) const OUTSIDER: &str = "cabin-dad";

/// One expectation: who, method, path, body, status and the end of the problem's type.
pub(super) type Row<'a> = (&'a str, &'a str, &'a str, Value, u16, &'a str);

/// A running listener; it ends with the test's runtime.
pub(super) struct Bench {
    pub(super) base: String,
    client: Client,
    pub(super) store: Arc<dyn Store>,
    records: Arc<Mutex<Vec<AskedRecord>>>,
}

pub(super) fn snapshot() -> Arc<PolicySnapshot> {
    static SNAPSHOT: OnceLock<Arc<PolicySnapshot>> = OnceLock::new();
    SNAPSHOT.get_or_init(|| Arc::new(pack::policies())).clone()
}

impl Bench {
    /// Over a store in memory.
    pub(super) async fn start() -> Self {
        Self::over("sqlite::memory:", sharing::Limits::default()).await
    }

    /// Over any store; an empty one is given the family's world.
    pub(super) async fn over(url: &str, limits: sharing::Limits) -> Self {
        let bench = Self::bare(url, limits).await;
        if bench.store.page(None, None, 1).await.unwrap().is_empty() {
            let world = pack::world(&snapshot(), "family");
            let changes = world.entities().map(|it| Change::Put(it.as_ref().clone())).collect();
            bench.store.apply(changes, None).await.unwrap();
        }
        bench
    }

    /// Over any store as it is.
    pub(super) async fn bare(url: &str, limits: sharing::Limits) -> Self {
        let store = open(url, Options { replica: true, ..Options::default() }).await.unwrap();
        let snapshot = snapshot();
        let facts: Arc<dyn FactSource> = store.clone();
        let bounds =
            decision::Limits { decisions: 1_000, closures: 1_000, load_timeout: Duration::from_secs(10) };
        let decider = Decider::new(snapshot, facts, Handle::current(), bounds);
        let records = Arc::<Mutex<Vec<AskedRecord>>>::default();
        let control = control(&store, &decider, records.clone(), limits);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, control.router()).await.unwrap() });
        Self { base, client: Client::builder().no_proxy().build().unwrap(), store, records }
    }

    pub(super) fn request(&self, who: &str, method: &str, path: &str) -> RequestBuilder {
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
    pub(super) async fn call(&self, who: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        read(with(self.request(who, method, path), &body).send().await.unwrap()).await
    }

    pub(super) async fn get(&self, who: &str, path: &str) -> (u16, Value) {
        self.call(who, "GET", path, Value::Null).await
    }

    /// The answer of a request that must succeed.
    pub(super) async fn done(&self, who: &str, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(who, method, path, body).await;
        assert!((200..300).contains(&status), "{who} {method} {path}: {status} {answer}");
        answer
    }

    /// Every row in its order.
    pub(super) async fn expect(&self, rows: &[Row<'_>]) {
        for (who, method, path, body, status, code) in rows {
            let (found, answer) = self.call(who, method, path, body.clone()).await;
            let kind = answer["type"].as_str().unwrap_or_default();
            let is_right = found == *status && kind.ends_with(code);
            assert!(is_right, "{who} {method} {path} {body}: expected {status} {code}, got {found} {answer}");
        }
    }

    /// The decision that the Authorization API gives the person on a device.
    pub(super) async fn may(&self, who: &str, action: &str, device: &str) -> bool {
        let asked = json!({
            "subject": { "type": "User", "id": who }, "action": { "name": action },
            "resource": { "type": "Device", "id": device },
        });
        let (status, answer) = self.call(OPERATOR, "POST", "/access/v1/evaluation", asked).await;
        assert_eq!(status, 200, "{answer}");
        answer["decision"].as_bool().unwrap()
    }

    /// The ids of a whole list, page by page.
    pub(super) async fn ids(&self, who: &str, path: &str) -> Vec<String> {
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

    pub(super) fn records(&self) -> Vec<AskedRecord> {
        self.records.lock().unwrap().clone()
    }
}

/// The request with a JSON body.
pub(super) fn with(request: RequestBuilder, body: &Value) -> RequestBuilder {
    if body.is_null() {
        return request;
    }
    request.header("content-type", "application/json").body(body.to_string())
}

/// Status and body; an empty body reads as null.
pub(super) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

fn control(
    store: &Arc<dyn Store>,
    decider: &Arc<Decider>,
    records: Arc<Mutex<Vec<AskedRecord>>>,
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
        probe: Arc::new(|| Box::pin(async { Readiness::default() })),
        metrics: Arc::new(String::new),
        authenticate: Arc::new(move |headers| {
            let bearer = headers.get("authorization").map(|it| it.to_str().unwrap().to_owned());
            let (keys, headers) = (keys.clone(), headers.clone());
            Box::pin(async move {
                if let Some(name) = bearer.as_deref().and_then(|it| it.strip_prefix("Bearer user-")) {
                    return Ok(Some(Uid::new("User", name).unwrap()));
                }
                let refused = |_| Unidentified::Refused(HeaderValue::from_static("Bearer"));
                match keys.authenticate(&headers).await.map_err(refused)? {
                    Caller::Anonymous => Ok(None),
                    Caller::Known(principal) => Ok(Some(principal.uid.clone())),
                }
            })
        }),
        operator: OperatorToken::new("the-operators-own-token"),
        recorder: Arc::new(move |record| {
            records.lock().unwrap().push(record);
            Box::pin(async { true })
        }),
        public_url: None,
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
