//! Policies follow their folder while the gateway runs.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::support::gate::{Gate, Setup};
use crate::support::upstream::{Answer, Recorder};

const NOTHING: &str = "@id(\"nothing-more\") @why(\"A policy to begin with.\")\n\
                       forbid (principal, action == Action::\"control\", resource is Device)\n\
                       when { resource.name == \"never called this\" };\n";
const CLOSED: &str = "@id(\"close-everything\") @why(\"Nobody sees anything.\")\n\
                      forbid (principal, action, resource is Device);\n";

/// Waits for a condition and fails when it never comes.
fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn status(gate: &Gate) -> u16 {
    gate.ask("wife", "GET /devices/lamp").status
}

/// The status and the body of `/readyz`.
fn ready(gate: &Gate) -> (u16, Json) {
    let url = format!("http://{}/readyz", gate.running().control);
    gate.running().handle().block_on(async {
        let answer = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
    })
}

#[test]
fn an_edit_is_in_force_and_a_mistake_changes_nothing() {
    let upstream = Recorder::start(|_| Answer::status(200));
    let gate = Gate::start_with(&upstream.url(), Setup { policies: NOTHING, ..Setup::default() });
    let file = gate.file("policies/further.cedar");
    let edit = |text: &str| std::fs::write(&file, text).unwrap();
    let first = ready(&gate);
    assert_eq!((first.0, status(&gate)), (200, 200));

    edit(CLOSED);
    until("the new policy", || status(&gate) == 404);
    let closed = ready(&gate);
    assert_eq!(closed.0, 200);
    assert_ne!(closed.1["policy_revision"], first.1["policy_revision"]);

    edit("forbid (principal, action, resource) when { ");
    until("the complaint", || ready(&gate).0 == 503);
    let (_, broken) = ready(&gate);
    assert_eq!(broken["policy_revision"], closed.1["policy_revision"], "the last good ones stay in force");
    assert!(broken["wrong"][0].as_str().unwrap().contains("further.cedar"), "{broken}");
    assert_eq!(status(&gate), 404);

    edit(NOTHING);
    until("the repaired policy", || status(&gate) == 200);
    let (code, repaired) = ready(&gate);
    assert_eq!((code, &repaired["policy_revision"]), (200, &first.1["policy_revision"]));
}

#[test]
fn what_permissions_need_follows_its_file_too() {
    let upstream = Recorder::start(|_| Answer::status(200));
    let gate = Gate::start_with(&upstream.url(), Setup { policies: NOTHING, ..Setup::default() });
    let file = gate.file("policies/permissions.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let first = ready(&gate);
    std::fs::write(&file, good.replace("[\"OTA_VIEW\"]", "[\"OTA_VEIW\"]")).unwrap();
    until("the complaint", || ready(&gate).0 == 503);
    let wrong = ready(&gate).1["wrong"][0].as_str().unwrap().to_owned();
    assert!(wrong.contains("permissions.toml") && wrong.contains("OTA_VEIW"), "{wrong}");
    std::fs::write(&file, good.replace("OTA_START = [\"OTA_VIEW\"]\n", "")).unwrap();
    until("the other dependencies", || ready(&gate).0 == 200);
    assert_ne!(ready(&gate).1["policy_revision"], first.1["policy_revision"]);
}
