//! The routes of secrets: decided as `edit_auth_token`, and no answer, error or record repeats a value.

use serde_json::{Value, json};

use crate::sharing::bench::{Bench, OPERATOR, OUTSIDER, with};

const TOKEN: &str = "fG7-very-secret-9";
const PATH: &str = "/api/v1/devices/garage/secrets/upstream_token";

fn value() -> Value {
    json!({ "value": TOKEN })
}

async fn kept(bench: &Bench, device: &str) -> Option<String> {
    let device = cedargate::domain::Uid::new("Device", device).unwrap();
    let found = bench.store.secret(&device, "upstream_token").await.unwrap();
    found.map(|it| it.reveal().to_owned())
}

#[tokio::test]
async fn who_may_set_the_token_keeps_and_forgets_it() {
    let bench = Bench::start().await;
    let names = json!({ "items": [{ "name": "upstream_token" }] });
    bench
        .expect(&[
            // The wife sees the garage door and may not do this; to the cabin's people it does not exist.
            ("wife", "PUT", PATH, value(), 403, "forbidden"),
            ("wife", "GET", "/api/v1/devices/garage/secrets", Value::Null, 403, "forbidden"),
            ("wife", "DELETE", PATH, Value::Null, 403, "forbidden"),
            (OUTSIDER, "PUT", PATH, value(), 404, "no-such-resource"),
            ("dad", "PUT", "/api/v1/devices/nothing/secrets/a", value(), 404, "no-such-resource"),
            ("dad", "DELETE", PATH, Value::Null, 404, "no-such-resource"),
            (OPERATOR, "PUT", PATH, value(), 403, "wrong-caller"),
        ])
        .await;
    assert_eq!(kept(&bench, "garage").await, None);
    let (status, answer) = bench.call("dad", "PUT", PATH, value()).await;
    assert_eq!((status, answer), (204, Value::Null));
    assert_eq!(kept(&bench, "garage").await.as_deref(), Some(TOKEN));
    assert_eq!(bench.get("dad", "/api/v1/devices/garage/secrets").await, (200, names));
    bench.done("dad", "PUT", PATH, json!({ "value": "another" })).await;
    assert_eq!(kept(&bench, "garage").await.as_deref(), Some("another"));
    bench.done("dad", "DELETE", PATH, Value::Null).await;
    assert_eq!(kept(&bench, "garage").await, None);
    let record = bench.records().into_iter().find(|it| it["decision"] == "allow").unwrap();
    assert_eq!(record["action"], "edit_auth_token");
    assert!(record["resources"].to_string().contains("garage"), "{record}");
}

#[tokio::test]
async fn a_value_is_in_no_answer_list_or_record() {
    let bench = Bench::start().await;
    let mut seen = String::new();
    let wrong = [
        json!({ "value": TOKEN, "name": TOKEN }),
        json!({ "value": [TOKEN] }),
        json!({ "value": format!("{TOKEN}\n") }),
        json!({ "value": { "value": TOKEN } }),
    ];
    for body in wrong {
        let (status, answer) = bench.call("dad", "PUT", PATH, body).await;
        assert_eq!(status, 400, "{answer}");
        seen.push_str(&answer.to_string());
    }
    let number = json!({ "value": 4711_0815 });
    assert!(!bench.call("dad", "PUT", PATH, number).await.1.to_string().contains("47110815"));
    // The same key twice with other values: neither is remembered.
    for value in [TOKEN, "second"] {
        let request = bench.request("dad", "PUT", PATH).header("idempotency-key", "k1");
        let response = with(request, &json!({ "value": value })).send().await.unwrap();
        assert_eq!(response.status(), 204);
        seen.push_str(&format!("{:?}", response.headers()));
    }
    assert_eq!(kept(&bench, "garage").await.as_deref(), Some("second"));
    bench.done("dad", "PUT", PATH, value()).await;
    for path in [
        "/api/v1/devices/garage",
        "/api/v1/devices/garage/secrets",
        "/api/v1/organizations/home/devices",
        "/api/v1/me?resource=Device::garage",
    ] {
        seen.push_str(&bench.done("dad", "GET", path, Value::Null).await.to_string());
    }
    seen.push_str(&format!("{:?}", bench.records()));
    for entity in bench.store.page(None, None, 1000).await.unwrap() {
        seen.push_str(&format!("{entity:?}"));
    }
    assert!(!seen.contains(TOKEN), "{seen}");
}

#[tokio::test]
async fn a_deleted_device_loses_its_secrets_and_its_id_is_never_used_again() {
    let bench = Bench::start().await;
    bench.done("dad", "PUT", PATH, value()).await;
    bench.done("dad", "DELETE", "/api/v1/devices/garage", Value::Null).await;
    assert_eq!(kept(&bench, "garage").await, None);
    let again = json!({ "id": "garage", "organization": "home", "name": "Garage" });
    bench.expect(&[("dad", "POST", "/api/v1/devices", again, 409, "id-taken")]).await;
}

#[tokio::test]
async fn names_and_numbers_of_secrets_are_bounded() {
    let bench = Bench::start().await;
    let path = |name: &str| format!("/api/v1/devices/garage/secrets/{name}");
    let bad = path("a-b");
    bench.expect(&[("dad", "PUT", &bad, value(), 400, "malformed-request")]).await;
    for n in 0..16 {
        bench.done("dad", "PUT", &path(&format!("n{n}")), value()).await;
    }
    let (again, over) = (path("n3"), path("n16"));
    bench
        .expect(&[
            ("dad", "PUT", &again, value(), 204, ""),
            ("dad", "PUT", &over, value(), 400, "too-many-secrets"),
        ])
        .await;
}
