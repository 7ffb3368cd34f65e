//! Stories, their coverage, and why a question is decided as it is.

use std::fs;
use std::path::Path;

use super::{Said, run};
use crate::pack;

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

pub(super) fn explain(dir: &Path, principal: &str, action: &str, resource: &str, more: &[&str]) -> Said {
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
