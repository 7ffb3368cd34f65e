//! Everything around the questions: discovery, health, metrics, the OpenAPI document, and every answer's headers.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bench::{Bench, EVALUATION, OPERATOR, Setup, question, read};
use cedargate::control::{Limits, Readiness};

#[tokio::test]
async fn the_configuration_names_what_is_there() {
    let bench = Bench::start().await;
    let (status, found) = read(bench.get("/.well-known/authzen-configuration").await).await;
    assert_eq!((status, &found["policy_decision_point"]), (200, &json!(bench.base)));
    for (name, url) in found.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_endpoint")) {
        let path = url.as_str().unwrap().strip_prefix(&bench.base).unwrap();
        let mut asked = question("alice", "read", "record-1");
        asked["evaluations"] = json!([]);
        assert_eq!(bench.ask(path, &asked).await.0, 200, "{name}");
    }
    let public_url = Some("https://pdp.example.com/".to_owned());
    let bench = Bench::start_with(Setup { public_url, ..Setup::default() }).await;
    let (_, found) = read(bench.get("/.well-known/authzen-configuration").await).await;
    assert_eq!(found["policy_decision_point"], "https://pdp.example.com");
    assert_eq!(found["access_evaluations_endpoint"], "https://pdp.example.com/access/v1/evaluations");
}

#[tokio::test]
async fn readiness_names_what_is_wrong() {
    let bench = Bench::start().await;
    let (status, body) = read(bench.get("/readyz").await).await;
    assert_eq!((status, &body["status"], &body["wrong"]), (200, &json!("ready"), &json!([])));
    assert_eq!(body["store_revision"], 7);
    assert_eq!(body["policy_revision"].as_str().unwrap().len(), 12);
    type Spoil = fn(&mut Readiness);
    let spoil: [(Spoil, &str); 4] = [
        (|it| it.store_ok = false, "store"),
        (|it| it.keys_ok = false, "keys"),
        (|it| it.records_ok = false, "record"),
        (|it| (it.policies_ok, it.policy_error) = (false, Some("a.cedar:3".to_owned())), "a.cedar:3"),
    ];
    let well = bench.readiness.lock().unwrap().clone();
    for (spoil, named) in spoil {
        let mut found = well.clone();
        spoil(&mut found);
        *bench.readiness.lock().unwrap() = found;
        let (status, body) = read(bench.get("/readyz").await).await;
        assert_eq!((status, body["wrong"].as_array().unwrap().len()), (503, 1), "{body}");
        assert!(body["wrong"][0].as_str().unwrap().contains(named), "{body}");
    }
    assert_eq!(bench.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let bench = Bench::start().await;
    let response = bench.get("/metrics").await;
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(response.text().await.unwrap().contains("answers 1"));
}

#[tokio::test]
async fn the_openapi_document_has_every_path() {
    let bench = Bench::start().await;
    let (status, document) = read(bench.get("/openapi.json").await).await;
    assert_eq!(status, 200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    for (method, path) in [
        ("get", "/healthz"),
        ("get", "/readyz"),
        ("get", "/metrics"),
        ("get", "/.well-known/authzen-configuration"),
        ("post", EVALUATION),
        ("post", "/access/v1/evaluations"),
    ] {
        assert!(document["paths"][path][method]["responses"]["200"].is_object(), "{method} {path}");
    }
    let security = &document["paths"][EVALUATION]["post"]["security"];
    assert_eq!(
        (security, &document["paths"]["/healthz"]["get"]["security"]),
        (&json!([{ "bearer": [] }]), &json!(null))
    );
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[tokio::test]
async fn every_answer_has_its_id_and_is_not_stored() {
    let bench = Bench::start().await;
    for (path, status) in
        [("/healthz", 200), ("/readyz", 200), ("/openapi.json", 200), ("/nothing", 404), (EVALUATION, 405)]
    {
        let send = async |id: Option<&str>| {
            let request = bench.client.get(format!("{}{path}", bench.base));
            let request = id.into_iter().fold(request, |it, id| it.header("x-request-id", id));
            let response = request.send().await.unwrap();
            assert_eq!(
                (response.status().as_u16(), &response.headers()["cache-control"]),
                (status, &"no-store".parse().unwrap()),
                "{path}"
            );
            response.headers()["x-request-id"].to_str().unwrap().to_owned()
        };
        let longest = "aZ0._~-".repeat(18) + "xy";
        assert_eq!(longest.len(), 128);
        assert_eq!(
            send(Some("bfe9eb29-ab87-4ca3-be83-a1d5d8305716")).await,
            "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"
        );
        assert_eq!(send(Some(&longest)).await, longest);
        let (one, two) = (send(None).await, send(None).await);
        assert!(one != two && one.len() == 36);
        for bad in ["", "a b", "a\"b", "<x>", &(longest + "z")] {
            assert_eq!(send(Some(bad)).await.len(), 36, "{bad}");
        }
    }
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_problems() {
    let bench = Bench::start().await;
    let response = bench.get(EVALUATION).await;
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"POST".parse().unwrap()));
    assert_eq!(read(response).await.1["type"], "urn:cedargate:problem:method");
    let (status, answer) = read(bench.post("/access/v1/search/subject").send().await.unwrap()).await;
    assert_eq!((status, &answer["type"]), (404, &json!("urn:cedargate:problem:not-found")));
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_in_time() {
    let limits = Limits { request_timeout: Duration::from_millis(50), ..Limits::default() };
    let bench = Bench::start_with(Setup { limits, ..Setup::default() }).await;
    let address = bench.base.trim_start_matches("http://");
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {EVALUATION} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {OPERATOR}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{{"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 504");
}

/// Who comes when there is no place is told so at once; whether the process lives is always answered.
#[tokio::test]
async fn an_overloaded_listener_refuses_in_words() {
    let limits = Limits { requests_max: 0, ..Limits::default() };
    let bench = Bench::start_with(Setup { limits, ..Setup::default() }).await;
    assert_eq!(bench.get("/healthz").await.status(), 200);
    let (status, answer) = read(bench.get("/readyz").await).await;
    assert_eq!((status, &answer["type"]), (503, &json!("urn:cedargate:problem:overloaded")), "{answer}");
}
