//! A control listener over the fixture, and a client for it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cedargate::audit::{Log, LogOptions, Sink};
use cedargate::control::{
    AskedRecord, Asker, Control, Limits, OperatorToken, Readiness, SwitchNames, Unidentified,
};
use cedargate::decision::{self, Decider};
use cedargate::domain::Uid;
use cedargate::policy::PolicySnapshot;
use http::{HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::support::world::Memory;

/// The operator's token.
pub(super) const OPERATOR: &str = "the-operators-own-token";

/// A running listener; it ends with the test's runtime.
pub(super) struct Bench {
    pub(super) base: String,
    pub(super) client: Client,
    pub(super) store: Arc<Memory>,
    pub(super) readiness: Arc<Mutex<Readiness>>,
    records: Arc<Mutex<Vec<AskedRecord>>>,
}

/// How a bench differs from the usual one.
pub(super) struct Setup {
    pub(super) operator: &'static str,
    pub(super) public_url: Option<String>,
    pub(super) limits: Limits,
}

impl Default for Setup {
    fn default() -> Self {
        Self { operator: OPERATOR, public_url: None, limits: Limits::default() }
    }
}

impl Bench {
    pub(super) async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub(super) async fn start_with(setup: Setup) -> Self {
        let (store, decider) = decider();
        let records = Arc::<Mutex<Vec<AskedRecord>>>::default();
        let well = Readiness {
            store_ok: true,
            store_revision: Some(7),
            policies_ok: true,
            policy_error: None,
            keys_ok: true,
            records_ok: true,
        };
        let readiness = Arc::new(Mutex::new(well));
        let (kept, probed) = (records.clone(), readiness.clone());
        let control = Control {
            decider,
            sharing: None,
            probe: Arc::new(move || {
                let found = probed.lock().unwrap().clone();
                Box::pin(async move { found })
            }),
            metrics: Arc::new(|| "# TYPE answers counter\nanswers 1\n".to_owned()),
            authenticate: Arc::new(|headers: &HeaderMap| {
                let found = authenticate(headers);
                Box::pin(async move { found })
            }),
            operator: OperatorToken::new(setup.operator),
            recorder: Arc::new(move |record| {
                kept.lock().unwrap().push(record);
                Box::pin(async { true })
            }),
            log: Arc::new(Log::start(Sink::Memory(Arc::default()), LogOptions::default()).unwrap()),
            public_url: setup.public_url,
            switch: SwitchNames::default(),
            limits: setup.limits,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, control.router()).await.unwrap() });
        let client = Client::builder().no_proxy().build().unwrap();
        Self { base, client, store, readiness, records }
    }

    /// A request without credentials.
    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base)).timeout(Duration::from_secs(20))
    }

    pub(super) async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.base)).send().await.unwrap()
    }

    /// What the operator is answered: status and body.
    pub(super) async fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask_as(OPERATOR, path, body).await
    }

    pub(super) async fn ask_as(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        read(json_of(self.post(path).bearer_auth(token), body).send().await.unwrap()).await
    }

    /// The decision on one question of the operator's.
    pub(super) async fn decides(&self, body: &Value) -> bool {
        let (status, answer) = self.ask(EVALUATION, body).await;
        assert_eq!(status, 200, "{body} -> {answer}");
        answer["decision"].as_bool().unwrap_or_else(|| panic!("{answer}"))
    }

    /// The decisions on many questions of the operator's.
    pub(super) async fn decide(&self, body: &Value) -> Vec<bool> {
        let (status, answer) = self.ask(EVALUATIONS, body).await;
        assert_eq!(status, 200, "{body} -> {answer}");
        let answers = answer["evaluations"].as_array().unwrap_or_else(|| panic!("{answer}"));
        answers.iter().map(|it| it["decision"].as_bool().unwrap()).collect()
    }

    pub(super) fn records(&self) -> Vec<AskedRecord> {
        self.records.lock().unwrap().clone()
    }
}

pub(super) const EVALUATION: &str = "/access/v1/evaluation";
pub(super) const EVALUATIONS: &str = "/access/v1/evaluations";

/// The request with a JSON body.
pub(super) fn json_of(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.header("content-type", "application/json").body(body.to_string())
}

/// Status and body; an empty body reads as null.
pub(super) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

/// A question in its shortest form.
pub(super) fn question(subject: &str, action: &str, resource: &str) -> Value {
    json!({
        "subject": { "type": "user", "id": subject },
        "action": { "name": action },
        "resource": { "type": "record", "id": resource },
    })
}

/// The bearer token `user-NAME` is that user's; `panic` and `down` do what they say.
fn authenticate(headers: &HeaderMap) -> Result<Option<Asker>, Unidentified> {
    let Some(value) = headers.get(http::header::AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().unwrap().trim_start_matches("Bearer ").to_owned();
    match token.strip_prefix("user-") {
        Some(name) => Ok(Some(Uid::new("user", name).unwrap().into())),
        None if token == "panic" => panic!("told to"),
        None if token == "down" => Err(Unidentified::Unavailable),
        None => Err(Unidentified::Refused(HeaderValue::from_static(
            r#"Bearer realm="cedargate", error="invalid_token""#,
        ))),
    }
}

fn decider() -> (Arc<Memory>, Arc<Decider>) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/authzen");
    let snapshot = PolicySnapshot::load(&fixture.join("policies")).unwrap();
    let text = std::fs::read_to_string(fixture.join("entities/records.json")).unwrap();
    let entities: Vec<Value> = serde_json::from_str(&text).unwrap();
    let store = Arc::new(Memory::new(entities.into_iter().map(|it| snapshot.canonical(it).unwrap())));
    let limits =
        decision::Limits { decisions: 1_000, closures: 1_000, load_timeout: Duration::from_secs(10) };
    let decider = Decider::new(Arc::new(snapshot), store.clone(), Handle::current(), limits);
    (store, decider)
}
