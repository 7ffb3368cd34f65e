//! The mail server of `tests/upstreams/post.py`.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::support::upstream::Things;

/// The running server; it ends with the value.
pub(crate) struct Sink {
    child: Child,
    port: u16,
    letters: Arc<Mutex<Vec<Json>>>,
}

impl Sink {
    /// Starts it on a free port and waits until it listens.
    pub(crate) fn start() -> Self {
        Self::on(0)
    }

    /// Starts it on a port, such as one of [`free_port`].
    pub(crate) fn on(port: u16) -> Self {
        Self::with(&[port.to_string()])
    }

    /// Starts it on a free port, with a certificate and its key in this folder, for `STARTTLS`.
    pub(crate) fn with_certificate(folder: &Path) -> Self {
        let file = |name: &str| folder.join(name).display().to_string();
        Self::with(&["0".to_owned(), file("certificate.pem"), file("key.pem")])
    }

    fn with(arguments: &[String]) -> Self {
        let python = Things::python();
        assert!(python.exists(), "`{}` is missing: run tests/tools/setup", python.display());
        let mut child = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upstreams/post.py"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the mail server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        let port = first.strip_prefix("ready ").and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("the mail server said `{first}` instead of `ready PORT`"));
        let letters = Arc::<Mutex<Vec<Json>>>::default();
        let kept = letters.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(serde_json::from_str(&line).expect("a line of JSON"));
            }
        });
        Self { child, port, letters }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn letters(&self) -> Vec<Json> {
        self.letters.lock().unwrap().clone()
    }

    /// Waits for a letter to the address and gives the latest.
    pub(crate) fn letter_to(&self, address: &str) -> Json {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let found = self.letters().into_iter().rev().find(|it| it["to"] == serde_json::json!([address]));
            match found {
                Some(letter) => return letter,
                None if Instant::now() < patience => std::thread::sleep(Duration::from_millis(10)),
                None => panic!("no letter to {address}: {:?}", self.letters()),
            }
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port on which nobody listens yet.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
