//! The walls between modules: ARCHITECTURE.md holds the table, and this reads it against the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 400;

/// One row of the table.
struct Row {
    may_use: BTreeSet<String>,
    crates: BTreeSet<String>,
}

struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows between the heading `| module |` and the end of that table.
fn table() -> BTreeMap<String, Row> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| module |")).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
            let row = Row { may_use: names(cells[1]), crates: names(cells[2]) };
            (names(cells[0]).pop_first().expect("a module in each row"), row)
        })
        .collect()
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// The files of the program; unit tests, which may look further, are files named `tests`.
fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut paths = Vec::new();
    rust_files(&src, &mut paths);
    paths.retain(|path| !path.ends_with("tests.rs"));
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(&src).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        Source { path: inside.to_owned(), module, text }
    };
    paths.into_iter().map(read).collect()
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// What follows each path that begins with `start::` in a line: `policy` for `crate::policy::Verdict`.
fn after<'a>(line: &'a str, start: &str) -> Vec<&'a str> {
    let whole = format!("{start}::");
    let begins = |at: usize| !line[..at].ends_with(|c| is_name(c) || c == ':');
    let rest =
        line.match_indices(&whole).filter(|(at, _)| begins(*at)).map(|(at, it)| &line[at + it.len()..]);
    rest.map(|rest| rest.split(|c| !is_name(c)).next().unwrap_or_default()).collect()
}

#[test]
fn modules_use_exactly_what_the_table_says() {
    let table = table();
    let mut wrong = BTreeSet::new();
    let mut unused: BTreeSet<(&String, &String)> =
        table.iter().flat_map(|(name, row)| row.may_use.iter().map(move |used| (name, used))).collect();
    for source in sources().iter().filter(|it| it.module != "lib") {
        let Some((name, row)) = table.get_key_value(&source.module) else {
            wrong.insert(format!("`{}` has no row", source.module));
            continue;
        };
        let own = if source.module == "main" { "cedargate" } else { "crate" };
        for used in code_lines(&source.text).flat_map(|line| after(line, own)) {
            if used.is_empty() {
                wrong.insert(format!("{}: write one path for each `crate::…`", source.path.display()));
            } else if let Some(used) = row.may_use.get(used) {
                unused.remove(&(name, used));
            } else if used != source.module {
                wrong.insert(format!("{} uses `{used}`", source.path.display()));
            }
        }
        if source.text.contains("super::super") {
            wrong.insert(format!("{}: write `crate::…` instead of `super::super`", source.path.display()));
        }
    }
    assert!(wrong.is_empty(), "not in the table of ARCHITECTURE.md:\n{wrong:#?}");
    assert!(unused.is_empty(), "in the table of ARCHITECTURE.md and not used: {unused:?}");
}

#[test]
fn owned_crates_are_named_by_their_owners_only() {
    let table = table();
    let owned: BTreeSet<&String> = table.values().flat_map(|row| &row.crates).collect();
    assert!(owned.len() > 5, "the table names the owners of crates");
    let mut wrong = BTreeSet::new();
    for source in sources() {
        for name in &owned {
            let named = code_lines(&source.text).any(|line| !after(line, name).is_empty());
            let is_owner = table.get(&source.module).is_some_and(|row| row.crates.contains(*name));
            if named && !is_owner {
                wrong.insert(format!("{} names `{name}`", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these crates have other owners in ARCHITECTURE.md:\n{wrong:#?}");
}

#[test]
fn the_table_is_of_this_tree_and_has_no_circle() {
    let table = table();
    let modules: BTreeSet<String> = sources().into_iter().map(|it| it.module).collect();
    for (name, row) in &table {
        assert!(modules.contains(name), "`{name}` is no module");
        let unknown: Vec<_> = row.may_use.iter().filter(|it| !table.contains_key(*it)).collect();
        assert!(unknown.is_empty(), "`{name}` may use {unknown:?}, which have no row");
    }
    // Rows stand in order: each module uses only what a row further up describes.
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let place = |name: &str| text.find(&format!("\n| `{name}` |")).expect("a row");
    for (name, row) in &table {
        let below: Vec<_> = row.may_use.iter().filter(|it| place(it) > place(name)).collect();
        assert!(below.is_empty(), "`{name}` stands above {below:?}, which it uses");
    }
}

#[test]
fn files_are_short_say_what_they_are_and_belong_to_the_crate() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= LINES_MAX, "{}: {lines} lines", source.path.display());
        assert!(source.text.starts_with("//! "), "{} does not say what it is", source.path.display());
    }
    let mut there = Vec::new();
    rust_files(&root().join("src"), &mut there);
    let mut declared = BTreeSet::new();
    for start in ["lib.rs", "main.rs"] {
        let path = root().join("src").join(start);
        follow(&path, &root().join("src"), &mut declared);
        declared.insert(path);
    }
    let dead: Vec<_> = there.into_iter().filter(|path| !declared.contains(path)).collect();
    assert!(dead.is_empty(), "no `mod` line leads to {dead:?}");
}

/// Adds the files of every `mod name;` of a file whose submodules lie in `dir`.
fn follow(file: &Path, dir: &Path, found: &mut BTreeSet<PathBuf>) {
    let text = fs::read_to_string(file).unwrap();
    let declared = code_lines(&text).filter_map(|line| {
        let (before, name) = line.strip_suffix(';')?.rsplit_once("mod ")?;
        (before.is_empty() || before.starts_with("pub")).then(|| name.to_owned())
    });
    for name in declared {
        let inner = dir.join(&name);
        let candidates = [dir.join(format!("{name}.rs")), inner.join("mod.rs")];
        let path = candidates.into_iter().find(|path| path.exists()).expect("the file of a module");
        follow(&path, &inner, found);
        found.insert(path);
    }
}

#[test]
fn the_reader_of_paths_sees_inline_paths_and_no_others() {
    assert_eq!(after("use crate::domain::{Query, Uid};", "crate"), ["domain"]);
    assert_eq!(after("fn f(x: crate::json::Value) -> crate::store::Feed {", "crate"), ["json", "store"]);
    assert_eq!(after("use crate::{json, store};", "crate"), [""]);
    assert!(after("use hyper_util::rt; my_hyper::x(); a::hyper::y()", "hyper").is_empty());
}
