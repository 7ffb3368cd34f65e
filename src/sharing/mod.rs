//! Sharing: every operation is decided by Cedar, planned purely, and applied whole or not at all.

mod ask;
mod bounds;
pub mod devices;
mod directory;
mod failure;
pub mod grants;
mod idempotency;
pub mod invitations;
pub mod keys;
pub mod letters;
mod listing;
pub mod organizations;
pub mod people;
pub mod permissions;
mod reader;
pub mod reconcile;
pub mod roles;
mod search;
pub mod secret;
pub mod secrets;
pub mod set_up;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify};

use crate::audit;
use crate::decision::{Ask, Decider, Permitted, Refused, Session};
use crate::domain::{Change, Query, Revision, Uid};
pub use crate::store::Place;
use crate::store::{Store, StoreError};

use ask::Asked;
pub use ask::{Actor, Rule};
pub use bounds::{Limits, Plan as PlanBounds};
pub use failure::{Conflict, Failure};
pub use idempotency::{Idempotency, etag};
use letters::Post;
pub use listing::{Listing, Page};
pub use reader::Reader;
pub use search::{Found, Search};

/// How often an operation is planned anew because something else was written meanwhile.
const ATTEMPTS_MAX: u32 = 16;

/// How long news from another process may take.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

/// How long an operation waits for those before it.
const TURN_WITHIN: Duration = Duration::from_secs(10);

/// What a plan may depend on beside the facts.
#[derive(Debug, Clone)]
pub struct Moment {
    /// Unix milliseconds.
    pub now_ms: i64,
    /// The bounds.
    pub limits: Limits,
    /// Whether invitations are mailed; else the inviter hands the link over.
    pub by_mail: bool,
}

/// What an operation would change, and what is answered then.
#[derive(Debug, Default)]
pub struct Plan {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// The answer; null where there is nothing to say.
    pub answer: Json,
    /// A member of the answer that is shown once and never kept.
    pub secret: Option<(&'static str, String)>,
}

/// One operation of the sharing API.
pub trait Operation: Send + Sync + 'static {
    /// What the plan depends on.
    type Known: Send + Sync;

    /// Reads what the plan depends on; nothing of it is told to anybody before it is decided.
    fn known(
        &self,
        reader: &Reader<'_>,
        actor: &Actor,
    ) -> impl Future<Output = Result<Self::Known, Failure>> + Send;

    /// Who may do this.
    fn rule(&self, actor: &Actor, known: &Self::Known) -> Rule;

    /// The question without its destination: who may ask it learns only that the destination is no good.
    fn without_destination(&self, _: &Actor) -> Option<Query> {
        None
    }

    /// The entity that an `If-Match` is about.
    fn subject(&self) -> Option<&Uid> {
        None
    }

    /// What would change: a pure function.
    fn plan(&self, actor: &Actor, known: &Self::Known, moment: &Moment) -> Result<Plan, Conflict>;
}

/// What surrounds one operation.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// The answer is kept under this key, and given again to who repeats the request.
    pub idempotency: Option<Idempotency>,
    /// The version of the subject that the caller has seen.
    pub if_match: Option<String>,
}

/// What was done.
#[derive(Debug)]
pub struct Done {
    /// The revision from which on it counts.
    pub revision: Revision,
    /// The answer.
    pub answer: Json,
}

/// Does the operations.
pub struct Sharing {
    decider: Arc<Decider>,
    store: Arc<dyn Store>,
    runtime: Handle,
    limits: Limits,
    /// One operation at a time in this process: others would only plan in vain.
    turn: Mutex<()>,
    /// Whether letters are sent.
    by_mail: bool,
    /// Told when there may be something in the outbox.
    posted: Notify,
}

impl Sharing {
    /// Sharing over a store, decided by `decider`.
    #[must_use]
    pub fn new(decider: Arc<Decider>, store: Arc<dyn Store>, runtime: Handle, limits: Limits) -> Arc<Self> {
        Self::with_post(decider, store, runtime, limits, None)
    }

    /// The same with a way to send letters: invitations are mailed.
    #[must_use]
    pub fn with_post(
        decider: Arc<Decider>,
        store: Arc<dyn Store>,
        runtime: Handle,
        limits: Limits,
        post: Option<Post>,
    ) -> Arc<Self> {
        let (turn, posted, by_mail) = (Mutex::default(), Notify::new(), post.is_some());
        let sharing = Arc::new(Self { decider, store, runtime, limits, turn, by_mail, posted });
        if let Some(post) = post {
            drop(sharing.runtime.spawn(sharing.clone().deliver(post)));
        }
        sharing
    }

    /// Decides, plans and applies, on a task of its own: a client that hangs up cannot cut it.
    ///
    /// What is decided goes into the current record, whose place was kept before: nothing that is done goes unrecorded.
    pub async fn perform<O: Operation>(
        self: &Arc<Self>,
        actor: Option<Uid>,
        operation: O,
        circumstances: Circumstances,
    ) -> Result<Done, Failure> {
        let sharing = Arc::clone(self);
        let work = async move { sharing.attempts(actor, operation, circumstances).await };
        self.runtime.spawn(audit::carried(work)).await.unwrap_or(Err(Failure::Ended))
    }

    /// The newest revision.
    pub async fn head(&self) -> Result<Revision, Failure> {
        Ok(self.store.head().await?)
    }

    async fn attempts<O: Operation>(
        &self,
        actor: Option<Uid>,
        mut operation: O,
        circumstances: Circumstances,
    ) -> Result<Done, Failure> {
        let waiting = tokio::time::timeout(TURN_WITHIN, self.turn.lock());
        let _turn = waiting.await.map_err(|_| Failure::Busy)?;
        for _ in 0..ATTEMPTS_MAX {
            match self.attempt(actor.clone(), operation, &circumstances).await {
                Err((again, Failure::Store(StoreError::Conflict(_)))) => operation = again,
                Err((_, failure)) => return Err(failure),
                Ok(done) => return Ok(done),
            }
        }
        Err(Failure::Busy)
    }

    async fn attempt<O: Operation>(
        &self,
        actor: Option<Uid>,
        operation: O,
        circumstances: &Circumstances,
    ) -> Result<Done, (O, Failure)> {
        // Everything is read after the revision: `apply` refuses when any of it may be older.
        let session = self.decider.pin();
        let before = async {
            let revision = self.store.head().await?;
            self.heard(revision).await?;
            let reader = self.reader(&session);
            let actor = Actor::load(&reader, actor).await?;
            let kept = self.replay(&reader, &session, &actor, circumstances).await?;
            let known = operation.known(&reader, &actor).await?;
            Ok::<_, Failure>((revision, actor, kept, known))
        };
        let (revision, actor, kept, known) = match before.await {
            Ok(read) => read,
            Err(failure) => return Err((operation, failure)),
        };
        if let Some(done) = kept {
            return Ok(done);
        }
        let rule = operation.rule(&actor, &known);
        let permitted = self.decide(&session, &actor, Asked::new(operation, rule)).await?;
        match self.carry_out(permitted, &session, &actor, &known, circumstances, revision).await {
            Ok(done) => Ok(done),
            Err((asked, failure)) => Err((asked.operation, failure)),
        }
    }

    async fn decide<O: Operation>(
        &self,
        session: &Session,
        actor: &Actor,
        asked: Asked<O>,
    ) -> Result<Permitted<Asked<O>>, (O, Failure)> {
        if asked.is_wrong_actor(actor) {
            return Err((asked.operation, Failure::NotYours));
        }
        let (asked, refused) = match session.decide(asked).await {
            Ok(permitted) => {
                session.note(permitted.target().queries(), Ok(permitted.decisions()));
                return Ok(permitted);
            }
            Err(refused) => refused,
        };
        session.note(asked.queries(), Err(&refused));
        let open = match (&refused, asked.operation.without_destination(actor)) {
            (Refused::Forbidden(_), Some(open)) => session.answers(&[open]).await,
            _ => Ok(Vec::new()),
        };
        let failure = match open {
            Ok(open) if open.iter().any(|it| it.verdict.allowed) => Failure::Conflict(Conflict::Destination),
            _ => Failure::Refused(self.told(session, asked.queries().first(), refused).await),
        };
        Err((asked.operation, failure))
    }

    /// Who may do the first of several things knows what he named, whatever of the rest is hidden from him.
    async fn told(&self, session: &Session, first: Option<&Query>, refused: Refused) -> Refused {
        match (refused, first) {
            (Refused::Hidden(decision), Some(first)) => {
                let answered = session.answers(std::slice::from_ref(first)).await;
                match answered.is_ok_and(|it| it.iter().any(|it| it.verdict.allowed)) {
                    true => Refused::Forbidden(decision),
                    false => Refused::Hidden(decision),
                }
            }
            (refused, _) => refused,
        }
    }

    async fn carry_out<O: Operation>(
        &self,
        permitted: Permitted<Asked<O>>,
        session: &Session,
        actor: &Actor,
        known: &O::Known,
        circumstances: &Circumstances,
        revision: Revision,
    ) -> Result<Done, (Asked<O>, Failure)> {
        let (asked, _) = permitted.into_parts();
        let moment = Moment { now_ms: session.now_ms(), limits: self.limits.clone(), by_mail: self.by_mail };
        let work = async {
            let reader = self.reader(session);
            reader.check_version(asked.operation.subject(), circumstances.if_match.as_deref()).await?;
            let plan = asked.operation.plan(actor, known, &moment)?;
            reader.check(&plan.changes)?;
            let Plan { mut changes, mut answer, secret } = plan;
            if changes.len() > self.limits.touched_max {
                return Err(Conflict::TooMuch(self.limits.touched_max).into());
            }
            if asked.queries().is_empty() {
                let written: Vec<Uid> = changes.iter().map(|it| it.uid().clone()).collect();
                audit::note(|record| record.resources = written);
            }
            if let Some(idempotency) = &circumstances.idempotency {
                changes.extend(idempotency.keep(&reader, actor, &answer, moment.now_ms).await?);
            }
            let revision = match changes.is_empty() {
                true => revision,
                false => self.store.apply(changes, Some(revision)).await?,
            };
            self.posted.notify_one();
            if let (Json::Object(answer), Some((name, secret))) = (&mut answer, secret) {
                answer.insert(name.to_owned(), secret.into());
            }
            Ok(Done { revision, answer })
        };
        work.await.map_err(|failure: Failure| (asked, failure))
    }

    /// Waits until nothing that is remembered is older than `revision`: another process may have written it.
    async fn heard(&self, revision: Revision) -> Result<(), Failure> {
        let feed = self.store.feed();
        let mut news = feed.subscribe();
        let heard = async {
            // Without trust nothing that is remembered is used at all.
            while feed.stamp().is_some_and(|stamp| stamp < revision) {
                if news.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(HEARD_WITHIN, heard).await.map_err(|_| Failure::Busy)
    }

    fn reader<'a>(&'a self, session: &'a Session) -> Reader<'a> {
        Reader { store: &*self.store, session, limits: &self.limits }
    }
}
