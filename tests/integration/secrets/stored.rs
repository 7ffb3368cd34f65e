//! What is at rest: sealed, under keys that can be changed, useless without them.

use std::process::Command;

use cedargate::domain::{Change, Entity, SecretText, Uid};
use cedargate::store::{Options, StoreError, open};
use cedargate::vault::VaultError;
use serde_json::Map;
use sqlx::Connection as _;

use super::{key, keys};
use crate::support::postgres::Cluster;

const TOKEN: &str = "the-lamp's-own-token";

fn lamp() -> Uid {
    Uid::new("Device", "lamp").unwrap()
}

fn keep(of: &Uid, value: &str) -> Change {
    let value = SecretText::new(value.to_owned()).unwrap();
    Change::Keep { of: of.clone(), name: "token".into(), value }
}

fn put(uid: Uid) -> Change {
    Change::Put(Entity { uid, attrs: Map::new(), parents: [].into(), tags: Map::new() })
}

fn options(numbers: &[u8]) -> Options {
    Options { secret_keys: keys(numbers), ..Options::default() }
}

fn serving(numbers: &[u8]) -> Options {
    Options { replica: true, ..options(numbers) }
}

fn is_unknown_key<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Secret(VaultError::UnknownKey(_))))
}

async fn rotates(url: &str) {
    let store = open(url, options(&[1])).await.unwrap();
    let devices: Vec<Uid> = (0..450).map(|n| Uid::new("Device", n.to_string()).unwrap()).collect();
    let mut changes: Vec<Change> = devices.iter().cloned().map(put).collect();
    changes.extend(devices.iter().map(|uid| keep(uid, &format!("token of {}", uid.id()))));
    store.apply(changes, None).await.unwrap();
    store.close().await.unwrap();

    let both = open(url, serving(&[2, 1])).await.unwrap();
    assert_eq!(both.secret(&devices[7], "token").await.unwrap().unwrap().reveal(), "token of 7");
    let mut done = 0;
    loop {
        match both.reseal().await.unwrap() {
            0 => break,
            count => done += count,
        }
    }
    assert_eq!(done, 450);
    both.close().await.unwrap();

    let new = open(url, serving(&[2])).await.unwrap();
    for uid in &devices {
        let token = new.secret(uid, "token").await.unwrap().unwrap();
        assert_eq!(token.reveal(), format!("token of {}", uid.id()));
    }
    new.close().await.unwrap();
    let old = open(url, serving(&[1])).await;
    assert!(is_unknown_key(&old), "the old key opens nothing any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    rotates(&format!("sqlite://{}/cedargate.db", folder.path().display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_in_postgres() {
    rotates(&Cluster::start().database("secrets")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_serves_without_the_key_of_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/cedargate.db", folder.path().display());
    let store = open(&url, options(&[1])).await.unwrap();
    store.apply(vec![put(lamp()), keep(&lamp(), TOKEN)], None).await.unwrap();
    store.close().await.unwrap();
    for numbers in [&[][..], &[2]] {
        let opened = open(&url, serving(numbers)).await;
        assert!(is_unknown_key(&opened), "{numbers:?}");
        let Err(error) = opened else { unreachable!() };
        assert!(error.to_string().contains("`[secrets] keys`"), "{error}");
        // A command that needs no secret works all the same, and finds none.
        let tool = open(&url, options(numbers)).await.unwrap();
        assert!(is_unknown_key(&tool.secret(&lamp(), "token").await), "{numbers:?}");
        tool.close().await.unwrap();
    }
    let right = open(&url, serving(&[1])).await.unwrap();
    assert_eq!(right.secret(&lamp(), "token").await.unwrap().unwrap().reveal(), TOKEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_exports_hold_no_secret_and_a_moved_row_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cedargate.db");
    let url = format!("sqlite://{}", file.display());
    let store = open(&url, options(&[1])).await.unwrap();
    let door = Uid::new("Device", "door").unwrap();
    store.apply(vec![put(lamp()), put(door.clone()), keep(&lamp(), TOKEN)], None).await.unwrap();
    store.close().await.unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap();
        let is_there = bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes());
        assert!(!is_there, "{} holds the secret", entry.path().display());
    }
    let exported =
        Command::new(env!("CARGO_BIN_EXE_cedargate")).args(["export", "--store", &url]).output().unwrap();
    let text = String::from_utf8(exported.stdout).unwrap();
    assert!(exported.status.success() && text.contains("lamp") && !text.contains("secret"), "{text}");

    let mut raw = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE secret SET id = 'door'").execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    let store = open(&url, serving(&[1])).await.unwrap();
    let moved = store.secret(&door, "token").await;
    assert!(matches!(moved, Err(StoreError::Secret(VaultError::Broken))), "{moved:?}");
}

#[test]
fn the_command_makes_a_key_and_rotates() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, made, _) = run(&["secrets", "key"]);
    assert_eq!((code, made.trim().len()), (0, 44));
    let url = format!("sqlite://{}/cedargate.db", folder.path().display());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(&url, options(&[1])).await.unwrap();
        store.apply(vec![put(lamp()), keep(&lamp(), TOKEN)], None).await.unwrap();
        store.close().await.unwrap();
    });
    let configure = |keys: &[&str]| {
        let text = format!(
            "[upstream]\nurl = \"http://127.0.0.1:9\"\n[store]\nurl = \"sqlite://cedargate.db\"\n[secrets]\nkeys = {keys:?}\n"
        );
        std::fs::write(folder.path().join("cedargate.toml"), text).unwrap();
    };
    configure(&[made.trim()]);
    let (code, _, error) = run(&["secrets", "rotate"]);
    assert!(code == 2 && error.contains("`[secrets] keys`"), "{code} {error}");
    configure(&[made.trim(), &key(1)]);
    let (code, done, _) = run(&["secrets", "rotate"]);
    assert!(code == 0 && done.starts_with("sealed 1 anew"), "{code} {done}");
    assert!(run(&["secrets", "rotate"]).1.starts_with("sealed 0 anew"));
    configure(&["not-a-key-at-all"]);
    let (code, _, error) = run(&["secrets", "rotate"]);
    assert!(code == 2 && error.contains("not a key"), "{code} {error}");
}

#[test]
fn a_route_with_a_secret_and_no_key_is_doubted_before_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let routes = include_str!("../../../routes/blynk.toml");
    let check = |keys: &str| {
        let text = format!(
            "[upstream]\nurl = \"http://127.0.0.1:9\"\n[policies]\ndir = \"{policies}\"\n[secrets]\nkeys = [{keys}]\n{routes}"
        );
        std::fs::write(folder.path().join("cedargate.toml"), text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .args(["check", "--config", "cedargate.toml"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = check("");
    assert!(code == Some(0) && text.contains("without a key"), "{code:?} {text}");
    let (code, text) = check(&format!("\"{}\"", key(1)));
    assert!(code == Some(0) && text.contains("0 errors, 0 warnings"), "{code:?} {text}");
}
