//! Roles: one structure a tree, values of their own, and nobody hands out more than he holds.

use serde_json::{Value, json};

use super::bench::{Bench, OPERATOR, OUTSIDER};

async fn permissions(bench: &Bench, who: &str, role: &str) -> Value {
    let path = format!("/api/v1/roles/{}", role.replace('/', "%2F"));
    bench.done(who, "GET", &path, Value::Null).await["permissions"].clone()
}

#[tokio::test]
async fn permissions_bring_and_take_what_they_depend_on() {
    let bench = Bench::start().await;
    let path = "/api/v1/roles/home%2Fguest/permissions";
    bench
        .expect(&[
            ("wife", "PATCH", path, json!({ "add": ["ORG_DEVICES_VIEW"] }), 403, "forbidden"),
            (OUTSIDER, "PATCH", path, json!({ "add": ["ORG_DEVICES_VIEW"] }), 404, "no-such-resource"),
            ("dad", "PATCH", path, json!({ "add": ["OWN_DEVICES_FLY"] }), 403, "forbidden"),
            (
                "dad",
                "PATCH",
                path,
                json!({ "add": ["ORG_SWITCH"], "remove": ["ORG_VIEW"] }),
                400,
                "permission-contradiction",
            ),
            ("dad", "PATCH", path, json!({ "push": "sometimes" }), 400, "malformed-request"),
            ("dad", "PATCH", path, json!({ "add": ["ORG_DEVICES_CONTROL"] }), 200, ""),
        ])
        .await;
    assert_eq!(
        permissions(&bench, "dad", "home/guest").await,
        json!(["ORG_DEVICES_CONTROL", "ORG_DEVICES_VIEW"])
    );
    assert!(bench.may("visitor", "control", "lamp").await);
    bench.expect(&[("dad", "PATCH", path, json!({ "remove": ["ORG_DEVICES_VIEW"] }), 200, "")]).await;
    assert_eq!(permissions(&bench, "dad", "home/guest").await, json!([]));
    assert!(!bench.may("visitor", "view", "lamp").await);
}

#[tokio::test]
async fn the_admin_role_stays_and_stays_able() {
    let bench = Bench::start().await;
    bench
        .expect(&[
            (
                "dad",
                "PATCH",
                "/api/v1/roles/home%2Fadmin/permissions",
                json!({ "remove": ["ROLE_EDIT"] }),
                400,
                "admin-role",
            ),
            (
                "dad",
                "PATCH",
                "/api/v1/roles/home%2Fadmin/permissions",
                json!({ "remove": ["ORG_VIEW_USERS"] }),
                400,
                "admin-role",
            ),
            (
                "dad",
                "DELETE",
                "/api/v1/roles/home%2Fadmin?replacement=home%2Fuser",
                Value::Null,
                400,
                "admin-role",
            ),
            ("dad", "PATCH", "/api/v1/roles/home%2Fadmin", json!({ "name": "Boss" }), 400, "admin-role"),
        ])
        .await;
}

/// A manager with the right to edit roles, and nothing to hand out.
#[tokio::test]
async fn nobody_hands_out_more_than_he_holds() {
    let bench = Bench::start().await;
    let role = json!({ "organization": "home", "name": "Manager",
                       "permissions": ["ROLE_EDIT", "ROLE_CREATE", "ORG_INVITE_USERS", "ORG_EDIT_USERS", "OWN_DEVICES_VIEW"] });
    let made = bench.done("dad", "POST", "/api/v1/roles", role).await;
    bench.done("dad", "PUT", "/api/v1/users/wife/role", json!({ "role": made["id"] })).await;
    let own = format!("/api/v1/roles/{}/permissions", made["id"].as_str().unwrap().replace('/', "%2F"));
    let invite = |role: &str| json!({ "organization": "home", "role": role, "email": "x@example.com" });
    let new = |held: &str| json!({ "organization": "home", "name": "New", "permissions": [held] });
    bench
        .expect(&[
            ("wife", "PATCH", &own, json!({ "add": ["DEVICE_TRANSFER"] }), 403, "forbidden"),
            (
                "wife",
                "PATCH",
                "/api/v1/roles/home%2Fguest/permissions",
                json!({ "add": ["ORG_DEVICES_VIEW"] }),
                403,
                "forbidden",
            ),
            (
                "wife",
                "PATCH",
                "/api/v1/roles/home%2Fguest/permissions",
                json!({ "add": ["OWN_DEVICES_VIEW"] }),
                200,
                "",
            ),
            ("wife", "POST", "/api/v1/roles", new("ORG_SWITCH"), 403, "forbidden"),
            ("wife", "POST", "/api/v1/roles", new("ROLE_VIEW"), 201, ""),
            ("wife", "POST", "/api/v1/invitations", invite("home/admin"), 403, "forbidden"),
            ("wife", "POST", "/api/v1/invitations", invite("home/user"), 403, "forbidden"),
            ("wife", "POST", "/api/v1/invitations", invite("home/guest"), 201, ""),
            ("wife", "PUT", "/api/v1/users/wife/role", json!({ "role": "home/admin" }), 403, "forbidden"),
            ("wife", "PUT", "/api/v1/users/son/role", json!({ "role": "home/guest" }), 200, ""),
        ])
        .await;
}

#[tokio::test]
async fn changes_are_pushed_down_as_far_as_asked() {
    let bench = Bench::start().await;
    let below = bench
        .done("dad", "POST", "/api/v1/organizations", json!({ "parent": "home", "name": "Below" }))
        .await;
    let roles = bench
        .done(
            "dad",
            "GET",
            &format!("/api/v1/organizations/{}/roles", below["id"].as_str().unwrap()),
            Value::Null,
        )
        .await;
    let copy =
        roles["items"].as_array().unwrap().iter().find(|it| it["name"] == "User").unwrap()["id"].clone();
    let copy = copy.as_str().unwrap();
    let here = "/api/v1/roles/home%2Fuser/permissions".to_owned();
    let there = format!("/api/v1/roles/{}/permissions", copy.replace('/', "%2F"));
    bench.done("dad", "PATCH", &there, json!({ "add": ["ORG_VIEW"] })).await;
    bench.done("dad", "PATCH", &here, json!({ "add": ["PRODUCT_VIEW"] })).await;
    assert_eq!(
        permissions(&bench, "dad", copy).await,
        json!(["ORG_VIEW", "OWN_DEVICES_CONTROL", "OWN_DEVICES_VIEW"])
    );
    bench.done("dad", "PATCH", &here, json!({ "remove": ["OWN_DEVICES_CONTROL"], "push": "changed" })).await;
    assert_eq!(permissions(&bench, "dad", copy).await, json!(["ORG_VIEW", "OWN_DEVICES_VIEW"]));
    bench.done("dad", "PATCH", &here, json!({ "push": "overwrite" })).await;
    assert_eq!(permissions(&bench, "dad", copy).await, json!(["OWN_DEVICES_VIEW", "PRODUCT_VIEW"]));
    assert_eq!(permissions(&bench, "dad", "home/user").await, json!(["OWN_DEVICES_VIEW", "PRODUCT_VIEW"]));
}

#[tokio::test]
async fn the_structure_belongs_to_the_top() {
    let bench = Bench::start().await;
    let role = |organization: &str, name: &str| json!({ "organization": organization, "name": name });
    bench
        .expect(&[
            (OPERATOR, "POST", "/api/v1/roles", role("home", "New"), 403, "wrong-caller"),
            ("villa-aunt", "POST", "/api/v1/roles", role("villa-family", "New"), 400, "not-the-root"),
            (
                "villa-aunt",
                "PATCH",
                "/api/v1/roles/villa-family%2Fuser",
                json!({ "name": "New" }),
                400,
                "not-the-root",
            ),
            ("villa-aunt", "POST", "/api/v1/roles", role("villa", "New"), 404, "no-such-resource"),
            ("villa-dad", "POST", "/api/v1/roles", role("villa", "admin"), 400, "name-taken"),
            ("villa-dad", "POST", "/api/v1/roles", role("villa", "Guard"), 201, ""),
        ])
        .await;
    assert_eq!(bench.ids("villa-dad", "/api/v1/organizations/villa-family/roles").await.len(), 3);
    for n in 0..5 {
        bench.done("dad", "POST", "/api/v1/roles", role("home", &format!("Role {n}"))).await;
    }
    bench.expect(&[("dad", "POST", "/api/v1/roles", role("home", "Tenth"), 400, "too-many-roles")]).await;
}

#[tokio::test]
async fn the_people_of_a_deleted_role_get_another() {
    let bench = Bench::start().await;
    let path = |with: &str| format!("/api/v1/roles/home%2Fuser?replacement={with}");
    bench
        .expect(&[
            ("wife", "DELETE", &path("home%2Fguest"), Value::Null, 403, "forbidden"),
            (OUTSIDER, "DELETE", &path("home%2Fguest"), Value::Null, 404, "no-such-resource"),
            ("dad", "DELETE", &path("cabin%2Fuser"), Value::Null, 403, "forbidden"),
            ("dad", "DELETE", &path("home%2Fuser"), Value::Null, 400, "same-role"),
            ("dad", "DELETE", "/api/v1/roles/home%2Fuser", Value::Null, 400, "malformed-request"),
            ("dad", "DELETE", &path("home%2Fguest"), Value::Null, 204, ""),
            ("dad", "GET", "/api/v1/roles/home%2Fuser", Value::Null, 404, "no-such-resource"),
        ])
        .await;
    let wife = bench.done("dad", "GET", "/api/v1/users/wife", Value::Null).await;
    assert_eq!(wife["role"], json!("home/guest"));
    assert!(!bench.may("wife", "view", "garage").await);
}

/// Who does not reach the organizations below changes nothing there, neither by pushing nor by replacing.
#[tokio::test]
async fn nobody_changes_roles_that_he_does_not_reach() {
    let bench = Bench::start().await;
    bench.done("dad", "POST", "/api/v1/organizations", json!({ "parent": "home", "name": "Below" })).await;
    let held = ["ROLE_EDIT", "ROLE_DELETE", "OWN_DEVICES_VIEW", "OWN_DEVICES_CONTROL"];
    let role = json!({ "organization": "home", "name": "Manager", "permissions": held });
    let made = bench.done("dad", "POST", "/api/v1/roles", role).await;
    bench.done("dad", "PUT", "/api/v1/users/wife/role", json!({ "role": made["id"] })).await;
    let path = "/api/v1/roles/home%2Fuser/permissions";
    let change = |push: &str| json!({ "remove": ["OWN_DEVICES_CONTROL"], "push": push });
    bench
        .expect(&[
            ("wife", "PATCH", path, change("overwrite"), 403, "forbidden"),
            ("wife", "PATCH", path, change("changed"), 403, "forbidden"),
            ("wife", "PATCH", path, change("none"), 200, ""),
        ])
        .await;
}

/// Below, the role that replaces another one may hold more than the same one does at the top.
#[tokio::test]
async fn replacing_a_role_hands_out_nothing_more_than_held() {
    let bench = Bench::start().await;
    let below = json!({ "parent": "home", "name": "Below" });
    let below = bench.done("dad", "POST", "/api/v1/organizations", below).await;
    let roles = format!("/api/v1/organizations/{}/roles", below["id"].as_str().unwrap());
    let roles = bench.done("dad", "GET", &roles, Value::Null).await;
    let guest = roles["items"].as_array().unwrap().iter().find(|it| it["name"] == "Guest").unwrap();
    let guest = guest["id"].as_str().unwrap().replace('/', "%2F");
    let user = roles["items"].as_array().unwrap().iter().find(|it| it["name"] == "User").unwrap();
    let there = json!({ "organization": below["id"], "role": user["id"] });
    bench.done("dad", "POST", "/api/v1/users/son/transfer", there).await;
    let more = json!({ "add": ["DEVICE_TRANSFER"] });
    bench.done("dad", "PATCH", &format!("/api/v1/roles/{guest}/permissions"), more).await;
    let held = ["ROLE_DELETE", "ROLE_EDIT", "OWN_DEVICES_VIEW"];
    let role = json!({ "organization": "home", "name": "Manager", "permissions": held });
    let made = bench.done("dad", "POST", "/api/v1/roles", role).await;
    bench.done("dad", "PUT", "/api/v1/users/wife/role", json!({ "role": made["id"] })).await;
    let path = "/api/v1/roles/home%2Fuser?replacement=home%2Fguest";
    bench.expect(&[("wife", "DELETE", path, Value::Null, 403, "forbidden")]).await;
    bench.expect(&[("dad", "DELETE", path, Value::Null, 204, "")]).await;
}
