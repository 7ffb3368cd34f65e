//! Each request of the sharing API leaves one record, whose place was kept before anything was done.

use std::time::Duration;

use cedargate::sharing::Limits;
use serde_json::{Value, json};

use super::bench::{ANONYMOUS, Bench, OPERATOR, OUTSIDER, STRANGER, read, with};
use super::coverage::routes;

/// One request under an id, and its record.
async fn recorded(bench: &Bench, id: &str, who: &str, line: &str, body: Value) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let request = bench.request(who, method, &format!("/api/v1{path}")).header("x-request-id", id);
    let status = read(with(request, &body).send().await.unwrap()).await.0;
    (status, bench.record(id).await)
}

#[tokio::test]
async fn each_route_leaves_one_record_whoever_asks() {
    let bench = Bench::start().await;
    let mut asked = 0;
    for (method, pattern, id, body, _) in routes() {
        let path = match pattern.contains("{id}") {
            true => pattern.replace("{id}", id),
            false => format!("{pattern}{id}"),
        };
        for who in [ANONYMOUS, STRANGER, OUTSIDER, OPERATOR] {
            asked += 1;
            let (request_id, line) = (format!("r-{asked}"), format!("{method} {path}"));
            let (status, record) = recorded(&bench, &request_id, who, &line, body.clone()).await;
            assert_eq!(record["status"], status, "{who} {line}: {record}");
            assert_eq!(record["route"], format!("{method} /api/v1{pattern}"), "{who} {line}");
            assert_eq!((&record["http_method"], &record["abandoned"]), (&json!(method), &json!(false)));
            let decision = if status < 300 { "allow" } else { "deny" };
            // What was permitted and contradicts what is stored stays an allow.
            let is_conflict = status == 400 || status == 409 || who == OUTSIDER || who == OPERATOR;
            assert!(record["decision"] == decision || is_conflict, "{who} {line}: {record}");
            match who {
                OPERATOR => assert_eq!(record["asked_by"], "operator", "{line}"),
                ANONYMOUS => assert_eq!(record["principal"], Value::Null, "{line}"),
                name => assert_eq!(record["principal"], format!("User::\"{name}\""), "{line}"),
            }
        }
    }
    assert_eq!(bench.records().len(), asked);
}

#[tokio::test]
async fn a_record_says_who_what_and_why() {
    let bench = Bench::start().await;
    let name = json!({ "name": "Our home" });
    let (_, allowed) = recorded(&bench, "a", "dad", "PATCH /organizations/home", name.clone()).await;
    assert_eq!(
        (&allowed["principal"], &allowed["action"]),
        (&json!("User::\"dad\""), &json!("edit_organization"))
    );
    assert_eq!(allowed["resources"], json!(["Organization::\"home\""]));
    assert_eq!(
        (&allowed["decision"], &allowed["policies"]),
        (&json!("allow"), &json!(["edit-own-organization"]))
    );
    assert!(allowed["policy_revision"].is_string() && allowed["store_revision"].is_u64(), "{allowed}");
    let (_, denied) = recorded(&bench, "b", "wife", "PATCH /organizations/home", name).await;
    assert_eq!((&denied["decision"], &denied["reason"]), (&json!("deny"), &json!("forbidden")));
    assert_eq!(denied["resources"], json!(["Organization::\"home\""]));

    let (_, seen) = recorded(&bench, "c", "wife", "GET /devices/garage", Value::Null).await;
    assert_eq!((&seen["action"], &seen["policies"]), (&json!("view"), &json!(["view-own-devices"])));
    let (_, hidden) = recorded(&bench, "d", "wife", "GET /devices/drinking", Value::Null).await;
    assert_eq!((&hidden["decision"], &hidden["reason"]), (&json!("deny"), &json!("no-such-resource")));
    let (_, list) = recorded(&bench, "e", "dad", "GET /organizations/home/users", Value::Null).await;
    assert_eq!(
        (&list["action"], &list["resources"]),
        (&json!("list_users"), &json!(["Organization::\"home\""]))
    );
    let (_, mine) = recorded(&bench, "f", "dad", "GET /me", Value::Null).await;
    assert_eq!((&mine["action"], &mine["resources"]), (&json!("view_user"), &json!(["User::\"dad\""])));

    // What was permitted and contradicts what is stored stays an allow; the code says why it was not done.
    let body = json!({ "email": "wife@example.com" });
    let (status, record) = recorded(&bench, "g", "dad", "POST /devices/garage/transfer", body).await;
    assert_eq!(
        (status, &record["decision"], &record["reason"]),
        (400, &json!("allow"), &json!("same-owner"))
    );
    let (_, record) = recorded(&bench, "h", "dad", "POST /organizations", json!(["home"])).await;
    assert_eq!((&record["decision"], &record["reason"]), (&json!("deny"), &json!("malformed-request")));
    let (_, record) = recorded(&bench, "i", "dad", "GET /nothing", Value::Null).await;
    assert_eq!((&record["status"], &record["reason"]), (&json!(404), &json!("not-found")));
}

#[tokio::test]
async fn keys_set_up_accepted_links_and_repeats_are_recorded() {
    let bench = Bench::start().await;
    let (_, made) = recorded(&bench, "a", "wife", "POST /keys", json!({ "name": "phone" })).await;
    assert_eq!((&made["action"], &made["resources"]), (&json!("edit_user"), &json!(["User::\"wife\""])));
    assert_eq!(made["decision"], "allow");
    let others = json!({ "name": "phone", "principal": "User::wife" });
    let (_, refused) = recorded(&bench, "b", "dad", "POST /keys", others.clone()).await;
    assert_eq!((&refused["decision"], &refused["resources"]), (&json!("deny"), &json!(["User::\"wife\""])));
    let (_, made) = recorded(&bench, "c", OPERATOR, "POST /keys", others).await;
    assert_eq!((&made["asked_by"], &made["resources"]), (&json!("operator"), &json!(["User::\"wife\""])));

    let house = json!({ "id": "hut", "name": "Hut", "admin": { "id": "owl", "email": "owl@example.com" } });
    let (_, made) = recorded(&bench, "d", OPERATOR, "POST /setup", house).await;
    assert_eq!((&made["decision"], &made["asked_by"]), (&json!("allow"), &json!("operator")));
    assert_eq!(made["resources"][0], "Organization::\"hut\"");

    let invited = json!({ "organization": "home", "role": "home/user", "email": "new@example.com" });
    let token = bench.done("dad", "POST", "/api/v1/invitations", invited).await["token"].clone();
    let (_, taken) =
        recorded(&bench, "e", "newbie", "POST /invitations/accept", json!({ "token": token })).await;
    assert_eq!((&taken["principal"], &taken["status"]), (&json!("User::\"newbie\""), &json!(200)));
    assert!(taken["resources"].as_array().unwrap().contains(&json!("User::\"newbie\"")), "{taken}");
    assert!(!taken.to_string().contains(token.as_str().unwrap()));

    for (id, reason) in [("f", Value::Null), ("g", json!("repeated"))] {
        let body = json!({ "parent": "home", "name": "Family" });
        let request = bench.request("dad", "POST", "/api/v1/organizations");
        let request = request.header("idempotency-key", "k").header("x-request-id", id);
        assert_eq!(read(with(request, &body).send().await.unwrap()).await.0, 201);
        assert_eq!(bench.record(id).await["reason"], reason);
    }
    // One request to several people is one record.
    let body = json!({ "device": "garage", "emails": ["son@example.com", "dad@example.com"] });
    let (_, lent) = recorded(&bench, "h", "wife", "POST /grants", body).await;
    assert_eq!((&lent["action"], &lent["resources"]), (&json!("grant"), &json!(["Device::\"garage\""])));
}

/// Without a place for its record nothing is done, and with one again it is.
#[tokio::test]
async fn an_operation_without_a_record_is_refused_before_it_is_done() {
    let bench = Bench::with_places(1).await;
    let held = bench.log.open("held").await.unwrap();
    let before = bench.store.head().await.unwrap();
    let body = json!({ "parent": "home", "name": "Family" });
    for (method, path, body) in [
        ("POST", "organizations", body.clone()),
        ("POST", "keys", json!({ "name": "x" })),
        ("GET", "me", Value::Null),
    ] {
        let (status, answer) = bench.call("dad", method, &format!("/api/v1/{path}"), body).await;
        assert_eq!((status, &answer["type"]), (503, &json!("urn:cedargate:problem:unavailable")), "{answer}");
    }
    assert_eq!(bench.store.head().await.unwrap(), before);
    assert_eq!(bench.call(ANONYMOUS, "GET", "/healthz", Value::Null).await.0, 200);
    held.finish(200);
    bench.done("dad", "POST", "/api/v1/organizations", body).await;
}

/// A client that hangs up while its operation waits for the database: it is done, and recorded as done.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_has_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cedargate.db");
    let bench = Bench::over(&format!("sqlite://{}", file.display()), Limits::default()).await;
    let mut other = sqlx::SqlitePool::connect(&format!("sqlite://{}", file.display()))
        .await
        .unwrap()
        .acquire()
        .await
        .unwrap();
    let body = json!({ "parent": "home", "name": "Family" });
    // How long the operation takes to get to the database is not known: the client waits longer each time.
    for attempt in 0..8 {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *other).await.unwrap();
        let id = format!("gone-{attempt}");
        let request = bench.request("dad", "POST", "/api/v1/organizations").header("x-request-id", &id);
        let sent = with(request, &body).timeout(Duration::from_millis(50 << attempt)).send().await;
        assert!(sent.unwrap_err().is_timeout());
        sqlx::query("ROLLBACK").execute(&mut *other).await.unwrap();
        let record = bench.record(&id).await;
        assert_eq!((&record["abandoned"], record.get("status")), (&json!(true), None));
        if record["decision"] == "allow" {
            assert_eq!(record["action"], "create_sub_org");
            assert_eq!(bench.ids("dad", "/api/v1/organizations/home/children").await.len(), 1);
            return;
        }
        assert!(bench.ids("dad", "/api/v1/organizations/home/children").await.is_empty());
    }
    panic!("the operation never got to the database");
}
