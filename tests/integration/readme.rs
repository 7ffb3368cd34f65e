//! The README's commands run as they stand, in a copy of the checkout, before a small device API.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use cedargate::demo::device_api;

use crate::pack;

/// Commands that are not run here, and why.
const NOT_RUN: [(&str, &str); 3] = [
    ("cargo run -- demo", "`the_demo_shows_what_it_prints` runs the program itself"),
    ("./test", "it is what runs this test"),
    ("cargo install --locked --path .", "it builds a second time; the program that was built is on the path"),
];

/// One fenced block, and the text that stands right before it.
struct Block {
    language: String,
    before: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let readme = fs::read_to_string(pack::path("README.md")).unwrap();
    let parts: Vec<&str> = readme.split("```").collect();
    let blocks = parts.chunks_exact(2).map(|pair| {
        let (language, text) = pair[1].split_once('\n').unwrap();
        Block { language: language.to_owned(), before: pair[0].to_owned(), text: text.to_owned() }
    });
    blocks.collect()
}

/// The file that a block is the content of: the first name in the paragraph before it.
fn file_name(block: &Block) -> &str {
    let paragraph = block.before.trim_end().rsplit("\n\n").next().unwrap();
    paragraph.split('`').nth(1).expect("the paragraph before a file names it")
}

fn command(line: &str) -> &str {
    line.split("  #").next().unwrap().trim_end()
}

/// The README as one script: files are written where they stand, commands run, and a `curl` line must get the
/// status that its comment says.
fn script() -> String {
    let mut out = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n".to_owned();
    for block in blocks() {
        match block.language.as_str() {
            "sh" => block.text.lines().for_each(|line| step(&mut out, line)),
            "toml" | "json" => {
                writeln!(out, "cat > {} <<'END'\n{}END", file_name(&block), block.text).unwrap();
            }
            "text" => {}
            other => panic!("a block of `{other}`, which is neither run nor written"),
        }
    }
    out
}

fn step(out: &mut String, line: &str) {
    let run = command(line);
    if NOT_RUN.iter().any(|(skipped, _)| *skipped == run) {
        return;
    }
    match run.strip_prefix("curl ") {
        Some(rest) => {
            let comment = line.split("  #").nth(1).expect("a curl line says its status").trim();
            let status: u16 = comment[..3].parse().expect("a curl line begins its comment with a status");
            let measure = format!("got=$(curl -sS -o answer -w '%{{http_code}}' {rest})");
            writeln!(
                out,
                "{measure}\n[ \"$got\" = {status} ] || {{ echo \"$got: {status}\"; cat answer; exit 1; }}"
            )
            .unwrap();
            writeln!(out, "cat answer; echo").unwrap();
        }
        None => writeln!(out, "{run}").unwrap(),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A port that was free a moment ago, as an address.
fn free_address() -> String {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().to_string()
}

fn bash(folder: &Path, script: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_cedargate")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    let mut bash = bash
        .current_dir(folder)
        .env("PATH", path)
        .env("CEDARGATE_LOG", "warn")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    bash.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_run() {
    let upstream = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut text = script().replace("127.0.0.1:9000", &upstream.local_addr().unwrap().to_string());
    for address in ["127.0.0.1:8080", "127.0.0.1:8081"] {
        assert!(text.contains(address), "the README names {address}");
        text = text.replace(address, &free_address());
    }
    let devices = ["garage", "drinking"].map(|id| (id.to_owned(), id.to_owned())).to_vec();
    let api = tokio::spawn(device_api::serve(upstream, devices));

    let checkout = tempfile::tempdir().unwrap();
    for folder in ["policies", "entities", "tests/stories"] {
        copy(&pack::path(folder), &checkout.path().join(folder));
    }
    let folder = checkout.path().to_owned();
    let output = tokio::task::spawn_blocking(move || bash(&folder, &text)).await.unwrap();
    api.abort();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains(r#""total":1"#) && out.contains(r#""id":"garage""#), "the list is filtered: {out}");
    assert!(!out.contains(r#""id":"drinking""#), "what she may not see is not shown: {out}");
}

#[test]
fn what_is_not_run_stands_in_the_readme() {
    let blocks = blocks();
    let shell = blocks.iter().filter(|block| block.language == "sh");
    let lines: Vec<&str> = shell.flat_map(|block| block.text.lines()).map(command).collect();
    for (line, reason) in NOT_RUN {
        assert!(lines.contains(&line), "`{line}` is not in the README, so it needs no reason ({reason})");
    }
    assert!(lines.len() > 10, "{lines:?}");
}

#[test]
fn the_demo_shows_what_it_prints() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_cedargate"))
        .args(["demo", "--gateway", "127.0.0.1:0", "--control", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let mut tour = String::new();
    for line in lines.map(Result::unwrap) {
        writeln!(tour, "{line}").unwrap();
        if line.ends_with("/readyz") {
            break;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let output = bash(folder.path(), &format!("set -e\n{tour}"));
    let stop = Command::new("kill").arg(demo.id().to_string()).status().unwrap();
    let ended = demo.wait().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && stop.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(ended.success(), "the demo ends well when it is told to: {ended}");
    for shown in ["HTTP/1.1 404", "HTTP/1.1 401", r#""decision":true"#, r#""status":"ready""#] {
        assert!(out.contains(shown), "`{shown}` in\n{out}");
    }
    let refused = r#""title":"Not Found","status":404"#;
    assert_eq!(out.matches(refused).count(), 3, "the wife, and the son before and after the loan: {out}");
    let offered = out.find(r#""status":"accepted""#).expect("the son accepts");
    let used = out.find(r#""changed_by":"son""#).expect("the son may");
    let revoked = out.find(r#""status":"revoked""#).expect("dad revokes");
    assert!(
        offered < used && used < revoked && revoked < out.rfind(refused).unwrap(),
        "in this order: {out}"
    );
    assert_eq!(out.matches(r#""changed_by":"son""#).count(), 1, "{out}");
    let totals: Vec<&str> =
        out.match_indices(r#""total":"#).map(|(at, it)| &out[at + it.len()..][..1]).collect();
    assert_eq!(totals.len(), 3, "three lists, filtered: {out}");
    assert!(totals[0] > totals[1], "dad sees more than the wife: {totals:?}");
}
