//! One question: the certification scenario's sections 1.4 and 2, and what properties may do.

use serde_json::{Value, json};

use super::bench::{Bench, EVALUATION, OPERATOR, Setup, question, read};
use cedargate::control::Limits;

/// The question with a member put at a JSON pointer's place, whose parent must exist.
fn with(mut question: Value, parent: &str, name: &str, value: Value) -> Value {
    let parent = question.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.insert(name.to_owned(), value);
    question
}

#[tokio::test]
async fn the_eight_mandated_decisions() {
    let bench = Bench::start().await;
    let archived = |it| with(it, "/resource", "properties", json!({ "status": "archived" }));
    let admin = |it| with(it, "/subject", "properties", json!({ "role": "admin" }));
    let soft = |soft: bool| {
        let it = question("alice", "delete", "record-1");
        with(it, "/action", "properties", json!({ "soft": soft }))
    };
    let cases = [
        (question("alice", "read", "record-1"), true),
        (question("alice", "write", "record-1"), true),
        (question("bob", "read", "record-1"), true),
        (question("bob", "write", "record-1"), false),
        (archived(question("alice", "write", "record-1")), false),
        (archived(question("alice", "write", "record-2")), false),
        (admin(archived(question("bob", "write", "record-2"))), true),
        (admin(archived(question("bob", "write", "record-1"))), true),
        (soft(true), true),
        (soft(false), false),
    ];
    for _ in 0..2 {
        for (question, expected) in &cases {
            assert_eq!(bench.decides(question).await, *expected, "{question}");
        }
    }
}

#[tokio::test]
async fn properties_count_for_their_question_only() {
    let bench = Bench::start().await;
    let plain = question("alice", "write", "record-1");
    let archived = with(plain.clone(), "/resource", "properties", json!({ "status": "archived" }));
    let active = with(
        question("alice", "write", "record-2"),
        "/resource",
        "properties",
        json!({ "status": "active" }),
    );
    for _ in 0..3 {
        assert!(bench.decides(&plain).await);
        assert!(!bench.decides(&archived).await);
        assert!(bench.decides(&active).await);
        assert!(!bench.decides(&question("alice", "write", "record-2")).await);
    }
}

#[tokio::test]
async fn properties_become_cedar_values_by_the_schema() {
    let bench = Bench::start().await;
    let draft =
        |properties: Value| with(question("bob", "write", "record-1"), "/resource", "properties", properties);
    // A referred entity is loaded although nothing stored refers to it.
    let owner = |id: &str| draft(json!({ "owner": { "type": "user", "id": id } }));
    assert!(bench.decides(&owner("carol")).await);
    assert!(!bench.decides(&owner("alice")).await);
    assert!(!bench.decides(&owner("nobody")).await);
    let until = |time: &str| draft(json!({ "retained": { "until": time, "unheard": null } }));
    assert!(bench.decides(&until("2019-12-31T23:00:00Z")).await);
    assert!(!bench.decides(&until("2021-01-01")).await);
}

#[tokio::test]
async fn properties_that_do_not_fit_are_malformed() {
    let bench = Bench::start().await;
    for properties in [
        json!({ "status": 7 }),
        json!({ "status": null }),
        json!({ "owner": "carol" }),
        json!({ "owner": { "type": "record", "id": "record-2" } }),
        json!({ "retained": { "until": "soon" } }),
        json!({ "retained": [] }),
    ] {
        let asked = with(question("alice", "read", "record-1"), "/resource", "properties", properties);
        let (status, answer) = bench.ask(EVALUATION, &asked).await;
        assert_eq!(status, 400, "{asked} -> {answer}");
        assert_eq!(answer["type"], "urn:cedargate:problem:unfit-properties", "{answer}");
    }
    assert!(bench.records().iter().all(|it| !it.allowed && it.error == Some("unfit-properties")));
}

#[tokio::test]
async fn an_entity_that_is_subject_and_resource_has_one_set_of_properties() {
    let bench = Bench::start().await;
    let mut asked = question("alice", "read", "alice");
    asked["subject"]["properties"] = json!({ "role": "admin" });
    asked["resource"] = json!({ "type": "user", "id": "alice", "properties": { "role": "lead" } });
    assert_eq!(bench.ask(EVALUATION, &asked).await.0, 400);
    asked["resource"]["properties"] = json!({ "role": "admin" });
    assert!(!bench.decides(&asked).await);
}

#[tokio::test]
async fn whatever_is_not_declared_is_ignored() {
    let bench = Bench::start().await;
    let asked = json!({
        "subject": { "type": "user", "id": "alice", "properties": { "department": "Sales", "role": "x" } },
        "action": { "name": "read", "properties": { "method": "GET" } },
        "resource": { "type": "record", "id": "record-1", "properties": { "status": "active", "tags": [null] } },
        "context": { "time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1", "soft": 1.5 },
        "foo": "bar", "options": 7, "futureField": { "nested": true },
    });
    assert!(bench.decides(&asked).await);
    let delete = json!({
        "subject": { "type": "user", "id": "alice", "unheard": 1 },
        "action": { "name": "delete", "properties": { "soft": true, "method": "DELETE" } },
        "resource": { "type": "record", "id": "record-1" },
    });
    assert!(bench.decides(&delete).await);
}

#[tokio::test]
async fn an_unknown_name_denies() {
    let bench = Bench::start().await;
    for asked in [
        question("nobody", "read", "record-1"),
        question("alice", "read", "record-9"),
        question("alice", "approve", "record-1"),
        with(question("alice", "read", "record-1"), "/resource", "type", json!("folder")),
        with(question("alice", "read", "record-1"), "/subject", "type", json!("robot")),
        // Properties do not bring an entity into being.
        with(
            question("alice", "write", "record-9"),
            "/resource",
            "properties",
            json!({ "status": "active" }),
        ),
    ] {
        assert!(!bench.decides(&asked).await, "{asked}");
    }
}

#[tokio::test]
async fn a_context_that_does_not_fit_denies() {
    let bench = Bench::start().await;
    let asked =
        with(question("alice", "delete", "record-1"), "/action", "properties", json!({ "soft": "yes" }));
    let (status, answer) = bench.ask(EVALUATION, &asked).await;
    assert_eq!((status, &answer["decision"]), (200, &json!(false)));
    assert_eq!(answer["context"]["errors"].as_array().unwrap().len(), 1, "{answer}");
    // A context too large to be kept is decided all the same.
    let large = json!({ "soft": true, "reason": "x".repeat(9_000) });
    assert!(bench.decides(&with(asked, "/action", "properties", large)).await);
}

#[tokio::test]
async fn malformed_questions_are_400() {
    let bench = Bench::start().await;
    let good = question("alice", "read", "record-1");
    let mut bad = Vec::new();
    for (name, fields) in [("subject", ["type", "id"]), ("action", ["name"; 2]), ("resource", ["type", "id"])]
    {
        let mut missing = good.clone();
        missing.as_object_mut().unwrap().remove(name);
        bad.push(missing);
        for value in [json!(null), json!("alice"), json!([]), json!({})] {
            bad.push(with(good.clone(), "", name, value));
        }
        for field in fields {
            for value in [json!(null), json!(123), json!({}), json!(true)] {
                bad.push(with(good.clone(), &format!("/{name}"), field, value));
            }
            let mut missing = good.clone();
            missing[name].as_object_mut().unwrap().remove(field);
            bad.push(missing);
        }
        for value in [json!(null), json!([]), json!("x")] {
            bad.push(with(good.clone(), &format!("/{name}"), "properties", value));
        }
    }
    for value in [json!(null), json!([]), json!("x")] {
        bad.push(with(good.clone(), "", "context", value));
    }
    bad.push(with(good.clone(), "/subject", "id", json!("")));
    bad.push(with(good.clone(), "/subject", "id", json!("x".repeat(257))));
    bad.extend([json!([good.clone()]), json!("x"), json!(null)]);
    for asked in &bad {
        let (status, answer) = bench.ask(EVALUATION, asked).await;
        assert_eq!(status, 400, "{asked} -> {answer}");
        assert_eq!(answer["type"], "urn:cedargate:problem:malformed-request", "{asked}");
        assert!(!answer["detail"].as_str().unwrap().is_empty(), "{asked}");
    }
    assert!(bench.records().is_empty());
}

#[tokio::test]
async fn a_body_that_is_not_one_json_object_is_400() {
    let bench = Bench::start().await;
    let good = question("alice", "read", "record-1").to_string();
    let twice = good.replacen('{', r#"{"subject":{"type":"user","id":"bob"},"#, 1);
    for body in ["", " ", "{", "{} {}", &twice, &format!("{good}x")] {
        let request = bench.post(EVALUATION).bearer_auth(OPERATOR).header("content-type", "application/json");
        let (status, answer) = read(request.body(body.to_owned()).send().await.unwrap()).await;
        assert_eq!(status, 400, "{body} -> {answer}");
    }
    let invalid = bench.post(EVALUATION).bearer_auth(OPERATOR).header("content-type", "application/json");
    assert_eq!(read(invalid.body(b"{\"a\":\"\xff\"}".to_vec()).send().await.unwrap()).await.0, 400);
}

#[tokio::test]
async fn only_json_is_a_content_type() {
    let bench = Bench::start().await;
    let good = question("alice", "read", "record-1").to_string();
    let send = async |kinds: &[&str]| {
        let request = bench.post(EVALUATION).bearer_auth(OPERATOR).body(good.clone());
        let request = kinds.iter().fold(request, |it, kind| it.header("content-type", *kind));
        read(request.send().await.unwrap()).await.0
    };
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application/json2; a"]
    {
        assert_eq!(send(&[kind]).await, 400, "{kind}");
    }
    assert_eq!(send(&[]).await, 400);
    assert_eq!(send(&["application/json", "text/plain"]).await, 400);
    assert_eq!(send(&["application/json"]).await, 200);
    assert_eq!(send(&["Application/JSON; charset=utf-8"]).await, 200);
}

#[tokio::test]
async fn a_long_body_is_413() {
    let limits = Limits { body_bytes_max: 1_000, ..Limits::default() };
    let bench = Bench::start_with(Setup { limits, ..Setup::default() }).await;
    let asked = with(question("alice", "read", "record-1"), "", "padding", json!("x".repeat(2_000)));
    let (status, answer) = bench.ask(EVALUATION, &asked).await;
    assert_eq!((status, &answer["type"]), (413, &json!("urn:cedargate:problem:too-large")));
}

#[tokio::test]
async fn a_store_that_is_down_is_503_and_recorded() {
    let bench = Bench::start().await;
    assert!(bench.decides(&question("alice", "read", "record-1")).await);
    bench.store.fail();
    let (status, answer) = bench.ask(EVALUATION, &question("alice", "read", "record-1")).await;
    assert_eq!((status, &answer["decision"]), (503, &Value::Null), "{answer}");
    assert!(!answer.to_string().contains("told to fail"), "{answer}");
    let last = bench.records().pop().unwrap();
    assert_eq!((last.allowed, last.error), (false, Some("unavailable")));
}
