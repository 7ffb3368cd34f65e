//! Every mistake with its place, and nothing served with one.

use std::fs;

use super::{deployment, edit, folder, run};
use crate::pack;

#[test]
fn what_is_shipped_is_clean() {
    let said = run(&pack::path(""), &["check"]).with(0);
    assert!(said.out.starts_with("0 errors, 0 warnings in "), "{}", said.out);
    assert!(said.out.contains("policies") && said.out.contains("entities") && said.out.contains("stories"));
    assert_eq!(run(deployment().path(), &["check", "--format", "json"]).with(0).json()["errors"], 0);
}

#[test]
fn every_mistake_is_told_with_file_line_and_caret() {
    let dir = deployment();
    let at = |name: &str| dir.path().join(name);
    edit(&at("cedargate.toml"), "\"view\"", "\"vew\"");
    edit(&at("entities/family.json"), "\"owner\": {\"type\": \"User\", \"id\": \"wife\"}", "\"owner\": 5");
    edit(&at("entities/family.json"), "\"id\": \"home/staff\"}]", "\"id\": \"home/stuff\"}]");
    fs::create_dir_all(at("tests/stories")).unwrap();
    fs::write(at("tests/stories/a.toml"), "title = \"t\"\nworld = \"family\"\nallow = [\"wife view\"]\n")
        .unwrap();
    let said = run(dir.path(), &["check"]).with(1);
    let told = |message: &str, place: &str, marked: &str| {
        let from = said.out.find(message).unwrap_or_else(|| panic!("{message}: {}", said.out));
        let lines: Vec<&str> = said.out[from..].lines().collect();
        assert!(lines[1].contains(place), "{place}: {lines:?}");
        let marks: String = lines[2]
            .chars()
            .zip(lines[3].chars())
            .filter(|(_, mark)| *mark == '^')
            .map(|(shown, _)| shown)
            .collect();
        assert_eq!(marks, marked, "{lines:?}");
    };
    told("unknown action `vew`", "[cedargate.toml:6:10]", "\"vew\"");
    told("in attribute `owner`", "[entities/family.json:15:113]", "\"owner\"");
    told("! Role::\"home/stuff\"", "[entities/family.json:10:222]", "\"home/stuff\"");
    told("`wife view` names no resource", "[tests/stories/a.toml:3:10]", "\"wife view\"");
    assert!(said.out.contains("3 errors, 1 warning in cedargate.toml"), "{}", said.out);

    let findings = run(dir.path(), &["check", "--format", "json"]).with(1).json()["findings"].clone();
    let owner = findings.as_array().unwrap().iter().find(|it| it["line"] == 15).unwrap();
    let line = pack::read("entities/family.json").lines().nth(14).unwrap().to_owned();
    assert_eq!(owner["column"], line.find("\"owner\"").unwrap() + 1);
}

#[test]
fn a_policy_that_does_not_validate_is_told_with_its_place() {
    let dir = deployment();
    edit(
        &dir.path().join("policies/machines.cedar"),
        "resource == principal.device",
        "resource == principal.devise",
    );
    let said = run(dir.path(), &["check"]).with(1);
    assert!(said.out.contains("devise") && said.out.contains("machines.cedar:25:"), "{}", said.out);
}

#[test]
fn broken_json_and_doubles_are_told_with_their_line() {
    let dir = folder();
    fs::create_dir(dir.path().join("entities")).unwrap();
    let home = r#"{"uid": {"type": "Organization", "id": "home"}, "attrs": {"name": "Home"}, "parents": []}"#;
    let file = dir.path().join("entities/a.json");
    let at = |text: String| {
        fs::write(&file, text).unwrap();
        let finding = run(dir.path(), &["check", "--format", "json"]).with(1).json()["findings"][0].clone();
        (
            finding["line"].as_u64().unwrap(),
            finding["column"].as_u64().unwrap(),
            finding["message"].to_string(),
        )
    };
    let (line, _, message) = at(format!("[\n{home},\n{home}\n]"));
    assert_eq!(line, 3, "{message}");
    assert!(message.contains("twice"), "{message}");
    let (line, column, message) = at(format!("[\n{home}\n{home}]"));
    assert_eq!((line, column), (3, 1), "{message}");
    assert!(message.contains("`,` is missing"), "{message}");
    let (line, _, message) = at(format!("[\n{home},\n{}]", home.replace("[]", "[")));
    assert_eq!(line, 3, "{message}");
    let (line, _, message) = at("[\n\n{\"uid\": 1, \"uid\": 2}]".to_owned());
    assert_eq!(line, 3, "{message}");
    let (line, _, message) = at(format!("[\n{}]", home.replace("Organization", "Organisation")));
    assert_eq!(line, 2, "{message}");
}

#[test]
fn usage_and_absence_are_exit_code_two() {
    let dir = tempfile::tempdir().unwrap();
    assert!(run(dir.path(), &["check"]).with(2).err.contains("nothing to check"));
    assert!(run(dir.path(), &["paint"]).with(2).err.contains("Usage"));
    assert!(run(dir.path(), &["test"]).with(2).err.contains("tests/stories"));
    assert!(run(dir.path(), &["key", "list"]).with(2).err.contains("--store URL"));
    assert!(
        run(dir.path(), &["export", "--store", "sqlite://none.db"]).with(2).err.contains("does not exist")
    );
    assert!(!dir.path().join("none.db").exists(), "a question makes no store");
    let record = run(dir.path(), &["explain", "--record", "r1"]).with(2);
    assert!(record.err.contains("`--record` is not there yet"), "{}", record.err);
    assert!(run(dir.path(), &["--version"]).with(0).out.starts_with("cedargate "));
}

#[test]
fn nothing_is_served_with_a_mistake_in_the_files() {
    let dir = deployment();
    run(dir.path(), &["serve", "--check"]).with(0);
    edit(&dir.path().join("entities/family.json"), "\"status\": \"active\"", "\"status\": 1");
    let checked = run(dir.path(), &["serve", "--check"]).with(1);
    assert!(checked.out.contains("[entities/family.json:7:"), "{}", checked.out);
    let served = run(dir.path(), &["serve"]).with(2);
    assert!(served.err.contains("[entities/family.json:7:"), "{}", served.err);
    assert!(!dir.path().join("cedargate.db").exists());
}
