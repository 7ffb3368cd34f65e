//! A real device API behind the gateway: a W3C Web of Things server, driven by programs of others.

use std::process::Command;

use serde_json::{Value as Json, json};

use crate::support::gate::{Gate, Setup};
use crate::support::upstream::Things;

/// The three things as devices: the owner has 0 and 1, the viewer sees these, 2 is of strangers.
pub(crate) fn entities() -> Json {
    let organization = |id: &str| json!({ "type": "Organization", "id": id });
    let named = |id: &str| json!({ "uid": organization(id), "attrs": { "name": id }, "parents": [] });
    let role = |home: &str, id: &str, permissions: &[&str]| {
        let parents: Vec<_> =
            permissions.iter().map(|it| json!({ "type": "Permission", "id": it })).collect();
        let attrs = json!({ "organization": organization(home), "name": id });
        json!({ "uid": { "type": "Role", "id": id }, "attrs": attrs, "parents": parents })
    };
    let user = |home: &str, id: &str, role: &str| {
        let attrs = json!({ "organization": organization(home), "status": "active" });
        json!({ "uid": { "type": "User", "id": id }, "attrs": attrs, "parents": [{ "type": "Role", "id": role }] })
    };
    let device = |home: &str, id: &str, owner: &str| {
        let owner = json!({ "type": "User", "id": owner });
        let attrs = json!({ "organization": organization(home), "owner": owner, "name": id });
        json!({ "uid": { "type": "Device", "id": id }, "attrs": attrs, "parents": [] })
    };
    json!([
        named("home"),
        named("elsewhere"),
        role("home", "owner", &["OWN_DEVICES_VIEW", "OWN_DEVICES_CONTROL"]),
        role("home", "viewer", &["ORG_DEVICES_VIEW"]),
        role("elsewhere", "resident", &["ORG_DEVICES_VIEW", "ORG_DEVICES_CONTROL"]),
        user("home", "owner", "owner"),
        user("home", "viewer", "viewer"),
        user("elsewhere", "stranger", "resident"),
        device("home", "0", "owner"),
        device("home", "1", "owner"),
        device("elsewhere", "2", "stranger"),
    ])
}

pub(crate) fn gate(things: &Things) -> Gate {
    let routes = include_str!("../../routes/wot.toml");
    Gate::start_with(&things.url(), Setup { routes, entities: Some(entities()), ..Setup::default() })
}

/// A client program: the status and the body that `user` gets.
type Client = fn(&Gate, user: &str, method: &str, path: &str, body: Option<&Json>) -> (u16, String);

fn curl(gate: &Gate, user: &str, method: &str, path: &str, body: Option<&Json>) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "20", "--noproxy", "*", "-w", "\n%{http_code}", "-X", method]);
    command.args(["-H", &format!("Authorization: Bearer {}", gate.token(user))]);
    if let Some(body) = body {
        command.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
    }
    output(command.arg(format!("{}{path}", gate.url())), method)
}

const URLLIB: &str = r#"
import sys, urllib.error, urllib.request
url, token, method, body = sys.argv[1:]
request = urllib.request.Request(url, body.encode() or None, method=method)
request.add_header("Authorization", "Bearer " + token)
if body:
    request.add_header("Content-Type", "application/json")
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    answer = opener.open(request, timeout=20)
except urllib.error.HTTPError as error:
    answer = error
sys.stdout.write(answer.read().decode() + "\n" + str(answer.code))
"#;

fn urllib(gate: &Gate, user: &str, method: &str, path: &str, body: Option<&Json>) -> (u16, String) {
    let body = body.map(ToString::to_string).unwrap_or_default();
    let mut command = Command::new(Things::python());
    command.args(["-c", URLLIB, &format!("{}{path}", gate.url()), &gate.token(user), method, &body]);
    output(&mut command, method)
}

fn output(command: &mut Command, method: &str) -> (u16, String) {
    let output = command.output().expect("the client program runs");
    let text = String::from_utf8(output.stdout).expect("a text");
    assert!(output.status.success(), "{method}: {}", String::from_utf8_lossy(&output.stderr));
    let (body, status) = text.rsplit_once('\n').expect("a status");
    (status.parse().expect("a status"), body.to_owned())
}

fn json_of((status, body): (u16, String)) -> (u16, Json) {
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {status} {body}")))
}

/// The hrefs of the things in the list that a user gets.
fn listed(gate: &Gate, client: Client, user: &str) -> Vec<String> {
    let (status, list) = json_of(client(gate, user, "GET", "/", None));
    assert_eq!(status, 200, "{list}");
    list.as_array().unwrap().iter().map(|thing| thing["href"].as_str().unwrap().to_owned()).collect()
}

fn walk(client: Client) {
    let things = Things::start();
    let gate = gate(&things);
    let ask = |user: &str, method: &str, path: &str, body: Option<Json>| {
        client(&gate, user, method, path, body.as_ref())
    };
    let level = |level: u64| Some(json!({ "level": level }));

    assert_eq!(listed(&gate, client, "owner"), ["/0", "/1"]);
    assert_eq!(listed(&gate, client, "viewer"), ["/0", "/1"]);
    assert_eq!(listed(&gate, client, "stranger"), ["/2"]);

    let (status, thing) = json_of(ask("owner", "GET", "/1", None));
    assert_eq!((status, &thing["title"]), (200, &json!("Lamp")));
    assert_eq!(json_of(ask("owner", "PUT", "/1/properties/level", level(7))), (200, json!({ "level": 7 })));
    assert_eq!(json_of(ask("viewer", "GET", "/1/properties/level", None)), (200, json!({ "level": 7 })));
    assert_eq!(
        json_of(ask("viewer", "GET", "/1/properties", None)),
        (200, json!({ "level": 7, "on": false }))
    );
    let fade = || Some(json!({ "fade": { "input": { "level": 70, "duration": 0 } } }));
    let (status, asked) = json_of(ask("owner", "POST", "/1/actions", fade()));
    assert_eq!(
        (status, asked["fade"]["href"].as_str().map(|it| it.starts_with("/1/actions/fade/"))),
        (201, Some(true))
    );
    let href = asked["fade"]["href"].as_str().unwrap().to_owned();
    assert_eq!(ask("viewer", "GET", &href, None).0, 200);

    for (method, path, body) in [
        ("PUT", "/1/properties/level", level(8)),
        ("POST", "/1/actions", fade()),
        ("POST", "/1/actions/fade", fade()),
        ("DELETE", href.as_str(), None),
    ] {
        let (status, problem) = json_of(ask("viewer", method, path, body.clone()));
        assert_eq!(
            (status, &problem["type"]),
            (403, &json!("urn:cedargate:problem:forbidden")),
            "{method} {path}"
        );
        let (status, problem) = json_of(ask("stranger", method, path, body));
        assert_eq!(
            (status, &problem["type"]),
            (404, &json!("urn:cedargate:problem:not-found")),
            "{method} {path}"
        );
    }
    for path in
        ["/1", "/1/properties", "/1/properties/level", "/1/actions", "/1/events", "/1/events/moved", &href]
    {
        assert_eq!(ask("viewer", "GET", path, None).0, 200, "{path}");
        assert_eq!(ask("stranger", "GET", path, None).0, 404, "{path}");
    }
    assert_eq!(ask("owner", "GET", "/2", None).0, 404);
    assert_eq!(ask("owner", "DELETE", &href, None).0, 204);
    assert_eq!(ask("owner", "GET", "/3", None).0, 404);
    let (_, value) = json_of(ask("owner", "GET", "/1/properties/level", None));
    assert!(
        value == json!({ "level": 70 }) || value == json!({ "level": 7 }),
        "only the owner moved it: {value}"
    );
}

#[test]
fn curl_meets_a_web_of_things_server() {
    walk(curl);
}

#[test]
fn python_meets_a_web_of_things_server() {
    walk(urllib);
}
