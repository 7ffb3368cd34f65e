//! Role × relation × action as one table: what a change of the policies changes, seen as a diff.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use cedargate::domain::{Change, Query, Uid, World};
use cedargate::policy::PolicySnapshot;
use serde_json::{Value as Json, json};

use crate::pack::{self, uid};

const SNAP: &str = "tests/matrix.snap";

const DEVICE_ACTIONS: [&str; 10] = [
    "view",
    "control",
    "view_timeline",
    "download_report",
    "update_metadata",
    "edit_auth_token",
    "erase_data",
    "delete_device",
    "transfer",
    "grant",
];
const ORGANIZATION_ACTIONS: [&str; 12] = [
    "view_organization",
    "list_devices",
    "search_devices",
    "switch_org",
    "provision",
    "edit_organization",
    "create_sub_org",
    "delete_org",
    "transfer_org",
    "create_role",
    "list_users",
    "invite_user",
];
const ROLE_ACTIONS: [&str; 4] = ["view_role", "edit_role", "edit_role_permissions", "delete_role"];
const USER_ACTIONS: [&str; 9] = [
    "view_user",
    "edit_user",
    "change_role",
    "suspend_user",
    "activate_user",
    "mark_inactive",
    "force_sign_out",
    "transfer_user",
    "delete_user",
];
const INVITATION_ACTIONS: [&str; 3] = ["view_invitation", "resend_invitation", "withdraw_invitation"];
const GRANT_ACTIONS: [&str; 4] = ["view_grant", "accept_grant", "decline_grant", "revoke"];

/// The permissions of a verb: on the organization's devices, on the own ones.
const PERMISSIONS: [(&str, &str, &str); 8] = [
    ("view", "ORG_DEVICES_VIEW", "OWN_DEVICES_VIEW"),
    ("control", "ORG_DEVICES_CONTROL", "OWN_DEVICES_CONTROL"),
    ("view_timeline", "ORG_DEVICES_TIMELINE_VIEW", "OWN_DEVICES_TIMELINE_VIEW"),
    ("download_report", "ORG_DEVICES_REPORT", "OWN_DEVICES_REPORT"),
    ("update_metadata", "ORG_DEVICES_EDIT", "OWN_DEVICES_EDIT"),
    ("edit_auth_token", "SET_AUTH_TOKEN", "SET_AUTH_TOKEN"),
    ("erase_data", "ORG_DEVICE_DATA_DELETE", "OWN_DEVICE_DATA_DELETE"),
    ("delete_device", "ORG_DEVICES_DELETE", "OWN_DEVICES_DELETE"),
];

/// The tree: `mid` is home; `low` and `deep` are below it, `top` above, `side` beside, `far` elsewhere.
const ORGANIZATIONS: [(&str, Option<&str>); 6] = [
    ("top", None),
    ("mid", Some("top")),
    ("low", Some("mid")),
    ("deep", Some("low")),
    ("side", Some("top")),
    ("far", None),
];

/// Devices by what they are to the one who asks: name, organization, owner (`me`: the one who asks).
const DEVICES: [(&str, &str, Option<&str>); 12] = [
    ("own device", "mid", Some("me")),
    ("colleague's device", "mid", Some("colleague")),
    ("nobody's device", "mid", None),
    ("own device below", "low", Some("me")),
    ("device below", "low", Some("colleague")),
    ("device two below", "deep", None),
    ("device above", "top", Some("boss")),
    ("own device above", "top", Some("me")),
    ("device beside", "side", None),
    ("own device beside", "side", Some("me")),
    ("own device in another tree", "far", Some("me")),
    ("rented device", "far", Some("far")),
];

/// Who asks: a name, a status, and the permissions of the role; `*` is all of them, `-X` all but X.
const ROLES: [(&str, &str, &[&str]); 17] = [
    ("admin", "active", &["*"]),
    ("admin without switch", "active", &["-ORG_SWITCH"]),
    ("admin, not seen for long", "inactive", &["*"]),
    ("admin, invited", "pending", &["*"]),
    ("admin, suspended", "suspended", &["*"]),
    (
        "staff",
        "active",
        &[
            "ORG_DEVICES_VIEW",
            "ORG_DEVICES_CONTROL",
            "ORG_DEVICES_EDIT",
            "ORG_DEVICES_REPORT",
            "ORG_DEVICES_TIMELINE_VIEW",
            "PROVISION_DEVICES",
            "ORG_SWITCH",
            "ORG_VIEW",
        ],
    ),
    ("user without permissions", "active", &[]),
    ("view own", "active", &["OWN_DEVICES_VIEW"]),
    ("control own", "active", &["OWN_DEVICES_CONTROL"]),
    ("view own, control own", "active", &["OWN_DEVICES_VIEW", "OWN_DEVICES_CONTROL"]),
    ("view own, control organization", "active", &["OWN_DEVICES_VIEW", "ORG_DEVICES_CONTROL"]),
    ("view organization", "active", &["ORG_DEVICES_VIEW"]),
    ("view organization, control own", "active", &["ORG_DEVICES_VIEW", "OWN_DEVICES_CONTROL"]),
    ("view organization, control organization", "active", &["ORG_DEVICES_VIEW", "ORG_DEVICES_CONTROL"]),
    ("view organization, switch", "active", &["ORG_DEVICES_VIEW", "ORG_SWITCH", "ORG_VIEW"]),
    ("switch", "active", &["ORG_SWITCH", "ORG_VIEW"]),
    (
        "view own, every other verb on the organization's",
        "active",
        &[
            "OWN_DEVICES_VIEW",
            "ORG_DEVICES_CONTROL",
            "ORG_DEVICES_TIMELINE_VIEW",
            "ORG_DEVICES_REPORT",
            "ORG_DEVICES_EDIT",
            "SET_AUTH_TOKEN",
            "ORG_DEVICE_DATA_DELETE",
            "ORG_DEVICES_DELETE",
            "ORG_SWITCH",
        ],
    ),
];

#[test]
fn the_matrix_is_as_reviewed() {
    let policies = pack::policies();
    let machines = DEVICE_ACTIONS.iter().chain(&ORGANIZATION_ACTIONS);
    let people = ROLE_ACTIONS.iter().chain(&USER_ACTIONS).chain(&INVITATION_ACTIONS).chain(&GRANT_ACTIONS);
    let mut asked: Vec<&str> = machines.chain(people).copied().collect();
    asked.sort_unstable();
    assert_eq!(policies.actions().map(|it| &**it).collect::<Vec<_>>(), asked, "every action has a column");
    let now = render(&policies);
    if std::env::var_os("UPDATE_MATRIX").is_some() {
        fs::write(pack::path(SNAP), now).unwrap();
        return;
    }
    let reviewed = fs::read_to_string(pack::path(SNAP)).unwrap_or_default();
    for (line, (old, new)) in reviewed.lines().zip(now.lines()).enumerate() {
        assert_eq!(old, new, "{SNAP}:{}; if this is meant, run with UPDATE_MATRIX=1", line + 1);
    }
    assert_eq!(reviewed, now, "{SNAP} has another length; if this is meant, run with UPDATE_MATRIX=1");
}

/// The rule set of the sharing model once more, in plain Rust, against every mix of five permissions.
#[test]
fn the_policies_say_what_the_rule_set_says() {
    let policies = pack::policies();
    let me = uid("User", "me");
    for (action, organization, own) in PERMISSIONS {
        let held = ["ORG_SWITCH", "ORG_DEVICES_VIEW", "OWN_DEVICES_VIEW", organization, own];
        for mix in 0_u32..32 {
            let has =
                |name: &str| held.iter().enumerate().any(|(bit, it)| *it == name && mix & (1 << bit) != 0);
            let permissions: Vec<String> =
                held.iter().filter(|it| has(it)).map(|it| (*it).to_owned()).collect();
            let world = world(&policies, "active", &permissions);
            for (device, home, owner) in DEVICES {
                let (same, below) = (home == "mid", ["low", "deep"].contains(&home));
                let reach = same || (below && has("ORG_SWITCH"));
                let mine = owner == Some("me") && (same || below);
                let see = (has("ORG_DEVICES_VIEW") && reach) || (has("OWN_DEVICES_VIEW") && mine);
                let may =
                    (has(organization) && reach) || (has(own) && (mine || (organization == own && reach)));
                let lent = device == "rented device" && ["view", "control"].contains(&action);
                let query = Query::new(me.clone(), action, uid("Device", device));
                let verdict = pack::decide(&policies, &world, &query);
                assert_eq!(
                    verdict.allowed,
                    lent || (see && may),
                    "{permissions:?} {action} {device}: {verdict:?}"
                );
            }
        }
    }
}

fn render(policies: &PolicySnapshot) -> String {
    let mut out = String::from(
        "Who may do what: yes, or the status of the refusal (404: does not know that it exists).\n",
    );
    for (role, status, permissions) in ROLES {
        let all = permissions_of(permissions);
        let me = uid("User", "me");
        let world = world(policies, status, &all);
        section(&mut out, role, policies, &world, &me);
    }
    for (name, me) in [
        ("client of the organization", uid("OAuthClient", "me")),
        ("token of the own device", uid("DeviceToken", "me")),
    ] {
        section(&mut out, name, policies, &world(policies, "active", &[]), &me);
    }
    out
}

fn section(out: &mut String, who: &str, policies: &PolicySnapshot, world: &World, me: &Uid) {
    let devices = DEVICES.iter().map(|(name, ..)| (*name, uid("Device", name)));
    let is_user = me.kind() == "User";
    let actions = if is_user { &DEVICE_ACTIONS[..] } else { &DEVICE_ACTIONS[..8] };
    table(out, who, policies, world, me, actions, &devices.collect::<Vec<_>>());
    let organizations = [
        ("own organization", "mid"),
        ("organization below", "low"),
        ("organization two below", "deep"),
        ("organization above", "top"),
        ("organization beside", "side"),
        ("another tree", "far"),
    ];
    let organizations = organizations.iter().map(|(name, id)| (*name, uid("Organization", id)));
    let organizations: Vec<_> = organizations.collect();
    if !is_user {
        return table(out, who, policies, world, me, &ORGANIZATION_ACTIONS[..5], &organizations);
    }
    table(out, who, policies, world, me, &ORGANIZATION_ACTIONS, &organizations);
    let homes = [("here", "mid"), ("below", "low"), ("above", "top"), ("elsewhere", "far")];
    let mut each = |kind: &str, what: &str, actions: &[&str]| {
        let rows = homes.map(|(place, home)| (format!("{what} {place}"), uid(kind, home)));
        let mut rows: Vec<(&str, Uid)> =
            rows.iter().map(|(name, uid)| (name.as_str(), uid.clone())).collect();
        if kind == "User" {
            rows.push(("oneself", me.clone()));
        }
        table(out, who, policies, world, me, actions, &rows);
    };
    each("Role", "role", &ROLE_ACTIONS);
    each("User", "person", &USER_ACTIONS);
    each("Invitation", "invitation", &INVITATION_ACTIONS);
    let grants = [
        "nobody's device",
        "device below",
        "own device",
        "own device above",
        "device above",
        "rented device",
    ];
    let grants = grants.map(|device| (device, grant_of(device)));
    table(out, who, policies, world, me, &GRANT_ACTIONS, &grants);
}

/// Who was granted a device: `me` that of another tree, somebody of another tree the rest.
fn grant_of(device: &str) -> Uid {
    let grantee = if device == "rented device" { "me" } else { "far" };
    Uid::of_grant(&uid("Device", device), &uid("User", grantee))
}

/// What the gateway would add, were the new owner, role and place of the same organization and no more
/// powerful.
fn context(action: &str, resource: &Uid) -> Json {
    let name = |kind: &str, id: &str| json!({ "__entity": { "type": kind, "id": id } });
    let role = name("Role", resource.id());
    match action {
        "transfer" => json!({ "new_owner": name("User", "me") }),
        "grant" => json!({ "grantee": name("User", "far"), "control": true }),
        "transfer_org" => {
            json!({ "new_parent": name("Organization", resource.id()), "root": name("Organization", "top") })
        }
        "create_role" | "edit_role_permissions" => json!({ "within_own_rights": true }),
        "delete_role" => json!({ "within_own_rights": true, "replacement": role }),
        "invite_user" => json!({ "within_own_rights": true, "role": role }),
        "change_role" if resource.id() == "me" => {
            json!({ "within_own_rights": true, "role": name("Role", "mid") })
        }
        "change_role" => json!({ "within_own_rights": true, "role": role }),
        "transfer_user" => {
            json!({ "within_own_rights": true, "role": name("Role", "mid"), "organization": name("Organization", "mid") })
        }
        _ => json!({}),
    }
}

fn table(
    out: &mut String,
    who: &str,
    policies: &PolicySnapshot,
    world: &World,
    me: &Uid,
    actions: &[&str],
    resources: &[(&str, Uid)],
) {
    let width = 1 + resources.iter().map(|(name, _)| name.len()).max().unwrap().max(who.len());
    write!(out, "\n{who:width$}").unwrap();
    for action in actions {
        write!(out, " {action}").unwrap();
    }
    out.push('\n');
    for (name, resource) in resources {
        write!(out, "{name:width$}").unwrap();
        for action in actions {
            let stated = context(action, resource).as_object().unwrap().clone();
            let query = Query::new(me.clone(), *action, resource.clone());
            let query = Query { context: Arc::new(stated), ..query };
            let verdict = pack::decide(policies, world, &query);
            assert_eq!(verdict.errors.len(), 0, "{query:?}: {verdict:?}");
            let cell = if verdict.allowed {
                "yes".to_owned()
            } else {
                pack::status(policies, world, &query, &verdict).to_string()
            };
            write!(out, " {cell:>width$}", width = action.len()).unwrap();
        }
        out.push('\n');
    }
}

/// All permissions as the schema lists them.
fn permissions() -> Vec<String> {
    let schema = pack::read("policies/schema.cedarschema");
    let list = schema.split("entity Permission enum [").nth(1).unwrap().split(']').next().unwrap();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn permissions_of(given: &[&str]) -> Vec<String> {
    match given {
        ["*"] => permissions(),
        [one] if one.starts_with('-') => permissions().into_iter().filter(|it| *it != one[1..]).collect(),
        some => some.iter().map(|it| (*it).to_owned()).collect(),
    }
}

fn world(policies: &PolicySnapshot, status: &str, permissions: &[String]) -> World {
    let name = |kind: &str, id: &str| json!({ "type": kind, "id": id });
    let entity = |kind: &str, id: &str, attrs: Json, parents: Vec<Json>| {
        let json = json!({ "uid": name(kind, id), "attrs": attrs, "parents": parents });
        Change::Create(policies.canonical(json).unwrap())
    };
    let mut changes = Vec::new();
    let everything: Vec<Json> = permissions_of(&["*"]).iter().map(|it| name("Permission", it)).collect();
    for (id, parent) in ORGANIZATIONS {
        let parents = parent.map(|it| name("Organization", it)).into_iter().collect();
        changes.push(entity("Organization", id, json!({ "name": id, "plan": "PRO" }), parents));
        let here = name("Organization", id);
        changes.push(entity(
            "Role",
            id,
            json!({ "organization": here, "name": "Admin" }),
            everything.clone(),
        ));
        let user = json!({ "organization": here, "status": "active" });
        changes.push(entity("User", id, user, vec![name("Role", id)]));
        let invitation = json!({ "organization": here, "role": name("Role", id), "email": "new@example.com", "inviter": name("User", id) });
        changes.push(entity("Invitation", id, invitation, vec![]));
    }
    let held = permissions.iter().map(|it| name("Permission", it)).collect();
    let home = name("Organization", "mid");
    changes.push(entity("Role", "role", json!({ "organization": home, "name": "role" }), held));
    let user = json!({ "organization": home, "status": status });
    changes.push(entity("User", "me", user, vec![name("Role", "role")]));
    changes.push(entity("OAuthClient", "me", json!({ "organization": home }), vec![]));
    changes.push(entity("DeviceToken", "me", json!({ "device": name("Device", "own device") }), vec![]));
    for (id, organization, owner) in DEVICES {
        let mut attrs = json!({ "organization": name("Organization", organization), "name": id });
        if let Some(owner) = owner {
            attrs["owner"] = name("User", owner);
        }
        changes.push(entity("Device", id, attrs, vec![]));
        let grant = grant_of(id);
        let grantee = if id == "rented device" { "me" } else { "far" };
        let grant_attrs = json!({
            "organization": name("Organization", organization),
            "device": name("Device", id),
            "grantee": name("User", grantee),
            "granter": name("User", organization),
            "status": "accepted",
            "control": true,
        });
        changes.push(entity("Grant", grant.id(), grant_attrs, vec![]));
    }
    let mut world = World::default();
    world.apply(&changes).unwrap();
    world
}
