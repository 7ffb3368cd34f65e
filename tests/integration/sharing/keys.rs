//! API keys, and what ends them.

use serde_json::{Value, json};

use super::bench::{Bench, OPERATOR};

#[tokio::test]
async fn a_key_speaks_for_its_owner_until_revoked() {
    let bench = Bench::start().await;
    let made = bench.done("wife", "POST", "/api/v1/keys", json!({ "name": "phone", "days": 30 })).await;
    let key = made["key"].as_str().unwrap();
    assert_eq!(bench.done(key, "GET", "/api/v1/me", Value::Null).await["principal"], json!("User::\"wife\""));
    let listed = bench.done("wife", "GET", "/api/v1/keys", Value::Null).await;
    assert_eq!((&listed["items"][0]["name"], &listed["items"][0]["key"]), (&json!("phone"), &Value::Null));
    let path = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());
    bench
        .expect(&[
            ("dad", "DELETE", &path, Value::Null, 404, "no-such-resource"),
            (
                "dad",
                "POST",
                "/api/v1/keys",
                json!({ "name": "x", "principal": "User::wife" }),
                404,
                "no-such-resource",
            ),
            ("wife", "POST", "/api/v1/keys", json!({ "name": "" }), 400, "malformed-request"),
            ("wife", "POST", "/api/v1/keys", json!({ "name": "x", "days": 0 }), 400, "malformed-request"),
            (OPERATOR, "POST", "/api/v1/keys", json!({ "name": "x" }), 400, "malformed-request"),
            (OPERATOR, "POST", "/api/v1/keys", json!({ "name": "x", "principal": "User::wife" }), 201, ""),
            (
                OPERATOR,
                "POST",
                "/api/v1/keys",
                json!({ "name": "x", "principal": "User::wi\nfe" }),
                400,
                "malformed-request",
            ),
            ("former", "POST", "/api/v1/keys", json!({ "name": "x" }), 401, "unauthenticated"),
            ("wife", "DELETE", &path, Value::Null, 204, ""),
            (key, "GET", "/api/v1/me", Value::Null, 401, "unauthenticated"),
        ])
        .await;
    assert_eq!(bench.ids("wife", "/api/v1/keys").await.len(), 2);
}

/// Everything that was issued before a sign-out is refused; what is issued later is not.
#[tokio::test]
async fn signing_out_ends_what_was_issued_before() {
    let bench = Bench::start().await;
    let made = bench.done("wife", "POST", "/api/v1/keys", json!({ "name": "phone" })).await;
    let key = made["key"].as_str().unwrap();
    bench
        .expect(&[
            (key, "GET", "/api/v1/me", Value::Null, 200, ""),
            (key, "POST", "/api/v1/users/wife/sign-out", Value::Null, 403, "forbidden"),
            ("dad", "POST", "/api/v1/users/wife/sign-out", Value::Null, 200, ""),
            (key, "GET", "/api/v1/me", Value::Null, 401, "unauthenticated"),
        ])
        .await;
    // Credentials say when they were issued in whole seconds.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let made = bench.done("wife", "POST", "/api/v1/keys", json!({ "name": "phone" })).await;
        if bench.get(made["key"].as_str().unwrap(), "/api/v1/me").await.0 == 200 {
            break;
        }
        assert!(std::time::Instant::now() < end, "no new key is good");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(bench.get(key, "/api/v1/me").await.0, 401);
}
