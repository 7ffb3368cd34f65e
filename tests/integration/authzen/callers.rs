//! Who may ask what, and what is kept of it.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::bench::{Bench, EVALUATION, EVALUATIONS, OPERATOR, Setup, json_of, question, read};
use cedargate::domain::Uid;

#[tokio::test]
async fn nobody_asks_without_credentials() {
    let bench = Bench::start().await;
    for path in [EVALUATION, EVALUATIONS] {
        for token in [None, Some("wrong"), Some(""), Some(&OPERATOR[1..]), Some("the-operators-own-tokem")] {
            let request = bench.post(path).body("not even JSON");
            let request = token.into_iter().fold(request, RequestBuilder::bearer_auth);
            let response = request.send().await.unwrap();
            assert!(response.headers().get("www-authenticate").is_some(), "{token:?}");
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            let (status, answer) = read(response).await;
            assert_eq!((status, &answer["status"]), (401, &json!(401)), "{token:?}");
        }
    }
    assert!(bench.records().is_empty());
}

#[tokio::test]
async fn an_empty_operator_token_is_nobodys() {
    let bench = Bench::start_with(Setup { operator: "", ..Setup::default() }).await;
    let asked = question("alice", "read", "record-1");
    assert_eq!(bench.ask_as("", EVALUATION, &asked).await.0, 401);
    assert_eq!(bench.ask_as(OPERATOR, EVALUATION, &asked).await.0, 401);
    let (status, answer) = bench.ask_as("user-alice", EVALUATION, &asked).await;
    assert_eq!((status, &answer["decision"]), (200, &json!(true)));
}

#[tokio::test]
async fn a_principal_asks_about_itself() {
    let bench = Bench::start().await;
    let own = question("alice", "write", "record-1");
    let (status, answer) = bench.ask_as("user-alice", EVALUATION, &own).await;
    assert_eq!((status, &answer["decision"]), (200, &json!(true)));
    assert!(answer["context"].get("reasons").is_none(), "{answer}");
    let (status, answer) = bench.ask_as("user-bob", EVALUATION, &own).await;
    assert_eq!((status, answer.get("decision")), (403, None));
    let mut otherwise = own.clone();
    otherwise["subject"]["type"] = json!("record");
    assert_eq!(bench.ask_as("user-alice", EVALUATION, &otherwise).await.0, 403);
    let batch = json!({ "evaluations": [own, question("bob", "read", "record-1")] });
    let (status, answer) = bench.ask_as("user-alice", EVALUATIONS, &batch).await;
    assert_eq!((status, &answer["evaluations"][0]["decision"]), (200, &json!(true)));
    assert_eq!(answer["evaluations"][1]["decision"], json!(false));
    assert_eq!(answer["evaluations"][1]["context"]["error"]["status"], json!(403));
}

#[tokio::test]
async fn a_principal_states_no_properties() {
    let bench = Bench::start().await;
    for member in ["subject", "resource"] {
        let mut asked = question("alice", "write", "record-2");
        asked[member]["properties"] = json!({ "status": "active" });
        let (status, answer) = bench.ask_as("user-alice", EVALUATION, &asked).await;
        assert_eq!((status, &answer["type"]), (403, &json!("urn:cedargate:problem:properties-refused")));
    }
    let mut asked = question("alice", "delete", "record-1");
    asked["action"]["properties"] = json!({ "soft": true });
    let (status, answer) = bench.ask_as("user-alice", EVALUATION, &asked).await;
    assert_eq!((status, &answer["decision"]), (200, &json!(true)));
}

#[tokio::test]
async fn the_operator_is_told_the_reasons() {
    let bench = Bench::start().await;
    let (_, answer) = bench.ask(EVALUATION, &question("alice", "write", "record-1")).await;
    assert_eq!(answer["context"]["reasons"], json!(["write-active-records"]));
    let (_, answer) = bench.ask(EVALUATION, &question("bob", "write", "record-1")).await;
    assert_eq!(answer["context"]["reasons"], json!([]));
}

#[tokio::test]
async fn a_denial_does_not_tell_what_exists() {
    let bench = Bench::start().await;
    let answer = async |record: &str| {
        let request = bench.post(EVALUATION).bearer_auth("user-bob").header("x-request-id", "same");
        read(json_of(request, &question("bob", "delete", record)).send().await.unwrap()).await
    };
    assert_eq!(answer("record-1").await, answer("record-9").await);
}

#[tokio::test]
async fn each_decision_is_recorded() {
    let bench = Bench::start().await;
    let ask = |body: Value| {
        let request = bench.post(EVALUATION).bearer_auth("user-alice").header("x-request-id", "r~1");
        async move { read(json_of(request, &body).send().await.unwrap()).await }
    };
    let (_, answer) = ask(question("alice", "write", "record-1")).await;
    assert_eq!(answer["context"]["id"], json!("r~1"));
    ask(question("alice", "write", "record-2")).await;
    let alice = Uid::new("user", "alice").unwrap();
    let [allowed, denied] = bench.records().try_into().unwrap();
    assert_eq!((allowed.asked_by.as_ref(), &allowed.principal), (Some(&alice), &alice));
    assert_eq!((&*allowed.action, allowed.resource.id()), ("write", "record-1"));
    assert_eq!((allowed.allowed, allowed.error), (true, None));
    assert_eq!(allowed.reasons, ["write-active-records".into()]);
    assert_eq!(allowed.request_id, "r~1");
    assert!(!allowed.policy_revision.is_empty() && allowed.store_revision.is_some());
    assert_eq!((denied.resource.id(), denied.allowed, denied.error), ("record-2", false, None));
    bench.ask(EVALUATION, &question("alice", "read", "record-1")).await;
    assert_eq!(bench.records().pop().unwrap().asked_by, None);
}

#[tokio::test]
async fn trouble_with_credentials_is_not_the_callers() {
    let bench = Bench::start().await;
    let asked = question("alice", "read", "record-1");
    assert_eq!(bench.ask_as("down", EVALUATION, &asked).await.0, 503);
    let request = bench.post(EVALUATION).bearer_auth("panic").header("x-request-id", "p");
    let response = json_of(request, &asked).send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "p");
    let (status, answer) = read(response).await;
    assert_eq!((status, &answer["request_id"]), (500, &json!("p")));
    assert!(bench.decides(&asked).await);
}
