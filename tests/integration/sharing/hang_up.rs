//! A client that hangs up while its operation is under way: it is done whole, and recorded.

use std::time::{Duration, Instant};

use cedargate::sharing::Limits;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::bench::{Bench, with};
use crate::support::postgres::Cluster;

async fn count(connection: &mut PgConnection, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(connection).await.unwrap()
}

/// Waits until the query counts something.
async fn wait(connection: &mut PgConnection, query: &'static str) {
    let patience = Instant::now() + Duration::from_secs(60);
    while count(connection, query).await == 0 {
        assert!(Instant::now() < patience, "never: {query}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_leaves_behind_is_done_and_recorded() {
    let cluster = Cluster::start();
    let url = cluster.database("hang_up");
    let bench = Bench::over(&url, Limits::default()).await;
    let mut locker = PgConnection::connect(&url).await.unwrap();
    let mut watcher = PgConnection::connect(&url).await.unwrap();
    // The operation reads, decides and plans, and cannot write: somebody else holds the list of changes.
    let mut lock = locker.begin().await.unwrap();
    sqlx::query("LOCK TABLE feed_head IN SHARE ROW EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let body = json!({ "parent": "home", "name": "Left behind" });
    let sent = tokio::spawn(with(bench.request("dad", "POST", "/api/v1/organizations"), &body).send());
    let waiting = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted";
    wait(&mut watcher, waiting).await;
    sent.abort();
    assert!(sent.await.unwrap_err().is_cancelled());
    // The listener must have noticed before it goes on; its socket has nobody at the other end.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(bench.records().is_empty());
    lock.rollback().await.unwrap();
    wait(
        &mut watcher,
        "SELECT COUNT(*) FROM entity WHERE kind = 'Organization' AND body LIKE '%Left behind%'",
    )
    .await;
    let made = bench.ids("dad", "/api/v1/organizations/home/children").await;
    assert_eq!(made.len(), 1);
    assert_eq!(bench.ids("dad", &format!("/api/v1/organizations/{}/roles", made[0])).await.len(), 4);
    let patience = Instant::now() + Duration::from_secs(20);
    while !bench.records().iter().any(|it| it["action"] == "create_sub_org" && it["decision"] == "allow") {
        assert!(Instant::now() < patience, "no record of what was done: {:?}", bench.records());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
