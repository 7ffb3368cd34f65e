//! Every store passes one suite; stores that share a database hear of each other in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cedargate::domain::{Change, Entity, Uid};
use cedargate::store::{ApiKey, Options, Store, StoreError, conformance, open};
use serde_json::Map;
use sqlx::Connection;
use tempfile::TempDir;

use crate::secrets::keys;
use crate::support::postgres::Cluster;

fn uid(id: &str) -> Uid {
    Uid::new("Device", id).unwrap()
}

fn put(id: &str) -> Vec<Change> {
    let (attrs, tags) = (Map::new(), Map::new());
    vec![Change::Put(Entity { uid: uid(id), attrs, parents: [].into(), tags })]
}

fn inside(id: &str, outer: &str) -> Vec<Change> {
    let (attrs, tags) = (Map::new(), Map::new());
    vec![Change::Put(Entity { uid: uid(id), attrs, parents: [uid(outer)].into(), tags })]
}

fn replica() -> Options {
    Options { replica: true, ..Options::default() }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn sqlite_file() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/cedargate.db", folder.path().display());
    (folder, url)
}

async fn conforms(url: &str, options: Options, seed: u64, steps: u32) {
    let store = open(url, Options { secret_keys: keys(&[1]), ..options }).await.unwrap();
    if let Err(breach) = conformance::check(&store, seed, steps).await {
        panic!("{breach}: {breach:?}");
    }
    store.close().await.unwrap();
    assert_eq!(store.feed().stamp(), None);
}

/// A store that is older than its search: what is in it is found once it was opened.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_before_there_was_a_search_is_found() {
    let (_folder, url) = sqlite_file();
    let store = open(&url, Options::default()).await.unwrap();
    let devices = (0..1_200).map(|n| {
        let home = serde_json::json!({ "__entity": { "type": "Organization", "id": "home" } });
        let attrs = serde_json::json!({ "name": format!("lamp {n:04}"), "organization": home });
        let attrs = attrs.as_object().unwrap().clone();
        Change::Put(Entity { uid: uid(&format!("d{n:04}")), attrs, parents: [].into(), tags: Map::new() })
    });
    store.apply(devices.collect(), None).await.unwrap();
    store.close().await.unwrap();
    let mut connection = sqlx::sqlite::SqliteConnection::connect(&url).await.unwrap();
    for table in ["filled", "listed", "word"] {
        let text = sqlx::AssertSqlSafe(format!("DELETE FROM {table}"));
        sqlx::query(text).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let store = open(&url, Options::default()).await.unwrap();
    let home = ["home".to_owned()];
    assert_eq!(store.with_word("Device", &home, "lamp", 5_000).await.unwrap().len(), 1_200);
    assert_eq!(store.with_word("Device", &home, "1199", 5_000).await.unwrap(), [uid("d1199")]);
    assert_eq!(store.in_order("Device", &home, None, true, 1).await.unwrap()[0].uid, uid("d1199"));
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_in_memory_conforms() {
    for seed in 1..=4 {
        conforms("sqlite::memory:", Options::default(), seed, 400).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_in_a_file_conforms() {
    let (_folder, url) = sqlite_file();
    conforms(&url, replica(), 5, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_conforms() {
    let cluster = Cluster::start();
    conforms(&cluster.database("conformance"), replica(), 6, 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_opening_again() {
    let (_folder, url) = sqlite_file();
    let store = open(&url, Options::default()).await.unwrap();
    let rev = store.apply(put("lamp"), None).await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(store.head().await, Err(StoreError::Unavailable(_))));
    let store = open(&url, Options::default()).await.unwrap();
    let facts = store.facts_for(&[uid("lamp")], 1).await.unwrap();
    assert_eq!((facts.revision, facts.entities.len()), (rev, 1));
}

#[tokio::test]
async fn a_slice_has_a_limit() {
    let store = open("sqlite::memory:", Options { facts_max: 2, ..Options::default() }).await.unwrap();
    for id in ["1", "2", "3"] {
        store.apply(put(id), None).await.unwrap();
    }
    assert_eq!(store.facts_for(&[uid("1"), uid("2"), uid("4")], 1).await.unwrap().entities.len(), 2);
    let over = store.facts_for(&[uid("1"), uid("2"), uid("3")], 1).await;
    assert!(matches!(over, Err(StoreError::TooLarge { max: 2, .. })));
}

#[tokio::test]
async fn no_message_repeats_the_address() {
    for url in [
        "mysql://root:hunter2@localhost/x",
        "hunter2",
        "postgres://u:hunter2@127.0.0.1:1/x",
        "postgres://u:hunter2@[/x",
        "sqlite:///nowhere/hunter2/x.db",
    ] {
        let options = Options { timeout: Duration::from_millis(200), ..Options::default() };
        let Err(error) = open(url, options).await else { panic!("{url} opens") };
        let mut source: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = source {
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
            source = error.source();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_goes_on_when_its_caller_leaves() {
    let store = open("sqlite::memory:", Options::default()).await.unwrap();
    drop(store.apply(put("lamp"), None));
    let mut news = store.feed().subscribe();
    if *news.borrow() == 0 {
        news.changed().await.unwrap();
    }
    assert_eq!(store.facts_for(&[uid("lamp")], 1).await.unwrap().entities.len(), 1);
}

/// Two processes on one database, as far as the store can tell.
struct Two {
    here: Arc<dyn Store>,
    there: Arc<dyn Store>,
}

impl Two {
    async fn open(url: &str, options: &Options) -> Self {
        let (here, there) = tokio::join!(open(url, options.clone()), open(url, options.clone()));
        Self { here: here.unwrap(), there: there.unwrap() }
    }

    /// An answer from there means that nothing older is used here.
    async fn hear_of_each_other(&self) {
        let feed = self.here.feed();
        for round in 0..20 {
            let (touched, other) = (uid(&round.to_string()), uid("other"));
            let stamp = feed.stamp().unwrap();
            self.there.apply(put(&round.to_string()), None).await.unwrap();
            assert!(!feed.is_current(stamp, &[feed.slot(&touched)]), "round {round}");
            if feed.slot(&touched) != feed.slot(&other) {
                assert!(feed.is_current(stamp, &[feed.slot(&other)]), "round {round}");
            }
            let facts = self.here.facts_for(&[touched], 1).await.unwrap();
            assert_eq!(facts.entities.len(), 1);
        }
        let stamp = feed.stamp().unwrap();
        self.there.create_key(key("k")).await.unwrap();
        assert!(!feed.is_current(stamp, &[feed.slot(&ApiKey::uid("k").unwrap())]));
        self.write_against_each_other().await;
    }

    /// Writers on both sides wait for each other's replica, and none for ever.
    async fn write_against_each_other(&self) {
        let work = async |store: &Arc<dyn Store>, name: &str| {
            for n in 0..5 {
                store.apply(put(&format!("{name} {n}")), None).await.unwrap();
            }
        };
        tokio::join!(work(&self.here, "here"), work(&self.there, "there"));
        for n in 0..10 {
            let (one, two) = (format!("one {n}"), format!("two {n}"));
            let halves = tokio::join!(
                self.here.apply(inside(&one, &two), None),
                self.there.apply(inside(&two, &one), None)
            );
            assert_eq!([halves.0, halves.1].iter().flatten().count(), 1, "round {n}");
        }
    }

    /// A process that ended in good order is not waited for.
    async fn leave(&self, lease: Duration) {
        self.here.close().await.unwrap();
        let begun = Instant::now();
        self.there.apply(put("after"), None).await.unwrap();
        assert!(begun.elapsed() < lease, "waited for a replica that had left");
    }
}

fn key(id: &str) -> ApiKey {
    let (expires_ms, revoked_ms) = (None, None);
    let principal = Uid::new("User", "ann").unwrap();
    ApiKey {
        id: id.into(),
        hash: [1; 32],
        principal,
        name: String::new(),
        created_ms: 1,
        expires_ms,
        revoked_ms,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_file_hear_of_each_other() {
    let (_folder, url) = sqlite_file();
    let options = Options { lease: Duration::from_secs(30), ..replica() };
    let two = Two::open(&url, &options).await;
    two.hear_of_each_other().await;
    two.leave(options.lease / 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_server_hear_of_each_other() {
    let cluster = Cluster::start();
    let options = Options { lease: Duration::from_secs(30), ..replica() };
    let two = Two::open(&cluster.database("two"), &options).await;
    two.hear_of_each_other().await;
    two.leave(options.lease / 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_a_lease_never_trusts_its_memory() {
    let (_folder, url) = sqlite_file();
    let store = open(&url, Options::default()).await.unwrap();
    assert_eq!(store.feed().stamp(), None);
    store.apply(put("lamp"), None).await.unwrap();
    assert!(!store.feed().is_current(u64::MAX, &[]));
}

/// A replica that is silent holds a change up until its lease ends, and by then trusts nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_replica_is_waited_for_until_its_lease_ends() {
    let (_folder, url) = sqlite_file();
    let store = open(&url, Options::default()).await.unwrap();
    sqlx::any::install_default_drivers();
    let mut other = sqlx::AnyConnection::connect(&url).await.unwrap();
    let silent = "INSERT INTO replica VALUES ('silent', 0, CAST(unixepoch('subsec') * 1000 AS BIGINT) + 700)";
    sqlx::query(silent).execute(&mut other).await.unwrap();
    let begun = Instant::now();
    store.apply(put("lamp"), None).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(600), "answered before the lease ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_cannot_renew_trusts_its_memory_no_longer() {
    let (_folder, url) = sqlite_file();
    let options = Options { lease: Duration::from_millis(600), ..replica() };
    let store = open(&url, options).await.unwrap();
    assert!(store.feed().stamp().is_some());
    sqlx::any::install_default_drivers();
    let mut other = sqlx::AnyConnection::connect(&url).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    until("the lease ends", || store.feed().stamp().is_none()).await;
    assert!(!store.feed().is_current(u64::MAX, &[]));
    lock.rollback().await.unwrap();
    until("the lease is renewed", || store.feed().stamp().is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_nothing_is_trusted_and_it_comes_back_by_itself() {
    let cluster = Cluster::start();
    let timeout = Duration::from_secs(1);
    let options = Options { lease: Duration::from_secs(1), timeout, ..replica() };
    let store = open(&cluster.database("outage"), options).await.unwrap();
    store.apply(put("lamp"), None).await.unwrap();
    cluster.kill();
    assert!(matches!(store.head().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.apply(put("lamp"), None).await, Err(StoreError::Unavailable(_))));
    until("the lease ends", || store.feed().stamp().is_none()).await;
    cluster.resume();
    until("the lease is renewed", || store.feed().stamp().is_some()).await;
    store.apply(put("lamp"), None).await.unwrap();
}

/// A standby that lost the last revisions gives their numbers out again.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_was_rewritten_is_noticed() {
    let (_folder, url) = sqlite_file();
    let store = open(&url, replica()).await.unwrap();
    store.apply(put("lamp"), None).await.unwrap();
    store.apply(put("lamp"), None).await.unwrap();
    let feed = store.feed();
    let (stamp, slot) = (feed.stamp().unwrap(), feed.slot(&uid("other")));
    sqlx::any::install_default_drivers();
    let mut other = sqlx::AnyConnection::connect(&url).await.unwrap();
    let mut lost = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("UPDATE change SET nonce = 'another' WHERE rev = 2").execute(&mut *lost).await.unwrap();
    lost.commit().await.unwrap();
    until("everything is stale", || !feed.is_current(stamp, &[slot]) && feed.stamp().is_some()).await;
    let stamp = feed.stamp().unwrap();
    store.apply(put("other"), None).await.unwrap();
    assert!(!feed.is_current(stamp, &[slot]));
}

/// The feed keeps few revisions; a process that missed more forgets everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_history_is_noticed() {
    let (_folder, url) = sqlite_file();
    let here = open(&url, Options { poll: Duration::from_millis(300), ..replica() }).await.unwrap();
    let there = open(&url, Options { revisions_kept: 1, ..Options::default() }).await.unwrap();
    let feed = here.feed();
    let (stamp, slot) = (feed.stamp().unwrap(), feed.slot(&uid("first")));
    let (first, second, third) = tokio::join!(
        there.apply(put("first"), None),
        there.apply(put("second"), None),
        there.apply(put("third"), None)
    );
    for done in [first, second, third] {
        done.unwrap();
    }
    assert!(!feed.is_current(stamp, &[slot]));
}

/// The text of the statement that reads a slice, as the source of a dialect spells it.
fn facts_statement(source: &'static str) -> &'static str {
    let (_, after) = source.split_once("facts: ").unwrap();
    let (text, _) = after.split_once("count_inside:").unwrap();
    text.trim_matches(|c: char| c.is_whitespace() || "r#\",".contains(c))
}

/// The steps by which a database would read a slice, one a row, in the column `column`.
async fn plan(url: &str, explain: &str, source: &'static str, column: usize) -> Vec<String> {
    sqlx::any::install_default_drivers();
    let mut other = sqlx::AnyConnection::connect(url).await.unwrap();
    let explain = sqlx::AssertSqlSafe(format!("{explain} {}", facts_statement(source)));
    let query = sqlx::query(explain).bind("[]").bind(2_i64).bind(9_i64);
    let steps = query.fetch_all(&mut other).await.unwrap();
    steps.iter().map(|row| sqlx::Row::get(row, column)).collect()
}

/// A slice is index look-ups, however large the tables are.
#[tokio::test]
async fn sqlite_reads_no_table_from_end_to_end() {
    let (_folder, url) = sqlite_file();
    open(&url, Options::default()).await.unwrap();
    let steps = plan(&url, "EXPLAIN QUERY PLAN", include_str!("../../src/store/sqlite.rs"), 3).await;
    let searched =
        |table: &str| steps.iter().filter(|step| step.contains(&format!("SEARCH {table} "))).count();
    assert_eq!((searched("r"), searched("e")), (2, 1), "{steps:?}");
}

/// The same, for tables of a size at which PostgreSQL would rather read them all than guess.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_reads_no_table_from_end_to_end() {
    let cluster = Cluster::start();
    let url = cluster.database("plan");
    let store = open(&url, Options { timeout: Duration::from_secs(60), ..Options::default() }).await.unwrap();
    let changes = (0..3_000).flat_map(|n| inside(&format!("d{n}"), &format!("o{}", n % 7))).collect();
    store.apply(changes, None).await.unwrap();
    let mut other = sqlx::AnyConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("ANALYZE").execute(&mut other).await.unwrap();
    let steps = plan(&url, "EXPLAIN", include_str!("../../src/store/postgres.rs"), 0).await;
    let read = |how: &str| steps.iter().filter(|step| step.contains(how)).count();
    let scans = read("Seq Scan on reference") + read("Seq Scan on entity");
    let probes = read("on reference") + read("on entity");
    assert_eq!((scans, probes), (0, 3), "{steps:#?}");
}
