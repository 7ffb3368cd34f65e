//! Random worlds of the sharing model, small so that queries and changes meet.

use cedargate::domain::{Change, Entity, Query, Uid};
use cedargate::policy::PolicySnapshot;
use serde_json::{Map, Value as Json, json};

use crate::pack::uid;

const PERMISSIONS: [&str; 11] = [
    "ORG_SWITCH",
    "ORG_VIEW",
    "ORG_DEVICES_VIEW",
    "ORG_DEVICES_CONTROL",
    "OWN_DEVICES_VIEW",
    "OWN_DEVICES_CONTROL",
    "OWN_DEVICES_EDIT",
    "SET_AUTH_TOKEN",
    "PROVISION_DEVICES",
    "ORG_DEVICE_DATA_DELETE",
    "DEVICE_TRANSFER",
];

/// A repeatable source of choices (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn one(&mut self, kind: &str, of: usize) -> Uid {
        uid(kind, &format!("{}{}", kind.to_lowercase(), self.below(of)))
    }

    /// Somebody who may ask, existing or not.
    pub(crate) fn principal(&mut self) -> Uid {
        match self.below(8) {
            0 => self.one("OAuthClient", 2),
            1 => self.one("DeviceToken", 2),
            _ => self.one("User", 6),
        }
    }

    /// Something that may be asked for, existing or not.
    pub(crate) fn resource(&mut self) -> Uid {
        if self.below(3) == 0 { self.one("Organization", 4) } else { self.one("Device", 8) }
    }
}

/// A random query; one that fits the schema mostly.
pub(crate) fn query(random: &mut Random, policies: &PolicySnapshot) -> Query {
    let actions: Vec<_> = policies.actions().collect();
    let action = match random.below(3) {
        0 => "view".into(),
        1 => "control".into(),
        _ => actions[random.below(actions.len())].clone(),
    };
    let resource = random.resource();
    Query::new(random.principal(), action, resource)
}

fn refer(to: &Uid) -> Json {
    json!({ "__entity": { "type": to.kind(), "id": to.id() } })
}

fn entity(name: Uid, attrs: Json, parents: Vec<Uid>) -> Entity {
    let Json::Object(attrs) = attrs else { panic!("{attrs} is no object") };
    Entity { uid: name, attrs, parents: parents.into_iter().collect(), tags: Map::new() }
}

fn any(random: &mut Random, kind: &str, number: usize) -> Entity {
    let name = uid(kind, &format!("{}{number}", kind.to_lowercase()));
    let home = random.one("Organization", 4);
    let home = refer(&home);
    match kind {
        "Organization" => {
            // Above are lower numbers mostly, so that circles are rare.
            let above = (random.below(3) > 0).then(|| random.one("Organization", number.max(1)));
            entity(name, json!({ "name": "o" }), above.into_iter().collect())
        }
        "Role" => {
            let held = PERMISSIONS.iter().filter(|_| random.below(4) > 0);
            let held = held.map(|it| uid("Permission", it)).collect();
            entity(name, json!({ "organization": home, "name": "r" }), held)
        }
        "User" => {
            let status = ["active", "active", "active", "inactive", "pending", "suspended"][random.below(6)];
            let role = random.one("Role", 4);
            entity(name, json!({ "organization": home, "status": status }), vec![role])
        }
        "Device" => {
            let mut attrs = json!({ "organization": home, "name": "d" });
            if random.below(4) > 0 {
                attrs["owner"] = refer(&random.one("User", 6));
            }
            entity(name, attrs, Vec::new())
        }
        "Grant" => {
            let (device, grantee) = (random.one("Device", 8), random.one("User", 6));
            let status = ["accepted", "accepted", "accepted", "offered"][random.below(4)];
            let attrs = json!({
                "organization": home,
                "device": refer(&device),
                "grantee": refer(&grantee),
                "granter": refer(&random.one("User", 6)),
                "status": status,
                "control": random.below(2) == 0,
            });
            entity(Uid::of_grant(&device, &grantee), attrs, Vec::new())
        }
        "DeviceToken" => {
            let device = random.one("Device", 8);
            entity(name, json!({ "device": refer(&device) }), Vec::new())
        }
        _ => entity(name, json!({ "organization": home }), Vec::new()),
    }
}

const KINDS: [(&str, usize); 7] = [
    ("Organization", 4),
    ("Role", 4),
    ("User", 6),
    ("Device", 8),
    ("Grant", 96),
    ("OAuthClient", 2),
    ("DeviceToken", 2),
];

/// The world that histories begin with.
pub(crate) fn start() -> Vec<Change> {
    let mut random = Random::new(0);
    let all = KINDS.iter().flat_map(|(kind, count)| (0..*count).map(move |number| (*kind, number)));
    all.map(|(kind, number)| Change::Put(any(&mut random, kind, number))).collect()
}

/// A random change, one that cannot be made now and then; few removals, for ids do not come back.
pub(crate) fn change(random: &mut Random) -> Change {
    // Half of the changes are about grants: few of them come into force.
    let (kind, count) = KINDS[if random.below(2) == 0 { 4 } else { random.below(KINDS.len()) }];
    let number = random.below(count);
    let entity = any(random, kind, number);
    match random.below(60) {
        0 => Change::Remove(entity.uid),
        1 => Change::Create(entity),
        _ => Change::Put(entity),
    }
}
