use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::effects::{ROUTES, entities};
use crate::support::gate::{Gate, OPERATOR, Setup};
use crate::support::upstream::{Answer, Recorder};
use crate::support::wire::Wire;

/// The program itself, so that it can be killed.
struct Process {
    child: Child,
    gateway: SocketAddr,
    control: SocketAddr,
}

impl Process {
    fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .args(["serve", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut addresses =
            line.split("http://").skip(1).map(|it| it.trim().trim_end_matches(", control on"));
        let mut address = || addresses.next().unwrap_or_else(|| panic!("`{line}`")).parse().unwrap();
        Self { child, gateway: address(), control: address() }
    }

    fn operate(&self, line: &str) -> Json {
        let head = format!("{line} HTTP/1.1\r\nHost: control\r\nAuthorization: Bearer {OPERATOR}\r\n\r\n");
        Wire::connect(self.control).send(head).reply(false).json()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Killed at any moment after the upstream was asked, the device is registered or noted, never both, never neither.
#[test]
fn a_kill_leaves_what_the_upstream_made_registered_or_noted() {
    let (arrived, asked) = mpsc::channel();
    let count = Arc::new(AtomicUsize::new(0));
    let counting = count.clone();
    let upstream = Recorder::start(move |_| {
        let id = format!("made-{}", counting.fetch_add(1, Ordering::SeqCst));
        arrived.send(()).unwrap();
        Answer::new(201, "application/json", json!({ "id": id }).to_string())
    });
    let store = "url = \"sqlite://killed.db\"";
    let setup = Setup { routes: ROUTES, entities: Some(entities()), store, ..Setup::default() };
    let mut gate = Gate::start_with(&upstream.url(), setup);
    gate.take().stop();
    let config = gate.file("config.toml");
    let (mut registered, mut noted) = (0, 0);
    for round in 0..12_u64 {
        let mut process = Process::start(&config);
        let name = format!("Kettle {round}");
        let body = json!({ "name": name }).to_string();
        let head = gate.head("wife", "POST /devices");
        let length = body.len();
        let request =
            format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        let mut caller = Wire::connect(process.gateway);
        caller.send(request);
        asked.recv_timeout(Duration::from_secs(20)).unwrap();
        // The moment of the kill is the test's subject: from at once to a while after the answer.
        std::thread::sleep(Duration::from_millis(round * 2));
        process.kill();
        drop((caller, process));

        let after = Process::start(&config);
        let notes = after.operate("GET /api/v1/reconciliations?limit=200");
        let is_noted = notes["items"].as_array().unwrap().iter().any(|it| it["name"] == *name);
        let devices = after.operate("GET /api/v1/organizations/house-family/devices?limit=200");
        let is_there = devices["items"].as_array().unwrap().iter().any(|it| it["name"] == *name);
        assert!(is_noted != is_there, "round {round}: noted {is_noted}, registered {is_there}");
        registered += u32::from(is_there);
        noted += u32::from(is_noted);
    }
    assert_eq!(registered + noted, 12);
    assert!(noted > 0, "no kill came in time");
}
