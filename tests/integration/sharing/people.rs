//! People: their status, their role, where they belong, and that an organization keeps an administrator.

use serde_json::{Value, json};

use super::bench::{Bench, OUTSIDER};

#[tokio::test]
async fn people_are_listed_to_who_may_see_them() {
    let bench = Bench::start().await;
    let list = "/api/v1/organizations/home/users";
    let all = bench.ids("dad", list).await;
    assert_eq!(all.len(), 8, "{all:?}");
    assert_eq!(bench.ids("wife", list).await, ["wife"]);
    assert_eq!(bench.ids("villa-dad", "/api/v1/organizations/villa-family/users").await.len(), 4);
    bench
        .expect(&[
            ("villa-aunt", "GET", "/api/v1/organizations/villa/users", Value::Null, 404, "no-such-resource"),
            ("villa-aunt", "GET", "/api/v1/users/villa-dad", Value::Null, 404, "no-such-resource"),
            ("wife", "GET", "/api/v1/users/son", Value::Null, 404, "no-such-resource"),
            ("wife", "GET", "/api/v1/users/wife", Value::Null, 200, ""),
            ("former", "GET", "/api/v1/users/former", Value::Null, 401, "unauthenticated"),
            ("newcomer", "GET", "/api/v1/me", Value::Null, 401, "unauthenticated"),
        ])
        .await;
}

#[tokio::test]
async fn who_was_away_for_long_is_noted_and_may_still_act() {
    let bench = Bench::start().await;
    let path = "/api/v1/users/wife/inactive";
    let marked = bench.done("dad", "POST", path, Value::Null).await;
    assert_eq!(marked["status"], "inactive");
    bench
        .expect(&[
            ("wife", "GET", "/api/v1/me", Value::Null, 200, ""),
            ("wife", "POST", "/api/v1/users/dad/inactive", Value::Null, 404, "no-such-resource"),
            ("dad", "POST", "/api/v1/users/former/inactive", Value::Null, 400, "suspended"),
            ("dad", "POST", "/api/v1/users/newcomer/inactive", Value::Null, 400, "pending"),
        ])
        .await;
    let back = bench.done("dad", "POST", "/api/v1/users/wife/activate", Value::Null).await;
    assert_eq!(back["status"], "active");
}

#[tokio::test]
async fn a_suspended_person_is_nobody_until_activated() {
    let bench = Bench::start().await;
    assert!(bench.may("wife", "control", "garage").await);
    bench
        .expect(&[
            ("wife", "POST", "/api/v1/users/wife/suspend", Value::Null, 403, "forbidden"),
            ("wife", "POST", "/api/v1/users/dad/suspend", Value::Null, 404, "no-such-resource"),
            ("villa-aunt", "POST", "/api/v1/users/villa-dad/suspend", Value::Null, 404, "no-such-resource"),
            (OUTSIDER, "POST", "/api/v1/users/wife/suspend", Value::Null, 404, "no-such-resource"),
            ("dad", "POST", "/api/v1/users/newcomer/suspend", Value::Null, 400, "pending"),
            ("dad", "POST", "/api/v1/users/wife/suspend", Value::Null, 200, ""),
            ("wife", "GET", "/api/v1/me", Value::Null, 401, "unauthenticated"),
        ])
        .await;
    assert!(!bench.may("wife", "view", "garage").await);
    bench
        .expect(&[
            ("dad", "POST", "/api/v1/users/wife/activate", Value::Null, 200, ""),
            ("wife", "GET", "/api/v1/me", Value::Null, 200, ""),
        ])
        .await;
    assert!(bench.may("wife", "control", "garage").await);
}

#[tokio::test]
async fn an_organization_keeps_an_administrator() {
    let bench = Bench::start().await;
    // Grandpa is an administrator too, merely long absent.
    bench
        .expect(&[
            ("dad", "POST", "/api/v1/users/grandpa/suspend", Value::Null, 200, ""),
            ("dad", "POST", "/api/v1/users/dad/suspend", Value::Null, 400, "last-admin"),
            ("dad", "PUT", "/api/v1/users/dad/role", json!({ "role": "home/user" }), 400, "last-admin"),
            ("dad", "DELETE", "/api/v1/users/dad", Value::Null, 400, "last-admin"),
            (
                "villa-dad",
                "POST",
                "/api/v1/users/villa-aunt/transfer",
                json!({ "organization": "villa", "role": "villa/keyholder" }),
                400,
                "last-admin",
            ),
            ("dad", "PUT", "/api/v1/users/wife/role", json!({ "role": "home/admin" }), 200, ""),
            ("dad", "PUT", "/api/v1/users/dad/role", json!({ "role": "home/user" }), 200, ""),
            ("dad", "POST", "/api/v1/users/wife/suspend", Value::Null, 404, "no-such-resource"),
        ])
        .await;
}

#[tokio::test]
async fn a_role_is_of_the_own_organization() {
    let bench = Bench::start().await;
    let role = |role: &str| json!({ "role": role });
    bench
        .expect(&[
            ("wife", "PUT", "/api/v1/users/wife/role", role("home/admin"), 403, "forbidden"),
            ("dad", "PUT", "/api/v1/users/wife/role", role("cabin/user"), 403, "forbidden"),
            ("dad", "PUT", "/api/v1/users/wife/role", role("home/nothing"), 403, "forbidden"),
            ("dad", "PUT", "/api/v1/users/nobody/role", role("home/user"), 404, "no-such-resource"),
            ("dad", "PUT", "/api/v1/users/wife/role", role("home/staff"), 200, ""),
        ])
        .await;
    assert!(bench.may("wife", "view", "lamp").await);
}

#[tokio::test]
async fn people_are_renamed_by_themselves_and_by_who_edits_users() {
    let bench = Bench::start().await;
    let name = |name: &str| json!({ "name": name });
    bench
        .expect(&[
            ("wife", "PATCH", "/api/v1/users/son", name("Junior"), 404, "no-such-resource"),
            ("wife", "PATCH", "/api/v1/users/wife", name("Anna"), 200, ""),
            ("dad", "PATCH", "/api/v1/users/son", name("Junior"), 200, ""),
            ("dad", "PATCH", "/api/v1/users/son", name("a\u{7}"), 400, "malformed-request"),
        ])
        .await;
}

#[tokio::test]
async fn people_move_within_the_tree_with_or_without_their_devices() {
    let bench = Bench::start().await;
    let to = |organization: &str, role: &str, with: bool| json!({ "organization": organization, "role": role, "with_devices": with });
    let wife = "/api/v1/users/villa-wife/transfer";
    bench
        .expect(&[
            ("villa-wife", "POST", wife, to("villa", "villa/keyholder", false), 403, "forbidden"),
            (OUTSIDER, "POST", wife, to("cabin", "cabin/user", false), 404, "no-such-resource"),
            ("villa-aunt", "POST", wife, to("villa", "villa/keyholder", false), 403, "forbidden"),
            ("villa-dad", "POST", wife, to("cabin", "cabin/user", false), 403, "forbidden"),
            ("villa-dad", "POST", wife, to("villa", "villa-family/user", false), 403, "forbidden"),
            (
                "villa-dad",
                "POST",
                wife,
                to("villa-family", "villa-family/user", false),
                400,
                "same-organization",
            ),
            ("villa-dad", "POST", wife, to("villa", "villa/keyholder", true), 200, ""),
        ])
        .await;
    let garage = bench.done("villa-dad", "GET", "/api/v1/devices/villa-garage", Value::Null).await;
    assert_eq!((&garage["organization"], &garage["owner"]), (&json!("villa"), &json!("villa-wife")));
    // The template of the drinking machine is not in the family's organization.
    bench
        .done(
            "villa-dad",
            "POST",
            "/api/v1/devices/villa-drinking/transfer",
            json!({ "email": "villa-wife@example.com" }),
        )
        .await;
    bench
        .expect(&[
            ("villa-dad", "POST", wife, to("villa-family", "villa-family/user", true), 400, "template"),
            ("villa-dad", "POST", wife, to("villa-family", "villa-family/user", false), 200, ""),
        ])
        .await;
    let garage = bench.done("villa-dad", "GET", "/api/v1/devices/villa-garage", Value::Null).await;
    assert_eq!((&garage["organization"], &garage["owner"]), (&json!("villa"), &Value::Null));
    assert!(!bench.may("villa-wife", "view", "villa-garage").await);
}

#[tokio::test]
async fn the_devices_of_a_deleted_person_stay_without_an_owner() {
    let bench = Bench::start().await;
    bench
        .expect(&[
            ("wife", "DELETE", "/api/v1/users/wife", Value::Null, 403, "forbidden"),
            ("dad", "DELETE", "/api/v1/users/wife", Value::Null, 204, ""),
            ("wife", "GET", "/api/v1/me", Value::Null, 401, "unauthenticated"),
            ("dad", "DELETE", "/api/v1/users/wife", Value::Null, 404, "no-such-resource"),
        ])
        .await;
    let garage = bench.done("dad", "GET", "/api/v1/devices/garage", Value::Null).await;
    assert_eq!(garage["owner"], Value::Null);
}
