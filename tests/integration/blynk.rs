//! `routes/blynk.toml` before an upstream that behaves as Blynk's documentation says.

use serde_json::{Value as Json, json};

use crate::support::gate::{Gate, Setup};
use crate::support::upstream::blynk::{BEARER, Blynk, token};

const PLATFORM: &str = "/api/v1/organization";

/// Dad administers organization 577; the wife owns device 165 there; the son has no permission; device 170 is of
/// another tree.
fn entities() -> Json {
    let organization = |id: &str| json!({ "type": "Organization", "id": id });
    let named = |id: &str| json!({ "uid": organization(id), "attrs": { "name": id }, "parents": [] });
    let role = |id: &str, permissions: &[&str]| {
        let parents: Vec<_> =
            permissions.iter().map(|it| json!({ "type": "Permission", "id": it })).collect();
        let attrs = json!({ "organization": organization("577"), "name": id });
        json!({ "uid": { "type": "Role", "id": id }, "attrs": attrs, "parents": parents })
    };
    let user = |id: &str, role: &str| {
        let attrs = json!({ "organization": organization("577"), "status": "active" });
        json!({ "uid": { "type": "User", "id": id }, "attrs": attrs, "parents": [{ "type": "Role", "id": role }] })
    };
    let device = |home: &str, id: &str, owner: &str| {
        let owner = json!({ "type": "User", "id": owner });
        let attrs = json!({ "organization": organization(home), "owner": owner, "name": id });
        json!({ "uid": { "type": "Device", "id": id }, "attrs": attrs, "parents": [] })
    };
    let mut all_of_devices =
        vec!["ORG_DEVICES_VIEW", "ORG_DEVICES_CONTROL", "ORG_DEVICES_EDIT", "ORG_DEVICES_DELETE"];
    all_of_devices.extend(["ORG_DEVICE_DATA_DELETE", "ORG_DEVICES_REPORT", "ORG_DEVICES_TIMELINE_VIEW"]);
    all_of_devices.extend([
        "PROVISION_DEVICES",
        "OWN_DEVICES_VIEW",
        "OWN_DEVICES_CONTROL",
        "DEVICE_TRANSFER",
    ]);
    json!([
        named("577"),
        named("900"),
        role("admin", &all_of_devices),
        role("member", &["ORG_DEVICES_VIEW", "OWN_DEVICES_VIEW", "OWN_DEVICES_CONTROL"]),
        role("guest", &[]),
        user("dad", "admin"),
        user("wife", "member"),
        user("son", "guest"),
        device("577", "165", "wife"),
        device("577", "166", "dad"),
        device("900", "170", "stranger"),
    ])
}

fn start() -> (Blynk, Gate) {
    let blynk = Blynk::start(&[165, 166, 170]);
    let routes = include_str!("../../routes/blynk.toml");
    let bearer = format!("inject = {{ \"header:Authorization\" = \"Bearer {BEARER}\" }}");
    let setup = Setup { routes, upstream: &bearer, entities: Some(entities()), ..Setup::default() };
    let gate = Gate::start_with(&blynk.url(), setup);
    for id in [165, 166, 170] {
        gate.keep(&id.to_string(), "upstream_token", &token(id));
    }
    (blynk, gate)
}

/// Who, what is asked, and the status.
fn expect(gate: &Gate, rows: &[(&str, &str, u16)]) {
    for (who, line, status) in rows {
        let reply = gate.ask(who, line);
        assert_eq!(reply.status, *status, "{who} {line}: {}", reply.text());
        assert!(!format!("{reply:?}{}", reply.text()).contains("AuthTokenOf"), "{who} {line} shows a token");
    }
}

#[test]
fn reading_is_for_who_may_view() {
    let (blynk, gate) = start();
    expect(
        &gate,
        &[
            ("wife", "GET /external/api/get?deviceId=165&v1", 200),
            ("wife", "GET /external/api/get?deviceId=165&v1&v2", 200),
            ("wife", "GET /external/api/getAll?deviceId=166", 200),
            ("wife", "GET /external/api/isHardwareConnected?deviceId=166", 200),
            ("wife", "GET /external/api/device/meta?deviceId=166&metaFieldId=1", 200),
            ("son", "GET /external/api/get?deviceId=165&v1", 404),
            ("wife", "GET /external/api/get?deviceId=170&v1", 404),
            ("wife", "GET /external/api/get?deviceId=7777&v1", 404),
            // Reports are a right of their own, and their link needs no credentials.
            ("wife", "GET /external/api/data/get?deviceId=165&period=DAY", 403),
            ("dad", "GET /external/api/data/get?deviceId=165&period=DAY", 200),
        ],
    );
    assert_eq!(gate.ask("wife", "GET /external/api/get?deviceId=165&v1").text(), "24");
    assert_eq!(blynk.asked()[0], format!("GET /external/api/get?v1&token={}", token(165)));
    assert_eq!(
        gate.ask("wife", "GET /external/api/get?deviceId=165").json()["error"]["message"],
        "Requested dataStream doesn't exist."
    );
}

#[test]
fn a_get_that_controls_is_for_who_may_control() {
    let (blynk, gate) = start();
    let controls = ["update?", "batch/update?", "update/property?", "logEvent?"];
    for what in controls {
        expect(
            &gate,
            &[
                ("wife", &format!("GET /external/api/{what}deviceId=166&v1=1"), 403),
                ("son", &format!("GET /external/api/{what}deviceId=166&v1=1"), 404),
                ("wife", &format!("HEAD /external/api/{what}deviceId=166&v1=1"), 403),
            ],
        );
    }
    assert!(blynk.asked().is_empty());
    for what in controls {
        expect(&gate, &[("wife", &format!("GET /external/api/{what}deviceId=165&v1=100&v2=off"), 200)]);
    }
    assert_eq!((blynk.value(165, "v1"), blynk.value(166, "v1")), (Some("100".into()), Some("24".into())));
    let points = json!([[1_700_000_000_000_u64, 1.5]]);
    let import = "POST /external/api/batch/update?deviceId=165&pin=v1";
    assert_eq!(gate.send("wife", import, &points).text(), "OK");
    assert_eq!(gate.send("wife", &import.replace("165", "166"), &points).status, 403);
    // What Blynk refuses is told as it says it.
    let refused = gate.ask("wife", "GET /external/api/update?deviceId=165&v1=bad");
    assert_eq!(
        (refused.status, refused.text()),
        (400, r#"{"error":{"message":"Value doesn't match the datastream."}}"#.into())
    );
    expect(
        &gate,
        &[
            ("wife", "GET /external/api/device/meta/update?deviceId=165&metaFieldId=1&value=x", 403),
            ("dad", "GET /external/api/device/meta/update?deviceId=165&metaFieldId=1&value=x", 200),
        ],
    );
}

#[test]
fn a_token_of_the_client_decides_nothing_and_never_travels() {
    let (blynk, gate) = start();
    let mine = token(166);
    for line in [
        format!("GET /external/api/get?token={mine}&v1"),
        format!("GET /external/api/get?token={mine}&deviceId=165&v1"),
        format!("GET /external/api/update?deviceId=165&token={mine}&v1=1"),
        format!("GET /external/api/update?deviceId=165&Token={mine}&v1=1"),
        format!("GET {PLATFORM}/device?deviceId=165&token={mine}"),
        "GET /external/api/get?deviceId=165&deviceId=166&v1".to_owned(),
        "GET /external/api/get?deviceId=165&device_id=166&v1".to_owned(),
        "GET /external/api/get?deviceId=165&v1&v1".to_owned(),
        "GET /external/api/get?v1".to_owned(),
        "GET /external/api/get?deviceid=165&v1".to_owned(),
    ] {
        assert_eq!(gate.ask("wife", &line).problem(), (400, "malformed-request".to_owned()), "{line}");
    }
    assert!(blynk.asked().is_empty());
}

#[test]
fn an_id_in_two_places_must_be_the_same() {
    let (blynk, gate) = start();
    let set = |query: &str, device: Json| {
        let body = json!({ "deviceId": device, "dataStreamId": 1, "value": 5 });
        gate.send("wife", &format!("POST {PLATFORM}/device/datastream{query}"), &body).status
    };
    assert_eq!(set("", json!(165)), 204);
    assert_eq!(set("?deviceId=165", json!(165)), 204);
    assert_eq!(blynk.value(165, "v1").as_deref(), Some("5"));
    for (query, device) in
        [("?deviceId=165", json!(166)), ("?deviceId=166", json!(165)), ("?device_id=166", json!(165))]
    {
        assert_eq!(set(query, device.clone()), 400, "{query} {device}");
    }
    assert_eq!(set("", json!(166)), 403);
    assert_eq!(set("", json!(170)), 404);
    assert_eq!(set("", json!([165, 166])), 400);
    let twice = gate.head("wife", &format!("POST {PLATFORM}/device/datastream"));
    let body = r#"{"deviceId":165,"deviceId":166,"dataStreamId":1,"value":5}"#;
    let twice =
        format!("{twice}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(gate.connect().send(twice).reply(false).status, 400);
    assert_eq!(blynk.asked().len(), 2);
}

#[test]
fn lists_hold_what_may_be_seen_and_no_leaks() {
    let (_blynk, gate) = start();
    for list in ["devices", "search/devices?query=Device"] {
        let shown = gate.ask("wife", &format!("GET {PLATFORM}/{list}")).json();
        assert_eq!(shown["totalElements"], 2, "{list}");
        let ids: Vec<&Json> = shown["content"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
        assert_eq!(ids, [165, 166], "{list}");
        for leak in ["AuthTokenOf", "127.0.0.1", "owner@example.com", "879"] {
            assert!(!shown.to_string().contains(leak), "{list} shows {leak}");
        }
        assert!(shown.to_string().contains("SN:123") && shown.to_string().contains("ESP8266"));
    }
    let none = gate.ask("son", &format!("GET {PLATFORM}/devices")).json();
    assert_eq!(none, json!({ "totalElements": 0, "content": [] }));
    let statics = gate.ask("wife", &format!("GET {PLATFORM}/static-tokens"));
    assert_eq!(statics.json()["totalElements"], 2);
    assert!(
        !statics.text().contains("sqr_") && !statics.text().contains("AuthTokenOf"),
        "{}",
        statics.text()
    );
}

#[test]
fn one_device_is_shown_without_its_leaks() {
    let (_blynk, gate) = start();
    for path in ["device", "device/baseInfo"] {
        let shown = gate.ask("wife", &format!("GET {PLATFORM}/{path}?deviceId=165"));
        assert_eq!((shown.status, shown.header("etag")), (200, None));
        for leak in ["AuthTokenOf", "127.0.0.1", "879"] {
            assert!(!shown.text().contains(leak), "{path} shows {leak}");
        }
        assert_eq!(shown.json()["name"], "Device 165");
    }
    let fields = gate.ask("wife", &format!("GET {PLATFORM}/device/metafield?deviceId=165")).json();
    assert_eq!(
        fields,
        json!([{ "id": 1, "name": "Serial Number", "value": "SN:123" }, { "id": 2, "name": "Device Owner" }])
    );
    expect(
        &gate,
        &[
            ("wife", &format!("GET {PLATFORM}/device/online?deviceId=166"), 200),
            ("wife", &format!("GET {PLATFORM}/device/datastreams?deviceId=166"), 200),
            ("wife", &format!("GET {PLATFORM}/device/logs?deviceId=165"), 403),
            ("wife", &format!("GET {PLATFORM}/device?deviceId=170"), 404),
            ("son", &format!("GET {PLATFORM}/device?deviceId=165"), 404),
            ("wife", &format!("DELETE {PLATFORM}/device/clear?deviceId=165"), 403),
            ("dad", &format!("DELETE {PLATFORM}/device/clear?deviceId=165"), 204),
        ],
    );
    let logs = gate.ask("dad", &format!("GET {PLATFORM}/device/logs?deviceId=165")).json();
    assert_eq!(
        logs,
        json!({ "content": [{ "value": 5.0, "pin": 1, "pinType": "VIRTUAL" }], "totalElements": 1 })
    );
}

#[test]
fn a_redirect_with_the_token_goes_nowhere() {
    let (_blynk, gate) = start();
    let moved = gate.ask("wife", "GET /external/api/get?deviceId=165&v1&region=fra1");
    assert_eq!(moved.problem(), (502, "withheld".to_owned()));
    assert!(!format!("{moved:?}").contains("AuthTokenOf"));
}

#[test]
fn what_is_not_mapped_is_not_there() {
    let (blynk, gate) = start();
    expect(
        &gate,
        &[
            ("dad", "GET /external/api/provision?deviceId=165&templateId=1", 404),
            ("dad", "POST /external/api/upload?deviceId=165", 404),
            ("dad", &format!("POST {PLATFORM}/device/transfer"), 404),
            ("dad", &format!("DELETE {PLATFORM}/device/owner?deviceId=165"), 404),
            ("dad", &format!("POST {PLATFORM}/device/provision/token"), 404),
            ("dad", &format!("GET {PLATFORM}/profile"), 404),
            ("dad", &format!("GET {PLATFORM}/users"), 404),
            ("dad", &format!("GET {PLATFORM}/newEndpoint?deviceId=165"), 404),
            ("dad", "GET /external/api/newEndpoint?deviceId=165", 404),
            ("dad", "GET /external/api/UPDATE?deviceId=165&v1=1", 404),
        ],
    );
    assert_eq!(gate.ask_as_nobody("GET /external/api/get?deviceId=165&v1", "").status, 401);
    assert!(blynk.asked().is_empty());
}

#[test]
fn a_device_is_created_used_and_deleted_without_anybody_seeing_its_token() {
    let (blynk, gate) = start();
    let create = format!("POST {PLATFORM}/device/create");
    assert_eq!(gate.send("wife", &create, &json!({ "templateId": 353, "name": "Kettle" })).status, 403);
    for wrong in [
        json!({ "templateId": 353, "name": "Kettle", "ownerId": 879 }),
        json!({ "templateId": 353, "name": "Kettle", "onwerId": 879 }),
        json!({ "templateId": 353, "name": "Kettle", "owner_id": 879 }),
        json!({ "templateId": 353, "name": "Kettle", "token": "mine" }),
        json!({ "templateId": 353, "name": "Kettle", "orgId": 900 }),
    ] {
        assert_eq!(gate.send("dad", &create, &wrong).status, 400, "{wrong}");
    }
    let form = "owner_id=879&name=Kettle";
    let head = gate.head("dad", &create);
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let form = format!("{head}{kind}\r\nContent-Length: {}\r\n\r\n{form}", form.len());
    assert_eq!(gate.connect().send(form).reply(false).status, 415);
    let refused = gate.send("dad", &create, &json!({ "templateId": 353, "name": "refused" }));
    assert_eq!(
        (refused.status, refused.text()),
        (400, r#"{"error":{"message":"Name is not valid."}}"#.into())
    );
    let made = gate.send("dad", &create, &json!({ "templateId": 353, "name": "Kettle", "orgId": 577 }));
    assert_eq!((made.status, &made.json()["id"]), (201, &json!(901)));
    assert!(!made.text().contains("AuthTokenOf"), "{}", made.text());
    expect(&gate, &[("dad", "GET /external/api/update?deviceId=901&v1=7", 200)]);
    assert_eq!(blynk.value(901, "v1").as_deref(), Some("7"));
    let delete = format!("DELETE {PLATFORM}/device?deviceId=901");
    expect(&gate, &[("wife", &delete, 403), ("dad", &delete, 204), ("dad", &delete, 404)]);
    assert!(!blynk.has(901) && !gate.knows("Device", "901") && gate.unsettled().is_empty());
    let records = format!("{:?}", gate.records());
    assert!(
        records.contains("delete_device") && !records.contains("AuthTokenOf"),
        "a token is in the records"
    );
}
