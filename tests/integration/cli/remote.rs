//! Commands over the control API, run as people run them, against a real listener.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use super::{Said, program};
use crate::sharing::bench::Bench;
use crate::support::upstream::by_hand;

/// The program as somebody runs it, and nothing of the caller's own environment.
fn as_user(url: &str, token: &str, args: &[&str]) -> Command {
    let mut command = program(Path::new("/"));
    command.args(args).env("CEDARGATE_CONTROL", url).env("CEDARGATE_TOKEN", token);
    command
}

fn run(bench: &Bench, who: &str, args: &[&str]) -> Said {
    as_user(bench.url(), &format!("user-{who}"), args).output().unwrap().into()
}

/// What a command answers to a program, once it did it.
fn json_of(bench: &Bench, who: &str, args: &[&str]) -> Json {
    run(bench, who, &[args, &["--format", "json"]].concat()).with(0).json()
}

/// Something that gives every request the same answer; its URL.
fn answering(answer: String) -> String {
    let address = by_hand(move |mut socket| while socket.head().is_some() && socket.send(&answer) {});
    format!("http://{address}")
}

fn ids(list: &Json) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect()
}

fn text<'a>(answer: &'a Json, pointer: &str) -> &'a str {
    answer.pointer(pointer).and_then(Json::as_str).unwrap_or_else(|| panic!("{pointer} in {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_is_made_and_its_people_are_managed() {
    let bench = Bench::start().await;
    let operator = |args: &[&str]| -> Said {
        as_user(bench.url(), "the-operators-own-token", args).output().unwrap().into()
    };
    operator(&["setup", "House", "--admin", "mum", "--email", "mum@example.com", "--id", "house"]).with(0);
    assert!(operator(&["user", "list"]).with(2).err.contains("--org ID"));
    assert_eq!(json_of(&bench, "mum", &["me"])["user"]["id"], "mum");

    let below = json_of(&bench, "mum", &["org", "create", "Shed"]);
    let below = text(&below, "/id");
    json_of(&bench, "mum", &["org", "rename", below, "Garden shed"]);
    assert_eq!(json_of(&bench, "mum", &["org", "list"])[0]["name"], "Garden shed");
    json_of(&bench, "mum", &["org", "transfer", below, "--parent", "house"]);

    let role = json_of(&bench, "mum", &["role", "create", "Helper", "--permission", "OWN_DEVICES_VIEW"]);
    let role = text(&role, "/id");
    let edited =
        json_of(&bench, "mum", &["role", "edit", role, "--add", "OWN_DEVICES_CONTROL", "--push", "changed"]);
    assert_eq!(edited["permissions"], json!(["OWN_DEVICES_CONTROL", "OWN_DEVICES_VIEW"]));
    json_of(&bench, "mum", &["role", "rename", role, "Hand"]);

    let invited = json_of(&bench, "mum", &["user", "invite", "kid@example.com", "--role", role]);
    let mut accepting = as_user(bench.url(), "user-kid", &["user", "accept"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(accepting.stdin.take().unwrap(), "{}", text(&invited, "/token")).unwrap();
    Said::from(accepting.wait_with_output().unwrap()).with(0);
    assert_eq!(json_of(&bench, "mum", &["user", "invitations"])[0]["status"], "accepted");

    for verb in ["suspend", "activate", "sign-out"] {
        json_of(&bench, "mum", &["user", verb, "kid"]);
    }
    let user = json_of(&bench, "mum", &["role", "list"]);
    let user = user.as_array().unwrap().iter().find(|it| it["name"] == "User").unwrap();
    json_of(&bench, "mum", &["user", "role", "kid", text(user, "/id")]);
    run(&bench, "mum", &["role", "delete", role, "--replacement", text(user, "/id")]).with(0);
    assert_eq!(run(&bench, "mum", &["user", "delete", "kid"]).with(0).out, "done\n");
    run(&bench, "mum", &["org", "delete", below]).with(0);
    assert_eq!(ids(&json_of(&bench, "mum", &["user", "list"])), ["mum"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_added_described_lent_and_given_away() {
    let bench = Bench::start().await;
    json_of(&bench, "dad", &["device", "add", "Heater", "--id", "heater", "--template", "lamp"]);
    json_of(&bench, "dad", &["device", "rename", "heater", "Stove"]);
    json_of(&bench, "dad", &["device", "tag", "heater", "warm", "kitchen"]);
    let shown = json_of(&bench, "dad", &["device", "meta", "heater", "--set", "room=kitchen=2"]);
    assert_eq!((&shown["name"], &shown["tags"]), (&json!("Stove"), &json!(["warm", "kitchen"])));
    assert_eq!(shown["metadata"], json!({ "room": "kitchen=2" }));

    let give = ["grant", "give", "heater", "son@example.com", "--right", "control"];
    let hours = ["--hours", "mon-sun 00:00-24:00", "--zone", "Europe/Berlin", "--note", "yours"];
    let lent = json_of(&bench, "dad", &[&give[..], &hours].concat());
    let grant = text(&lent, "/items/0/id");
    assert_eq!(ids(&json_of(&bench, "son", &["grant", "list"])), [grant]);
    assert!(!bench.may("son", "control", "heater").await);
    json_of(&bench, "son", &["grant", "accept", grant]);
    assert!(bench.may("son", "control", "heater").await);
    assert_eq!(ids(&json_of(&bench, "dad", &["grant", "list", "--device", "heater"])), [grant]);
    json_of(&bench, "dad", &["grant", "revoke", grant]);
    assert!(!bench.may("son", "control", "heater").await);

    json_of(&bench, "dad", &["device", "transfer", "heater", "--email", "wife@example.com"]);
    assert_eq!(ids(&json_of(&bench, "wife", &["device", "list", "--owner", "wife"])), ["garage", "heater"]);
    assert_eq!(json_of(&bench, "dad", &["device", "clear-owner", "heater"])["owner"], Json::Null);
    run(&bench, "dad", &["device", "delete", "heater"]).with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_whole_and_tables_are_readable() {
    let bench = Bench::start().await;
    for n in 0..3 {
        json_of(&bench, "dad", &["device", "add", &format!("Lamp {n}"), "--id", &format!("lamp-{n}")]);
    }
    let devices = json_of(&bench, "dad", &["device", "list"]);
    assert_eq!(ids(&devices).len(), bench.ids("dad", "/api/v1/organizations/home/devices").await.len());
    let said = run(&bench, "dad", &["device", "list", "--owner", "wife"]).with(0);
    let lines: Vec<Vec<&str>> = said.out.lines().map(|line| line.split("  ").collect()).collect();
    assert_eq!(lines[0][0], "ID");
    assert!(said.out.contains("garage  Garage door  wife"), "{}", said.out);
    assert_eq!(run(&bench, "dad", &["org", "list"]).with(0).out, "there are none\n");
    let said = run(&bench, "dad", &["user", "show", "wife"]).with(0);
    assert!(said.out.contains("role          home/user\n"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_exit_code_one_with_its_reason() {
    let bench = Bench::start().await;
    let said = run(&bench, "wife", &["org", "rename", "home", "Mine"]).with(1);
    assert!(said.err.contains("you may see it, but not do this (403 forbidden, request "), "{}", said.err);
    assert_eq!(said.out, "");
    let problem = run(&bench, "wife", &["device", "show", "drinking", "--format", "json"]).with(1).json();
    assert_eq!(
        (&problem["status"], text(&problem, "/type")),
        (&json!(404), "urn:cedargate:problem:no-such-resource")
    );
    run(&bench, "stranger", &["me"]).with(1);
    // An id is one part of a path, whatever is in it.
    assert!(run(&bench, "dad", &["role", "show", "home/user"]).with(0).out.contains("home/user"));
    run(&bench, "dad", &["user", "show", "wife/devices"]).with(1);
    for id in ["..", ".", ""] {
        assert!(run(&bench, "dad", &["user", "delete", id]).with(2).err.contains("is no id"), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_exit_code_two() {
    let bench = Bench::start().await;
    let mut bare = as_user(bench.url(), "", &["me"]);
    assert!(Said::from(bare.output().unwrap()).with(2).err.contains("CEDARGATE_TOKEN"));
    let closed = as_user("http://127.0.0.1:9", "user-dad", &["me"]).output().unwrap();
    assert!(Said::from(closed).with(2).err.contains("is not reached"));
    for url in ["ftp://127.0.0.1", "nowhere", "http://dad:secret@127.0.0.1"] {
        let said = Said::from(as_user(url, "user-dad", &["me"]).output().unwrap()).with(2);
        assert!(said.err.contains("is no control URL"), "{url}: {}", said.err);
    }
    run(&bench, "dad", &["device", "transfer", "garage"]).with(2);
    run(&bench, "dad", &["device", "meta", "garage", "--set", "room"]).with(2);
    run(&bench, "dad", &["grant", "give", "garage", "son@example.com", "--hours", "noday", "--zone", "UTC"])
        .with(2);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "user-wife\n").unwrap();
    let by_file = run(&bench, "dad", &["me", "--token-file", file.to_str().unwrap(), "--format", "json"]);
    assert_eq!(by_file.with(0).json()["user"]["id"], "wife");
}

/// A key travels in its own header, so a gateway that takes keys takes it.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_is_as_good_as_a_token() {
    let bench = Bench::start().await;
    let made = bench.done("wife", "POST", "/api/v1/keys", json!({ "name": "laptop" })).await;
    let said = Said::from(as_user(bench.url(), text(&made, "/key"), &["me"]).output().unwrap()).with(0);
    assert!(said.out.contains("wife"), "{}", said.out);
}

/// Nobody's name reaches the terminal as a command, and no answer sends the token elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn answers_do_nothing_but_show() {
    let hostile = json!({ "id": "x", "name": "\u{1b}[2J\u{9b}31m\u{202e}\n\u{2028}end" }).to_string();
    let url = answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{hostile}", hostile.len()));
    let said = Said::from(as_user(&url, "t", &["device", "show", "x"]).output().unwrap()).with(0);
    assert_eq!(said.out, "id    x\nname  \\u{1b}[2J\\u{9b}31m\\u{202e}\\u{a}\\u{2028}end\n");
    let said = Said::from(as_user(&url, "t", &["device", "show", "x", "--format", "json"]).output().unwrap());
    let said = said.with(0);
    assert!(!said.out.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{2028}']), "{}", said.out);
    assert_eq!(said.json(), serde_json::from_str::<Json>(&hostile).unwrap());
    let elsewhere = "HTTP/1.1 307 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n";
    let said = Said::from(as_user(&answering(elsewhere.to_owned()), "t", &["me"]).output().unwrap()).with(2);
    assert!(said.err.contains("status 307"), "{}", said.err);
}
