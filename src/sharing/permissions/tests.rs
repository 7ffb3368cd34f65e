//! Dependencies and roles as they are shipped.

use super::*;
use crate::policy::PolicySnapshot;
use std::path::Path;

fn set(names: &[&str]) -> BTreeSet<Permission> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

fn shipped() -> PolicySnapshot {
    PolicySnapshot::load(Path::new("policies")).unwrap()
}

#[test]
fn control_implies_view_and_view_carries_control() {
    let snapshot = shipped();
    let apply = |edit: Edit, held: &BTreeSet<Permission>| edit.apply(snapshot.catalogue(), held).unwrap();
    let on = Edit { add: set(&["OWN_DEVICES_CONTROL"]), ..Edit::default() };
    assert_eq!(apply(on, &set(&[])), set(&["OWN_DEVICES_CONTROL", "OWN_DEVICES_VIEW"]));
    let token = Edit { add: set(&["SET_AUTH_TOKEN"]), ..Edit::default() };
    let held = apply(token, &set(&[]));
    assert_eq!(held, set(&["SET_AUTH_TOKEN", "OWN_DEVICES_EDIT", "OWN_DEVICES_VIEW"]));
    let off = Edit { remove: set(&["OWN_DEVICES_VIEW"]), ..Edit::default() };
    assert_eq!(apply(off, &held), set(&[]));
    let switch = Edit { remove: set(&["ORG_VIEW"]), ..Edit::default() };
    assert_eq!(
        apply(switch, &set(&["ORG_VIEW", "ORG_SWITCH", "ORG_CREATE", "PRODUCT_VIEW"])),
        set(&["PRODUCT_VIEW"])
    );
}

#[test]
fn nothing_is_both_on_and_off() {
    let both = Edit { add: set(&["ORG_DEVICES_CONTROL"]), remove: set(&["ORG_DEVICES_VIEW"]) };
    assert!(both.apply(shipped().catalogue(), &set(&[])).is_err());
}

#[test]
fn the_shipped_roles_are_those_of_the_sharing_model() {
    let snapshot = shipped();
    let names: Vec<_> = snapshot.catalogue().roles.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["Admin", "Staff", "User"]);
    let held = |name: &str| snapshot.catalogue().role(name).unwrap().permissions.len();
    assert_eq!((held("Admin"), held("Staff"), held("User")), (snapshot.ids("Permission").len(), 8, 0));
}
