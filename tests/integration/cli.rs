//! The program as people and scripts run it: what it prints, and its exit codes.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::pack;

/// What a run said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("an exit code"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    /// The answer, once the exit code is as expected.
    #[track_caller]
    fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.out, self.err);
        self
    }

    fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    command.current_dir(dir).env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

fn run(dir: &Path, args: &[&str]) -> Said {
    program(dir).args(args).output().unwrap().into()
}

/// An empty folder with a copy of the shipped policies.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&pack::path("policies"), &dir.path().join("policies"));
    dir
}

/// A folder with the shipped policies, the family, and a configuration.
fn deployment() -> TempDir {
    let dir = folder();
    fs::create_dir(dir.path().join("entities")).unwrap();
    fs::copy(pack::path("entities/family.json"), dir.path().join("entities/family.json")).unwrap();
    let config = "[upstream]\nurl = \"http://127.0.0.1:9\"\n\n[[route]]\nmatch = \"GET /d/{device}\"\n\
                  action = \"view\"\nresource = { type = \"Device\", id = \"path:device\" }\n";
    fs::write(dir.path().join("cedargate.toml"), config).unwrap();
    dir
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

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
fn stories_pass_and_fail_with_reasons() {
    let said = run(&pack::path(""), &["test"]).with(0);
    let stories = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stories")).unwrap().count();
    assert_eq!(said.out, format!("{stories} passed, 0 failed\n"));
    let dir = tempfile::tempdir().unwrap();
    let story = "title = \"t\"\nworld = \"family\"\nallow = [\n  \"wife view garage\",\n  \"wife view drinking\",\n]\n";
    fs::write(dir.path().join("bad.toml"), story).unwrap();
    let bad = dir.path().join("bad.toml");
    let said = run(&pack::path(""), &["test", bad.to_str().unwrap(), "tests/stories/roles.toml"]).with(1);
    assert!(said.out.contains("bad.toml:5:3"), "{}", said.out);
    assert!(said.out.contains("was denied") && said.out.contains("no policy permits it"), "{}", said.out);
    assert!(said.out.ends_with("1 passed, 1 failed\n"), "{}", said.out);
    let json = run(&pack::path(""), &["test", bad.to_str().unwrap(), "--format", "json"]).with(1).json();
    assert_eq!(json["stories"][0]["failures"][0]["line"], 5);
}

#[test]
fn coverage_lists_policies_and_actions_with_stories() {
    let said = run(&pack::path(""), &["test", "--coverage", "tests/stories/roles.toml"]).with(0);
    let text = pack::read("tests/stories/roles.toml");
    let title = text.lines().next().unwrap().trim_start_matches("title = ").trim_matches('"');
    assert!(said.out.contains(&format!("policy list-devices-reached:\n  {title}\n")), "{}", said.out);
    assert!(said.out.contains("policy use-itself-device: no story\n"), "{}", said.out);
    assert!(said.out.contains("action provision, allowed: no story\n"), "{}", said.out);
    let json = run(&pack::path(""), &["test", "--coverage", "--format", "json"]).with(0).json();
    assert_eq!(json["coverage"]["gaps"], serde_json::json!([]));
}

fn explain(dir: &Path, principal: &str, action: &str, resource: &str, more: &[&str]) -> Said {
    let mut args = vec!["explain", "--principal", principal, "--action", action, "--resource", resource];
    args.extend(more);
    run(dir, &args)
}

#[test]
fn an_allow_is_explained_by_its_permit() {
    let root = pack::path("");
    let said = explain(&root, "User::wife", "view", "Device::garage", &[]).with(0);
    let expected = "allowed: User::\"wife\" view Device::\"garage\", over the files in `entities`\n  \
                    permitted by view-own-devices (policies/devices.cedar:";
    assert!(said.out.starts_with(expected), "{}", said.out);
    assert!(said.out.contains("OWN_DEVICES_VIEW"), "{}", said.out);
}

#[test]
fn a_deny_is_explained_by_its_forbid_or_the_nearest_permits() {
    let root = pack::path("");
    let said = explain(&root, "User::wife", "control", "Device::drinking", &[]).with(1);
    let line = 1 + pack::read("policies/guardrails.cedar")
        .lines()
        .position(|it| it == "@id(\"touch-device-unseen\")")
        .unwrap();
    assert!(
        said.out.contains(&format!("forbidden by touch-device-unseen (policies/guardrails.cedar:{line})")),
        "{}",
        said.out
    );

    let said = explain(&root, "User::wife", "view", "Device::drinking", &[]).with(1);
    let own = said.out.find("view-own-devices (").unwrap();
    let organization = said.out.find("view-organization-devices (").unwrap();
    assert!(own < organization, "the nearest first: {}", said.out);
    assert!(said.out.contains("3 of 4 clauses hold"), "{}", said.out);
    let policies = pack::read("policies/devices.cedar");
    let from = policies.find("@id(\"view-own-devices\")").unwrap();
    let clause = from + policies[from..].find("resource.owner == principal").unwrap();
    let line = policies[..clause].matches('\n').count() + 1;
    let lacks = format!("does not hold, line {line}: resource.owner == principal\n");
    assert!(said.out[own..organization].contains(&lacks), "{}", said.out);
    assert!(!said.out.contains("use-devices-client"), "that is for other principals: {}", said.out);

    let json =
        explain(&root, "User::wife", "view", "Device::spare-lamp", &["--format", "json"]).with(1).json();
    let near = json["nearest"].as_array().unwrap();
    let own = near.iter().find(|it| it["policy"]["id"] == "view-own-devices").unwrap();
    assert_eq!(own["missing"]["clause"], "resource has owner");
    assert_eq!((&own["held"], &own["clauses"]), (&2.into(), &4.into()), "an error is no clause that holds");
    assert_eq!(json["decision"], "deny");
    let said = explain(&root, "User::wife", "view", "Device::nothing", &[]).with(1);
    assert!(said.out.contains("Device::\"nothing\" does not exist"), "{}", said.out);
    assert!(
        explain(&root, "User::wife", "paint", "Device::lamp", &[]).with(2).err.contains("no action `paint`")
    );
    assert!(explain(&root, "Usr::wife", "view", "Device::lamp", &[]).with(2).err.contains("no type `Usr`"));
    assert!(explain(&root, "wife", "view", "Device::lamp", &[]).with(2).err.contains("Type::id"));
    let context = ["--context", "{\"datastream\": 5}"];
    let said = explain(&root, "User::wife", "view", "Device::garage", &context).with(1);
    assert!(said.out.contains("the decision failed"), "{}", said.out);
}

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
    assert_eq!(key(&["list", "--format", "json"]).json().as_array().unwrap().len(), 2);
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
