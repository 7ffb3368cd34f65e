//! The OpenAPI document says what the running API does: schemathesis asks each operation what it should refuse.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::bench::{Bench, OPERATOR};

/// Left out: 400 is also for what contradicts what is stored, so not all that fits the document is accepted.
const LEFT_OUT: &str = "positive_data_acceptance";

/// Every check but one on every operation, in somebody's name; the same requests each time.
fn checked(url: &str, who: &str, folder: &Path) -> Output {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".test-tools/venv/bin/schemathesis");
    assert!(program.exists(), "`{}` is missing: run tests/tools/setup", program.display());
    Command::new(program)
        .args(["run", &format!("{url}/openapi.json"), "--header", &format!("Authorization: Bearer {who}")])
        .args(["--checks", "all", "--exclude-checks", LEFT_OUT, "--continue-on-failure"])
        .args(["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "3", "--seed", "1"])
        .args(["--suppress-health-check", "all", "--warnings", "off", "--no-color"])
        .current_dir(folder)
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_does_what_the_document_says() {
    let mut runs = Vec::new();
    for who in ["user-dad", "user-wife", "the-operators-own-token"] {
        let bench = Bench::start().await;
        let url = bench.url().to_owned();
        runs.push(tokio::task::spawn_blocking(move || {
            let folder = tempfile::tempdir().unwrap();
            (who, checked(&url, who, folder.path()))
        }));
    }
    for run in runs {
        let (who, output) = run.await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{who}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("No issues found"), "{who}: {said}");
    }
}

/// Two forms of one name would be described as one of them.
#[tokio::test]
async fn no_two_operations_share_a_form() {
    let bench = Bench::start().await;
    let document = bench.done(OPERATOR, "GET", "/openapi.json", Value::Null).await;
    let mut forms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let form = operation.pointer("/requestBody/content/application~1json/schema/$ref");
            if let Some(form) = form.and_then(Value::as_str) {
                forms.entry(form.to_owned()).or_default().push(format!("{method} {path}"));
            }
        }
    }
    assert!(forms.len() > 10, "{forms:?}");
    forms.retain(|_, operations| operations.len() > 1);
    assert!(forms.is_empty(), "{forms:?}");
}
