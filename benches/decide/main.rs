//! What one decision costs. `cargo bench --bench decide [-- WORD …]` runs the figures that name a WORD.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark that fails should stop"
)]

mod clock;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/integration/support/postgres.rs"]
mod postgres;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedargate::decision::{Ask, Decider, Decision, Limits, Session};
use cedargate::domain::{Query, Uid};
use cedargate::policy::PolicySnapshot;
use cedargate::store::{Options, Store, open};
use tokio::runtime::Runtime;

use crate::clock::median;
use crate::world::{WARM, fill, fill_up, lend, uid, view};

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many decisions and entities are remembered as by default.
const ALL: u64 = 100_000;
/// The most that one group of figures adds to, in nanoseconds: see issue 2, item 12.
const CACHED: f64 = 1_000.0;
const UNCACHED: f64 = 10_000.0;
const LIST: f64 = 500_000.0;

struct Bench {
    runtime: Runtime,
    policies: Arc<PolicySnapshot>,
    only: Vec<String>,
}

/// A store with a decider over it.
struct Stage<'a> {
    bench: &'a Bench,
    store: Arc<dyn Store>,
    decider: Arc<Decider>,
}

struct One(Vec<Query>);

impl Ask for One {
    fn queries(&self) -> &[Query] {
        &self.0
    }
}

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let bench = Bench {
        runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
        policies: Arc::new(PolicySnapshot::load(&folder).unwrap()),
        only: std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect(),
    };
    println!("{:<58} {:>12} {:>10} {:>7}", "CPU time of one", "ns", "at most", "ratio");
    for depth in [1, 3, 10] {
        bench.in_memory(depth);
    }
    bench.lent();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| format!("sqlite://{}/{name}.db?mode=rwc", folder.path().display());
    bench.stored("SQLite file, 1 thousand devices", &file("small"), WARM);
    bench.stored("SQLite file, 1 million devices", &file("large"), 1_000_000);
    if bench.wants("PostgreSQL") {
        let cluster = postgres::Cluster::start();
        bench.stored("PostgreSQL, 1 thousand devices", &cluster.database("small"), WARM);
        bench.stored("PostgreSQL, 1 million devices", &cluster.database("large"), 1_000_000);
    }
}

impl Bench {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| name.contains(word.as_str()))
    }

    fn tell(&self, what: &str, ns: f64, target: Option<f64>) {
        let (most, ratio) = target.map_or_else(
            || ("-".to_owned(), "-".to_owned()),
            |most| (format!("{most:.0}"), format!("{:.2}", ns / most)),
        );
        println!("{what:<58} {ns:>12.0} {most:>10} {ratio:>7}");
    }

    fn stage(&self, store: &Arc<dyn Store>, decisions: u64, closures: u64) -> Stage<'_> {
        let limits = Limits { decisions, closures, load_timeout: Duration::from_secs(30) };
        let handle = self.runtime.handle().clone();
        let decider = Decider::new(self.policies.clone(), store.clone(), handle, limits);
        Stage { bench: self, store: store.clone(), decider }
    }

    fn in_memory(&self, depth: usize) {
        let name = format!("organization depth {depth}");
        if !self.wants(&name) {
            return;
        }
        let store = self.runtime.block_on(async {
            let store = open("sqlite::memory:", Options::default()).await.unwrap();
            fill(&*store, depth).await;
            store
        });
        self.stage(&store, ALL, ALL).evaluations(&name);
        self.stage(&store, ALL, ALL).decisions(&name);
        self.stage(&store, ALL, ALL).lists(&name);
    }

    /// A decision by a grant, where the device has one grant and where it has ten thousand.
    fn lent(&self) {
        if !self.wants("grant") {
            return;
        }
        let mut costs = Vec::new();
        for (name, grants) in [("1 grant", 1), ("10,000 grants", 10_000)] {
            let store = self.runtime.block_on(async {
                let store = open("sqlite::memory:", Options::default()).await.unwrap();
                fill(&*store, 3).await;
                lend(&*store, grants).await;
                store
            });
            let stage = self.stage(&store, 0, 0);
            let session = stage.decider.pin();
            let query = Query::new(uid("User", "guest0"), "view", view(0, 0).resource);
            let ns = median(200, |_| assert!(!stage.answer(&session, &query).cached));
            self.tell(&format!("decision by a grant from the store, a device with {name}"), ns, None);
            costs.push(ns);
        }
        println!("{:<58} {:>31.2}", "  the second in terms of the first", costs[1] / costs[0]);
    }

    fn stored(&self, name: &str, url: &str, devices: usize) {
        if !self.wants(name) {
            return;
        }
        let options = Options { replica: true, timeout: Duration::from_secs(60), ..Options::default() };
        let start = Instant::now();
        let store = self.runtime.block_on(async {
            let store = open(url, options.clone()).await.unwrap();
            fill(&*store, 3).await;
            if devices > WARM {
                store.close().await.unwrap();
                fill_up(url, 3, devices).await;
                return open(url, options).await.unwrap();
            }
            store
        });
        println!("{name}: filled in {:.0} s", start.elapsed().as_secs_f64());
        self.stage(&store, ALL, ALL).decisions(name);
        self.stage(&store, 0, 0).loads(name, devices);
        self.runtime.block_on(store.close()).unwrap();
    }
}

impl Stage<'_> {
    fn answer(&self, session: &Session, query: &Query) -> Decision {
        let mut decisions =
            self.bench.runtime.block_on(session.answers(std::slice::from_ref(query))).unwrap();
        let decision = decisions.pop().unwrap();
        assert!(decision.verdict.allowed, "{query:?}: {decision:?}");
        decision
    }

    /// Cedar and what prepares its question, without any memory of answers.
    fn evaluations(&self, name: &str) {
        let query = view(7, 7);
        let roots = [query.principal.clone(), query.resource.clone()];
        let level = self.bench.policies.level();
        let facts = self.bench.runtime.block_on(self.store.facts_for(&roots, level)).unwrap();
        let closures = self.bench.policies.closures(&facts, &roots).unwrap();
        let slice: Vec<_> = closures.iter().collect();
        let ns = median(20_000, |_| assert!(self.bench.policies.evaluate(&query, &slice, 0).allowed));
        self.bench.tell(&format!("evaluation, {name}"), ns, None);
        let ns = median(2_000, |_| {
            assert!(self.bench.policies.decide(&query, &facts, 0).allowed);
        });
        self.bench.tell(&format!("evaluation and preparation of both entities, {name}"), ns, None);
    }

    /// Remembered decisions, and new ones over remembered entities.
    fn decisions(&self, name: &str) {
        let session = self.decider.pin();
        (0..WARM).for_each(|n| drop(self.answer(&session, &view(n, n))));
        let queries: Vec<_> = (0..WARM).map(|n| view(n, n)).collect();
        let ns = median(50_000, |n| assert!(self.answer(&session, &queries[n % WARM]).cached));
        self.bench.tell(&format!("cached decision, {name}"), ns, Some(CACHED));
        let ns = median(50_000, |n| {
            let ask = One(vec![queries[n % WARM].clone()]);
            let session = self.decider.pin();
            assert!(self.bench.runtime.block_on(session.decide(ask)).is_ok());
        });
        self.bench.tell(&format!("cached decision, pinned and permitted, {name}"), ns, Some(CACHED));
        // Every pair is new, every user and device is known. The names are made outside of the figure.
        let (users, devices): (Vec<_>, Vec<_>) =
            queries.iter().map(|it| (it.principal.clone(), it.resource.clone())).unzip();
        let action = queries[0].action.clone();
        let ns = median(20_000, |n| {
            let (user, shift) = (n % WARM, 1 + n / WARM);
            let device = devices[(user + shift) % WARM].clone();
            let query = Query::new(users[user].clone(), action.clone(), device);
            assert!(!self.answer(&session, &query).cached);
        });
        self.bench.tell(&format!("decision over warm entities, {name}"), ns, Some(UNCACHED));
    }

    /// Decisions that load both entities from the store.
    fn loads(&self, name: &str, devices: usize) {
        let session = self.decider.pin();
        let start = Instant::now();
        let ns = median(200, |n| {
            let query = view(n % WARM, n.wrapping_mul(7_919) % devices);
            assert!(!self.answer(&session, &query).cached);
        });
        let wall = start.elapsed().as_nanos() as f64 / 2_000.0;
        self.bench.tell(&format!("decision from the store, {name}"), ns, None);
        self.bench.tell(&format!("  its time of day, database included (mean), {name}"), wall, None);
    }

    /// One user, the action `view`, a thousand devices.
    fn lists(&self, name: &str) {
        let session = self.decider.pin();
        let devices: Vec<Uid> = (0..WARM).map(|n| uid("Device", format!("d{n}"))).collect();
        let runtime = &self.bench.runtime;
        let list = |user: usize| {
            let decided = runtime.block_on(session.filter(&view(user, 0), &devices)).unwrap();
            assert!(decided.iter().all(|it| *it) && decided.len() == WARM);
        };
        let ns = median(50, |_| list(0));
        self.bench.tell(&format!("list of 1,000 by residual, {name}"), ns, Some(LIST));
        let ns = median(50, |n| list(1 + n));
        self.bench.tell(&format!("list of 1,000 by residual, new user each, {name}"), ns, Some(LIST));
        let ns = median(4, |n| {
            let queries: Vec<_> =
                devices.iter().map(|it| Query { resource: it.clone(), ..view(900 + n, 0) }).collect();
            let decided = runtime.block_on(session.answers(&queries)).unwrap();
            assert!(decided.iter().all(|it| it.verdict.allowed && !it.cached));
        });
        self.bench.tell(&format!("list of 1,000 one by one, {name}"), ns, None);
    }
}
