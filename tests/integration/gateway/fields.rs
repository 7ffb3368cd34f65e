use serde_json::json;

use super::devices;
use crate::support::gate::{Gate, Setup};
use crate::support::upstream::{Answer, Recorder};

const UPSTREAM: &str = "inject = { \"header:X-Operator\" = \"s3cret\", \"query:key\" = \"k y\" }";

#[test]
fn the_upstream_hears_who_it_is_from_the_gateway_alone() {
    let upstream = devices();
    let gate = Gate::start_with(&upstream.url(), Setup { upstream: UPSTREAM, ..Setup::default() });
    let fields = "X-Auth-Subject: husband\r\nx-auth-subject: dad\r\nCookie: session=1\r\n\
                  X-Operator: mine\r\nX-Other: 1\r\nX-HTTP-Method-Override: DELETE\r\nX-Original-URL: /x\r\n\
                  Accept: text/html\r\nUser-Agent: test\r\nPrefer: return=minimal\r\n";
    let reply = gate.ask_with("wife", "GET /devices/lamp?b=2&a=1", fields);
    assert_eq!(reply.status, 200);
    let seen = upstream.wait_for(1).remove(0);
    assert_eq!(seen.line(), "GET /devices/lamp?b=2&a=1&key=k%20y");
    assert_eq!((seen.header("x-auth-subject"), seen.header("x-operator")), (Some("wife"), Some("s3cret")));
    for name in ["authorization", "cookie", "x-other", "x-http-method-override", "x-original-url"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    let kept = ["accept", "user-agent", "prefer"].map(|name| seen.header(name));
    assert_eq!(kept, [Some("text/html"), Some("test"), Some("return=minimal")]);
    let own = format!("127.0.0.1:{}", upstream.address().port());
    assert_eq!(seen.header("host"), Some(own.as_str()));

    let twin = gate.ask_with("wife", "GET /devices/lamp", "X_Auth_Subject: husband\r\n");
    assert_eq!(twin.problem(), (400, "malformed-request".into()));
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_subject_that_fits_no_field_is_not_sent() {
    let upstream = devices();
    let tables = "[authentication.api_key]\nheader = \"X-API-Key\"";
    let gate = Gate::start_with(&upstream.url(), Setup { tables, ..Setup::default() });
    let ask = |name: &str| {
        gate.put(json!({
            "uid": { "type": "User", "id": name },
            "attrs": { "organization": { "type": "Organization", "id": "house-family" }, "status": "active" },
            "parents": [{ "type": "Role", "id": "house-family/member" }]
        }));
        let key = format!("X-API-Key: {}\r\n", gate.key(name).reveal());
        [gate.ask(name, "GET /devices/lamp"), gate.ask_as_nobody("GET /devices/lamp", &key)]
    };
    for name in ["wife\r\nX-Auth-Subject: husband", "wife\u{7f}"] {
        let problems = ask(name).map(|reply| reply.problem());
        assert_eq!(problems, [(401, "unauthenticated".into()), (401, "unauthenticated".into())], "{name}");
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(ask("zo\u{eb}").map(|reply| reply.status), [200, 200]);
    assert!(upstream.wait_for(2).iter().all(|seen| seen.header("x-auth-subject") == Some("zo\u{eb}")));
}

#[test]
fn credentials_are_kept_only_where_told() {
    let upstream = devices();
    let gate = Gate::start_with(
        &upstream.url(),
        Setup { upstream: "credentials = \"keep\"\nheaders = [\"X-Other\"]", ..Setup::default() },
    );
    assert_eq!(gate.ask_with("wife", "GET /devices/lamp", "X-Other: 1\r\n").status, 200);
    let seen = upstream.wait_for(1).remove(0);
    assert!(seen.header("authorization").unwrap().starts_with("Bearer ey"));
    assert_eq!((seen.header("x-other"), seen.header("x-auth-subject")), (Some("1"), Some("wife")));
}

#[test]
fn host_and_origin_are_the_upstreams_or_as_told() {
    let upstream = devices();
    let own = upstream.url().replace("http://", "");
    let asked = |setting: &str| {
        let gate = Gate::start_with(&upstream.url(), Setup { upstream: setting, ..Setup::default() });
        let fields = "Origin: https://evil.example\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n";
        assert_eq!(gate.ask_with("wife", "GET /devices/lamp", fields).status, 200);
        let seen = upstream.wait_for(upstream.count()).pop().unwrap();
        let client = gate.address().to_string();
        let field = |name| seen.header(name).map(|it| it.replace(&client, "GATE"));
        ["host", "origin", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded"].map(field)
    };
    let fields = |given: [&str; 6]| given.map(|it| Some(it.to_owned()).filter(|it| !it.is_empty()));
    let origin = format!("http://{own}");
    assert_eq!(asked(""), fields([&own, &origin, "", "", "", ""]));
    assert_eq!(asked("host = \"client\""), fields(["GATE", "http://GATE", "", "", "", ""]));
    assert_eq!(
        asked("host = \"api.example.com\""),
        fields(["api.example.com", "http://api.example.com", "", "", "", ""])
    );
    assert_eq!(
        asked("forwarded = \"x-forwarded\""),
        fields([&own, &origin, "127.0.0.1", "GATE", "http", ""])
    );
    let forwarded = "for=127.0.0.1;host=\"GATE\";proto=http";
    assert_eq!(asked("forwarded = \"forwarded\""), fields([&own, &origin, "", "", "", forwarded]));
}

#[test]
fn fields_of_one_connection_stay_on_it() {
    let upstream = Recorder::start(|_| {
        Answer::json(&json!([]))
            .header("Connection", "X-Hop")
            .header("X-Hop", "1")
            .header("Keep-Alive", "timeout=5")
            .header("Proxy-Authenticate", "Basic")
            .header("X-End", "2")
            .header("Cache-Control", "public, max-age=60")
    });
    let gate = Gate::start(&upstream.url());
    let fields = "Connection: X-Gone, keep-alive\r\nX-Gone: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\n";
    let reply = gate.ask_with("wife", "GET /devices/lamp", fields);
    assert_eq!(reply.status, 200, "{reply:?}");
    let answered = ["x-hop", "keep-alive", "proxy-authenticate", "x-end"].map(|name| reply.header(name));
    assert_eq!(answered, [None, None, None, Some("2")]);
    assert_eq!(reply.header("cache-control"), Some("private, no-store"));
    let seen = upstream.wait_for(1).remove(0);
    for name in ["connection", "x-gone", "te", "keep-alive", "proxy-authorization", "upgrade"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    let upgrade = gate.ask_with("wife", "GET /devices/lamp", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    assert_eq!(upgrade.problem().0, 400);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn every_request_has_an_id_in_answer_and_record() {
    let upstream = devices();
    let gate = Gate::start(&upstream.url());
    let given = gate.ask_with("wife", "GET /devices/lamp", "X-Request-ID: mine-1.2_3~4\r\n");
    assert_eq!(given.id(), "mine-1.2_3~4");
    assert_eq!(gate.record("mine-1.2_3~4")["status"], 200);
    let refused = gate.ask_with("wife", "GET /devices/none", "X-Request-ID: mine-2\r\n");
    assert_eq!((refused.id(), refused.json()["request_id"].clone()), ("mine-2", json!("mine-2")));
    let long = format!("X-Request-ID: {}\r\n", "x".repeat(129));
    for fields in
        ["", "X-Request-ID: a b\r\n", "X-Request-ID: a\r\nX-Request-ID: b\r\n", "X-Request-ID: \r\n", &long]
    {
        let reply = gate.ask_with("wife", "GET /devices/lamp", fields);
        let own = reply.id();
        assert!(own.len() == 36 && own.bytes().all(|it| it.is_ascii_hexdigit() || it == b'-'), "{own}");
        let record = gate.record(own);
        assert_eq!(record["id"], record["request_id"]);
    }
    gate.all_records(7);
}
