//! Random histories, each on a fresh world: the reference and the real operations answer alike, leave the
//! same behind, and decide alike.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use cedargate::domain::{Change, World};
use cedargate::store::Store;

use super::generate;
use super::inside::Inside;
use super::operation::{Op, Step};
use super::ram::Ram;
use super::rules::VERBS;
use super::state::{Id, State};
use crate::sharing::bench::snapshot;
use crate::support::random::Random;

/// How many histories are tried; `MODEL_SEQUENCES` says otherwise.
const SEQUENCES: u64 = 50_000;
/// How many steps a history has at least, and how many more it may have.
const STEPS: (usize, usize) = (5, 3);
/// Every so many histories all decisions are compared after each step; else some of them at the end.
const CLOSELY: u64 = 200;
const SAMPLED: usize = 10;
/// How many worlds the histories begin in.
const WORLDS: u64 = 128;
/// How many histories in a row begin in one world, so that most of what is remembered still counts.
const IN_ONE_WORLD: u64 = 100;

/// How often each operation was done and how often refused.
pub(super) type Tally = BTreeMap<String, [u64; 2]>;

pub(super) fn now() -> i64 {
    static NOW: OnceLock<i64> = OnceLock::new();
    let since = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    *NOW.get_or_init(|| i64::try_from(since().as_millis()).unwrap())
}

/// The worlds that histories begin in, for the reference and for the store.
fn worlds() -> &'static [(State, World)] {
    static WORLDS_OF_ALL: OnceLock<Vec<(State, World)>> = OnceLock::new();
    WORLDS_OF_ALL.get_or_init(|| {
        let world = |number| {
            let state = generate::start(&mut Random::new(number), "", now());
            state.check_invariants().unwrap();
            let entities = state.entities().into_iter().map(|it| snapshot().canonical(it).unwrap());
            let mut world = World::default();
            world.apply(&entities.map(Change::Put).collect::<Vec<_>>()).unwrap();
            (state, world)
        };
        (0..WORLDS).map(world).collect()
    })
}

/// Steps with their places in the history.
type Numbered = Vec<(usize, Step)>;

/// One thread's store with everything over it.
struct Track {
    ram: Arc<Ram>,
    inside: Inside,
}

impl Track {
    fn new() -> Self {
        let ram = Arc::new(Ram::new());
        let store: Arc<dyn Store> = ram.clone();
        Self { ram, inside: Inside::over(store) }
    }

    /// A history of the seed: what happens follows from what happened.
    async fn live(&mut self, seed: u64, tally: &mut Tally) -> Result<(), (Numbered, String)> {
        let mut random = Random::new(seed);
        let mut state = self.begin(seed);
        let length = STEPS.0 + random.below(STEPS.1);
        let mut steps = Vec::new();
        for number in 0..length {
            let step = generate::step(&mut random, &state, "", number);
            steps.push((number, step.clone()));
            let done = self.step(&mut state, number, &step).await.map_err(|what| (steps.clone(), what))?;
            tally.entry(step.op.kind()).or_default()[usize::from(!done)] += 1;
            if seed.is_multiple_of(CLOSELY) && done {
                self.compare(&state, &mut random, true).await.map_err(|what| (steps.clone(), what))?;
            }
        }
        self.compare(&state, &mut random, seed.is_multiple_of(CLOSELY)).await.map_err(|what| (steps, what))
    }

    /// The same world with exactly these steps.
    async fn relive(&mut self, seed: u64, steps: &[(usize, Step)]) -> Result<(), String> {
        let (mut random, mut state) = (Random::new(seed), self.begin(seed));
        for (number, step) in steps {
            self.step(&mut state, *number, step).await?;
        }
        self.compare(&state, &mut random, true).await
    }

    fn begin(&mut self, seed: u64) -> State {
        let all = worlds();
        let (state, world) = &all[usize::try_from(seed / IN_ONE_WORLD).unwrap() % all.len()];
        self.ram.reset(world);
        self.inside.begin();
        state.clone()
    }

    /// One step on both sides; whether it was done.
    async fn step(&mut self, state: &mut State, number: usize, step: &Step) -> Result<bool, String> {
        let admins = state.administered();
        let (found, made) = self.inside.perform(number, step, state.now).await;
        let expected = state.perform(step, &made);
        if found != expected {
            return Err(format!("{step:?}: expected {expected:?}, found {found:?}"));
        }
        if expected.is_ok() {
            state.check_step(&admins)?;
        }
        Ok(expected.is_ok())
    }

    /// What is stored and what is decided.
    async fn compare(&self, state: &State, random: &mut Random, closely: bool) -> Result<(), String> {
        let stored = self.ram.entities();
        let found = State::read(stored.iter().map(|it| &**it), state);
        if found != *state {
            return Err(state.differences(&found));
        }
        found.check_invariants()?;
        let also = VERBS[2 + random.below(VERBS.len() - 2)].0;
        let mut people: Vec<&Id> = state.users.keys().collect();
        let stranger = "nobody".to_owned();
        people.push(&stranger);
        let mut asked: Vec<(Id, &str, Id, Option<&str>)> = Vec::new();
        for who in &people {
            for device in state.devices.keys() {
                for (action, stream) in
                    [("view", None), ("control", None), (also, None), ("control", Some("v1"))]
                {
                    // Datastreams matter where something is lent.
                    if stream.is_none() || state.grants.contains_key(&(device.clone(), (*who).clone())) {
                        asked.push(((*who).clone(), action, device.clone(), stream));
                    }
                }
            }
        }
        while !closely && asked.len() > SAMPLED {
            asked.swap_remove(random.below(asked.len()));
        }
        let decided = self.inside.decide(&asked).await;
        for ((who, action, device, stream), found) in asked.iter().zip(&decided) {
            let expected = state.decides(who, action, device, *stream);
            if *found != expected {
                return Err(format!(
                    "{who} {action} {device} {stream:?}: expected {expected}, found {found}"
                ));
            }
            if *found {
                state.check_allowed(who, action, device)?;
                let sees = state.decides(who, "view", device, *stream);
                if !sees {
                    return Err(format!("(c) {who} may {action} {device} and not view it"));
                }
            }
        }
        let (who, devices) =
            (people[random.below(people.len())], state.devices.keys().cloned().collect::<Vec<_>>());
        let listed = self.inside.list(who, &devices).await;
        let expected: Vec<bool> = devices.iter().map(|it| state.decides(who, "view", it, None)).collect();
        if listed == expected {
            Ok(())
        } else {
            Err(format!("{who} lists {listed:?} of {devices:?}, not {expected:?}"))
        }
    }

    /// The shortest history that still goes wrong.
    async fn shrink(&mut self, seed: u64, mut steps: Numbered, mut what: String) -> String {
        loop {
            let mut shorter = None;
            for without in 0..steps.len() {
                let mut fewer = steps.clone();
                fewer.remove(without);
                if let Err(what) = self.relive(seed, &fewer).await {
                    shorter = Some((fewer, what));
                    break;
                }
            }
            match shorter {
                Some(found) => (steps, what) = found,
                None => break,
            }
        }
        let list: String = steps.iter().map(|(_, Step { who, op })| format!("  {who}: {op:?}\n")).collect();
        format!("seed {seed} (MODEL_SEED={seed} repeats it):\n{list}{what}")
    }
}

/// Histories of the seeds, on one thread, until one goes wrong.
fn run(next: &AtomicU64, end: u64) -> (Tally, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut track, mut tally) = (Track::new(), Tally::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return (tally, None);
            }
            if let Err((steps, what)) = track.live(seed, &mut tally).await {
                next.store(end, Ordering::Relaxed);
                return (tally, Some(track.shrink(seed, steps, what).await));
            }
        }
    })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_histories_go_as_the_reference_says() {
    let seed = number("MODEL_SEED");
    let count = number("MODEL_SEQUENCES").unwrap_or(if seed.is_some() { 1 } else { SEQUENCES });
    let first = seed.unwrap_or_default();
    let (begun, next, end) = (std::time::Instant::now(), AtomicU64::new(first), first + count);
    let tracks: Vec<_> = std::thread::scope(|scope| {
        [(); 2].map(|()| scope.spawn(|| run(&next, end))).map(|it| it.join().unwrap()).into()
    });
    let mut tally = Tally::new();
    for (part, failure) in tracks {
        assert!(failure.is_none(), "{}", failure.unwrap_or_default());
        for (kind, [done, refused]) in part {
            let sum = tally.entry(kind).or_default();
            (sum[0], sum[1]) = (sum[0] + done, sum[1] + refused);
        }
    }
    println!("{count} histories in {:?}: {tally:#?}", begun.elapsed());
    // Nothing is proved by what is never done, or never refused.
    if count >= 25_000 {
        let thin: Vec<_> = tally.iter().filter(|(_, [done, refused])| *done < 20 || *refused < 20).collect();
        assert!(thin.is_empty() && tally.len() == 29, "{} kinds, too seldom: {thin:?}", tally.len());
    }
}

/// The test of the test: a reference that errs is found, and the history that shows it is short.
#[test]
fn a_difference_is_found_and_shrunk() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = runtime.block_on(async {
        let mut track = Track::new();
        let state = track.begin(7);
        let device = state.devices.keys().next().unwrap().clone();
        let nonsense = Step { who: "nobody".to_owned(), op: Op::ClearOwner { device } };
        let named = Step {
            who: "root".to_owned(),
            op: Op::RenameUser { user: "root".to_owned(), name: "Root".to_owned() },
        };
        // An address that the reference does not know of makes it err.
        let taken = Step { who: "root".to_owned(), op: Op::SignOut { user: "operator's".to_owned() } };
        let steps = vec![(0, nonsense), (1, named), (2, taken)];
        assert_eq!(track.relive(7, &steps).await, Ok(()));
        track.shrink(7, steps, "as it was".to_owned()).await
    });
    assert!(text.contains("as it was") && text.contains("MODEL_SEED=7"), "{text}");
}
