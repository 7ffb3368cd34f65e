//! What is written about Cedargate: links lead somewhere, pages stay short, every setting is described.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::pack;

/// Pages that have a limit of their own; a decision is one page.
const LINES_MAX: [(&str, usize); 3] = [("README.md", 120), ("ARCHITECTURE.md", 150), ("CONTRIBUTING.md", 80)];
const DECISION_LINES_MAX: usize = 60;

fn pages() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["", "docs", "docs/decisions", "docs/guide", "policies"]
        .iter()
        .flat_map(|folder| fs::read_dir(pack::path(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .collect();
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn links_lead_somewhere() {
    let mut checked = 0;
    for page in pages() {
        for target in read(&page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("https://") {
                continue;
            }
            let file = target.split('#').next().unwrap();
            assert!(page.parent().unwrap().join(file).exists(), "{}: no `{target}`", page.display());
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked} links");
}

#[test]
fn pages_stay_short_and_name_no_machine() {
    for (name, max) in LINES_MAX {
        let lines = pack::read(name).lines().count();
        assert!(lines <= max, "{name} has {lines} lines");
    }
    for page in pages() {
        let text = read(&page);
        assert!(text.starts_with("# "), "{} has no title", page.display());
        assert!(!text.contains("/home/") && !text.contains("/work/"), "{} names a machine", page.display());
        if page.parent().is_some_and(|folder| folder.ends_with("decisions")) {
            assert!(text.lines().count() <= DECISION_LINES_MAX, "{} is long", page.display());
            for part in ["## Context", "## Decision", "## Consequences"] {
                assert!(text.contains(part), "{}: `{part}` is missing", page.display());
            }
        }
    }
}

/// The keys of the example, with their tables: `gateway.listen`.
fn example_keys() -> BTreeSet<String> {
    let mut table = String::new();
    let mut keys = BTreeSet::new();
    for line in pack::read("cedargate.example.toml").lines() {
        let line = line.trim_start_matches("# ").trim_start_matches('#');
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_matches(|c| c == '[' || c == ']').to_owned();
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !table.starts_with("route")
        {
            keys.insert(format!("{table}.{key}"));
        }
    }
    keys
}

/// The keys that the page describes, under the table that its heading or the text before them names.
fn described_keys() -> BTreeSet<String> {
    let mut tables = Vec::new();
    let mut keys = BTreeSet::new();
    let mut row = 0;
    for line in pack::read("docs/guide/configuration.md").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            tables = heading.split(", ").map(str::to_owned).collect();
            row = 0;
        } else if let Some(name) = line.split("`[").nth(1) {
            tables = vec![name.split(']').next().unwrap().trim_matches('[').to_owned()];
        } else if line.starts_with("| `") {
            let key = line.split('`').nth(1).unwrap();
            // Several tables in one: a row for each.
            keys.insert(format!("{}.{key}", tables[row.min(tables.len() - 1)]));
            row += 1;
        }
    }
    keys
}

#[test]
fn every_setting_is_described_and_none_is_invented() {
    let (example, described) = (example_keys(), described_keys());
    assert!(example.len() > 50, "{example:?}");
    let missing: Vec<_> = example.difference(&described).collect();
    assert!(missing.is_empty(), "docs/guide/configuration.md says nothing of {missing:?}");
    let invented: Vec<_> = described.difference(&example).collect();
    assert!(invented.is_empty(), "cedargate.example.toml has no {invented:?}");
}

/// The default of each key in both places, where the page gives it as a value.
#[test]
fn described_defaults_are_those_of_the_example() {
    let example = pack::read("cedargate.example.toml");
    let mut compared = 0;
    for line in pack::read("docs/guide/configuration.md").lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let (key, default) = (cells[0].trim_matches('`'), cells[1].trim_matches('`'));
        let is_value =
            default.chars().next().is_some_and(|c| c.is_ascii_digit()) || cells[1].starts_with('`');
        if !is_value || cells[1].contains(", ") || key == "principal" {
            continue;
        }
        let [bare, quoted] = [format!("{key} = {default}"), format!("{key} = \"{default}\"")];
        let is_there =
            example.lines().map(|line| line.trim_start_matches('#')).any(|it| it == bare || it == quoted);
        assert!(is_there, "`{key}`: the example has another default than {default}");
        compared += 1;
    }
    assert!(compared > 40, "{compared} defaults");
}

#[test]
fn every_metric_is_described() {
    let operations = pack::read("docs/guide/operations.md");
    let mut folders = vec![pack::path("src")];
    let mut names = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = read(&path);
            names.extend(
                text.split("!(\"cedargate_").skip(1).map(|it| it.split('"').next().unwrap().to_owned()),
            );
        }
    }
    assert!(names.len() > 3, "{names:?}");
    for name in names {
        assert!(
            operations.contains(&format!("`cedargate_{name}`")),
            "nothing says what `cedargate_{name}` counts"
        );
    }
}
