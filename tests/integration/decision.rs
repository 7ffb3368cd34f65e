//! Cached decisions are those of the newest facts, whatever happens at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cedargate::decision::{Decider, Decision, Limits, Refused, Session};
use cedargate::domain::{Change, Entity, Facts, Query, Uid, World};
use cedargate::policy::PolicySnapshot;
use cedargate::store::{FactSource, Feed, Options, Pending, Store, StoreError, open};
use serde_json::{Value as Json, json};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::pack::{self, uid};
use crate::support::postgres::Cluster;
use crate::support::random::{Random, change, query, start};

const LIMITS: Limits = Limits { decisions: 10_000, closures: 10_000, load_timeout: Duration::from_secs(10) };

fn decider(policies: &Arc<PolicySnapshot>, facts: Arc<dyn FactSource>, limits: Limits) -> Arc<Decider> {
    Decider::new(policies.clone(), facts, Handle::current(), limits)
}

async fn answer(session: &Session, query: &Query) -> Decision {
    session.answers(std::slice::from_ref(query)).await.unwrap().pop().unwrap()
}

/// A person's device and role, small enough to tell which decision depends on what.
fn put(name: Uid, attrs: Json, parents: &[Uid]) -> Change {
    let Json::Object(attrs) = attrs else { panic!("{attrs} is no object") };
    Change::Put(Entity {
        uid: name,
        attrs,
        parents: parents.iter().cloned().collect(),
        tags: [].into_iter().collect(),
    })
}

fn refer(to: &Uid) -> Json {
    json!({ "__entity": { "type": to.kind(), "id": to.id() } })
}

fn organization() -> Change {
    put(uid("Organization", "home"), json!({ "name": "home" }), &[])
}

fn role(permissions: &[&str]) -> Change {
    let permissions: Vec<_> = permissions.iter().map(|id| uid("Permission", id)).collect();
    let home = refer(&uid("Organization", "home"));
    put(uid("Role", "home/user"), json!({ "organization": home, "name": "user" }), &permissions)
}

fn user(id: &str, status: &str) -> Change {
    let attrs = json!({ "organization": refer(&uid("Organization", "home")), "status": status });
    put(uid("User", id), attrs, &[uid("Role", "home/user")])
}

fn device(id: &str, owner: &str) -> Change {
    let home = refer(&uid("Organization", "home"));
    put(
        uid("Device", id),
        json!({ "organization": home, "owner": refer(&uid("User", owner)), "name": id }),
        &[],
    )
}

fn view(user: &str, device: &str) -> Query {
    Query::new(uid("User", user), "view", uid("Device", device))
}

/// A home where `OWN_DEVICES_VIEW` shows `dad` and `mom` their own lamps.
async fn home() -> Arc<dyn Store> {
    let store = open("sqlite::memory:", Options::default()).await.unwrap();
    let people = ["dad", "mom"].iter().flat_map(|it| [user(it, "active"), device(&format!("{it}-lamp"), it)]);
    let changes = [organization(), role(&["OWN_DEVICES_VIEW"])].into_iter().chain(people);
    store.apply(changes.collect(), None).await.unwrap();
    store
}

/// One random history: after each change, cached answers are those of the model.
///
/// Meanwhile readers ask at random, so that what is cached was loaded before, during and after changes.
async fn history(url: &str, options: Options, seed: u64, steps: usize) {
    println!("history of {url}, seed {seed}");
    let policies = Arc::new(pack::policies());
    let store = open(url, options).await.unwrap();
    let (mut random, mut world) = (Random::new(seed), World::default());
    let changes = start();
    world.apply(&changes).unwrap();
    store.apply(changes, None).await.unwrap();
    let decider = decider(&policies, store.clone(), LIMITS);
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|n| {
            let (decider, done, policies) = (decider.clone(), done.clone(), policies.clone());
            tokio::spawn(async move {
                let mut random = Random::new(seed ^ (n + 1));
                while !done.load(Ordering::Relaxed) {
                    answer(&decider.pin(), &query(&mut random, &policies)).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let (mut hits, mut lent) = (0, 0);
    for step in 0..steps {
        let changes: Vec<_> = (0..=random.below(2)).map(|_| change(&mut random)).collect();
        let expected = world.apply(&changes);
        let done = store.apply(changes.clone(), None).await;
        assert_eq!(expected.is_ok(), done.is_ok(), "seed {seed}, step {step}: {changes:?}: {done:?}");
        let session = decider.pin();
        for _ in 0..24 {
            let query = query(&mut random, &policies);
            let cached = answer(&session, &query).await;
            hits += usize::from(cached.cached);
            let fresh = pack::decide(&policies, &world, &query);
            lent += usize::from(fresh.allowed && fresh.reasons.iter().any(|it| it.contains("granted")));
            assert_eq!(*cached.verdict, fresh, "seed {seed}, step {step}: {query:?} after {changes:?}");
        }
        filters(&session, &policies, &world, &mut random).await;
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    println!("{hits} hits, {lent} by grants");
    assert!(hits > steps && lent > 0, "{hits} hits, {lent} by grants: too little was tested");
    store.close().await.unwrap();
}

/// A list is decided as its items are one by one.
async fn filters(session: &Session, policies: &Arc<PolicySnapshot>, world: &World, random: &mut Random) {
    let asked = query(random, policies);
    let kind = asked.resource.kind();
    let items: Vec<Uid> = (0..12).map(|_| random.resource()).filter(|it| it.kind() == kind).collect();
    let kept = session.filter(&asked, &items).await.unwrap();
    let each: Vec<bool> = items
        .iter()
        .map(|item| pack::decide(policies, world, &Query { resource: item.clone(), ..asked.clone() }).allowed)
        .collect();
    assert_eq!(kept, each, "{asked:?} over {items:?}");
}

fn replica() -> Options {
    Options { replica: true, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_is_uncached_in_memory() {
    for seed in 1..=4 {
        history("sqlite::memory:", Options::default(), seed, 60).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_is_uncached_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    history(&format!("sqlite://{}/facts.db", folder.path().display()), replica(), 5, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_is_uncached_in_postgres() {
    let cluster = Cluster::start();
    history(&cluster.database("decisions"), replica(), 6, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_any_action_is_decided_as_its_items() {
    let policies = Arc::new(pack::policies());
    for seed in 10..14 {
        let (mut random, mut world) = (Random::new(seed), World::default());
        world.apply(&start()).unwrap();
        let store = open("sqlite::memory:", Options::default()).await.unwrap();
        for _ in 0..60 {
            let _ = world.apply(&[change(&mut random)]);
        }
        let all = world.entities().map(|it| Change::Put((**it).clone())).collect();
        store.apply(all, None).await.unwrap();
        let session = decider(&policies, store, LIMITS).pin();
        for action in policies.actions() {
            for _ in 0..6 {
                let kind = if random.below(2) == 0 { "Device" } else { "Organization" };
                let items: Vec<Uid> =
                    (0..40).map(|_| random.resource()).filter(|it| it.kind() == kind).collect();
                let asked = Query::new(random.principal(), action.clone(), items[0].clone());
                let kept = session.filter(&asked, &items).await.unwrap();
                for (item, kept) in items.iter().zip(kept) {
                    let one = Query { resource: item.clone(), ..asked.clone() };
                    let fresh = pack::decide(&policies, &world, &one).allowed;
                    assert_eq!(kept, fresh, "seed {seed}: {one:?}");
                }
            }
        }
    }
}

/// Each lamp has one writer, who notes a state once it is acknowledged; no reader may see an older one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_sees_what_was_before_an_acknowledged_change() {
    const STATES: u64 = 60;
    let (policies, store) = (Arc::new(pack::policies()), home().await);
    let decider = decider(&policies, store.clone(), LIMITS);
    // Even states: the lamp is dad's; odd ones: mom's. Noted before (begun) and after (done) each change.
    // The third counts the answers that were comparable: a writer goes on once its state was seen.
    type Lamp = (AtomicU64, AtomicU64, AtomicU64);
    let lamps: Arc<Vec<Lamp>> = Arc::new((0..4).map(|_| Default::default()).collect());
    for lamp in 0..4 {
        store.apply(vec![device(&format!("lamp{lamp}"), "dad")], None).await.unwrap();
    }
    // Joined as they end: a reader that fails ends the test, though the writers wait for readers.
    let mut all = tokio::task::JoinSet::new();
    for lamp in 0..4 {
        let (lamps, store) = (lamps.clone(), store.clone());
        all.spawn(async move {
            for state in 1..=STATES {
                let owner = if state % 2 == 0 { "dad" } else { "mom" };
                lamps[lamp].0.store(state, Ordering::SeqCst);
                store.apply(vec![device(&format!("lamp{lamp}"), owner)], None).await.unwrap();
                lamps[lamp].1.store(state, Ordering::SeqCst);
                let seen = lamps[lamp].2.load(Ordering::SeqCst);
                while lamps[lamp].2.load(Ordering::SeqCst) == seen && state < STATES {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
    }
    for n in 0..4 {
        let (lamps, decider) = (lamps.clone(), decider.clone());
        all.spawn(async move {
            let mut random = Random::new(n);
            while lamps.iter().any(|lamp| lamp.1.load(Ordering::SeqCst) < STATES) {
                let lamp = random.below(4);
                let done = lamps[lamp].1.load(Ordering::SeqCst);
                let query = view(if random.below(2) == 0 { "dad" } else { "mom" }, &format!("lamp{lamp}"));
                let decision = answer(&decider.pin(), &query).await;
                let begun = lamps[lamp].0.load(Ordering::SeqCst);
                if begun == done {
                    let owner = if done % 2 == 0 { "dad" } else { "mom" };
                    assert_eq!(decision.verdict.allowed, query.principal.id() == owner, "{query:?}, {done}");
                    lamps[lamp].2.fetch_add(1, Ordering::SeqCst);
                }
                tokio::task::yield_now().await;
            }
        });
    }
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
    for (_, _, seen) in lamps.iter() {
        assert!(seen.load(Ordering::SeqCst) >= STATES - 1);
    }
}

#[tokio::test]
async fn a_change_spares_what_does_not_depend_on_it() {
    let (policies, store) = (Arc::new(pack::policies()), home().await);
    let decider = decider(&policies, store.clone(), LIMITS);
    let (dads, moms) = (view("dad", "dad-lamp"), view("mom", "mom-lamp"));
    for query in [&dads, &moms] {
        assert!(!answer(&decider.pin(), query).await.cached);
    }
    store.apply(vec![device("dad-lamp", "mom"), user("dad", "active")], None).await.unwrap();
    let moms_decision = answer(&decider.pin(), &moms).await;
    assert!(moms_decision.cached && moms_decision.verdict.allowed);
    let dads_decision = answer(&decider.pin(), &dads).await;
    assert!(!dads_decision.cached && !dads_decision.verdict.allowed);
    store.apply(vec![role(&[])], None).await.unwrap();
    let moms_decision = answer(&decider.pin(), &moms).await;
    assert!(!moms_decision.cached && !moms_decision.verdict.allowed);
}

/// A source that fails, or never answers, as long as it is told to.
struct Faulty {
    store: Arc<dyn Store>,
    fails: AtomicBool,
    stalls: AtomicBool,
    turn: Mutex<()>,
}

impl FactSource for Faulty {
    fn facts_for<'a>(&'a self, roots: &'a [Uid], depth: u32) -> Pending<'a, Facts> {
        Box::pin(async move {
            if self.fails.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable("pulled the plug".into()));
            }
            if self.stalls.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let _turn = self.turn.lock().await;
            self.store.facts_for(roots, depth).await
        })
    }

    fn feed(&self) -> &Arc<Feed> {
        self.store.feed()
    }
}

#[tokio::test]
async fn trouble_is_refused_and_never_remembered() {
    let (policies, store) = (Arc::new(pack::policies()), home().await);
    let faulty = Arc::new(Faulty {
        store,
        fails: AtomicBool::new(true),
        stalls: AtomicBool::new(false),
        turn: Mutex::default(),
    });
    let limits = Limits { load_timeout: Duration::from_millis(50), ..LIMITS };
    let decider = decider(&policies, faulty.clone(), limits);
    let query = view("dad", "dad-lamp");
    let ask = || async { decider.pin().answers(std::slice::from_ref(&query)).await };
    assert!(matches!(ask().await, Err(Refused::Store(_))));
    faulty.fails.store(false, Ordering::SeqCst);
    faulty.stalls.store(true, Ordering::SeqCst);
    assert!(matches!(ask().await, Err(Refused::Late)));
    faulty.stalls.store(false, Ordering::SeqCst);
    let decision = ask().await.unwrap().pop().unwrap();
    assert!(decision.verdict.allowed && !decision.cached);
    faulty.fails.store(true, Ordering::SeqCst);
    assert!(ask().await.unwrap().pop().unwrap().cached, "what was known before the trouble still holds");
}

/// A load that began before a change and ended after it must not leave its answer behind.
#[tokio::test]
async fn facts_that_were_overtaken_while_loading_are_not_kept() {
    struct Slow {
        store: Arc<dyn Store>,
        overtake: Mutex<Option<Vec<Change>>>,
    }
    impl FactSource for Slow {
        fn facts_for<'a>(&'a self, roots: &'a [Uid], depth: u32) -> Pending<'a, Facts> {
            Box::pin(async move {
                let facts = self.store.facts_for(roots, depth).await?;
                if let Some(changes) = self.overtake.lock().await.take() {
                    self.store.apply(changes, None).await?;
                }
                Ok(facts)
            })
        }
        fn feed(&self) -> &Arc<Feed> {
            self.store.feed()
        }
    }
    let (policies, store) = (Arc::new(pack::policies()), home().await);
    let overtake = Mutex::new(Some(vec![role(&[])]));
    let decider = decider(&policies, Arc::new(Slow { store, overtake }), LIMITS);
    let query = view("dad", "dad-lamp");
    assert!(answer(&decider.pin(), &query).await.verdict.allowed, "it was so when it was asked");
    let after = answer(&decider.pin(), &query).await;
    assert!(!after.cached && !after.verdict.allowed);
}

/// What two snapshots permit together may be what neither permits.
#[tokio::test]
async fn facts_of_two_snapshots_never_meet() {
    /// Hears of no change by itself, as a replica does for a moment.
    struct Deaf {
        store: Arc<dyn Store>,
        feed: Arc<Feed>,
    }
    impl FactSource for Deaf {
        fn facts_for<'a>(&'a self, roots: &'a [Uid], depth: u32) -> Pending<'a, Facts> {
            self.store.facts_for(roots, depth)
        }
        fn feed(&self) -> &Arc<Feed> {
            &self.feed
        }
    }
    let (policies, store) = (Arc::new(pack::policies()), home().await);
    let away = put(uid("Organization", "away"), json!({ "name": "away" }), &[]);
    let lamp = |place: &str| {
        let place = refer(&uid("Organization", place));
        put(uid("Device", "lamp"), json!({ "organization": place, "name": "lamp" }), &[])
    };
    store.apply(vec![away, lamp("away"), role(&["ORG_DEVICES_VIEW"])], None).await.unwrap();
    let feed = Arc::new(Feed::local());
    feed.publish(store.head().await.unwrap(), []);
    let decider = decider(&policies, Arc::new(Deaf { store: store.clone(), feed }), LIMITS);
    assert!(answer(&decider.pin(), &view("dad", "dad-lamp")).await.verdict.allowed);
    // One transaction: nobody at home sees its devices any more, and the lamp comes home.
    store.apply(vec![role(&[]), lamp("home")], None).await.unwrap();
    for user in ["mom", "dad"] {
        let decision = answer(&decider.pin(), &view(user, "lamp")).await;
        assert!(!decision.verdict.allowed && decision.verdict.errors.is_empty(), "{user}: {decision:?}");
    }
}

#[tokio::test]
async fn memory_is_bounded() {
    let (policies, store) = (Arc::new(pack::policies()), home().await);
    let limits = Limits { decisions: 100, closures: 100, ..LIMITS };
    let decider = decider(&policies, store, limits);
    let session = decider.pin();
    let name = |n: usize| view("dad", &format!("nothing{n}"));
    for n in 0..10_000 {
        answer(&session, &name(n)).await;
    }
    let mut kept = 0;
    for n in 0..10_000 {
        kept += usize::from(answer(&session, &name(n)).await.cached);
    }
    assert!(kept <= 400, "{kept} of 10,000 decisions were kept, and 100 allowed");
}
