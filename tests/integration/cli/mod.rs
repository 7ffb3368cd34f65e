//! The program as people and scripts run it: what it prints, and its exit codes.

mod check;
mod reasons;
mod remote;
mod store;

use std::fs;
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
