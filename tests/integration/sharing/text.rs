//! A permission, a role and a policy that are text only.

use std::fs;
use std::sync::Arc;

use cedargate::policy::PolicySnapshot;
use cedargate::sharing::Limits;
use serde_json::{Value, json};

use super::bench::{Bench, OPERATOR};
use crate::pack;

/// The shipped policies with one more permission, action, policy and role.
fn policies() -> Arc<PolicySnapshot> {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(pack::path("policies")).unwrap().flatten() {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let edit = |name: &str, edit: &dyn Fn(String) -> String| {
        let path = folder.path().join(name);
        fs::write(&path, edit(fs::read_to_string(&path).unwrap())).unwrap();
    };
    edit("schema.cedarschema", &|text| {
        text.replace("\"MANAGE_DASHBOARDS\"", "\"MANAGE_DASHBOARDS\", \"SIREN_TEST\"")
            + "action test_siren appliesTo { principal: User, resource: Device };\n"
    });
    edit("devices.cedar", &|text| {
        text + "@id(\"test-siren\") @why(\"SIREN_TEST tests the sirens of the own organization.\")\n\
                permit (principal in Permission::\"SIREN_TEST\", action == Action::\"test_siren\", resource is Device)\n\
                when { resource.organization == principal.organization };\n"
    });
    edit("permissions.toml", &|text| {
        text.replace("[needs]", "[needs]\nSIREN_TEST = [\"ORG_DEVICES_VIEW\"]")
            + "[[role]]\nid = \"guard\"\nname = \"Guard\"\npermissions = [\"SIREN_TEST\"]\n"
    });
    Arc::new(PolicySnapshot::load(folder.path()).unwrap_or_else(|found| panic!("{found:#?}")))
}

#[tokio::test]
async fn a_new_permission_and_a_new_role_are_data_and_policy_text() {
    let bench = Bench::under(policies(), "sqlite::memory:", Limits::default()).await;
    let admin = json!({ "id": "chief", "email": "chief@example.com" });
    let set_up = json!({ "id": "bank", "name": "Bank", "admin": admin });
    let made = bench.done(OPERATOR, "POST", "/api/v1/setup", set_up).await;
    assert_eq!(made["roles"], json!(["bank/admin", "bank/staff", "bank/user", "bank/guard"]));
    let guard = bench.done("chief", "GET", "/api/v1/roles/bank%2Fguard", Value::Null).await;
    assert_eq!(guard["permissions"], json!(["ORG_DEVICES_VIEW", "SIREN_TEST"]), "with what it needs");

    let device = json!({ "id": "siren", "organization": "bank", "name": "Siren" });
    bench.done("chief", "POST", "/api/v1/devices", device).await;
    let invitation =
        |email: &str, role: &str| json!({ "organization": "bank", "role": role, "email": email });
    for (name, role) in [("gus", "bank/guard"), ("una", "bank/user")] {
        let email = format!("{name}@example.com");
        let sent = bench.done("chief", "POST", "/api/v1/invitations", invitation(&email, role)).await;
        let link = json!({ "token": sent["token"] });
        bench.done(name, "POST", "/api/v1/invitations/accept", link).await;
    }
    assert!(bench.may("gus", "test_siren", "siren").await);
    assert!(!bench.may("una", "test_siren", "siren").await);

    let add = json!({ "add": ["SIREN_TEST"] });
    let user = bench.done("chief", "PATCH", "/api/v1/roles/bank%2Fuser/permissions", add).await;
    assert_eq!(user["permissions"], json!(["ORG_DEVICES_VIEW", "SIREN_TEST"]));
    assert!(bench.may("una", "test_siren", "siren").await, "on the next request");
    let me = bench.done("una", "GET", "/api/v1/me?resource=Device::siren", Value::Null).await;
    assert!(me["actions"].as_array().unwrap().contains(&json!("test_siren")), "{me}");
    let remove = json!({ "remove": ["ORG_DEVICES_VIEW"] });
    let user = bench.done("chief", "PATCH", "/api/v1/roles/bank%2Fuser/permissions", remove).await;
    assert_eq!(user["permissions"], json!([]), "what needs it goes along");
    assert!(!bench.may("una", "test_siren", "siren").await);
}

/// A tree that is older than the permission: nobody there holds it, so nobody could give it.
#[tokio::test]
async fn the_operator_gives_a_new_permission_to_old_administrators() {
    let bench = Bench::under(policies(), "sqlite::memory:", Limits::default()).await;
    let path = "/api/v1/roles/home%2Fadmin/permissions";
    let add = json!({ "add": ["SIREN_TEST"] });
    bench.expect(&[("dad", "PATCH", path, add.clone(), 403, "forbidden")]).await;
    let admin = bench.done(OPERATOR, "PATCH", path, add.clone()).await;
    assert!(admin["permissions"].as_array().unwrap().contains(&json!("SIREN_TEST")));
    bench.done("dad", "PATCH", "/api/v1/roles/home%2Fuser/permissions", add).await;
}
