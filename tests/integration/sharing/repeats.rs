//! Requests sent twice, versions that are not the newest, clients that hang up, and a restart.

use std::time::{Duration, Instant};

use cedargate::sharing::Limits;
use serde_json::{Value, json};

use super::bench::{Bench, read, with};

const ALL: &str = "/api/v1/organizations";

async fn keyed(bench: &Bench, who: &str, key: &str, body: &Value) -> (u16, Value) {
    let request = bench.request(who, "POST", ALL).header("idempotency-key", key);
    read(with(request, body).send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sent_twice_is_done_once_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/cedargate.db", folder.path().display());
    let body = json!({ "parent": "home", "name": "Family" });
    let bench = Bench::over(&url, Limits::default()).await;
    let (status, first) = keyed(&bench, "dad", "k", &body).await;
    assert_eq!(status, 201, "{first}");
    assert_eq!(keyed(&bench, "dad", "k", &body).await.1["id"], first["id"]);
    let (status, other) = keyed(&bench, "dad", "k", &json!({ "parent": "home", "name": "Other" })).await;
    assert_eq!((status, &other["type"]), (422, &json!("urn:cedargate:problem:idempotency-key-reused")));
    // The key is the caller's own.
    assert_eq!(keyed(&bench, "wife", "k", &body).await.0, 403);
    bench.store.close().await.unwrap();
    let bench = Bench::over(&url, Limits::default()).await;
    assert_eq!(keyed(&bench, "dad", "k", &body).await.1["id"], first["id"]);
    assert_eq!(bench.ids("dad", &format!("{ALL}/home/children")).await.len(), 1);
    // Whoever may not act any more gets no old answers either.
    bench.done("grandpa", "POST", "/api/v1/users/dad/suspend", Value::Null).await;
    assert_eq!(keyed(&bench, "dad", "k", &body).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_with_one_key_are_one() {
    let bench = Bench::start().await;
    let body = json!({ "parent": "home", "name": "Family" });
    let sent = (0..8).map(|_| keyed(&bench, "dad", "k", &body));
    let answers = futures_util::future::join_all(sent).await;
    assert!(
        answers.iter().all(|(status, it)| *status == 201 && it["id"] == answers[0].1["id"]),
        "{answers:?}"
    );
}

#[tokio::test]
async fn a_secret_is_not_repeated() {
    let bench = Bench::start().await;
    let body = json!({ "organization": "home", "role": "home/user", "email": "m@example.com" });
    let send = async || {
        let request = bench.request("dad", "POST", "/api/v1/invitations").header("idempotency-key", "k");
        read(with(request, &body).send().await.unwrap()).await.1
    };
    let (first, second) = (send().await, send().await);
    assert_eq!(first["id"], second["id"]);
    assert!(first["token"].is_string() && second["token"].is_null(), "{second}");
}

#[tokio::test]
async fn a_change_of_an_older_version_is_refused() {
    let bench = Bench::start().await;
    let path = "/api/v1/devices/garage";
    let shown = bench.request("dad", "GET", path).send().await.unwrap();
    let tag = shown.headers()["etag"].to_str().unwrap().to_owned();
    let change = async |tag: &str, name: &str| {
        let request = bench.request("dad", "PATCH", path).header("if-match", tag);
        read(with(request, &json!({ "name": name })).send().await.unwrap()).await
    };
    assert_eq!(change(&tag, "Gate").await.0, 200);
    let (status, answer) = change(&tag, "Door").await;
    assert_eq!((status, &answer["type"]), (412, &json!("urn:cedargate:problem:outdated")));
    assert_eq!(change("*", "Door").await.0, 200);
    // A version says nothing to who may not change it.
    let request = bench.request("wife", "PATCH", path).header("if-match", "\"x\"");
    assert_eq!(read(with(request, &json!({ "name": "Mine" })).send().await.unwrap()).await.0, 403);
}

#[tokio::test]
async fn a_write_names_the_revision_that_a_reader_may_ask_for() {
    let bench = Bench::start().await;
    let request = with(bench.request("dad", "PATCH", "/api/v1/devices/garage"), &json!({ "name": "Gate" }));
    let answer = request.send().await.unwrap();
    let revision: u64 = answer.headers()["cedargate-revision"].to_str().unwrap().parse().unwrap();
    assert_eq!(revision, bench.store.head().await.unwrap());
    let read = async |revision: String| {
        let request =
            bench.request("dad", "GET", "/api/v1/devices/garage").header("cedargate-revision", revision);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(read(revision.to_string()).await, 200);
    assert_eq!(read((revision + 1).to_string()).await, 409);
    assert_eq!(read("soon".to_owned()).await, 400);
}

/// A client that hangs up cuts nothing in half.
#[tokio::test(flavor = "multi_thread")]
async fn an_operation_goes_on_when_its_client_hangs_up() {
    let bench = Bench::start().await;
    let mut news = bench.store.feed().subscribe();
    let request = with(bench.request("dad", "POST", ALL), &json!({ "parent": "home", "name": "Family" }));
    let sent = tokio::spawn(request.timeout(Duration::from_millis(3)).send());
    let _whatever = sent.await;
    let end = Instant::now() + Duration::from_secs(1);
    let children = format!("{ALL}/home/children");
    // It may never have arrived; then there is nothing, but never a part.
    while Instant::now() < end
        && tokio::time::timeout(Duration::from_millis(100), news.changed()).await.is_err()
    {}
    for id in bench.ids("dad", &children).await {
        assert_eq!(bench.ids("dad", &format!("{ALL}/{id}/roles")).await.len(), 4);
    }
}

/// Two administrators suspend each other at once: one of them stays.
#[tokio::test(flavor = "multi_thread")]
async fn two_last_administrators_do_not_go_together() {
    let bench = Bench::start().await;
    let (one, two) = tokio::join!(
        bench.call("dad", "POST", "/api/v1/users/grandpa/suspend", Value::Null),
        bench.call("grandpa", "POST", "/api/v1/users/dad/suspend", Value::Null),
    );
    let mut statuses = [one.0, two.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401], "{one:?} {two:?}");
}

/// Two processes over one database: neither decides by what the other has changed, and no write is lost.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_agree() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/cedargate.db", folder.path().display());
    let one = Bench::over(&url, Limits::default()).await;
    let two = Bench::over(&url, Limits::default()).await;
    let make = async |bench: &Bench, who: &str| {
        for n in 0..6 {
            let body = json!({ "parent": "home", "name": format!("{who} {n}") });
            bench.done(who, "POST", ALL, body).await;
        }
    };
    tokio::join!(make(&one, "dad"), make(&two, "grandpa"));
    assert_eq!(one.ids("dad", &format!("{ALL}/home/children")).await.len(), 12);
    for (here, there, who, other) in [(&one, &two, "dad", "grandpa"), (&two, &one, "dad", "wife")] {
        assert_eq!(there.get(other, "/api/v1/me").await.0, 200);
        here.done(who, "POST", &format!("/api/v1/users/{other}/suspend"), Value::Null).await;
        assert_eq!(there.get(other, "/api/v1/me").await.0, 401, "{other} acts on");
        assert_eq!(there.call(other, "PATCH", "/api/v1/users/wife", json!({ "name": "X" })).await.0, 401);
    }
}
