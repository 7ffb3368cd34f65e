//! The W3C Web of Things server of `tests/upstreams/things.py`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The running server; it ends with the value, and also when the test is killed.
pub(crate) struct Things {
    child: Child,
    port: u16,
}

impl Things {
    /// Starts it on a free port and waits until it listens.
    pub(crate) fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = Self::python();
        assert!(python.exists(), "`{}` is missing: run tests/tools/setup", python.display());
        let mut child = Command::new(python)
            .arg(root.join("tests/upstreams/things.py"))
            .args(["0", "--until-stdin-closes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the Web of Things server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("its output can be read");
        let port = line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok());
        let Some(port) = port else {
            let _ = child.kill();
            panic!(
                "the Web of Things server said `{}` instead of `ready PORT`: run tests/tools/setup",
                line.trim()
            );
        };
        Self { child, port }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The Python that has `websocket` and `webthing`, for clients.
    pub(crate) fn python() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(".test-tools/venv/bin/python")
    }
}

impl Drop for Things {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
