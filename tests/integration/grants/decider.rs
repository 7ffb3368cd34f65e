//! What is loaded and kept for a grant, and when it is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cedargate::decision::{Decider, Decision, Limits};
use cedargate::domain::{Change, Entity, Query, Uid};
use cedargate::policy::PolicySnapshot;
use cedargate::store::{self, FactSource, Feed, Pending, Store};
use serde_json::{Value as Json, json};
use tokio::runtime::Handle;

use super::{grant, pair};
use crate::pack::{self, uid};

/// A store that counts the entities that it gives out.
struct Counting {
    store: Arc<dyn Store>,
    given: AtomicUsize,
}

impl FactSource for Counting {
    fn facts_for<'a>(&'a self, roots: &'a [Uid], depth: u32) -> Pending<'a, cedargate::domain::Facts> {
        Box::pin(async move {
            let facts = self.store.facts_for(roots, depth).await?;
            self.given.fetch_add(facts.entities.len(), Ordering::SeqCst);
            Ok(facts)
        })
    }

    fn feed(&self) -> &Arc<Feed> {
        self.store.feed()
    }
}

/// The family and whoever decides about it.
struct House {
    policies: Arc<PolicySnapshot>,
    source: Arc<Counting>,
    decider: Arc<Decider>,
}

impl House {
    async fn new() -> Self {
        let store = store::open("sqlite::memory:", store::Options::default()).await.unwrap();
        let policies = Arc::new(pack::policies());
        let world = pack::world(&policies, "family");
        let all = world.entities().map(|entity| Change::Put(Entity::clone(entity))).collect();
        store.apply(all, None).await.unwrap();
        let source = Arc::new(Counting { store, given: AtomicUsize::new(0) });
        let limits = Limits { decisions: 1_000, closures: 1_000, load_timeout: Duration::from_secs(10) };
        let decider = Decider::new(policies.clone(), source.clone(), Handle::current(), limits);
        Self { policies, source, decider }
    }

    async fn put(&self, device: &str, grantee: &str, granter: &str, more: Json) {
        let grant = grant(&self.policies, device, grantee, granter, &more);
        self.source.store.apply(vec![Change::Put(grant)], None).await.unwrap();
    }

    async fn ask(&self, query: &Query) -> Decision {
        self.decider.pin().answers(std::slice::from_ref(query)).await.unwrap().remove(0)
    }

    /// Whether it is allowed, and whether that was known already.
    async fn may(&self, who: &str, action: &str, device: &str) -> (bool, bool) {
        let decision = self.ask(&Query::new(uid("User", who), action, uid("Device", device))).await;
        assert!(decision.verdict.errors.is_empty(), "{decision:?}");
        (decision.verdict.allowed, decision.cached)
    }
}

const NEW: bool = false;
const KEPT: bool = true;

#[tokio::test]
async fn a_new_a_changed_and_a_revoked_grant_count_at_once_and_for_its_pair_only() {
    let house = House::new().await;
    for known in [NEW, KEPT] {
        assert_eq!(house.may("villa-dad", "control", "garage").await, (false, known));
        assert_eq!(house.may("villa-wife", "control", "garage").await, (false, known));
        assert_eq!(house.may("wife", "control", "garage").await, (true, known));
    }
    house.put("garage", "villa-dad", "wife", json!({})).await;
    assert_eq!(house.may("villa-wife", "control", "garage").await, (false, KEPT));
    assert_eq!(house.may("wife", "control", "garage").await, (true, KEPT));
    for known in [NEW, KEPT] {
        assert_eq!(house.may("villa-dad", "control", "garage").await, (true, known));
    }
    house.put("garage", "villa-dad", "wife", json!({ "control": false })).await;
    assert_eq!(house.may("villa-dad", "control", "garage").await, (false, NEW));
    assert_eq!(house.may("villa-dad", "view", "garage").await, (true, NEW));
    house.put("garage", "villa-dad", "wife", json!({ "status": "revoked" })).await;
    assert_eq!(house.may("villa-dad", "view", "garage").await, (false, NEW));
    assert_eq!(house.may("wife", "control", "garage").await, (true, KEPT));
}

#[tokio::test]
async fn the_granters_loss_is_the_grantees_on_the_next_request() {
    let house = House::new().await;
    house.put("garage", "villa-dad", "wife", json!({})).await;
    assert_eq!(house.may("villa-dad", "control", "garage").await, (true, NEW));
    let world = pack::world(&house.policies, "family");
    let role = world.entities().find(|it| it.uid == uid("Role", "home/user")).unwrap();
    let mut less = Entity::clone(role);
    assert!(less.parents.remove(&uid("Permission", "OWN_DEVICES_CONTROL")));
    house.source.store.apply(vec![Change::Put(less)], None).await.unwrap();
    assert_eq!(house.may("villa-dad", "control", "garage").await, (false, NEW));
    assert_eq!(house.may("villa-dad", "view", "garage").await, (true, NEW));
}

#[tokio::test]
async fn ten_thousand_grants_on_a_device_are_not_read_for_one_decision() {
    let house = House::new().await;
    house.put("garage", "villa-dad", "wife", json!({})).await;
    let before = house.source.given.load(Ordering::SeqCst);
    assert_eq!(house.may("villa-dad", "view", "garage").await, (true, NEW));
    let few = house.source.given.load(Ordering::SeqCst) - before;
    let others = (0..10_000).map(|n| {
        let guest = format!("guest-{n}");
        Change::Create(grant(&house.policies, "garage", &guest, "wife", &json!({})))
    });
    let others: Vec<Change> = others.collect();
    for some in others.chunks(1_000) {
        house.source.store.apply(some.to_vec(), None).await.unwrap();
    }
    let touched = vec![Change::Put(grant(&house.policies, "garage", "villa-dad", "wife", &json!({})))];
    house.source.store.apply(touched, None).await.unwrap();
    let before = house.source.given.load(Ordering::SeqCst);
    assert_eq!(house.may("villa-dad", "view", "garage").await, (true, NEW));
    let many = house.source.given.load(Ordering::SeqCst) - before;
    assert!(many <= 2 * few, "{many} entities were read where {few} were without the others");
}

#[tokio::test]
async fn a_list_holds_what_is_lent() {
    let house = House::new().await;
    house.put("garage", "villa-dad", "wife", json!({})).await;
    house.put("lamp", "villa-dad", "dad", json!({ "status": "offered" })).await;
    let devices = ["villa-drinking", "garage", "lamp", "drinking", "gone"].map(|id| uid("Device", id));
    let query = Query::new(uid("User", "villa-dad"), "view", uid("Device", "any"));
    for _ in 0..2 {
        let seen = house.decider.pin().filter(&query, &devices).await.unwrap();
        assert_eq!(seen, [true, true, false, false, false]);
    }
    house.put("lamp", "villa-dad", "dad", json!({})).await;
    house.put("garage", "villa-dad", "wife", json!({ "status": "declined" })).await;
    let seen = house.decider.pin().filter(&query, &devices).await.unwrap();
    assert_eq!(seen, [true, false, true, false, false]);
}

#[tokio::test]
async fn nobody_states_a_grant_for_himself() {
    let house = House::new().await;
    house.put("garage", "villa-dad", "wife", json!({ "status": "offered" })).await;
    house.put("lamp", "son", "dad", json!({})).await;
    for of in [pair("garage", "villa-dad"), pair("lamp", "son")] {
        let entity = json!({ "__entity": { "type": of.kind(), "id": of.id() } });
        let now = json!({ "__extn": { "fn": "datetime", "arg": "2026-01-01" } });
        let share = json!({ "share": { "grant": entity, "now": now } });
        let query = Query {
            context: Arc::new(share.as_object().unwrap().clone()),
            ..Query::new(uid("User", "villa-dad"), "view", uid("Device", "garage"))
        };
        assert!(!house.ask(&query).await.verdict.allowed);
    }
}

#[tokio::test]
async fn a_kept_decision_dies_when_the_grant_begins_and_when_it_ends() {
    let house = House::new().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let at = |ms: u128| {
        let offset = json!({ "__extn": { "fn": "duration", "arg": format!("{ms}ms") } });
        let origin = json!({ "__extn": { "fn": "datetime", "arg": "1970-01-01" } });
        json!({ "__extn": { "fn": "offset", "args": [origin, offset] } })
    };
    house
        .put("garage", "villa-dad", "wife", json!({ "from": at(now + 1500), "until": at(now + 3000) }))
        .await;
    let mut told = Vec::new();
    while told != [false, true, false] {
        let (allowed, _) = house.may("villa-dad", "view", "garage").await;
        if told.last() != Some(&allowed) {
            told.push(allowed);
        }
        assert!(told.len() < 4, "{told:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A list is decided as a set: what may be lent costs nothing where nothing is.
#[test]
fn grants_leave_lists_their_filter() {
    let policies = pack::policies();
    let world = pack::world(&policies, "family");
    let query = Query::new(uid("User", "wife"), "view", uid("Device", "garage"));
    let roots = ["garage", "drinking"].map(|id| uid("Device", id));
    let roots = [vec![uid("User", "wife")], roots.to_vec()].concat();
    let closures = policies.closures(&world.slice(&roots, policies.level()), &roots).unwrap();
    let filter = policies.filter(&query, "Device", &closures[0], 0).unwrap();
    let decided: Vec<_> = closures[1..].iter().map(|device| filter.decide(device)).collect();
    assert_eq!(decided, [Some(true), Some(false)]);
    assert!(!policies.reads_clock(&query), "or no filter would be kept");
}

/// What `holds_until` says, by the minute: 2026-07-03 15:50 is a Friday.
#[test]
fn a_decision_holds_until_the_nearest_of_beginning_end_and_quarter() {
    let policies = pack::policies();
    let ms = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let now = ms("2026-07-03T15:50:00Z");
    let query = Query::new(uid("User", "villa-dad"), "view", uid("Device", "garage"));
    let until = |more: Option<Json>| {
        let mut world = pack::world(&policies, "family");
        if let Some(more) = more {
            world.apply(&[Change::Put(grant(&policies, "garage", "villa-dad", "wife", &more))]).unwrap();
        }
        let roots = policies.roots(&query);
        let closures = policies.closures(&world.slice(&roots, policies.level()), &roots).unwrap();
        policies.holds_until(&query, &closures.iter().collect::<Vec<_>>(), now)
    };
    assert_eq!(until(None), None);
    assert_eq!(until(Some(json!({}))), None);
    let (before, after) = ("2026-07-01T00:00:00Z", "2026-07-03T15:52:00Z");
    assert_eq!(until(Some(json!({ "from": before }))), None);
    assert_eq!(until(Some(json!({ "from": before, "until": after }))), Some(ms(after)));
    assert_eq!(until(Some(json!({ "from": after, "until": "2026-08-01" }))), Some(ms(after)));
    let hours = json!({ "hours": [450], "zone": "Asia/Kathmandu", "until": "2026-08-01" });
    assert_eq!(until(Some(hours)), Some(ms("2026-07-03T16:00:00Z")));
    assert_eq!(until(Some(json!({ "hours": [450], "until": after }))), Some(ms(after)));
}

/// Ten thousand grants of one device: a decision reads the one that is about who asks, and nothing of the others.
#[tokio::test]
async fn ten_thousand_grants_of_a_device_are_not_in_the_way_of_a_decision() {
    let house = House::new().await;
    // A decider that remembers nothing has to load everything each time.
    let limits = Limits { decisions: 0, closures: 0, load_timeout: Duration::from_secs(10) };
    let forgetful = Decider::new(house.policies.clone(), house.source.clone(), Handle::current(), limits);
    let house = House { decider: forgetful, ..house };
    house.put("garage", "villa-dad", "wife", json!({})).await;
    let loaded = async || {
        let mut loaded = Vec::new();
        for (who, expected) in [("villa-dad", true), ("villa-son", false), ("wife", true)] {
            let before = house.source.given.load(Ordering::SeqCst);
            assert_eq!(house.may(who, "control", "garage").await.0, expected, "{who}");
            loaded.push(house.source.given.load(Ordering::SeqCst) - before);
        }
        loaded
    };
    let with_one = loaded().await;
    let many: Vec<Change> = (0..10_000)
        .map(|n| Change::Put(grant(&house.policies, "garage", &format!("stranger-{n}"), "wife", &json!({}))))
        .collect();
    for some in many.chunks(1_000) {
        house.source.store.apply(some.to_vec(), None).await.unwrap();
    }
    assert_eq!(loaded().await, with_one);
}
