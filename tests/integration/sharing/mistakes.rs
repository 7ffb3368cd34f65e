//! What another server got wrong once (section 1.6 of the sharing model), asked of this one.

use serde_json::{Value, json};

use super::bench::Bench;

const USER: &str = "/api/v1/roles/home%2Fuser/permissions";
/// Each verb with the halves of its permission.
const VERBS: [(&str, &str); 7] = [
    ("view", "DEVICES_VIEW"),
    ("control", "DEVICES_CONTROL"),
    ("view_timeline", "DEVICES_TIMELINE_VIEW"),
    ("download_report", "DEVICES_REPORT"),
    ("update_metadata", "DEVICES_EDIT"),
    ("erase_data", "DEVICE_DATA_DELETE"),
    ("delete_device", "DEVICES_DELETE"),
];

/// The wife's role holds exactly this and what it needs; she owns the garage, and the lamp is dad's.
async fn give(bench: &Bench, add: &[String]) {
    let held =
        bench.done("dad", "GET", "/api/v1/roles/home%2Fuser", Value::Null).await["permissions"].clone();
    bench.done("dad", "PATCH", USER, json!({ "remove": held })).await;
    bench.done("dad", "PATCH", USER, json!({ "add": add })).await;
}

/// 1. Control was authorised when a device was selected, by the permission alone.
#[tokio::test]
async fn control_of_the_own_device_is_not_control_of_the_one_asked_for_next() {
    let bench = Bench::start().await;
    give(
        &bench,
        &["ORG_DEVICES_VIEW".to_owned(), "OWN_DEVICES_CONTROL".to_owned(), "OWN_DEVICES_EDIT".to_owned()],
    )
    .await;
    for _ in 0..2 {
        // She selects her own, and then names another one.
        assert_eq!(bench.get("wife", "/api/v1/devices/garage").await.0, 200);
        assert!(bench.may("wife", "control", "garage").await);
        for other in ["lamp", "drinking"] {
            assert!(bench.may("wife", "view", other).await);
            assert!(!bench.may("wife", "control", other).await, "{other}");
            let path = format!("/api/v1/devices/{other}");
            bench.expect(&[("wife", "PATCH", &path, json!({ "name": "Mine" }), 403, "forbidden")]).await;
        }
        let renamed = json!({ "name": "Garage" });
        bench.expect(&[("wife", "PATCH", "/api/v1/devices/garage", renamed, 200, "")]).await;
    }
}

/// 2. One handler tested the same half twice: who held the other half saw nothing.
#[tokio::test]
async fn each_half_of_each_permission_works_alone() {
    let bench = Bench::start().await;
    for (action, verb) in VERBS {
        give(&bench, &[format!("OWN_{verb}")]).await;
        assert!(bench.may("wife", action, "garage").await, "OWN_{verb} on the own device");
        assert!(!bench.may("wife", action, "lamp").await, "OWN_{verb} on another's");
        assert_eq!(bench.ids("wife", "/api/v1/organizations/home/devices").await, ["garage"], "OWN_{verb}");
        give(&bench, &[format!("ORG_{verb}")]).await;
        for device in ["garage", "lamp", "drinking"] {
            assert!(bench.may("wife", action, device).await, "ORG_{verb} on {device}");
        }
        assert!(bench.ids("wife", "/api/v1/organizations/home/devices").await.len() > 2, "ORG_{verb}");
    }
}

/// 3. An administrator of the top could not take a device back from below, nor do all that he may.
#[tokio::test]
async fn the_top_administrator_works_below_as_at_home() {
    let bench = Bench::start().await;
    let owner = async |device: &str| {
        bench.done("villa-dad", "GET", &format!("/api/v1/devices/{device}"), Value::Null).await
    };
    let devices = bench.ids("villa-dad", "/api/v1/organizations/villa-family/devices").await;
    let device = &devices[0];
    let path = format!("/api/v1/devices/{device}");
    bench.expect(&[("villa-dad", "PATCH", &path, json!({ "name": "Gate" }), 200, "")]).await;
    for (action, _) in VERBS {
        assert!(bench.may("villa-dad", action, device).await, "{action}");
    }
    let home = json!({ "organization": "villa" });
    bench.expect(&[("villa-dad", "POST", &format!("{path}/transfer"), home, 200, "")]).await;
    let taken = owner(device).await;
    assert_eq!((&taken["organization"], &taken["owner"]), (&json!("villa"), &Value::Null));
    // What is above is no longer shown to who saw it below.
    assert!(!bench.may("villa-wife", "view", device).await);
    assert!(
        bench
            .ids("villa-wife", "/api/v1/organizations/villa-family/devices")
            .await
            .iter()
            .all(|it| it != device)
    );
    let back = json!({ "organization": "villa-family" });
    bench.expect(&[("villa-dad", "POST", &format!("{path}/transfer"), back, 200, "")]).await;
}

/// 4. Whoever is at work feels a change of his role with the next request, whatever is remembered.
#[tokio::test]
async fn a_role_that_changes_counts_at_once() {
    let bench = Bench::start().await;
    for _ in 0..3 {
        give(&bench, &["OWN_DEVICES_CONTROL".to_owned()]).await;
        for _ in 0..2 {
            assert!(bench.may("wife", "control", "garage").await);
        }
        bench.done("dad", "PATCH", USER, json!({ "remove": ["OWN_DEVICES_CONTROL"] })).await;
        assert!(!bench.may("wife", "control", "garage").await && bench.may("wife", "view", "garage").await);
        bench.done("dad", "PATCH", USER, json!({ "remove": ["OWN_DEVICES_VIEW"] })).await;
        assert_eq!(bench.get("wife", "/api/v1/devices/garage").await.0, 404);
        assert!(bench.ids("wife", "/api/v1/organizations/home/devices").await.is_empty());
    }
}
