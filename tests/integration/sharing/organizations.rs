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

/// An owner sits where his device is, or above it; who would sit beside it owns it no more.
#[tokio::test]
async fn a_move_leaves_nobody_owning_a_device_from_the_side() {
    let bench = Bench::start().await;
    let (one, two) = (below(&bench, "home", "One").await, below(&bench, "home", "Two").await);
    let inner = below(&bench, &one, "Inner").await;
    let roles = bench.done("dad", "GET", &format!("{ALL}/{one}/roles"), Value::Null).await;
    let admin =
        roles["items"].as_array().unwrap().iter().find(|it| it["name"] == "Admin").unwrap()["id"].clone();
    let chief = json!({ "organization": one, "role": admin, "email": "chief@example.com" });
    let made = bench.done("dad", "POST", "/api/v1/invitations", chief).await;
    bench.done("chief", "POST", "/api/v1/invitations/accept", json!({ "token": made["token"] })).await;
    for (who, id) in [("chief", "siren"), ("dad", "horn")] {
        let device = json!({ "id": id, "organization": inner, "name": id });
        assert_eq!(bench.done(who, "POST", "/api/v1/devices", device).await["owner"], json!(who));
    }
    bench.done("dad", "POST", &format!("{ALL}/{inner}/transfer"), json!({ "parent": two })).await;
    let owner = async |id: &str| {
        bench.done("dad", "GET", &format!("/api/v1/devices/{id}"), Value::Null).await["owner"].clone()
    };
    assert_eq!((owner("siren").await, owner("horn").await), (Value::Null, json!("dad")));
    assert!(!bench.may("chief", "view", "siren").await);
}

#[tokio::test]
async fn everybody_learns_what_he_may_do_here() {
    let bench = Bench::start().await;
    let actions = async |who: &str, resource: &str| {
        let me = bench.done(who, "GET", &format!("/api/v1/me?resource={resource}"), Value::Null).await;
        me["actions"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let admin = actions("dad", "Organization::home").await;
    for action in ["create_sub_org", "invite_user", "create_role", "edit_organization", "provision"] {
        assert!(admin.iter().any(|it| it == action), "{action} is not among {admin:?}");
    }
    assert!(actions("dad", "User::wife").await.contains(&"change_role".to_owned()));
    assert_eq!(actions("wife", "Device::garage").await, ["control", "grant", "view"]);
    assert_eq!(
        actions("visitor", "Organization::home").await,
        ["list_devices", "list_users", "search_devices", "view_organization"]
    );
    assert_eq!(bench.get("wife", "/api/v1/me?resource=Device::lamp").await.0, 404);
    assert_eq!(bench.get("wife", "/api/v1/me?resource=Device::nothing").await.0, 404);
    assert_eq!(bench.get("wife", "/api/v1/me?resource=nonsense").await.0, 400);
}
