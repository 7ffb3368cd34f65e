use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value as Json;

use crate::pack;

fn run(args: &[&str]) -> (i32, String, String) {
    let program = Command::new(env!("CARGO_BIN_EXE_cedargate")).args(args).output().unwrap();
    let Output { status, stdout, stderr } = program;
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn import(more: &[&str]) -> (i32, String, String) {
    let document = pack::path("tests/fixtures/openapi.yaml");
    run(&[&["routes", "import", document.to_str().unwrap()], more].concat())
}

/// The route of an operation, as it stands in the map.
fn route<'a>(map: &'a toml::Table, operation: &str) -> &'a toml::Value {
    let routes = map["route"].as_array().unwrap();
    routes.iter().find(|it| it["match"].as_str() == Some(operation)).unwrap_or_else(|| panic!("{operation}"))
}

#[test]
fn what_names_a_device_has_a_route_and_the_rest_is_told() {
    let (code, text, said) = import(&[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("10 routes, 3 not placed"), "{said}");
    let map: toml::Table = text.parse().unwrap();
    let of = |operation: &str, name: &str| route(&map, operation).get(name).map(ToString::to_string);
    for (operation, action, id) in [
        ("GET /api/v1/devices/{id}", "view", "path:id"),
        ("PUT /api/v1/devices/{id}", "update_metadata", "path:id"),
        ("DELETE /api/v1/devices/{id}", "delete_device", "path:id"),
        ("GET /api/v1/devices/{id}/pins/{pin}", "view", "path:id"),
        ("PUT /api/v1/devices/{id}/pins/{pin}", "control", "path:id"),
        ("GET /api/v1/devices/{id}/toggle", "control", "path:id"),
        ("GET /api/v1/readings", "view", "query:deviceId"),
        ("POST /api/v1/batch", "control", "body:/device_ids/*"),
    ] {
        assert_eq!(of(operation, "action"), Some(format!("\"{action}\"")), "{operation}");
        assert_eq!(route(&map, operation)["resource"]["id"].as_str(), Some(id), "{operation}");
    }
    let filter = &route(&map, "GET /api/v1/devices")["filter"];
    let told = ["items", "id", "total"].map(|name| filter[name].as_str().unwrap());
    assert_eq!(told, ["/content", "/id", "/totalElements"]);
    assert_eq!(route(&map, "POST /api/v1/devices")["creates"]["id"].as_str(), Some("response:/id"));
    assert_eq!(of("DELETE /api/v1/devices/{id}", "removes").as_deref(), Some("true"));
    for left in ["GET /api/v1/devices/{id}.json: ", "GET /api/v1/firmware: ", "POST /api/v1/firmware: "] {
        assert!(text.contains(&format!("# {left}")), "{text}");
    }
    assert!(!text.chars().any(|it| it.is_control() && it != '\n'), "{text}");
}

/// What is proposed is a route map that `check` takes.
#[test]
fn the_map_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let map = dir.path().join("routes.toml");
    let (code, _, said) = import(&["--output", map.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    let (code, _, said) = import(&["--output", map.to_str().unwrap()]);
    assert!(code == 2 && said.contains("cannot be written"), "{said}");
    let config = format!(
        "[upstream]\nurl = \"http://127.0.0.1:9\"\n[policies]\ndir = {:?}\n{}",
        pack::path("policies"),
        fs::read_to_string(&map).unwrap()
    );
    let file = dir.path().join("cedargate.toml");
    fs::write(&file, config).unwrap();
    let (code, out, said) = run(&["check", "--config", file.to_str().unwrap()]);
    assert!(code == 0 && out.contains("0 errors"), "{out}{said}");
}

#[test]
fn other_words_and_other_documents() {
    let (code, out, _) = import(&["--noun", "pin", "--kind", "Pin", "--format", "json"]);
    let report: Json = serde_json::from_str(&out).unwrap();
    let map: toml::Table = report["map"].as_str().unwrap().parse().unwrap();
    assert_eq!(code, 0);
    assert_eq!(
        route(&map, "PUT /api/v1/devices/{id}/pins/{pin}")["resource"]["id"].as_str(),
        Some("path:pin")
    );
    let dir = tempfile::tempdir().unwrap();
    let refused = |name: &str, text: &str| {
        let file = dir.path().join(name);
        fs::write(&file, text).unwrap();
        let (code, _, said) = run(&["routes", "import", file.to_str().unwrap()]);
        (code, said)
    };
    for (name, text) in [
        ("swagger.json", r#"{ "swagger": "2.0", "paths": {} }"#),
        ("broken.json", "{"),
        ("broken.yaml", "a: [\n"),
        ("doubled.json", r#"{ "openapi": "3.0.0", "paths": {}, "paths": {} }"#),
    ] {
        let (code, said) = refused(name, text);
        assert!(code == 2 && !said.is_empty(), "{name}: {code} {said}");
    }
    let (code, said) = refused("empty.json", r#"{ "openapi": "3.0.0", "paths": {} }"#);
    assert_eq!((code, said.contains("0 routes")), (1, true), "{said}");
    assert!(!Path::new("routes.toml").exists());
}
