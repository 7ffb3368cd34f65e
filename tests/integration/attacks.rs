//! The corpus of attacks, run from outside.
//!
//! It is kept beside the repository, or where `SECURITY_DIR` says; without it there is nothing to run.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn runner() -> Option<PathBuf> {
    let given = std::env::var_os("SECURITY_DIR").map(PathBuf::from);
    // A clone in a folder of worktrees has its neighbours one level up.
    let beside = [root().join("../shared/security"), root().join("../../shared/security")];
    let place = match given {
        Some(given) => {
            assert!(given.is_dir(), "SECURITY_DIR is no folder: `{}`", given.display());
            given
        }
        None => beside.into_iter().find(|place| place.is_dir())?,
    };
    let runner = place.join("attack_runner.py");
    assert!(runner.is_file(), "`{}` is missing", runner.display());
    Some(runner)
}

/// Cases that are known to fail, one a line; `#` begins a comment that says why.
fn expected_failures() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("tests/upstreams/attacks-expected-failures.txt")).unwrap();
    let cases = text.lines().filter_map(|line| line.split('#').next()).map(str::trim);
    cases.filter(|case| !case.is_empty()).map(str::to_owned).collect()
}

/// A key of the wife's, made as an operator makes one, in a store that the gateway then seeds.
fn key_in(store: &str) -> String {
    let made = Command::new(env!("CARGO_BIN_EXE_cedargate"))
        .args(["key", "create", "--principal", "User::wife", "--store", store])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

#[test]
fn no_attack_of_the_corpus_succeeds() {
    let Some(runner) = runner() else {
        println!("note: the corpus of attacks is not here, so no attack was tried; see SECURITY_DIR");
        return;
    };
    let folder = tempfile::Builder::new().prefix("cedargate-attacks-").tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let url = format!("sqlite://{}", place("store.db"));
    let key = key_in(&url);
    let target = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let config = root().join("tests/upstreams/attack.toml");
    let spawn = format!("'{}' serve --config '{}'", env!("CARGO_BIN_EXE_cedargate"), config.display());
    let run = Command::new("python3")
        .arg(&runner)
        .args(["--target", &target, "--spawn", &spawn, "--apikey-wife", &key])
        .args(["--json", &place("verdicts.json"), "--log", &place("records.jsonl")])
        .envs([("STORE_URL", url), ("RECORDS_FILE", place("records.jsonl"))])
        .output()
        .unwrap();
    let said = format!("{}\n{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let verdicts = std::fs::read(place("verdicts.json")).unwrap_or_else(|error| panic!("{error}\n{said}"));
    let verdicts: Vec<Json> = serde_json::from_slice(&verdicts).unwrap();
    let with = |verdict: &str| -> BTreeSet<String> {
        let those = verdicts.iter().filter(|it| it["verdict"] == verdict);
        those.map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    let (passed, skipped) = (with("PASS"), with("SKIP"));
    assert_eq!(with("FAIL"), expected_failures(), "\n{said}");
    assert!(passed.len() >= 140, "only {} cases were tried\n{said}", passed.len());
    let reasons = verdicts.iter().filter(|it| skipped.contains(it["id"].as_str().unwrap()));
    let reasons: BTreeSet<String> = reasons.map(|it| it["why"][0].as_str().unwrap().to_owned()).collect();
    assert!(reasons.iter().all(|it| it == "slow" || it == "profile"), "skipped: {reasons:?}\n{said}");
}
