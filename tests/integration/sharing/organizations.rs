//! Organizations: who makes, renames, moves and deletes them, and what no right changes.

use cedargate::sharing::Limits;
use serde_json::{Value, json};

use super::bench::{Bench, OPERATOR, OUTSIDER};

const ALL: &str = "/api/v1/organizations";

async fn below(bench: &Bench, parent: &str, name: &str) -> String {
    let made = bench.done("dad", "POST", ALL, json!({ "parent": parent, "name": name })).await;
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_organization_is_made_below_another_with_its_roles() {
    let bench = Bench::start().await;
    let body = |name: &str| json!({ "parent": "home", "name": name });
    bench
        .expect(&[
            ("wife", "POST", ALL, body("Family"), 403, "forbidden"),
            (OUTSIDER, "POST", ALL, body("Family"), 404, "no-such-resource"),
            (OPERATOR, "POST", ALL, body("Family"), 403, "wrong-caller"),
            ("dad", "POST", ALL, body("home"), 400, "name-taken"),
            ("dad", "POST", ALL, body(" Family"), 400, "malformed-request"),
            ("dad", "POST", ALL, body(""), 400, "malformed-request"),
        ])
        .await;
    let id = below(&bench, "home", "Family").await;
    let roles = bench.done("dad", "GET", &format!("{ALL}/{id}/roles"), Value::Null).await;
    let mut names: Vec<&str> =
        roles["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Admin", "Guest", "Staff", "User"]);
    let user = roles["items"].as_array().unwrap().iter().find(|it| it["name"] == "User").unwrap();
    assert_eq!(user["permissions"], json!(["OWN_DEVICES_CONTROL", "OWN_DEVICES_VIEW"]));
    assert_eq!(bench.ids("dad", &format!("{ALL}/home/children")).await, [id.as_str()]);
    bench.expect(&[("dad", "POST", ALL, body("FAMILY"), 400, "name-taken")]).await;
}

#[tokio::test]
async fn the_tree_has_four_levels_unless_the_operator_says_otherwise() {
    for (depth_max, expected) in [(4, 3), (2, 1)] {
        let bench = Bench::over("sqlite::memory:", Limits { depth_max, ..Limits::default() }).await;
        let mut parent = "home".to_owned();
        for n in 0..expected {
            parent = below(&bench, &parent, &format!("Level {n}")).await;
        }
        bench
            .expect(&[("dad", "POST", ALL, json!({ "parent": parent, "name": "Deeper" }), 400, "too-deep")])
            .await;
    }
}

#[tokio::test]
async fn sub_organizations_need_a_plan() {
    let bench = Bench::start().await;
    let tree = json!({ "id": "hut", "name": "Hut", "plan": "FREE", "admin": { "id": "hut-dad", "email": "Hut@Example.com" } });
    bench
        .expect(&[
            ("dad", "POST", "/api/v1/setup", tree.clone(), 403, "wrong-caller"),
            (OPERATOR, "POST", "/api/v1/setup", tree.clone(), 201, ""),
            (OPERATOR, "POST", "/api/v1/setup", tree, 400, "address-taken"),
            ("hut-dad", "POST", ALL, json!({ "parent": "hut", "name": "Shed" }), 403, "forbidden"),
        ])
        .await;
    let me = bench.done("hut-dad", "GET", "/api/v1/me", Value::Null).await;
    assert_eq!((&me["user"]["email"], &me["role"]["name"]), (&json!("hut@example.com"), &json!("Admin")));
    assert_eq!(me["role"]["permissions"].as_array().unwrap().len(), 58, "{me}");
    assert!(me["actions"].as_array().unwrap().contains(&json!("provision")), "{me}");
}

#[tokio::test]
async fn an_organization_is_renamed() {
    let bench = Bench::start().await;
    let name = |name: &str| json!({ "name": name });
    bench
        .expect(&[
            ("wife", "PATCH", "/api/v1/organizations/home", name("Ours"), 403, "forbidden"),
            (OUTSIDER, "PATCH", "/api/v1/organizations/home", name("Ours"), 404, "no-such-resource"),
            ("villa-dad", "PATCH", "/api/v1/organizations/villa-family", name("Villa"), 400, "name-taken"),
            ("villa-aunt", "PATCH", "/api/v1/organizations/villa", name("Ours"), 404, "no-such-resource"),
            ("villa-dad", "PATCH", "/api/v1/organizations/villa-family", name("Annex"), 200, ""),
            ("dad", "PATCH", "/api/v1/organizations/home", name("Home"), 200, ""),
        ])
        .await;
}

#[tokio::test]
async fn only_what_is_empty_and_not_the_own_is_deleted() {
    let bench = Bench::start().await;
    let family = below(&bench, "home", "Family").await;
    let kids = below(&bench, &family, "Kids").await;
    let path = |id: &str| format!("{ALL}/{id}");
    bench
        .expect(&[
            ("wife", "DELETE", "/api/v1/organizations/home", Value::Null, 403, "forbidden"),
            ("dad", "DELETE", "/api/v1/organizations/home", Value::Null, 400, "root-organization"),
            ("villa-dad", "DELETE", "/api/v1/organizations/villa-family", Value::Null, 400, "not-empty"),
            (
                "villa-aunt",
                "DELETE",
                "/api/v1/organizations/villa-family",
                Value::Null,
                400,
                "own-organization",
            ),
            ("dad", "DELETE", &path(&family), Value::Null, 400, "not-empty"),
            (OUTSIDER, "DELETE", &path(&kids), Value::Null, 404, "no-such-resource"),
            ("dad", "DELETE", &path(&kids), Value::Null, 204, ""),
            ("dad", "GET", &path(&kids), Value::Null, 404, "no-such-resource"),
            ("dad", "DELETE", &path(&family), Value::Null, 204, ""),
        ])
        .await;
    assert!(bench.ids("dad", &format!("{ALL}/home/children")).await.is_empty());
}

#[tokio::test]
async fn an_organization_moves_within_its_tree() {
    let bench = Bench::start().await;
    let (one, two) = (below(&bench, "home", "One").await, below(&bench, "home", "Two").await);
    let inner = below(&bench, &two, "Inner").await;
    let path = |id: &str| format!("{ALL}/{id}/transfer");
    let to = |id: &str| json!({ "parent": id });
    bench
        .expect(&[
            ("wife", "POST", &path(&one), to("home"), 404, "no-such-resource"),
            ("dad", "POST", &path(&one), to("cabin"), 403, "forbidden"),
            ("dad", "POST", &path(&one), to("nothing"), 403, "forbidden"),
            ("dad", "POST", &path("home"), to(&one), 400, "root-organization"),
            ("dad", "POST", &path(&two), to(&inner), 400, "cycle"),
            ("dad", "POST", &path(&two), to(&two), 400, "cycle"),
            ("dad", "POST", &path(&two), to(&one), 200, ""),
            ("dad", "POST", ALL, json!({ "parent": inner, "name": "Too deep" }), 400, "too-deep"),
        ])
        .await;
    assert_eq!(bench.ids("dad", &format!("{ALL}/{one}/children")).await, [two]);
    let three = below(&bench, "home", "Three").await;
    let four = below(&bench, &three, "Four").await;
    bench
        .expect(&[
            ("dad", "POST", &path(&three), to(&inner), 400, "too-deep"),
            ("dad", "POST", &path(&three), to(&one), 200, ""),
            ("dad", "GET", &format!("{ALL}/{four}"), Value::Null, 200, ""),
        ])
        .await;
}
