//! Many questions: the certification scenario's section 3 and the three semantics.

use serde_json::{Value, json};

use super::bench::{Bench, EVALUATIONS, Setup, question};
use cedargate::control::Limits;

fn record(id: &str) -> Value {
    json!({ "resource": { "type": "record", "id": id } })
}

fn writes(semantic: Option<&str>, records: &[&str]) -> Value {
    let mut body = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "write" },
        "evaluations": records.iter().map(|id| record(id)).collect::<Vec<_>>(),
    });
    if let Some(semantic) = semantic {
        body["options"] = json!({ "evaluations_semantic": semantic, "another_option": "value" });
    }
    body
}

#[tokio::test]
async fn answers_come_in_order() {
    let bench = Bench::start().await;
    let body = json!({
        "subject": { "type": "user", "id": "bob" },
        "resource": { "type": "record", "id": "record-1" },
        "evaluations": [{ "action": { "name": "read" } }, { "action": { "name": "write" } }],
    });
    assert_eq!(bench.decide(&body).await, [true, false]);
    let whole = json!({ "evaluations": [
        question("bob", "write", "record-1"),
        question("alice", "read", "record-1"),
        question("bob", "write", "record-2"),
    ] });
    assert_eq!(bench.decide(&whole).await, [false, true, true]);
}

#[tokio::test]
async fn without_evaluations_it_is_one_question() {
    let bench = Bench::start().await;
    let mut body = question("alice", "read", "record-1");
    for _ in 0..2 {
        let (status, answer) = bench.ask(EVALUATIONS, &body).await;
        assert_eq!((status, &answer["decision"]), (200, &json!(true)));
        assert!(answer.get("evaluations").is_none(), "{answer}");
        body["evaluations"] = json!([]);
    }
    body.as_object_mut().unwrap().remove("resource");
    assert_eq!(bench.ask(EVALUATIONS, &body).await.0, 400);
}

#[tokio::test]
async fn a_member_replaces_its_default_whole() {
    let bench = Bench::start().await;
    let archived = json!({ "type": "record", "id": "record-1", "properties": { "status": "archived" } });
    let body = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "write" },
        "resource": archived,
        "evaluations": [
            {},
            record("record-1"),
            { "resource": { "id": "record-1" } },
            { "resource": { "type": "record" } },
        ],
    });
    // A default's properties go with it; of a default that was replaced only the name's parts are left.
    assert_eq!(bench.decide(&body).await, [false, true, true, true]);
    let context = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "delete" },
        "resource": { "type": "record", "id": "record-1" },
        "context": { "action": { "soft": true } },
        "evaluations": [
            {},
            { "context": { "source": "batch-override" } },
            { "action": { "name": "delete", "properties": { "soft": false } } },
            { "action": { "properties": { "soft": true } }, "context": {} },
        ],
    });
    assert_eq!(bench.decide(&context).await, [true, false, false, true]);
}

#[tokio::test]
async fn a_type_alone_is_a_default() {
    let bench = Bench::start().await;
    let body = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "write" },
        "resource": { "type": "record" },
        "evaluations": [
            { "resource": { "id": "record-1", "properties": { "status": "active" } } },
            { "resource": { "type": "record", "id": "record-2", "properties": { "status": "archived" } } },
        ],
    });
    assert_eq!(bench.decide(&body).await, [true, false]);
}

#[tokio::test]
async fn each_question_has_its_own_properties() {
    let bench = Bench::start().await;
    let body = json!({
        "action": { "name": "write" },
        "resource": { "type": "record", "id": "record-2", "properties": { "status": "archived" } },
        "evaluations": [
            { "subject": { "type": "user", "id": "alice" } },
            { "subject": { "type": "user", "id": "bob", "properties": { "role": "admin" } } },
            { "subject": { "type": "user", "id": "bob", "properties": { "role": "clerk" } } },
            { "subject": { "type": "user", "id": "bob" } },
        ],
    });
    assert_eq!(bench.decide(&body).await, [false, true, false, true]);
}

#[tokio::test]
async fn the_three_semantics() {
    let bench = Bench::start().await;
    let records = ["record-1", "record-2", "record-1"];
    assert_eq!(bench.decide(&writes(None, &records)).await, [true, false, true]);
    assert_eq!(bench.decide(&writes(Some("execute_all"), &records)).await, [true, false, true]);
    assert_eq!(bench.decide(&writes(Some("deny_on_first_deny"), &records)).await, [true, false]);
    assert_eq!(bench.decide(&writes(Some("permit_on_first_permit"), &records)).await, [true]);
    let never = ["record-2", "record-9"];
    assert_eq!(bench.decide(&writes(Some("permit_on_first_permit"), &never)).await, [false, false]);
    assert_eq!(bench.decide(&writes(Some("deny_on_first_deny"), &["record-1"; 2])).await, [true, true]);
    // What was not gone through was not decided either.
    assert_eq!(bench.records().len(), 3 + 3 + 2 + 1 + 2 + 2);
}

#[tokio::test]
async fn an_unknown_semantic_is_400() {
    let bench = Bench::start().await;
    for options in [
        json!({ "evaluations_semantic": "first" }),
        json!({ "evaluations_semantic": null }),
        json!({ "evaluations_semantic": 1 }),
        json!("execute_all"),
    ] {
        let mut body = writes(None, &["record-1"]);
        body["options"] = options;
        assert_eq!(bench.ask(EVALUATIONS, &body).await.0, 400, "{body}");
    }
    assert!(bench.records().is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_one_question_spoils_no_other() {
    let bench = Bench::start().await;
    let mut body = writes(None, &["record-1"]);
    let items = [
        json!({}),
        json!(7),
        json!({ "resource": "record-1" }),
        json!({ "resource": { "type": "record", "id": 1 } }),
        json!({ "resource": { "type": "record", "id": "record-1", "properties": [] } }),
        json!({ "resource": { "type": "record", "id": "record-1", "properties": { "status": 1 } } }),
        json!({ "resource": { "type": "record", "id": "record-1" }, "context": null }),
    ];
    body["evaluations"].as_array_mut().unwrap().splice(0..0, items);
    let (status, answer) = bench.ask(EVALUATIONS, &body).await;
    assert_eq!(status, 200, "{answer}");
    let (last, wrong) = answer["evaluations"].as_array().unwrap().split_last().unwrap();
    assert_eq!((wrong.len(), &last["decision"]), (7, &json!(true)));
    for item in wrong {
        assert_eq!((&item["decision"], &item["context"]["error"]["status"]), (&json!(false), &json!(400)));
        assert!(!item["context"]["error"]["message"].as_str().unwrap().is_empty());
    }
    // A failure is a denial where the first denial ends it.
    body["options"] = json!({ "evaluations_semantic": "deny_on_first_deny" });
    assert_eq!(bench.decide(&body).await, [false]);
}

#[tokio::test]
async fn what_is_wrong_with_the_whole_is_400() {
    let bench = Bench::start().await;
    for (name, value) in [
        ("evaluations", json!({})),
        ("evaluations", json!(null)),
        ("subject", json!("alice")),
        ("subject", json!({ "type": 1, "id": "alice" })),
        ("action", json!({ "name": 1 })),
        ("context", json!([])),
        ("resource", json!({ "properties": 1 })),
    ] {
        let mut body = writes(None, &["record-1"]);
        body[name] = value;
        let (status, answer) = bench.ask(EVALUATIONS, &body).await;
        assert_eq!(status, 400, "{body} -> {answer}");
    }
}

#[tokio::test]
async fn a_batch_has_a_limit() {
    let limits = Limits { evaluations_max: 3, ..Limits::default() };
    let bench = Bench::start_with(Setup { limits, ..Setup::default() }).await;
    assert_eq!(bench.decide(&writes(None, &["record-1"; 3])).await, [true; 3]);
    let (status, answer) = bench.ask(EVALUATIONS, &writes(None, &["record-1"; 4])).await;
    assert_eq!((status, &answer["type"]), (400, &json!("urn:cedargate:problem:too-many-evaluations")));
    assert_eq!(Limits::default().evaluations_max, 1_000);
}

#[tokio::test]
async fn a_store_that_is_down_fails_the_whole() {
    let bench = Bench::start().await;
    bench.store.fail();
    let (status, answer) = bench.ask(EVALUATIONS, &writes(None, &["record-1", "record-2"])).await;
    assert_eq!((status, answer.get("evaluations")), (503, None));
}
