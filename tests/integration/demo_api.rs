use cedargate::demo::device_api;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

struct Api {
    url: String,
    client: Client,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Api {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let devices = [("garage", "Garage door"), ("drinking", "Drinking machine"), ("lamp", "Hall lamp")];
        let devices = devices.map(|(id, name)| (id.to_owned(), name.to_owned())).to_vec();
        let client = Client::builder().no_proxy().build().unwrap();
        Self { url, client, task: tokio::spawn(device_api::serve(listener, devices)) }
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> Response {
        let request = self.client.request(method, format!("{}{path}", self.url)).body(body.to_owned());
        let request = request.header("content-type", "application/json").header("x-auth-subject", "wife");
        request.send().await.unwrap()
    }

    async fn json(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let answer = self.ask(method, path, body).await;
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn devices_are_listed_in_order_and_shown_one_by_one() {
    let api = Api::start().await;
    let (status, list) = api.json(Method::GET, "/api/v1/devices", "").await;
    let ids: Vec<_> =
        list["devices"].as_array().unwrap().iter().filter_map(|device| device["id"].as_str()).collect();
    assert_eq!((status, ids), (200, vec!["garage", "drinking", "lamp"]));
    assert_eq!(list["total"], 3);

    let (status, garage) = api.json(Method::GET, "/api/v1/devices/garage", "").await;
    let expected = json!({
        "id": "garage", "name": "Garage door", "online": true, "datastreams": { "V1": { "value": 0 } },
    });
    assert_eq!((status, garage), (200, expected));
    assert_eq!(api.json(Method::GET, "/health", "").await, (200, json!({ "status": "ok" })));
    for path in ["/api/v1/devices/Garage", "/api/v1/devices/none/datastreams/V1"] {
        let (status, problem) = api.json(Method::GET, path, "").await;
        assert_eq!((status, problem), (404, json!({ "error": "no such device or datastream" })), "{path}");
    }
}

#[tokio::test]
async fn a_written_value_stays_with_the_name_of_its_writer() {
    let api = Api::start().await;
    let path = "/api/v1/devices/garage/datastreams/V1";
    let written = json!({ "value": "open", "changed_by": "wife" });
    assert_eq!(api.json(Method::PUT, path, r#"{"value": "open"}"#).await, (200, written.clone()));
    assert_eq!(api.json(Method::GET, path, "").await, (200, written.clone()));
    let (_, garage) = api.json(Method::GET, "/api/v1/devices/garage", "").await;
    assert_eq!(garage["datastreams"]["V1"], written);
    let (_, lamp) = api.json(Method::GET, "/api/v1/devices/lamp/datastreams/V1", "").await;
    assert_eq!(lamp, json!({ "value": 0 }));
}

#[tokio::test]
async fn a_malformed_or_excessive_write_changes_nothing() {
    let api = Api::start().await;
    let path = "/api/v1/devices/lamp/datastreams/V1";
    assert_eq!(api.json(Method::PUT, path, "{").await.0, 400);
    assert_eq!(api.json(Method::PUT, path, r#"{"other": 1}"#).await.0, 422);
    assert_eq!(api.json(Method::PUT, "/api/v1/devices/none/datastreams/V1", r#"{"value": 1}"#).await.0, 404);
    let long = format!("/api/v1/devices/lamp/datastreams/{}", "x".repeat(65));
    assert_eq!(api.json(Method::PUT, &long, r#"{"value": 1}"#).await.0, 422);
    for pin in 2..=32 {
        let path = format!("/api/v1/devices/lamp/datastreams/V{pin}");
        assert_eq!(api.json(Method::PUT, &path, r#"{"value": 1}"#).await.0, 200);
    }
    assert_eq!(api.json(Method::PUT, "/api/v1/devices/lamp/datastreams/V33", r#"{"value": 1}"#).await.0, 422);
    assert_eq!(api.json(Method::GET, path, "").await, (200, json!({ "value": 0 })));
}

#[tokio::test]
async fn a_batch_answers_in_the_order_of_its_ids() {
    let api = Api::start().await;
    let (status, batch) =
        api.json(Method::POST, "/api/v1/devices/batch", r#"{"ids": ["lamp", "garage"]}"#).await;
    let ids: Vec<_> =
        batch["devices"].as_array().unwrap().iter().filter_map(|device| device["id"].as_str()).collect();
    assert_eq!((status, ids, &batch["total"]), (200, vec!["lamp", "garage"], &json!(2)));
    assert_eq!(api.json(Method::POST, "/api/v1/devices/batch", r#"{"ids": ["lamp", "none"]}"#).await.0, 404);
    assert_eq!(api.json(Method::POST, "/api/v1/devices/batch", r#"{"ids": "lamp"}"#).await.0, 422);
}
