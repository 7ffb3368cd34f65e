//! Grants through the API: offered, taken, refused, ended; what they give is decided at once.

use serde_json::{Value, json};

use super::bench::{Bench, OUTSIDER};

const ALL: &str = "/api/v1/grants";

fn lend(device: &str, email: &str, control: bool) -> Value {
    json!({ "device": device, "emails": [email], "control": control })
}

async fn offered(bench: &Bench, who: &str, body: Value) -> String {
    let made = bench.done(who, "POST", ALL, body).await;
    format!("{ALL}/{}", made["items"][0]["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_device_is_lent_to_a_person_of_another_tree() {
    let bench = Bench::start().await;
    bench
        .expect(&[
            ("son", "POST", ALL, lend("garage", "cabin-wife@example.com", false), 404, "no-such-resource"),
            ("dad", "POST", ALL, lend("garage", "wife@example.com", false), 400, "own-device"),
            ("dad", "POST", ALL, lend("garage", "newcomer@example.com", false), 400, "not-activated"),
            ("dad", "POST", ALL, lend("garage", "nobody@example.com", false), 404, "no-such-destination"),
            ("dad", "POST", ALL, json!({ "device": "garage", "emails": [] }), 400, "malformed-request"),
            (OUTSIDER, "POST", ALL, lend("garage", "cabin-wife@example.com", false), 404, "no-such-resource"),
        ])
        .await;
    let grant = offered(&bench, "wife", lend("garage", "Cabin-Wife@example.com", true)).await;
    assert!(!bench.may("cabin-wife", "view", "garage").await);
    bench
        .expect(&[
            ("wife", "POST", &format!("{grant}/accept"), Value::Null, 403, "forbidden"),
            ("cabin-dad", "POST", &format!("{grant}/accept"), Value::Null, 404, "no-such-resource"),
            ("cabin-wife", "GET", &grant, Value::Null, 200, ""),
            ("cabin-wife", "POST", &format!("{grant}/accept"), Value::Null, 200, ""),
            ("cabin-wife", "DELETE", &grant, Value::Null, 403, "forbidden"),
            ("cabin-wife", "GET", "/api/v1/devices/garage", Value::Null, 200, ""),
            ("cabin-wife", "PATCH", "/api/v1/devices/garage", json!({ "name": "Mine" }), 403, "forbidden"),
            ("cabin-wife", "POST", ALL, lend("garage", "cabin-dad@example.com", false), 403, "forbidden"),
        ])
        .await;
    assert!(
        bench.may("cabin-wife", "control", "garage").await && !bench.may("cabin-dad", "view", "garage").await
    );
    assert_eq!(bench.ids("wife", "/api/v1/devices/garage/grants").await.len(), 1);
    assert_eq!(bench.ids("cabin-wife", "/api/v1/users/cabin-wife/grants").await.len(), 1);
    bench.expect(&[("dad", "DELETE", &grant, Value::Null, 200, "")]).await;
    assert!(!bench.may("cabin-wife", "view", "garage").await);
    assert_eq!(bench.get("cabin-wife", "/api/v1/devices/garage").await.0, 404);
}

#[tokio::test]
async fn a_grant_is_declined_given_back_and_offered_anew() {
    let bench = Bench::start().await;
    let grant = offered(&bench, "wife", lend("garage", "son@example.com", false)).await;
    bench.done("son", "POST", &format!("{grant}/decline"), Value::Null).await;
    bench.expect(&[("son", "POST", &format!("{grant}/accept"), Value::Null, 403, "forbidden")]).await;
    let again = offered(&bench, "wife", lend("garage", "son@example.com", false)).await;
    assert_eq!(again, grant);
    bench.done("son", "POST", &format!("{grant}/accept"), Value::Null).await;
    assert!(bench.may("son", "view", "garage").await && !bench.may("son", "control", "garage").await);
    bench.done("son", "POST", &format!("{grant}/decline"), Value::Null).await;
    assert!(!bench.may("son", "view", "garage").await);
}

#[tokio::test]
async fn a_grant_dies_with_its_granters_right() {
    let bench = Bench::start().await;
    let grant = offered(&bench, "wife", lend("garage", "cabin-wife@example.com", true)).await;
    bench.done("cabin-wife", "POST", &format!("{grant}/accept"), Value::Null).await;
    assert!(bench.may("cabin-wife", "control", "garage").await);
    bench.done("dad", "POST", "/api/v1/devices/garage/transfer", json!({ "email": "son@example.com" })).await;
    assert!(!bench.may("cabin-wife", "view", "garage").await);
    let lent = lend("garage", "villa-wife@example.com", false);
    let grant = offered(&bench, "son", lent).await;
    bench.done("villa-wife", "POST", &format!("{grant}/accept"), Value::Null).await;
    assert!(bench.may("villa-wife", "view", "garage").await);
    bench.done("dad", "DELETE", "/api/v1/users/son", Value::Null).await;
    assert!(!bench.may("villa-wife", "view", "garage").await);
    // The same two may be brought together again, by somebody else.
    let grant = offered(&bench, "dad", lend("garage", "villa-wife@example.com", false)).await;
    bench.done("villa-wife", "POST", &format!("{grant}/accept"), Value::Null).await;
    assert!(bench.may("villa-wife", "view", "garage").await);
    bench.done("dad", "DELETE", "/api/v1/devices/garage", Value::Null).await;
    assert_eq!(bench.get("villa-wife", &grant).await.0, 404);
}

#[tokio::test]
async fn a_grant_has_terms() {
    let bench = Bench::start().await;
    let with = |more: Value| {
        let mut body = lend("garage", "son@example.com", true);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let week: Vec<&str> = vec!["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let hours = |from: &str, to: &str| json!([{ "days": week, "from": from, "to": to }]);
    bench
        .expect(&[
            ("wife", "POST", ALL, with(json!({ "until": "2020-01-01T00:00:00Z" })), 400, "malformed-request"),
            ("wife", "POST", ALL, with(json!({ "until": "soon" })), 400, "malformed-request"),
            (
                "wife",
                "POST",
                ALL,
                with(json!({ "hours": hours("08:00", "09:00") })),
                400,
                "malformed-request",
            ),
            (
                "wife",
                "POST",
                ALL,
                with(json!({ "hours": hours("08:07", "09:00"), "zone": "UTC" })),
                400,
                "malformed-request",
            ),
            (
                "wife",
                "POST",
                ALL,
                with(json!({ "hours": hours("08:00", "09:00"), "zone": "Moon" })),
                400,
                "malformed-request",
            ),
            ("wife", "POST", ALL, with(json!({ "datastreams": [] })), 400, "malformed-request"),
        ])
        .await;
    for (terms, counts) in [
        (json!({ "from": "2099-01-01T00:00:00Z" }), false),
        (json!({ "from": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z" }), true),
        (json!({ "hours": hours("00:00", "24:00"), "zone": "Asia/Kathmandu" }), true),
        (
            json!({ "hours": hours("22:00", "06:00"), "zone": "Europe/Berlin", "until": "2099-01-01T00:00:00Z",
                 "from": "2098-01-01T00:00:00Z" }),
            false,
        ),
    ] {
        let grant = offered(&bench, "wife", with(terms.clone())).await;
        bench.done("son", "POST", &format!("{grant}/accept"), Value::Null).await;
        assert_eq!(bench.may("son", "control", "garage").await, counts, "{terms}");
    }
}

#[tokio::test]
async fn one_request_lends_to_many_or_to_nobody() {
    let bench = Bench::start().await;
    let many = |emails: &[&str]| json!({ "device": "lamp", "emails": emails });
    bench
        .expect(&[
            (
                "dad",
                "POST",
                ALL,
                many(&["son@example.com", "nobody@example.com"]),
                404,
                "no-such-destination",
            ),
            ("dad", "POST", ALL, many(&["son@example.com"; 51]), 400, "too-much"),
        ])
        .await;
    assert!(bench.ids("dad", "/api/v1/devices/lamp/grants").await.is_empty());
    bench.done("dad", "POST", ALL, many(&["son@example.com", "wife@example.com", "SON@example.com"])).await;
    assert_eq!(bench.ids("dad", "/api/v1/devices/lamp/grants").await.len(), 2);
}

/// A grant goes where its device goes: those who look after it there see it, and may end it.
#[tokio::test]
async fn a_grant_moves_along_with_its_device() {
    let bench = Bench::start().await;
    let transfer = "/api/v1/devices/villa-garage/transfer";
    bench.done("villa-dad", "POST", transfer, json!({ "organization": "villa" })).await;
    let grant = offered(&bench, "villa-dad", lend("villa-garage", "dad@example.com", false)).await;
    bench.done("dad", "POST", &format!("{grant}/accept"), Value::Null).await;
    assert_eq!(bench.get("villa-aunt", &grant).await.0, 404);
    bench.done("villa-dad", "POST", transfer, json!({ "organization": "villa-family" })).await;
    assert!(bench.may("dad", "view", "villa-garage").await);
    bench.done("villa-aunt", "DELETE", &grant, Value::Null).await;
    assert!(!bench.may("dad", "view", "villa-garage").await);
}
