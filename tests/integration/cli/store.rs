//! What goes into the store and out of it: entities and keys.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use super::reasons::explain;
use super::{Said, deployment, edit, program, run};
use crate::pack;

#[test]
fn entities_go_in_and_out_unchanged() {
    let dir = deployment();
    let import = |args: &[&str]| run(dir.path(), &[&["import"], args].concat());
    let said = import(&["entities/family.json"]).with(0);
    let total = pack::read("entities/family.json").matches("{\"uid\"").count();
    assert_eq!(said.out, format!("imported {total} entities: {total} written, 0 unchanged\n"));
    let again = import(&["entities/family.json", "--format", "json"]).with(0).json();
    assert_eq!((&again["written"], &again["unchanged"]), (&0.into(), &total.into()));

    let out = run(dir.path(), &["export"]).with(0).out;
    fs::write(dir.path().join("out.json"), &out).unwrap();
    let second = ["--store", "sqlite://second.db"];
    import(&["out.json", second[0], second[1]]).with(0);
    run(dir.path(), &["export", "--output", "copy.json", second[0], second[1]]).with(0);
    assert_eq!(fs::read_to_string(dir.path().join("copy.json")).unwrap(), out);
    assert!(!dir.path().join("copy.json.partial").exists());
    let devices = run(dir.path(), &["export", "--type", "Device"]).with(0).json();
    assert!(devices.as_array().unwrap().iter().all(|it| it["uid"]["type"] == "Device"));
    assert_eq!(
        devices.as_array().unwrap().len(),
        pack::read("entities/family.json").matches("{\"uid\": {\"type\": \"Device\",").count()
    );

    // What was imported is what decides.
    edit(
        &dir.path().join("entities/family.json"),
        "\"owner\": {\"type\": \"User\", \"id\": \"wife\"}",
        "\"owner\": {\"type\": \"User\", \"id\": \"son\"}",
    );
    assert_eq!(import(&["entities/family.json", "--format", "json"]).with(0).json()["written"], 1);
    let said = explain(dir.path(), "User::son", "view", "Device::garage", &[]).with(0);
    assert!(said.out.contains("over the store at revision 2"), "{}", said.out);
}

#[test]
fn a_bad_entity_stops_the_import_with_its_place() {
    let dir = deployment();
    let mut text = "[\n".to_owned();
    for n in 0..1500 {
        let name = if n == 1200 { "5".to_owned() } else { format!("\"o{n}\"") };
        let comma = if n == 1499 { "" } else { "," };
        writeln!(text, "{{\"uid\": {{\"type\": \"Organization\", \"id\": \"o{n}\"}}, \"attrs\": {{\"name\": {name}}}, \"parents\": []}}{comma}").unwrap();
    }
    fs::write(dir.path().join("bad.json"), text + "]\n").unwrap();
    let said = run(dir.path(), &["import", "bad.json"]).with(1);
    assert!(said.out.contains("bad.json:1202:"), "{}", said.out);
    assert!(said.out.ends_with("stopped after 1000 entities: 1000 written, 0 unchanged\n"), "{}", said.out);
    let said = run(dir.path(), &["import", "none.json"]).with(1);
    assert!(said.out.contains("none.json: cannot be read"), "{}", said.out);
    let taken = r#"[{"uid": {"type": "User", "id": "a"}, "attrs": {"organization": {"type": "Organization", "id": "home"}, "status": "active", "email": "x@example.com"}, "parents": []},
{"uid": {"type": "User", "id": "b"}, "attrs": {"organization": {"type": "Organization", "id": "home"}, "status": "active", "email": "X@example.com"}, "parents": []}]"#;
    fs::write(dir.path().join("taken.json"), taken).unwrap();
    let said = run(dir.path(), &["import", "taken.json"]).with(1);
    assert!(said.out.contains("taken.json:2:2") && said.out.contains("belongs to another"), "{}", said.out);
    assert!(said.out.contains("stopped after 0 entities"), "{}", said.out);
}

#[test]
fn a_large_list_streams_from_standard_input() {
    const COUNT: usize = 20_000;
    let dir = deployment();
    let mut import = program(dir.path());
    let mut child = import
        .args(["import", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        input.write_all(b"[").unwrap();
        for n in 0..COUNT {
            let comma = if n == 0 { "" } else { "," };
            writeln!(input, "{comma}{{\"uid\": {{\"type\": \"Device\", \"id\": \"d{n:05}\"}}, \"attrs\": {{\"name\": \"n\", \"organization\": {{\"type\": \"Organization\", \"id\": \"home\"}}}}, \"parents\": []}}").unwrap();
        }
        input.write_all(b"]").unwrap();
    });
    let said = Said::from(child.wait_with_output().unwrap()).with(0);
    writer.join().unwrap();
    assert_eq!(said.out, format!("imported {COUNT} entities: {COUNT} written, 0 unchanged\n"));
    let out = run(dir.path(), &["export"]).with(0).json();
    let ids: Vec<&str> = out.as_array().unwrap().iter().map(|it| it["uid"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), COUNT);
    assert!(ids.is_sorted());
}

#[test]
fn a_key_is_shown_once_listed_and_revoked() {
    let dir = deployment();
    let key = |args: &[&str]| run(dir.path(), &[&["key"], args].concat());
    let made =
        key(&["create", "--principal", "User::wife", "--name", "phone", "--expires", "90days"]).with(0);
    assert!(made.err.contains("not in the store yet"), "{}", made.err);
    run(dir.path(), &["import", "entities/family.json"]).with(0);
    let made_json = key(&["create", "--principal", "User::dad", "--format", "json"]).with(0);
    assert!(!made_json.err.contains("not in the store"), "{}", made_json.err);
    let (text, id) = (made_json.json()["key"].clone(), made_json.json()["id"].clone());
    let (text, id) = (text.as_str().unwrap(), id.as_str().unwrap());
    assert!(cedargate::identity::KeyText::parse(text).is_some());
    assert!(cedargate::identity::KeyText::parse(made.out.trim_end()).is_some(), "the key and nothing else");

    let listed = key(&["list"]).with(0).out;
    assert!(listed.contains("live") && listed.contains("phone") && listed.contains(id), "{listed}");
    assert!(!listed.contains("cgk_") && !key(&["list", "--format", "json"]).out.contains("cgk_"));
    key(&["revoke", id]).with(0);
    key(&["revoke", id]).with(0);
    assert!(key(&["revoke", "nobody"]).with(1).err.contains("no key `nobody`"));
    let json = key(&["list", "--format", "json"]).with(0).json();
    let states: Vec<_> = json.as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["live", "revoked"]);
    assert!(json[0]["expires"].is_string() && json[1]["expires"].is_null());
    for bad in ["soon", "0s", "-1day", "99999years"] {
        key(&["create", "--principal", "User::dad", &format!("--expires={bad}")]).with(2);
    }
    key(&["create", "--principal", "dad"]).with(2);
    assert!(key(&["create", "--principal", "User::d\nad"]).with(2).err.contains("control characters"));
    assert_eq!(key(&["list", "--format", "json"]).json().as_array().unwrap().len(), 2);
}
