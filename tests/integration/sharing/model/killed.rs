//! The program killed at random moments: what it acknowledged is there, and nothing is half done.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cedargate::store::{Options, open};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::explanation::Seen;
use super::generate;
use super::histories::now;
use super::inside::limits;
use super::operation::{INVITATIONS_MAX, ORGS_MAX, Op, ROLES_MAX, Step};
use super::rim::{Answer, OPERATOR_TOKEN, Rim};
use super::state::State;
use super::together::{all, begin, rim};
use crate::identity::issuer::{self, Pair};
use crate::pack;
use crate::sharing::bench::Bench;
use crate::support::postgres::Cluster;
use crate::support::random::Random;

/// How often the program is killed; `MODEL_KILLS` says otherwise.
const KILLS: u64 = 100;
const CLIENTS: u64 = 4;
/// So many writes are acknowledged at most before it is killed, and so long it goes on at most after them.
const WRITES: usize = 8;
const LEFT_ALONE_MS: usize = 40;

/// A configuration with its store, and the program over it when it runs.
struct Deployment {
    folder: TempDir,
    ports: [u16; 2],
    child: Option<Child>,
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Deployment {
    fn new(state: &State, pair: &Pair) -> Self {
        let folder = tempfile::Builder::new().prefix("cedargate-killed-").tempdir().unwrap();
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("entities")).unwrap();
        write("jwks.json", json!({ "keys": [pair.jwk("key")] }).to_string());
        write("entities/world.json", Value::from(state.entities()).to_string());
        let ports = [free_port(), free_port()];
        write("cedargate.toml", config(ports, &pack::path("policies")));
        Self { folder, ports, child: None }
    }

    fn store(&self) -> String {
        format!("sqlite://{}/cedargate.db", self.folder.path().display())
    }

    /// Starts the program and waits until it is ready; the revision that it is ready with.
    async fn start(&mut self) -> u64 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
        command.args(["serve", "--config", "cedargate.toml"]).current_dir(self.folder.path());
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = command.env_remove("RUST_LOG").stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.child = Some(child);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let ready = format!("http://127.0.0.1:{}/readyz", self.ports[1]);
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            if let Ok(answer) = client.get(&ready).send().await
                && answer.status() == 200
            {
                let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
                return answer["store_revision"].as_u64().unwrap();
            }
            let ended = self.child.as_mut().and_then(|it| it.try_wait().unwrap());
            if ended.is_some() || Instant::now() > patience {
                panic!("{ended:?}: {}", std::fs::read_to_string(self.folder.path().join("log")).unwrap());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Kills it as nothing else does: no handler runs, nothing is flushed.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// What the file holds while nobody has it open.
    async fn stored(&self, before: &State) -> (u64, State) {
        let store = open(&self.store(), Options::default()).await.unwrap();
        let (revision, entities) = (store.head().await.unwrap(), all(&store).await);
        store.close().await.unwrap();
        (revision, State::read(entities.iter(), before))
    }
}

fn config([gateway, control]: [u16; 2], policies: &Path) -> String {
    format!(
        "[gateway]\nlisten = \"127.0.0.1:{gateway}\"\nworkers = 1\n\
         [control]\nlisten = \"127.0.0.1:{control}\"\noperator_token = \"{OPERATOR_TOKEN}\"\n\
         [upstream]\nurl = \"http://127.0.0.1:9\"\n[policies]\ndir = \"{}\"\n[entities]\ndir = \"entities\"\n\
         [sharing]\norganizations_max = {ORGS_MAX}\nroles_max = {ROLES_MAX}\ninvitations_per_day_max = {INVITATIONS_MAX}\n\
         [plans]\nFREE = {{}}\nPRO = {{}}\n\
         [store]\nurl = \"sqlite://cedargate.db\"\n[records]\npath = \"records.jsonl\"\n\
         [[authentication.jwt]]\nissuer = \"https://id.example.org\"\naudience = \"device-api\"\njwks_file = \"jwks.json\"\n\
         [[route]]\nmatch = \"GET /devices/{{device}}\"\naction = \"view\"\nresource = {{ type = \"Device\", id = \"path:device\" }}\n",
        policies.display()
    )
}

/// Tokens that are good for every person.
fn tokens(pair: &Arc<Pair>) -> Box<dyn Fn(&str) -> String + Send + Sync> {
    let pair = pair.clone();
    Box::new(move |who| {
        let now = issuer::now();
        let header = json!({ "alg": pair.alg(), "typ": "JWT", "kid": "key" });
        let claims = json!({ "iss": "https://id.example.org", "aud": "device-api", "sub": who, "iat": now - 5,
                             "nbf": now - 5, "exp": now + 3600 });
        pair.token(&header.to_string(), &claims.to_string())
    })
}

/// What clients do here: with a link that was lost nobody accepts, and who is signed out needs a new token.
fn step(random: &mut Random, state: &State, prefix: &str, number: usize) -> Step {
    loop {
        let step = generate::step(random, state, prefix, number);
        if !matches!(step.op, Op::Resend { .. } | Op::SignOut { .. } | Op::Suspend { .. }) {
            return step;
        }
    }
}

/// What clients and killer tell each other.
#[derive(Default)]
struct Shared {
    killed: AtomicBool,
    written: AtomicUsize,
}

/// Does one thing after the other until no answer comes.
async fn client(
    rim: Arc<Rim>,
    start: State,
    prefix: &'static str,
    seed: u64,
    first: usize,
    shared: Arc<Shared>,
) -> Seen {
    let (mut random, mut state, mut seen) = (Random::new(seed), start, Seen::default());
    for number in first.. {
        if shared.killed.load(Ordering::SeqCst) {
            break;
        }
        let step = step(&mut random, &state, prefix, number);
        match rim.perform(&step).await {
            None => {
                seen.unanswered.push(step);
                break;
            }
            // What the store did not answer was done or not.
            Some(Answer { step, outcome: Err(500..), .. }) => {
                seen.unanswered.push(step);
                break;
            }
            Some(answer) if answer.outcome.is_ok() => {
                // What others did meanwhile this client does not know: much of what it tries is refused.
                let _ = state.perform(&answer.step, &answer.made);
                seen.note(answer, 0, 0);
                shared.written.fetch_add(1, Ordering::SeqCst);
            }
            Some(_) => {}
        }
    }
    seen
}

async fn round(deployment: &mut Deployment, rim: &Arc<Rim>, state: State, number: u64) -> (State, usize) {
    let first = deployment.start().await;
    let shared = Arc::new(Shared::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|it| {
            let names = usize::try_from((number * CLIENTS + it) * 1_000).unwrap();
            tokio::spawn(client(rim.clone(), state.clone(), "", number * 10 + it, names, shared.clone()))
        })
        .collect();
    let mut random = Random::new(number);
    let (writes, patience) = (random.below(WRITES + 1), Instant::now() + Duration::from_secs(4));
    while shared.written.load(Ordering::SeqCst) < writes && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(u64::try_from(random.below(LEFT_ALONE_MS)).unwrap())).await;
    deployment.kill();
    shared.killed.store(true, Ordering::SeqCst);
    let mut seen = Seen::default();
    for client in clients {
        seen.join(client.await.unwrap());
    }
    let (last, stored) = deployment.stored(&state).await;
    match seen.explain(first, &state, last, &stored) {
        Ok(mut states) => (states.pop().unwrap(), seen.done.len()),
        Err(what) => panic!("kill {number}, revisions {first} to {last}: {what}\n{:#?}", seen.done),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_half_done_when_it_is_killed() {
    let kills = std::env::var("MODEL_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(KILLS);
    let pair = Arc::new(Pair::ed25519());
    let (mut done, mut number) = (0, 0);
    while number < kills {
        // A fresh world now and then: after many steps there is little left to do in one.
        let mut state = generate::start(&mut Random::new(1_000 + number), "", now());
        let mut deployment = Deployment::new(&state, &pair);
        let rim = Arc::new(Rim::new(format!("http://127.0.0.1:{}", deployment.ports[1]), tokens(&pair)));
        for _ in 0..5.min(kills - number) {
            let count;
            (state, count) = round(&mut deployment, &rim, state, number).await;
            done += count;
            number += 1;
        }
    }
    println!("{kills} kills, {done} writes acknowledged");
    assert!(done as u64 > kills, "only {done} writes in {kills} rounds");
}

/// The database dies under a gateway that lives on: what was acknowledged is there when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_postgresql_is_killed() {
    let cluster = Cluster::start();
    let bench = Bench::bare(&cluster.database("killed"), limits()).await;
    let rim = Arc::new(rim(&bench));
    let state = begin(&bench, &mut Random::new(8), "t-").await;
    let first = bench.store.head().await.unwrap();
    let shared = Arc::new(Shared::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|it| {
            let names = usize::try_from(it).unwrap() * 1_000;
            tokio::spawn(client(rim.clone(), state.clone(), "t-", it, names, shared.clone()))
        })
        .collect();
    let patience = Instant::now() + Duration::from_secs(60);
    while shared.written.load(Ordering::SeqCst) < 12 {
        assert!(Instant::now() < patience, "too little was written");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::task::block_in_place(|| cluster.kill());
    shared.killed.store(true, Ordering::SeqCst);
    let mut seen = Seen::default();
    for client in clients {
        seen.join(client.await.unwrap());
    }
    tokio::task::block_in_place(|| cluster.resume());
    let last = loop {
        match bench.store.head().await {
            Ok(head) => break head,
            Err(error) => assert!(Instant::now() < patience, "it does not come back: {error}"),
        }
    };
    let stored = State::read(all(&bench.store).await.iter(), &state).part("t-");
    let states =
        seen.explain(first, &state, last, &stored).unwrap_or_else(|what| panic!("{what}\n{:#?}", seen.done));
    // The same gateway goes on where it was.
    let mut state = states.into_iter().next_back().unwrap();
    let step = Step {
        who: "t-root".to_owned(),
        op: Op::RenameUser { user: "t-root".to_owned(), name: "Root".to_owned() },
    };
    let answer = rim.perform(&step).await.unwrap();
    assert_eq!(answer.outcome, state.perform(&step, &answer.made));
}
