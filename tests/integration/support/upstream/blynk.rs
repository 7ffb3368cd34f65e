//! A device API that behaves as Blynk's two HTTP APIs are documented to, with three devices.
//!
//! A token is the device; a parameter that is no datastream is refused; every device object has its token.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{delete, get, post};
use serde_json::{Value, json};

/// The bearer token of the organization.
pub(crate) const BEARER: &str = "org-scoped-bearer-token";

/// The token of a device, which nobody but the gateway may see.
pub(crate) fn token(device: u64) -> String {
    format!("AuthTokenOf{device}-0123456789abcdef")
}

#[derive(Default)]
struct Model {
    /// Id, then the values of its datastreams.
    devices: BTreeMap<u64, HashMap<String, String>>,
    asked: Vec<String>,
    made: u64,
}

type Shared = Arc<Mutex<Model>>;
type Pairs = Vec<(String, String)>;

/// The running server; it ends with the value.
pub(crate) struct Blynk {
    address: SocketAddr,
    model: Shared,
    _runtime: tokio::runtime::Runtime,
}

impl Blynk {
    pub(crate) fn start(devices: &[u64]) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let values =
            || HashMap::from([("v1".to_owned(), "24".to_owned()), ("v2".to_owned(), "on".to_owned())]);
        let devices = devices.iter().map(|id| (*id, values())).collect();
        let model = Arc::new(Mutex::new(Model { devices, made: 900, ..Model::default() }));
        let router = router(&model);
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, model, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `METHOD target` of each request so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.model.lock().unwrap().asked.clone()
    }

    /// The value of a datastream.
    pub(crate) fn value(&self, device: u64, pin: &str) -> Option<String> {
        self.model.lock().unwrap().devices.get(&device)?.get(pin).cloned()
    }

    pub(crate) fn has(&self, device: u64) -> bool {
        self.model.lock().unwrap().devices.contains_key(&device)
    }
}

fn router(model: &Shared) -> Router {
    let device = Router::new()
        .route("/get", get(read))
        .route("/getAll", get(read_all))
        .route("/update", get(update))
        .route("/batch/update", get(update).post(import))
        .route("/update/property", get(empty))
        .route("/logEvent", get(empty))
        .route(
            "/data/get",
            get(|| async { Json(json!({ "link": "https://blynk.example/device_data_1.zip" })) }),
        )
        .route("/device/meta", get(|| async { "SN:123" }))
        .route("/device/meta/update", get(empty))
        .route("/isHardwareConnected", get(|| async { "true" }))
        .route("/provision", get(empty))
        .route("/upload", post(|| async { "https://blynk.example/file" }))
        .layer(from_fn_with_state(model.clone(), by_token));
    let platform = Router::new()
        .route("/devices", get(list))
        .route("/search/devices", get(list))
        .route("/static-tokens", get(static_tokens))
        .route("/device", get(one).put(empty).delete(remove))
        .route("/device/baseInfo", get(one))
        .route("/device/online", get(|| async { Json(json!({ "connected": true })) }))
        .route("/device/datastreams", get(|| async { Json(json!({ "v1": 1, "v2": "Some value" })) }))
        .route("/device/metafield", get(meta_fields).post(no_content))
        .route("/device/logs", get(logs))
        .route("/device/datastream", post(set))
        .route("/device/create", post(create))
        .route("/device/transfer", post(no_content))
        .route("/device/owner", delete(no_content))
        .route("/device/clear", delete(no_content))
        .route("/profile", get(|| async { Json(json!({ "id": 1 })) }))
        .layer(axum::middleware::from_fn(by_bearer));
    Router::new()
        .nest("/external/api", device)
        .nest("/api/v1/organization", platform)
        .layer(from_fn_with_state(model.clone(), write_down))
        .with_state(model.clone())
}

async fn write_down(State(model): State<Shared>, request: Request, next: Next) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    model.lock().unwrap().asked.push(line);
    next.run(request).await
}

fn error(status: u16, message: &str) -> Response {
    let body = Json(json!({ "error": { "message": message } }));
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

/// The token is the device; one of another region is sent there, token and all.
async fn by_token(
    State(model): State<Shared>,
    RawQuery(query): RawQuery,
    Query(pairs): Query<Pairs>,
    mut request: Request,
    next: Next,
) -> Response {
    let tokens: Vec<&String> =
        pairs.iter().filter(|(key, _)| key == "token").map(|(_, value)| value).collect();
    if pairs.iter().any(|(key, _)| key == "deviceId") {
        return error(400, "Wrong pin format.");
    }
    let [given] = tokens.as_slice() else { return error(400, "Invalid token.") };
    let known = model.lock().unwrap().devices.keys().copied().find(|id| token(*id) == **given);
    let Some(id) = known else { return error(400, "Invalid token.") };
    if pairs.iter().any(|(key, _)| key == "region") {
        let to = format!("https://fra1.blynk.example/external/api/get?{}", query.unwrap_or_default());
        return (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, to)]).into_response();
    }
    request.extensions_mut().insert(id);
    next.run(request).await
}

async fn by_bearer(headers: HeaderMap, request: Request, next: Next) -> Response {
    match headers.get(header::AUTHORIZATION) {
        Some(it) if it.as_bytes() == format!("Bearer {BEARER}").as_bytes() => next.run(request).await,
        _ => (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" }))).into_response(),
    }
}

fn id_of(request: &Request) -> u64 {
    *request.extensions().get::<u64>().unwrap()
}

fn pins(request: &Request) -> Pairs {
    let Query(pairs) = Query::<Pairs>::try_from_uri(request.uri()).unwrap();
    pairs.into_iter().filter(|(key, _)| key.starts_with('v')).collect()
}

async fn read(State(model): State<Shared>, request: Request) -> Response {
    let values = model.lock().unwrap().devices[&id_of(&request)].clone();
    let asked = pins(&request);
    match asked.as_slice() {
        [] => error(400, "Requested dataStream doesn't exist."),
        [(one, _)] => values.get(one).cloned().unwrap_or_default().into_response(),
        several => {
            let found: HashMap<_, _> = several.iter().map(|(pin, _)| (pin, values.get(pin))).collect();
            Json(json!(found)).into_response()
        }
    }
}

async fn read_all(State(model): State<Shared>, request: Request) -> Response {
    Json(json!(model.lock().unwrap().devices[&id_of(&request)])).into_response()
}

async fn update(State(model): State<Shared>, request: Request) -> Response {
    let asked = pins(&request);
    if asked.iter().any(|(_, value)| value == "bad") {
        return error(400, "Value doesn't match the datastream.");
    }
    model.lock().unwrap().devices.get_mut(&id_of(&request)).unwrap().extend(asked);
    StatusCode::OK.into_response()
}

async fn import(Json(points): Json<Vec<(u64, f64)>>) -> Response {
    if points.is_empty() { error(400, "Too much data in batch.") } else { "OK".into_response() }
}

async fn empty() {}

async fn no_content() -> StatusCode {
    StatusCode::NO_CONTENT
}

fn described(id: u64) -> Value {
    json!({
        "id": id, "templateId": 353, "orgId": 577, "name": format!("Device {id}"), "token": token(id),
        "activatedAt": 1_702_480_139_859_u64, "ownerUserId": 879, "ip": "127.0.0.1",
        "hardwareInfo": { "version": "1.0.0", "fwType": "TMPL", "boardType": "ESP8266" },
        "metaFieldValues": [
            { "id": 1, "name": "Serial Number", "value": { "type": "Text", "value": "SN:123" } },
            { "id": 2, "name": "Device Owner", "value": "owner@example.com" }
        ]
    })
}

async fn list(State(model): State<Shared>) -> Json<Value> {
    let all: Vec<Value> = model.lock().unwrap().devices.keys().copied().map(described).collect();
    Json(json!({ "totalElements": all.len(), "content": all }))
}

async fn static_tokens(State(model): State<Shared>) -> Json<Value> {
    let row = |id: &u64| json!({ "token": format!("sqr_{id}"), "orgId": 749, "deviceToken": token(*id), "status": "CLAIMED", "deviceId": id });
    let mut all: Vec<Value> = model.lock().unwrap().devices.keys().map(row).collect();
    all.push(json!({ "token": "sqr_0", "deviceToken": "free", "status": "UNCLAIMED", "deviceId": 0 }));
    Json(json!({ "totalElements": all.len(), "content": all }))
}

async fn one(State(model): State<Shared>, Query(query): Query<HashMap<String, u64>>) -> Response {
    let id = query.get("deviceId").copied().unwrap_or_default();
    match model.lock().unwrap().devices.contains_key(&id) {
        true => ([(header::ETAG, "\"of-token-and-all\"")], Json(described(id))).into_response(),
        false => error(404, "Device not found."),
    }
}

async fn meta_fields() -> Json<Value> {
    Json(
        json!([{ "id": 1, "name": "Serial Number", "value": "SN:123" }, { "id": 2, "name": "Device Owner", "value": "owner@example.com" }]),
    )
}

async fn logs() -> Json<Value> {
    let line =
        json!({ "triggerUserEmail": "owner@example.com", "value": 5.0, "pin": 1, "pinType": "VIRTUAL" });
    Json(json!({ "content": [line], "totalElements": 1 }))
}

async fn set(State(model): State<Shared>, Json(body): Json<Value>) -> Response {
    let (id, pin) = (body["deviceId"].as_u64().unwrap_or_default(), format!("v{}", body["dataStreamId"]));
    match model.lock().unwrap().devices.get_mut(&id) {
        Some(values) => {
            values.insert(pin, body["value"].to_string());
            StatusCode::NO_CONTENT.into_response()
        }
        None => error(404, "Device not found."),
    }
}

async fn create(State(model): State<Shared>, Json(body): Json<Value>) -> Response {
    if body["name"] == "refused" {
        return error(400, "Name is not valid.");
    }
    let mut model = model.lock().unwrap();
    model.made += 1;
    let id = model.made;
    model.devices.insert(id, HashMap::from([("v1".to_owned(), "0".to_owned())]));
    (StatusCode::CREATED, Json(described(id))).into_response()
}

async fn remove(State(model): State<Shared>, Query(query): Query<HashMap<String, u64>>) -> Response {
    let id = query.get("deviceId").copied().unwrap_or_default();
    match model.lock().unwrap().devices.remove(&id) {
        Some(_) => Response::builder().status(204).body(Body::empty()).unwrap(),
        None => error(404, "Device not found."),
    }
}
