//! Each route of the sharing API refuses who is not authenticated, who has no account, and who is of
//! another tree; the list is checked against the OpenAPI document.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::bench::{ANONYMOUS, Bench, OPERATOR, OUTSIDER, STRANGER};

/// Method, pattern, what stands for `{id}`, body, and what a person of another tree is answered.
pub(super) type Route = (&'static str, &'static str, &'static str, Value, u16);

pub(super) fn routes() -> Vec<Route> {
    [of_organizations(), of_people(), of_devices()].concat()
}

fn of_organizations() -> Vec<Route> {
    let name = || json!({ "name": "Mine" });
    vec![
        (
            "POST",
            "/setup",
            "",
            json!({ "name": "Hut", "admin": { "id": "hut", "email": "h@example.com" } }),
            403,
        ),
        ("GET", "/me", "", Value::Null, 200),
        ("POST", "/organizations", "", json!({ "parent": "home", "name": "Mine" }), 404),
        ("GET", "/organizations", "", Value::Null, 200),
        ("GET", "/organizations/{id}", "home", Value::Null, 404),
        ("PATCH", "/organizations/{id}", "home", name(), 404),
        ("DELETE", "/organizations/{id}", "villa-family", Value::Null, 404),
        ("POST", "/organizations/{id}/transfer", "villa-family", json!({ "parent": "cabin" }), 404),
        ("GET", "/organizations/{id}/children", "villa", Value::Null, 404),
        ("GET", "/organizations/{id}/roles", "home", Value::Null, 404),
        ("GET", "/organizations/{id}/users", "home", Value::Null, 404),
        ("GET", "/organizations/{id}/invitations", "home", Value::Null, 404),
        ("GET", "/organizations/{id}/devices", "home", Value::Null, 404),
        ("POST", "/roles", "", json!({ "organization": "home", "name": "Mine" }), 404),
        ("GET", "/roles/{id}", "home%2Fuser", Value::Null, 404),
        ("PATCH", "/roles/{id}", "home%2Fuser", name(), 404),
        ("DELETE", "/roles/{id}", "home%2Fuser?replacement=home%2Fguest", Value::Null, 404),
        ("PATCH", "/roles/{id}/permissions", "home%2Fuser", json!({ "add": ["ORG_VIEW"] }), 404),
    ]
}

fn of_people() -> Vec<Route> {
    let name = || json!({ "name": "Mine" });
    vec![
        ("GET", "/users/{id}", "wife", Value::Null, 404),
        ("PATCH", "/users/{id}", "wife", name(), 404),
        ("DELETE", "/users/{id}", "wife", Value::Null, 404),
        ("PUT", "/users/{id}/role", "wife", json!({ "role": "home/guest" }), 404),
        ("POST", "/users/{id}/suspend", "wife", Value::Null, 404),
        ("POST", "/users/{id}/activate", "wife", Value::Null, 404),
        ("POST", "/users/{id}/inactive", "wife", Value::Null, 404),
        ("POST", "/users/{id}/sign-out", "wife", Value::Null, 404),
        (
            "POST",
            "/users/{id}/transfer",
            "wife",
            json!({ "organization": "cabin", "role": "cabin/user" }),
            404,
        ),
        ("GET", "/users/{id}/devices", "wife", Value::Null, 404),
        (
            "POST",
            "/invitations",
            "",
            json!({ "organization": "home", "role": "home/user", "email": "x@example.com" }),
            404,
        ),
        ("POST", "/invitations/accept", "", json!({ "token": "cgi_x.x" }), 404),
        ("GET", "/invitations/{id}", "INVITATION", Value::Null, 404),
        ("DELETE", "/invitations/{id}", "INVITATION", Value::Null, 404),
        ("POST", "/invitations/{id}/resend", "INVITATION", Value::Null, 404),
    ]
}

fn of_devices() -> Vec<Route> {
    let name = || json!({ "name": "Mine" });
    vec![
        ("POST", "/grants", "", json!({ "device": "garage", "emails": ["cabin-dad@example.com"] }), 404),
        ("GET", "/grants/{id}", "GRANT", Value::Null, 404),
        ("DELETE", "/grants/{id}", "GRANT", Value::Null, 404),
        ("POST", "/grants/{id}/accept", "GRANT", Value::Null, 404),
        ("POST", "/grants/{id}/decline", "GRANT", Value::Null, 404),
        ("GET", "/devices/{id}/grants", "garage", Value::Null, 404),
        ("GET", "/devices", "", Value::Null, 200),
        ("GET", "/users/{id}/grants", "wife", Value::Null, 404),
        ("POST", "/devices", "", json!({ "organization": "home", "name": "Mine" }), 404),
        ("GET", "/devices/{id}", "garage", Value::Null, 404),
        ("PATCH", "/devices/{id}", "garage", name(), 404),
        ("DELETE", "/devices/{id}", "garage", Value::Null, 404),
        ("POST", "/devices/{id}/transfer", "garage", json!({ "email": "cabin-dad@example.com" }), 404),
        ("DELETE", "/devices/{id}/owner", "garage", Value::Null, 404),
        ("GET", "/reconciliations", "", Value::Null, 403),
        ("POST", "/reconciliations/{id}/finish", "nothing", json!({}), 403),
        ("DELETE", "/reconciliations/{id}", "nothing", Value::Null, 403),
        ("GET", "/devices/{id}/secrets", "garage", Value::Null, 404),
        ("PUT", "/devices/{id}/secrets/{name}", "garage", json!({ "value": "mine" }), 404),
        ("DELETE", "/devices/{id}/secrets/{name}", "garage", Value::Null, 404),
        ("POST", "/keys", "", json!({ "name": "mine", "principal": "User::wife" }), 404),
        ("GET", "/keys", "?principal=User::wife", Value::Null, 404),
        ("DELETE", "/keys/{id}", "nothing?principal=User::wife", Value::Null, 404),
    ]
}

/// Whoever has a token and no account learns nothing; he may only accept an invitation.
fn stranger(pattern: &str) -> u16 {
    match pattern {
        "/setup" => 403,
        _ if pattern.starts_with("/reconciliations") => 403,
        "/invitations/accept" => 404,
        _ => 401,
    }
}

#[tokio::test]
async fn each_route_refuses_who_does_not_belong() {
    let bench = Bench::start().await;
    let invited = json!({ "organization": "home", "role": "home/user", "email": "new@example.com" });
    let invitation = bench.done("dad", "POST", "/api/v1/invitations", invited).await["id"].clone();
    let lent = json!({ "device": "garage", "emails": ["son@example.com"] });
    let grant = bench.done("dad", "POST", "/api/v1/grants", lent).await["items"][0]["id"].clone();
    let before = bench.store.head().await.unwrap();
    for (method, pattern, id, body, outsider) in routes() {
        let id =
            id.replace("INVITATION", invitation.as_str().unwrap()).replace("GRANT", grant.as_str().unwrap());
        let path = match pattern.contains("{id}") {
            // A query string stands behind the id, and behind whatever follows it.
            true => match id.split_once('?') {
                Some((id, query)) => format!("/api/v1{}?{query}", pattern.replace("{id}", id)),
                None => format!("/api/v1{}", pattern.replace("{id}", &id)),
            },
            false => format!("/api/v1{pattern}{id}"),
        };
        for (who, expected) in [(ANONYMOUS, 401), (STRANGER, stranger(pattern)), (OUTSIDER, outsider)] {
            let (status, answer) = bench.call(who, method, &path, body.clone()).await;
            assert_eq!(status, expected, "`{who}` {method} {path}: {answer}");
            assert!(status == 200 || answer["detail"].is_string(), "{answer}");
        }
    }
    assert_eq!(bench.store.head().await.unwrap(), before, "a refusal changed something");
}

#[tokio::test]
async fn the_list_names_each_route() {
    let bench = Bench::start().await;
    let document = bench.done(OPERATOR, "GET", "/openapi.json", Value::Null).await;
    let methods = |path: &str, item: &Value| {
        let names = item.as_object().unwrap().keys().filter(|it| *it != "parameters");
        names.map(|method| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
    };
    let paths = document["paths"].as_object().unwrap();
    let sharing = paths.iter().filter_map(|(path, item)| Some((path.strip_prefix("/api/v1")?, item)));
    let documented: BTreeSet<String> = sharing.flat_map(|(path, item)| methods(path, item)).collect();
    let listed: BTreeSet<String> =
        routes().iter().map(|(method, pattern, ..)| format!("{method} {pattern}")).collect();
    assert_eq!(documented, listed);
}

/// What may not be seen is answered like what does not exist, byte for byte.
#[tokio::test]
async fn hidden_and_missing_look_the_same() {
    let bench = Bench::start().await;
    for path in ["devices/garage", "users/wife", "roles/home%2Fuser", "organizations/home"] {
        let ask = async |path: String| {
            let request = bench.request(OUTSIDER, "GET", &format!("/api/v1/{path}"));
            let answer = request.header("x-request-id", "same").send().await.unwrap();
            let headers = format!("{:?}", answer.headers().get("content-type"));
            (answer.status(), headers, answer.text().await.unwrap())
        };
        let missing = path.split('/').next().unwrap().to_owned() + "/nothing";
        assert_eq!(ask(path.to_owned()).await, ask(missing).await, "{path}");
    }
}

#[tokio::test]
async fn malformed_requests_are_400() {
    let bench = Bench::start().await;
    bench
        .expect(&[
            ("dad", "POST", "/api/v1/organizations", json!({ "name": "X" }), 400, "malformed-request"),
            (
                "dad",
                "POST",
                "/api/v1/organizations",
                json!({ "name": "X", "parent": "home", "plan": "PRO" }),
                400,
                "malformed-request",
            ),
            ("dad", "POST", "/api/v1/organizations", json!(["home"]), 400, "malformed-request"),
            ("dad", "GET", "/api/v1/organizations/home/users?limit=0", Value::Null, 400, "malformed-request"),
            (
                "dad",
                "GET",
                "/api/v1/organizations/home/users?limit=201",
                Value::Null,
                400,
                "malformed-request",
            ),
            (
                "dad",
                "GET",
                "/api/v1/organizations/home/users?cursor=AAAA",
                Value::Null,
                400,
                "malformed-request",
            ),
            (
                "dad",
                "GET",
                "/api/v1/organizations/home/users?sort=name",
                Value::Null,
                400,
                "malformed-request",
            ),
            ("dad", "GET", "/api/v1/nothing", Value::Null, 404, "not-found"),
            ("dad", "PUT", "/api/v1/me", Value::Null, 405, "method"),
        ])
        .await;
    let cursor =
        bench.done("dad", "GET", "/api/v1/organizations/home/users?limit=1", Value::Null).await["next"]
            .clone();
    let cursor = cursor.as_str().unwrap();
    for (who, list) in [("wife", "users"), ("dad", "devices")] {
        let path = format!("/api/v1/organizations/home/{list}?cursor={cursor}");
        assert_eq!(bench.get(who, &path).await.0, 400, "{who} {list}");
    }
}
