//! A small device API, in memory and without any access control of its own.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const PINS_MAX: usize = 32;
const PIN_LENGTH_MAX: usize = 64;

/// Serves the devices, given as id and name, until the task is dropped.
pub async fn serve(listener: TcpListener, devices: Vec<(String, String)>) -> io::Result<()> {
    axum::serve(listener, router(devices)).await
}

fn router(devices: Vec<(String, String)>) -> Router {
    let devices = devices.into_iter().map(|(id, name)| Device::new(id, name)).collect();
    Router::new()
        .route("/health", get(async || Json(json!({ "status": "ok" }))))
        .route("/api/v1/devices", get(list))
        .route("/api/v1/devices/batch", post(batch))
        .route("/api/v1/devices/{device}", get(show))
        .route("/api/v1/devices/{device}/datastreams/{pin}", get(read).put(write))
        .with_state(Devices(Arc::new(RwLock::new(devices))))
}

/// One device as the API shows it.
#[derive(Debug, Clone, Serialize)]
struct Device {
    id: String,
    name: String,
    online: bool,
    datastreams: BTreeMap<String, Datastream>,
}

/// The last value of one pin.
#[derive(Debug, Clone, Serialize)]
struct Datastream {
    value: Value,
    /// Whom the gateway named as the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_by: Option<String>,
}

impl Device {
    fn new(id: String, name: String) -> Self {
        let off = Datastream { value: json!(0), changed_by: None };
        Self { id, name, online: true, datastreams: BTreeMap::from([("V1".to_owned(), off)]) }
    }
}

/// All devices in the order in which they were given.
#[derive(Clone)]
struct Devices(Arc<RwLock<Vec<Device>>>);

impl Devices {
    fn all(&self) -> Vec<Device> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn one(&self, id: &str) -> Result<Device, ApiError> {
        let devices = self.0.read().unwrap_or_else(PoisonError::into_inner);
        devices.iter().find(|device| device.id == id).cloned().ok_or(ApiError::NotFound)
    }

    fn change(&self, id: &str, pin: String, stream: Datastream) -> Result<(), ApiError> {
        let mut devices = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let device = devices.iter_mut().find(|device| device.id == id).ok_or(ApiError::NotFound)?;
        let known = device.datastreams.contains_key(&pin);
        if pin.len() > PIN_LENGTH_MAX || (!known && device.datastreams.len() >= PINS_MAX) {
            return Err(ApiError::TooMany);
        }
        device.datastreams.insert(pin, stream);
        Ok(())
    }
}

#[derive(Debug)]
enum ApiError {
    NotFound,
    Malformed(JsonRejection),
    TooMany,
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self::Malformed(rejection)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "no such device or datastream".to_owned()),
            Self::Malformed(rejection) => (rejection.status(), rejection.body_text()),
            Self::TooMany => {
                let message = format!("at most {PINS_MAX} datastreams with names of {PIN_LENGTH_MAX} bytes");
                (StatusCode::UNPROCESSABLE_ENTITY, message)
            }
        };
        (status, Json(json!({ "error": message }))).into_response()
    }
}

#[derive(Deserialize)]
struct Batch {
    ids: Vec<String>,
}

#[derive(Deserialize)]
struct NewValue {
    value: Value,
}

fn listed(devices: Vec<Device>) -> Json<Value> {
    Json(json!({ "total": devices.len(), "devices": devices }))
}

async fn list(State(devices): State<Devices>) -> Json<Value> {
    listed(devices.all())
}

async fn batch(
    State(devices): State<Devices>,
    body: Result<Json<Batch>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(batch) = body?;
    let found: Result<Vec<_>, _> = batch.ids.iter().map(|id| devices.one(id)).collect();
    Ok(listed(found?))
}

async fn show(State(devices): State<Devices>, Path(id): Path<String>) -> Result<Json<Device>, ApiError> {
    devices.one(&id).map(Json)
}

async fn read(
    State(devices): State<Devices>,
    Path((id, pin)): Path<(String, String)>,
) -> Result<Json<Datastream>, ApiError> {
    let mut device = devices.one(&id)?;
    device.datastreams.remove(&pin).map(Json).ok_or(ApiError::NotFound)
}

async fn write(
    State(devices): State<Devices>,
    Path((id, pin)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Json<NewValue>, JsonRejection>,
) -> Result<Json<Datastream>, ApiError> {
    let Json(new) = body?;
    let changed_by = headers.get("x-auth-subject").and_then(|name| name.to_str().ok()).map(str::to_owned);
    let stream = Datastream { value: new.value, changed_by };
    devices.change(&id, pin, stream.clone())?;
    Ok(Json(stream))
}
