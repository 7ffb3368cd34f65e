//! The log of records: nothing is lost without being counted, and nothing can be forged.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cedargate::audit::{Counts, Decision, Log, LogError, LogOptions, Overflow, Sink};
use cedargate::domain::Uid;
use serde_json::Value as Json;

const DEADLINE: Duration = Duration::from_secs(20);

fn in_memory(options: LogOptions) -> (Log, Arc<Mutex<Vec<u8>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    (Log::start(Sink::Memory(Arc::clone(&kept)), options).unwrap(), kept)
}

fn lines(bytes: &[u8]) -> Vec<Json> {
    std::str::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn options(queue_records_max: usize, overflow: Overflow) -> LogOptions {
    LogOptions { queue_records_max, overflow }
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the condition never came");
}

#[tokio::test]
async fn a_finished_request_leaves_one_line() {
    let (log, kept) = in_memory(LogOptions::default());
    let mut open = log.open("req-1").await.unwrap();
    open.note(|record| {
        record.principal = Uid::new("User", "wi\"fe\n").ok();
        record.authentication = Some("jwt");
        record.action = Some("view".into());
        record.resources = vec![Uid::new("Device", "lamp").unwrap()];
        record.decision = Some(Decision::Allow);
        record.policies = vec!["view-own-device".into()];
        record.http_method = Some("GET".into());
        record.route = Some("GET /devices/{device}".into());
        record.upstream_status = Some(200);
        record.store_revision = Some(7);
    });
    let id = open.id().unwrap().to_string();
    open.finish(200);
    assert!(log.close(DEADLINE).await);
    let lines = lines(&kept.lock().unwrap());
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["id"], id);
    assert_eq!(lines[0]["principal"], r#"User::"wi\"fe\n""#);
    assert_eq!(lines[0]["resources"][0], r#"Device::"lamp""#);
    assert_eq!(lines[0]["decision"], "allow");
    assert_eq!(lines[0]["status"], 200);
    assert_eq!(lines[0]["abandoned"], false);
    assert!(log.healthy());
    assert_eq!(log.counts(), Counts { written: 1, lost: 0, failures: 0 });
}

#[tokio::test]
async fn a_request_that_ends_early_is_written_too() {
    let (log, kept) = in_memory(LogOptions::default());
    drop(log.open("hung up").await.unwrap());
    let open = log.open("panicked").await.unwrap();
    let task = tokio::spawn(async move {
        let _open = open;
        panic!("on purpose");
    });
    assert!(task.await.is_err());
    let open = log.open("cancelled").await.unwrap();
    let task = tokio::spawn(async move {
        let _open = open;
        std::future::pending::<()>().await;
    });
    task.abort();
    assert!(task.await.is_err());
    assert!(log.close(DEADLINE).await);
    let lines = lines(&kept.lock().unwrap());
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line["abandoned"] == true && line.get("status").is_none()));
}

#[tokio::test]
async fn a_full_queue_blocks_until_the_deadline() {
    let (log, kept) = in_memory(options(2, Overflow::Block(Duration::from_millis(50))));
    let (first, second) = (log.open("1").await.unwrap(), log.open("2").await.unwrap());
    assert_eq!(log.open("3").await.err(), Some(LogError::Full));
    first.finish(200);
    log.open("4").await.unwrap().finish(200);
    drop(second);
    assert!(log.close(DEADLINE).await);
    assert_eq!(lines(&kept.lock().unwrap()).len(), 3);
    assert_eq!(log.counts().lost, 0);
}

#[tokio::test]
async fn a_full_queue_sheds_and_counts() {
    let (log, kept) = in_memory(options(2, Overflow::Shed));
    let open = [log.open("1").await.unwrap(), log.open("2").await.unwrap(), log.open("3").await.unwrap()];
    open.into_iter().for_each(|open| open.finish(200));
    assert!(log.close(DEADLINE).await);
    assert_eq!(lines(&kept.lock().unwrap()).len(), 2);
    assert_eq!(log.counts(), Counts { written: 2, lost: 1, failures: 0 });
}

#[tokio::test]
async fn closing_waits_for_open_records_and_refuses_new_ones() {
    let (log, kept) = in_memory(options(8, Overflow::Block(DEADLINE)));
    let log = Arc::new(log);
    let open = log.open("long").await.unwrap();
    let closing = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.close(DEADLINE).await }
    });
    loop {
        match log.open("late").await {
            Ok(open) => drop(open),
            Err(error) => break assert_eq!(error, LogError::Closed),
        }
        tokio::task::yield_now().await;
    }
    assert!(!closing.is_finished());
    open.finish(204);
    assert!(closing.await.unwrap());
    assert!(
        lines(&kept.lock().unwrap()).iter().any(|line| line["request_id"] == "long" && line["status"] == 204)
    );
    assert!(log.close(DEADLINE).await, "closing twice does no harm");
}

#[tokio::test]
async fn a_file_is_appended_to_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.jsonl");
    for sync in [false, true] {
        let log = Log::start(Sink::file(&path, sync).unwrap(), LogOptions::default()).unwrap();
        for index in 0..1000 {
            log.open(index.to_string()).await.unwrap().finish(200);
        }
        assert!(log.close(DEADLINE).await);
        assert_eq!(log.counts().written, 1000);
    }
    let lines = lines(&std::fs::read(&path).unwrap());
    let ids: Vec<i32> =
        lines.iter().map(|line| line["request_id"].as_str().unwrap().parse::<i32>().unwrap()).collect();
    assert_eq!(ids, (0..1000).chain(0..1000).collect::<Vec<_>>());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_noticed_counted_and_not_waited_for_at_the_end() {
    let full = || Sink::file(Path::new("/dev/full"), false).unwrap();
    let shed = Log::start(full(), options(8, Overflow::Shed)).unwrap();
    shed.open("1").await.unwrap().finish(200);
    until(|| shed.counts().lost == 1).await;
    assert!(!shed.healthy());
    let block = Log::start(full(), options(2, Overflow::Block(Duration::from_millis(50)))).unwrap();
    block.open("1").await.unwrap().finish(200);
    until(|| block.counts().failures > 1).await;
    assert!(!block.healthy());
    assert_eq!(block.counts().lost, 0, "what must not be lost is tried again");
    for request in ["2", "3"] {
        block.open(request).await.unwrap().finish(200);
    }
    assert_eq!(block.open("4").await.err(), Some(LogError::Full), "and the requests behind it are refused");
    assert!(block.close(DEADLINE).await);
    assert_eq!(block.counts().lost, 3);
    assert_eq!(block.counts().written, 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_write_that_stops_half_way_goes_on_where_it_stopped() {
    let (mut reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    let file = std::fs::File::from(std::os::fd::OwnedFd::from(writer));
    let log =
        Log::start(Sink::File { file, sync: false }, options(20_000, Overflow::Block(DEADLINE))).unwrap();
    for index in 0..5000 {
        log.open(index.to_string()).await.unwrap().finish(200);
    }
    until(|| !log.healthy()).await;
    let reading = std::thread::spawn(move || {
        let mut kept = Vec::new();
        reader.read_to_end(&mut kept).map(|_| kept)
    });
    until(|| log.counts().written == 5000).await;
    assert!(log.healthy(), "it recovers");
    assert!(log.close(DEADLINE).await);
    let kept = reading.join().unwrap().unwrap();
    let lines = lines(&kept);
    assert!(lines.iter().enumerate().all(|(index, line)| line["request_id"] == *index.to_string()));
    assert_eq!(lines.len(), 5000);
}
