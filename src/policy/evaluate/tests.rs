//! The shortcuts of [`verdict`] against Cedar's own authorizer.

use std::collections::BTreeSet;
use std::path::Path;

use cedar_policy::{Authorizer, Decision};
use serde_json::json;

use super::*;
use crate::domain::{Change, World};
use crate::policy::story::read_world;

#[test]
fn a_verdict_is_what_cedars_authorizer_answers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let policies = PolicySnapshot::load(&root.join("policies")).unwrap();
    let text = std::fs::read_to_string(root.join("entities/family.json")).unwrap();
    let mut world = read_world(&policies, "family", &text).unwrap();
    let of = |world: &World, kinds: &[&str]| -> Vec<Uid> {
        let uids = world.entities().map(|entity| entity.uid.clone());
        uids.filter(|uid| kinds.contains(&uid.kind())).collect()
    };
    let (people, devices) = (of(&world, &["User"]), of(&world, &["Device"]));
    for (number, device) in devices.iter().enumerate() {
        let grant = grant(device, &people[number % 3], &people[number % people.len()], number);
        world.apply(&[Change::Put(policies.canonical(grant).unwrap())]).unwrap();
    }
    let principals = of(&world, &["User", "OAuthClient", "DeviceToken"]);
    let resources = of(&world, &["Device", "Organization", "User", "Role"]);
    let (mut asked, mut allowed, mut lent) = (0, 0, 0);
    for (principal, resource) in principals.iter().flat_map(|it| resources.iter().map(move |to| (it, to))) {
        let own = vec![principal.clone(), resource.clone()];
        let grants = people.iter().map(|it| Uid::of_grant(resource, it));
        let grant = grants.into_iter().find(|it| world.entities().any(|entity| entity.uid == *it));
        for roots in [Some(own.clone()), grant.map(|it| [own, vec![it]].concat())].into_iter().flatten() {
            let closures = policies.closures(&world.slice(&roots, policies.level()), &roots).unwrap();
            for action in policies.actions() {
                let query = Query::new(principal.clone(), action.clone(), resource.clone());
                let Some((ours, theirs)) = both(&policies, &query, &closures) else { continue };
                assert_eq!(ours, theirs, "{query:?} over {roots:?}");
                asked += 1;
                allowed += usize::from(ours.0);
                lent += usize::from(ours.0 && roots.len() > 2);
            }
        }
    }
    assert!(asked > 1000 && allowed > 100 && lent > 0, "{asked} asked, {allowed} allowed, {lent} lent");
}

fn grant(device: &Uid, grantee: &Uid, granter: &Uid, number: usize) -> Json {
    let refer = |uid: &Uid| json!({ "type": uid.kind(), "id": uid.id() });
    json!({
        "uid": refer(&Uid::of_grant(device, grantee)),
        "attrs": {
            "organization": { "type": "Organization", "id": "home" },
            "device": refer(device),
            "grantee": refer(grantee),
            "granter": refer(granter),
            "status": if number % 4 == 3 { "offered" } else { "accepted" },
            "control": number.is_multiple_of(2),
        },
        "parents": [],
    })
}

type Answer = (bool, BTreeSet<String>, usize);

/// Our answer and Cedar's, over the same policies; none for a request that does not fit the schema.
fn both(policies: &PolicySnapshot, query: &Query, closures: &[Closure]) -> Option<(Answer, Answer)> {
    let action = policies.vocabulary.action(&query.action)?;
    let of_action = policies.by_action.get(&query.action)?;
    let share = closures.get(2).map(|grant| share::share(grant, 0));
    let request = policies.request(query, action, share, 0).ok()?;
    let entities = entities(action, &closures.iter().collect::<Vec<_>>()).unwrap();
    let ours = verdict(of_action, query.principal.kind(), request.clone(), &entities);
    let theirs = Authorizer::new().is_authorized(&request.into(), &of_action.set, &entities.into());
    let failed = theirs.diagnostics().errors().count();
    let reasons = theirs.diagnostics().reason().map(ToString::to_string).collect();
    Some((
        (ours.allowed, ours.reasons.iter().map(ToString::to_string).collect(), ours.errors.len()),
        (theirs.decision() == Decision::Allow && failed == 0, reasons, failed),
    ))
}
