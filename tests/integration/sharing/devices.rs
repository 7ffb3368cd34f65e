//! Devices: provisioned, transferred, described, deleted; the owner before keeps nothing.

use serde_json::{Value, json};

use super::bench::{Bench, OUTSIDER};

const GARAGE: &str = "/api/v1/devices/garage";
const TRANSFER: &str = "/api/v1/devices/garage/transfer";

fn to(email: &str) -> Value {
    json!({ "email": email })
}

#[tokio::test]
async fn whoever_provisions_a_device_owns_it() {
    let bench = Bench::start().await;
    let device = |id: &str, organization: &str| json!({ "id": id, "organization": organization, "name": "Fan", "template": "lamp" });
    bench
        .expect(&[
            ("wife", "POST", "/api/v1/devices", device("fan", "home"), 403, "forbidden"),
            (OUTSIDER, "POST", "/api/v1/devices", device("fan", "home"), 404, "no-such-resource"),
            ("dad", "POST", "/api/v1/devices", device("garage", "home"), 409, "id-taken"),
            (
                "dad",
                "POST",
                "/api/v1/devices",
                json!({ "organization": "home", "name": "X", "template": "rocket" }),
                400,
                "template",
            ),
        ])
        .await;
    bench
        .done(
            "dad",
            "PATCH",
            "/api/v1/roles/home%2Fuser/permissions",
            json!({ "add": ["PROVISION_DEVICES"] }),
        )
        .await;
    let made = bench.done("wife", "POST", "/api/v1/devices", device("fan", "home")).await;
    assert_eq!(made["owner"], json!("wife"));
    assert!(bench.may("wife", "control", "fan").await);
    assert!(!bench.may("son", "view", "fan").await);
    assert_eq!(bench.ids("wife", "/api/v1/organizations/home/devices").await, ["fan", "garage"]);
    assert_eq!(bench.ids("wife", "/api/v1/users/wife/devices").await, ["fan", "garage"]);
    assert!(bench.ids("visitor", "/api/v1/organizations/home/devices").await.is_empty());
}

#[tokio::test]
async fn a_device_goes_to_who_is_activated_here_or_below() {
    let bench = Bench::start().await;
    bench
        .expect(&[
            ("wife", "POST", TRANSFER, to("son@example.com"), 403, "forbidden"),
            ("son", "POST", TRANSFER, to("son@example.com"), 404, "no-such-resource"),
            ("dad", "POST", TRANSFER, to("wife@example.com"), 400, "same-owner"),
            ("dad", "POST", TRANSFER, to("newcomer@example.com"), 400, "not-activated"),
            ("dad", "POST", TRANSFER, to("former@example.com"), 400, "not-activated"),
            // Of another tree, or nobody at all: the answer is the same.
            ("dad", "POST", TRANSFER, to("cabin-dad@example.com"), 404, "no-such-destination"),
            ("dad", "POST", TRANSFER, to("nobody@example.com"), 404, "no-such-destination"),
            ("dad", "POST", TRANSFER, to("s\u{131}n@example.com"), 404, "no-such-destination"),
            ("dad", "POST", TRANSFER, json!({ "organization": "cabin" }), 404, "no-such-destination"),
            ("dad", "POST", TRANSFER, json!({ "organization": "nothing" }), 404, "no-such-destination"),
            ("dad", "POST", TRANSFER, json!({}), 400, "malformed-request"),
            ("dad", "POST", TRANSFER, to("Son@Example.com"), 200, ""),
        ])
        .await;
    assert!(bench.may("son", "control", "garage").await);
    assert!(!bench.may("wife", "view", "garage").await);
    assert_eq!(bench.get("wife", GARAGE).await.0, 404);
}

#[tokio::test]
async fn a_device_moves_to_its_new_owners_organization() {
    let bench = Bench::start().await;
    let drinking = "/api/v1/devices/villa-drinking/transfer";
    bench
        .expect(&[
            ("villa-aunt", "POST", drinking, to("villa-aunt@example.com"), 404, "no-such-resource"),
            (
                "villa-aunt",
                "POST",
                "/api/v1/devices/villa-garage/transfer",
                to("villa-dad@example.com"),
                404,
                "no-such-destination",
            ),
            ("villa-dad", "POST", drinking, to("villa-wife@example.com"), 400, "template"),
            (
                "villa-dad",
                "POST",
                "/api/v1/devices/villa-garage/transfer",
                to("villa-dad@example.com"),
                200,
                "",
            ),
            (
                "villa-dad",
                "POST",
                "/api/v1/devices/villa-garage/transfer",
                json!({ "organization": "villa-family" }),
                200,
                "",
            ),
        ])
        .await;
    let garage = bench.done("villa-dad", "GET", "/api/v1/devices/villa-garage", Value::Null).await;
    assert_eq!((&garage["organization"], &garage["owner"]), (&json!("villa-family"), &Value::Null));
}

#[tokio::test]
async fn a_device_may_have_no_owner() {
    let bench = Bench::start().await;
    let path = "/api/v1/devices/garage/owner";
    bench
        .expect(&[
            ("wife", "DELETE", path, Value::Null, 403, "forbidden"),
            ("son", "DELETE", path, Value::Null, 404, "no-such-resource"),
            ("dad", "DELETE", path, Value::Null, 200, ""),
            ("wife", "GET", GARAGE, Value::Null, 404, "no-such-resource"),
            ("dad", "GET", GARAGE, Value::Null, 200, ""),
        ])
        .await;
}

#[tokio::test]
async fn a_device_is_described_and_deleted() {
    let bench = Bench::start().await;
    let body =
        json!({ "name": "Gate", "tags": ["outside", "door"], "metadata": { "Serial Number": "SN:1" } });
    let many: Vec<String> = (0..6).map(|n| n.to_string()).collect();
    bench
        .expect(&[
            ("wife", "PATCH", GARAGE, body.clone(), 403, "forbidden"),
            (OUTSIDER, "PATCH", GARAGE, body.clone(), 404, "no-such-resource"),
            ("dad", "PATCH", GARAGE, json!({ "owner": "dad" }), 400, "malformed-request"),
            ("dad", "PATCH", GARAGE, json!({ "tags": many }), 400, "malformed-request"),
            ("dad", "PATCH", GARAGE, json!({ "name": "x".repeat(61) }), 400, "malformed-request"),
            ("dad", "PATCH", GARAGE, body, 200, ""),
        ])
        .await;
    let shown = bench.done("wife", "GET", GARAGE, Value::Null).await;
    assert_eq!((&shown["name"], &shown["tags"]), (&json!("Gate"), &json!(["outside", "door"])));
    assert_eq!((&shown["metadata"]["Serial Number"], &shown["owner"]), (&json!("SN:1"), &json!("wife")));
    bench.done("dad", "PATCH", GARAGE, json!({ "metadata": { "Serial Number": null } })).await;
    assert_eq!(bench.done("wife", "GET", GARAGE, Value::Null).await["metadata"], json!({}));
    bench
        .expect(&[
            ("wife", "DELETE", GARAGE, Value::Null, 403, "forbidden"),
            ("dad", "DELETE", GARAGE, Value::Null, 204, ""),
            ("dad", "GET", GARAGE, Value::Null, 404, "no-such-resource"),
            (
                "dad",
                "POST",
                "/api/v1/devices",
                json!({ "id": "garage", "organization": "home", "name": "X" }),
                409,
                "id-taken",
            ),
        ])
        .await;
}
