//! Several clients at once over HTTP: each on trees of its own, and all on one.

use std::sync::Arc;

use cedargate::domain::{Change, Entity, Uid};
use cedargate::store::Store;

use super::explanation::Seen;
use super::generate;
use super::histories::now;
use super::inside::limits;
use super::operation::Op;
use super::rim::Rim;
use super::rules::VERBS;
use super::state::State;
use crate::sharing::bench::{Bench, snapshot};
use crate::support::postgres::Cluster;
use crate::support::random::Random;

const CLIENTS: u64 = 4;
/// How many histories each client goes through on trees of its own.
const HISTORIES: u64 = 40;
/// How many steps each client takes on the tree of all.
const STEPS: usize = 40;

pub(super) fn rim(bench: &Bench) -> Rim {
    Rim::new(bench.base.clone(), Box::new(|who| format!("user-{who}")))
}

/// Everything that is stored.
pub(super) async fn all(store: &Arc<dyn Store>) -> Vec<Entity> {
    let mut all: Vec<Entity> = Vec::new();
    loop {
        let after: Option<Uid> = all.last().map(|it| it.uid.clone());
        let page = store.page(None, after.as_ref(), 500).await.unwrap();
        let is_last = page.len() < 500;
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

pub(super) async fn begin(bench: &Bench, random: &mut Random, prefix: &str) -> State {
    let mut state = generate::start(random, prefix, now());
    // The operator is known by his token only, and nobody else is called like him.
    state.gone.clear();
    let entities = state.entities().into_iter().map(|it| Change::Put(snapshot().canonical(it).unwrap()));
    bench.store.apply(entities.collect(), None).await.unwrap();
    state
}

/// Histories on fresh trees of one store, while others do the same.
async fn alone(bench: Arc<Bench>, client: u64) {
    let rim = rim(&bench);
    for number in 0..HISTORIES {
        let prefix = format!("c{client}h{number}-");
        let mut random = Random::new(client * 1_000 + number);
        let mut state = begin(&bench, &mut random, &prefix).await;
        for count in 0..6 {
            let step = generate::step(&mut random, &state, &prefix, count);
            let answer = rim.perform(&step).await.unwrap_or_else(|| panic!("no answer to {step:?}"));
            let expected = state.perform(&answer.step, &answer.made);
            assert_eq!(answer.outcome, expected, "history {number} of client {client}: {:?}", answer.step);
        }
        state.check_invariants().unwrap_or_else(|what| panic!("{what}"));
        let people = state.users.keys().flat_map(|who| state.devices.keys().map(move |device| (who, device)));
        let asked: Vec<_> = people
            .flat_map(|(who, device)| ["view", "control"].map(|it| (who.clone(), it, device.clone())))
            .collect();
        for (asked, found) in asked.iter().zip(rim.decide(&asked).await) {
            let (who, action, device) = asked;
            assert_eq!(
                found,
                state.decides(who, action, device, None),
                "history {number} of {client}: {asked:?}"
            );
        }
        if number % 20 == 0 {
            let found = State::read(all(&bench.store).await.iter(), &state).part(&prefix);
            assert!(found == state, "{}", state.differences(&found));
        }
    }
}

async fn each_on_his_own(url: &str) {
    let bench = Arc::new(Bench::bare(url, limits()).await);
    let clients: Vec<_> = (0..CLIENTS).map(|it| tokio::spawn(alone(bench.clone(), it))).collect();
    for client in clients {
        client.await.unwrap();
    }
}

/// Steps on a tree that others change at the same time; each write is asked about at another gateway.
async fn amid_others(own: Arc<Bench>, rim: Arc<Rim>, elsewhere: Arc<Rim>, start: State, client: u64) -> Seen {
    let (mut random, mut seen) = (Random::new(77 + client), Seen::default());
    for count in 0..STEPS {
        let state = State::read(all(&own.store).await.iter(), &start).part("t-");
        let mut step =
            generate::step(&mut random, &state, "t-", usize::try_from(client).unwrap() * 1_000 + count);
        if let Op::Resend { invitation } = step.op {
            // Whoever else has the link could not say whether it is the newest.
            step.op = Op::Withdraw { invitation };
        }
        let from = own.store.head().await.unwrap();
        let answer = rim.perform(&step).await.unwrap_or_else(|| panic!("no answer to {step:?}"));
        let written = answer.outcome.is_ok().then_some(answer.revision);
        let to = own.store.head().await.unwrap();
        seen.note(answer, from, to);
        let Some(written) = written else { continue };
        let people: Vec<_> = state.users.keys().cloned().collect();
        let asked: Vec<_> = state
            .devices
            .keys()
            .filter_map(|device| {
                let who = people.get(random.below(people.len().max(1)))?;
                Some((who.clone(), VERBS[random.below(2)].0, device.clone()))
            })
            .collect();
        if asked.is_empty() {
            continue;
        }
        let decided = elsewhere.decide(&asked).await;
        let to = own.store.head().await.unwrap();
        seen.decided.extend(asked.into_iter().zip(decided).map(|(asked, found)| (asked, found, written, to)));
    }
    seen
}

/// The clients share the gateways of one store; what is decided after a write is decided on it, everywhere.
async fn all_on_one(urls: [&str; 2]) {
    let gates =
        [Arc::new(Bench::bare(urls[0], limits()).await), Arc::new(Bench::bare(urls[1], limits()).await)];
    let rims = gates.each_ref().map(|it| Arc::new(rim(it)));
    let start = begin(&gates[0], &mut Random::new(4), "t-").await;
    let first = gates[0].store.head().await.unwrap();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (here, there) =
                (usize::try_from(client % 2).unwrap(), usize::try_from((client + 1) % 2).unwrap());
            // Links are known where they were made: one rim for all writes.
            tokio::spawn(amid_others(
                gates[here].clone(),
                rims[here].clone(),
                rims[there].clone(),
                start.clone(),
                client,
            ))
        })
        .collect();
    let mut seen = Seen::default();
    for client in clients {
        seen.join(client.await.unwrap());
    }
    let last = gates[0].store.head().await.unwrap();
    let stored = State::read(all(&gates[0].store).await.iter(), &start).part("t-");
    assert!(seen.done.len() > 20, "{} writes", seen.done.len());
    if let Err(what) = seen.explain(first, &start, last, &stored) {
        panic!("{what}\n{:#?}", seen.done);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_on_trees_of_their_own_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    each_on_his_own(&format!("sqlite://{}/own.db", folder.path().display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_on_trees_of_their_own_in_postgresql() {
    let cluster = Cluster::start();
    each_on_his_own(&cluster.database("own")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_on_one_tree_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/one.db", folder.path().display());
    all_on_one([&url, &url]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_on_one_tree_at_two_gateways_over_postgresql() {
    let cluster = Cluster::start();
    let url = cluster.database("one");
    all_on_one([&url, &url]).await;
}
