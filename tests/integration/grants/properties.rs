//! The rule set of the sharing model and of grants once more, in plain Rust, against random worlds.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedargate::domain::{Change, Query, Uid, World};
use cedargate::policy::{Closure, PolicySnapshot};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::pack::{self, uid};

/// Above each organization: 0 is a root, 1 and 2 below it, 3 below 1; 4 is another root.
const ABOVE: [Option<usize>; 5] = [None, Some(0), Some(0), Some(1), None];
const PERMISSIONS: [&str; 6] = [
    "ORG_DEVICES_VIEW",
    "ORG_DEVICES_CONTROL",
    "OWN_DEVICES_VIEW",
    "OWN_DEVICES_CONTROL",
    "ORG_SWITCH",
    "DEVICE_TRANSFER",
];
const STATUS: [&str; 4] = ["active", "inactive", "pending", "suspended"];
const ACTIONS: [&str; 7] =
    ["view", "control", "view_timeline", "download_report", "update_metadata", "erase_data", "delete_device"];
const STREAMS: [&str; 2] = ["v1", "v2"];

#[derive(Debug, Clone)]
struct Person {
    home: usize,
    holds: BTreeSet<&'static str>,
    status: &'static str,
}

#[derive(Debug, Clone)]
struct Thing {
    home: usize,
    owner: Option<usize>,
}

#[derive(Debug, Clone)]
struct Lent {
    thing: usize,
    grantee: usize,
    granter: usize,
    accepted: bool,
    control: bool,
    stream: Option<&'static str>,
    /// In days of January 2026; it is noon of the first.
    from: Option<u8>,
    until: Option<u8>,
}

#[derive(Debug, Clone)]
struct Model {
    people: Vec<Person>,
    things: Vec<Thing>,
    lent: Vec<Lent>,
}

const PEOPLE: usize = 4;
const THINGS: usize = 3;

fn model() -> impl Strategy<Value = Model> {
    let holds = prop::sample::subsequence(PERMISSIONS.to_vec(), 0..=PERMISSIONS.len());
    let status = prop_oneof![4 => Just("active"), 1 => prop::sample::select(STATUS.to_vec())];
    let person = (0..ABOVE.len(), holds, status).prop_map(|(home, holds, status)| Person {
        home,
        holds: holds.into_iter().collect(),
        status,
    });
    let thing = (0..ABOVE.len(), prop::option::weighted(0.8, 0..PEOPLE))
        .prop_map(|(home, owner)| Thing { home, owner });
    let time = || prop::option::weighted(0.3, 1..=2_u8);
    let stream = prop::option::weighted(0.3, prop::sample::select(STREAMS.to_vec()));
    let who = (0..THINGS, 0..PEOPLE, 0..PEOPLE);
    let lent = (who, prop::bool::weighted(0.8), any::<bool>(), stream, time(), time()).prop_map(
        |((thing, grantee, granter), accepted, control, stream, from, until)| Lent {
            thing,
            grantee,
            granter,
            accepted,
            control,
            stream,
            from,
            until,
        },
    );
    let people = prop::collection::vec(person, PEOPLE);
    (people, prop::collection::vec(thing, THINGS), prop::collection::vec(lent, 0..5)).prop_map(
        |(people, things, mut lent)| {
            let mut pairs = BTreeSet::new();
            lent.retain(|it: &Lent| pairs.insert((it.thing, it.grantee)));
            Model { people, things, lent }
        },
    )
}

fn is_within(mut inner: usize, outer: usize) -> bool {
    while inner != outer {
        match ABOVE[inner] {
            Some(above) => inner = above,
            None => return false,
        }
    }
    true
}

impl Model {
    fn is_active(&self, who: usize) -> bool {
        ["active", "inactive"].contains(&self.people[who].status)
    }

    /// `may` of the model's rule set.
    fn may(&self, who: usize, verb: &str, thing: usize) -> bool {
        let (person, thing) = (&self.people[who], &self.things[thing]);
        let has = |whose: &str| person.holds.contains(format!("{whose}_DEVICES_{verb}").as_str());
        let same = thing.home == person.home;
        let reach = same || (is_within(thing.home, person.home) && person.holds.contains("ORG_SWITCH"));
        (has("ORG") && reach)
            || (has("OWN") && thing.owner == Some(who) && is_within(thing.home, person.home))
    }

    fn sees(&self, who: usize, thing: usize) -> bool {
        self.is_active(who) && self.may(who, "VIEW", thing)
    }

    fn controls(&self, who: usize, thing: usize) -> bool {
        self.sees(who, thing) && self.may(who, "CONTROL", thing)
    }

    /// Whether a grant lets `who` do `action` with the datastream.
    fn is_lent(&self, who: usize, action: &str, thing: usize, stream: Option<&str>) -> bool {
        let found = self.lent.iter().find(|it| it.thing == thing && it.grantee == who);
        let Some(lent) = found.filter(|it| it.accepted && self.is_active(who)) else { return false };
        let in_time = lent.from.is_none_or(|day| day <= 1) && lent.until.is_none_or(|day| day > 1);
        let in_part = lent.stream.is_none() || lent.stream == stream;
        let owns = self.things[thing].owner == Some(lent.granter);
        let lends = owns || self.people[lent.granter].holds.contains("DEVICE_TRANSFER");
        let backed = match action {
            "view" => self.sees(lent.granter, thing),
            "control" => lent.control && self.controls(lent.granter, thing),
            _ => false,
        };
        in_time && in_part && lends && backed
    }

    fn world(&self, policies: &PolicySnapshot) -> World {
        let name = |kind: &str, id: String| json!({ "type": kind, "id": id });
        let home = |home: usize| name("Organization", format!("o{home}"));
        let person = |who: usize| name("User", format!("u{who}"));
        let mut rows: Vec<(Json, Json, Vec<Json>)> = Vec::new();
        for (id, above) in ABOVE.iter().enumerate() {
            rows.push((home(id), json!({ "name": "x" }), above.map(home).into_iter().collect()));
        }
        for (id, it) in self.people.iter().enumerate() {
            let role = name("Role", format!("r{id}"));
            let holds = it.holds.iter().map(|permission| name("Permission", (*permission).to_owned()));
            rows.push((role.clone(), json!({ "organization": home(it.home), "name": "x" }), holds.collect()));
            rows.push((
                person(id),
                json!({ "organization": home(it.home), "status": it.status }),
                vec![role],
            ));
        }
        for (id, it) in self.things.iter().enumerate() {
            let mut attrs = json!({ "organization": home(it.home), "name": "x" });
            if let Some(owner) = it.owner {
                attrs["owner"] = person(owner);
            }
            rows.push((name("Device", format!("d{id}")), attrs, vec![]));
        }
        for it in &self.lent {
            let (device, grantee) = (name("Device", format!("d{}", it.thing)), person(it.grantee));
            let of = Uid::of_grant(&thing(it.thing), &user(it.grantee));
            let mut attrs = json!({
                "organization": home(self.things[it.thing].home), "device": device, "grantee": grantee,
                "granter": person(it.granter), "control": it.control,
                "status": if it.accepted { "accepted" } else { "offered" },
            });
            let noon = |day: u8| json!(format!("2026-01-0{day}T12:00:00Z"));
            let more = [
                ("datastreams", it.stream.map(|stream| json!([stream]))),
                ("from", it.from.map(noon)),
                ("until", it.until.map(noon)),
            ];
            for (name, value) in more {
                attrs.as_object_mut().unwrap().extend(value.map(|value| (name.to_owned(), value)));
            }
            rows.push((name("Grant", of.id().to_owned()), attrs, vec![]));
        }
        let create = |(uid, attrs, parents): (Json, Json, Vec<Json>)| {
            let json = json!({ "uid": uid, "attrs": attrs, "parents": parents });
            Change::Create(policies.canonical(json).unwrap())
        };
        let mut world = World::default();
        world.apply(&rows.into_iter().map(create).collect::<Vec<_>>()).unwrap();
        world
    }
}

fn thing(id: usize) -> Uid {
    uid("Device", &format!("d{id}"))
}

fn user(id: usize) -> Uid {
    uid("User", &format!("u{id}"))
}

/// A pair with all that its decisions need, prepared once.
struct Case<'a> {
    policies: &'a PolicySnapshot,
    query: Query,
    closures: Vec<Closure>,
}

impl<'a> Case<'a> {
    fn new(policies: &'a PolicySnapshot, world: &World, who: usize, device: usize) -> Self {
        let query = Query::new(user(who), "view", thing(device));
        let roots = policies.roots(&query);
        let closures = policies.closures(&world.slice(&roots, policies.level()), &roots).unwrap();
        Self { policies, query, closures }
    }

    fn allowed(&self, action: &str, stream: Option<&str>) -> bool {
        let context = stream.map(|stream| ("datastream".to_owned(), json!(stream))).into_iter().collect();
        let query = Query { action: action.into(), context: Arc::new(context), ..self.query.clone() };
        let verdict = self.policies.evaluate(&query, &self.closures.iter().collect::<Vec<_>>(), pack::NOW_MS);
        assert!(verdict.errors.is_empty(), "{query:?}: {verdict:?}");
        verdict.allowed
    }
}

#[test]
fn whoever_reaches_a_device_does_so_by_a_rule_or_by_a_grant_that_is_backed() {
    let policies = pack::policies();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(200)
    });
    let run = runner.run(&model(), |model| {
        let world = model.world(&policies);
        for (who, device) in (0..PEOPLE).flat_map(|who| (0..THINGS).map(move |device| (who, device))) {
            let home = model.things[device].home;
            let case = Case::new(&policies, &world, who, device);
            for stream in [None, Some("v1"), Some("v2")] {
                let may = |action: &str| case.allowed(action, stream);
                let (view, control) = (may("view"), may("control"));
                let lent = |action: &str| model.is_lent(who, action, device, stream);
                prop_assert_eq!(view, model.sees(who, device) || lent("view"), "u{} views d{}", who, device);
                prop_assert_eq!(
                    control,
                    model.controls(who, device) || lent("control"),
                    "u{} controls d{}",
                    who,
                    device
                );
                prop_assert!(view || !control, "control implies view");
                prop_assert!(
                    !view || lent("view") || is_within(home, model.people[who].home),
                    "up or sideways"
                );
                prop_assert!(
                    !view || lent("view") || !model.people[who].holds.is_empty(),
                    "by ownership alone"
                );
            }
            for action in ACTIONS.iter().skip(2) {
                prop_assert!(!case.allowed(action, None), "{} by none of these permissions", action);
            }
        }
        Ok(())
    });
    run.unwrap();
}
