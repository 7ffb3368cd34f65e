//! The two examples of the seed documents, played from an empty store to the last decision.

use cedargate::sharing::Limits;
use serde_json::{Value, json};

use super::bench::{Bench, OPERATOR};

/// Dad's own tree with two devices, as the operator and he himself would make it.
async fn house(bench: &Bench) {
    let tree =
        json!({ "id": "house", "name": "House", "admin": { "id": "papa", "email": "papa@example.com" } });
    bench.done(OPERATOR, "POST", "/api/v1/setup", tree).await;
    for id in ["door", "beer"] {
        bench
            .done("papa", "POST", "/api/v1/devices", json!({ "id": id, "organization": "house", "name": id }))
            .await;
    }
}

async fn join(bench: &Bench, who: &str, organization: &str, role: &str) {
    let body = json!({ "organization": organization, "role": role, "email": format!("{who}@example.com") });
    let made = bench.done("papa", "POST", "/api/v1/invitations", body).await;
    bench.done(who, "POST", "/api/v1/invitations/accept", json!({ "token": made["token"] })).await;
}

async fn sees(bench: &Bench, who: &str) -> Vec<String> {
    let me = bench.done(who, "GET", "/api/v1/me", Value::Null).await;
    bench
        .ids(who, &format!("/api/v1/organizations/{}/devices", me["organization"]["id"].as_str().unwrap()))
        .await
}

/// "Invite the user to your organization": she owns the garage door, and sees nothing else.
async fn wife_in_the_own_organization(bench: &Bench) {
    house(bench).await;
    join(bench, "mama", "house", "house/user").await;
    // The default role has no permission: an empty screen.
    assert!(sees(bench, "mama").await.is_empty());
    let edit = json!({ "add": ["OWN_DEVICES_VIEW", "OWN_DEVICES_CONTROL"] });
    bench.done("papa", "PATCH", "/api/v1/roles/house%2Fuser/permissions", edit).await;
    assert!(sees(bench, "mama").await.is_empty());
    bench.done("papa", "POST", "/api/v1/devices/door/transfer", json!({ "email": "mama@example.com" })).await;
    assert_eq!(sees(bench, "mama").await, ["door"]);
    for (action, door, beer) in [("view", true, false), ("control", true, false)] {
        assert_eq!(bench.may("mama", action, "door").await, door);
        assert_eq!(bench.may("mama", action, "beer").await, beer);
        assert!(bench.may("papa", action, "door").await && bench.may("papa", action, "beer").await);
    }
    // Without the permission the owner controls nothing, though she still sees it (X1).
    bench
        .done(
            "papa",
            "PATCH",
            "/api/v1/roles/house%2Fuser/permissions",
            json!({ "remove": ["OWN_DEVICES_CONTROL"] }),
        )
        .await;
    assert!(bench.may("mama", "view", "door").await && !bench.may("mama", "control", "door").await);
    // The owner before keeps nothing, on the next request.
    join(bench, "kid", "house", "house/user").await;
    bench.done("papa", "POST", "/api/v1/devices/door/transfer", json!({ "email": "kid@example.com" })).await;
    assert!(!bench.may("mama", "view", "door").await && bench.may("kid", "view", "door").await);
    assert_eq!(bench.get("mama", "/api/v1/devices/door").await.0, 404);
    assert!(sees(bench, "mama").await.is_empty());
}

/// "Create sub organization": the family sees the garage door, and never what is above.
async fn family_in_a_sub_organization(bench: &Bench) {
    house(bench).await;
    let made = bench
        .done("papa", "POST", "/api/v1/organizations", json!({ "parent": "house", "name": "Family" }))
        .await;
    let family = made["id"].as_str().unwrap();
    let roles =
        bench.done("papa", "GET", &format!("/api/v1/organizations/{family}/roles"), Value::Null).await;
    let role =
        roles["items"].as_array().unwrap().iter().find(|it| it["name"] == "User").unwrap()["id"].clone();
    let role = role.as_str().unwrap();
    let edit = format!("/api/v1/roles/{}/permissions", role.replace('/', "%2F"));
    bench.done("papa", "PATCH", &edit, json!({ "add": ["ORG_DEVICES_VIEW"] })).await;
    // The wife is a member already: she is transferred, not invited (X16).
    join(bench, "mama", "house", "house/user").await;
    let invite = json!({ "organization": family, "role": role, "email": "mama@example.com" });
    assert_eq!(bench.call("papa", "POST", "/api/v1/invitations", invite).await.0, 400);
    bench
        .done("papa", "POST", "/api/v1/users/mama/transfer", json!({ "organization": family, "role": role }))
        .await;
    join(bench, "kid", family, role).await;
    bench.done("papa", "POST", "/api/v1/devices/door/transfer", json!({ "email": "mama@example.com" })).await;
    for who in ["mama", "kid"] {
        assert_eq!(sees(bench, who).await, ["door"]);
        assert!(bench.may(who, "view", "door").await && !bench.may(who, "control", "door").await);
        assert!(!bench.may(who, "view", "beer").await);
        assert_eq!(bench.get(who, "/api/v1/organizations/house").await.0, 404);
        assert_eq!(bench.get(who, "/api/v1/users/papa").await.0, 404);
    }
    assert!(bench.may("papa", "control", "door").await && bench.may("papa", "control", "beer").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_example_in_memory() {
    wife_in_the_own_organization(&Bench::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_example_in_memory() {
    family_in_a_sub_organization(&Bench::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite://{}/{name}.db", folder.path().display());
    wife_in_the_own_organization(&Bench::over(&url("one"), Limits::default()).await).await;
    family_in_a_sub_organization(&Bench::over(&url("two"), Limits::default()).await).await;
}
