//! Grants through the decider and a real store, and against plain reference rules.

mod decider;
mod properties;

use cedargate::domain::{Entity, Uid};
use cedargate::policy::PolicySnapshot;
use serde_json::{Value as Json, json};

use crate::pack::uid;

/// An accepted grant, with more attributes.
fn grant(policies: &PolicySnapshot, device: &str, grantee: &str, granter: &str, more: &Json) -> Entity {
    let name = |kind: &str, id: &str| json!({ "type": kind, "id": id });
    let mut attrs = json!({
        "organization": name("Organization", "home"),
        "device": name("Device", device),
        "grantee": name("User", grantee),
        "granter": name("User", granter),
        "status": "accepted",
        "control": true,
    });
    let more = more.as_object().unwrap().clone();
    attrs.as_object_mut().unwrap().extend(more);
    let uid = pair(device, grantee);
    let json = json!({ "uid": name(uid.kind(), uid.id()), "attrs": attrs, "parents": [] });
    policies.canonical(json).unwrap()
}

fn pair(device: &str, grantee: &str) -> Uid {
    Uid::of_grant(&uid("Device", device), &uid("User", grantee))
}
