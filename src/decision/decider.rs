//! From queries to decisions: look up, load one slice, evaluate, keep.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use crate::decision::cache::{self, Stamped, Tables};
use crate::decision::{Ask, Decision, Exempt, Permitted, Refused};
use crate::domain::moment::now_ms;
use crate::domain::{Facts, Query, Revision, Uid};
use crate::policy::{Closure, Denial, PolicySnapshot, Verdict};
use crate::store::FactSource;

/// Bounds of a decider.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Cached decisions.
    pub decisions: u64,
    /// Cached closures of entities.
    pub closures: u64,
    /// How long facts may take to load.
    pub load_timeout: Duration,
}

pub(super) struct Policies {
    pub(super) number: u64,
    pub(super) snapshot: Arc<PolicySnapshot>,
}

/// Decides over one fact source, under the newest policies.
pub struct Decider {
    policies: ArcSwap<Policies>,
    replaced: AtomicU64,
    pub(super) facts: Arc<dyn FactSource>,
    pub(super) tables: Tables,
    runtime: Handle,
    limits: Limits,
}

impl Decider {
    /// A decider that loads facts on `runtime`, whichever runtime asks.
    pub fn new(
        snapshot: Arc<PolicySnapshot>,
        facts: Arc<dyn FactSource>,
        runtime: Handle,
        limits: Limits,
    ) -> Arc<Self> {
        let tables = Tables::new(limits.decisions, limits.closures);
        let policies = ArcSwap::from_pointee(Policies { number: 0, snapshot });
        Arc::new(Self { policies, replaced: AtomicU64::new(0), facts, tables, runtime, limits })
    }

    /// Decides by other policies from the next pinned session on.
    pub fn replace(&self, snapshot: Arc<PolicySnapshot>) {
        let number = self.replaced.fetch_add(1, Ordering::SeqCst) + 1;
        self.policies.store(Arc::new(Policies { number, snapshot }));
    }

    /// The stamps of the facts, for who waits for a change.
    pub(super) fn feed(&self) -> &Arc<crate::store::Feed> {
        self.facts.feed()
    }

    /// Pins the policies and the clock, so that all decisions of one request agree.
    #[must_use]
    pub fn pin(self: &Arc<Self>) -> Session {
        Session { decider: self.clone(), policies: self.policies.load_full(), now_ms: now_ms() }
    }
}

/// One request's view: one policy set, one time.
pub struct Session {
    pub(super) decider: Arc<Decider>,
    pub(super) policies: Arc<Policies>,
    pub(super) now_ms: i64,
}

/// Most of what is asked a principal may do by himself, and then nobody looks for a grant.
pub(super) const BY_HIMSELF_THEN_LENT: [bool; 2] = [false, true];

/// A closure with its slots, warm or just loaded.
pub(super) type Warm = Arc<Stamped<Closure>>;
/// Closures by their roots.
pub(super) type Found = HashMap<Uid, Warm, foldhash::fast::RandomState>;

impl Session {
    /// The revision of the pinned policies.
    #[must_use]
    pub fn policy_revision(&self) -> &Arc<str> {
        self.policies.snapshot.revision()
    }

    /// The pinned time, in Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The pinned policies.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<PolicySnapshot> {
        &self.policies.snapshot
    }

    /// Permits the target if every one of its queries is permitted.
    pub async fn decide<T: Ask>(&self, target: T) -> Result<Permitted<T>, (T, Refused)> {
        match self.decide_ask(&target).await {
            Ok(decisions) => Ok(Permitted { target, decisions }),
            Err(refused) => Err((target, refused)),
        }
    }

    async fn decide_ask<T: Ask>(&self, target: &T) -> Result<Vec<Decision>, Refused> {
        let queries = target.queries();
        match target.exempt() {
            Exempt::Listing(listing) => self.admit(listing).await?,
            Exempt::Public | Exempt::Operator | Exempt::Secret => {}
            Exempt::No if queries.is_empty() => return Err(Refused::Nothing),
            Exempt::No => {}
        }
        if queries.is_empty() { Ok(Vec::new()) } else { self.decide_all(queries).await }
    }

    /// Refuses a listing to a principal that does not exist or may do nothing at all.
    async fn admit(&self, listing: &Query) -> Result<(), Refused> {
        let stamp = self.decider.facts.feed().stamp();
        let warm = self.closures(vec![listing.principal.clone()], stamp).await?;
        let exists = warm.get(&listing.principal).is_some_and(|it| it.value.exists());
        let program = self.program(listing, &warm, stamp);
        let refuse = program.as_ref().and_then(|it| it.value.as_ref()?.refuse().cloned());
        if exists && refuse.is_none() {
            return Ok(());
        }
        let missing = (!exists).then(|| listing.principal.clone());
        let verdict = Arc::new(Verdict { missing, refuse, ..Verdict::default() });
        Err(Refused::Unauthenticated(Decision { verdict, store_revision: stamp, cached: false }))
    }

    /// Whether every query is permitted now.
    pub(super) async fn permits(&self, queries: &[Query]) -> Result<(), Refused> {
        self.decide_all(queries).await.map(drop)
    }

    async fn decide_all(&self, queries: &[Query]) -> Result<Vec<Decision>, Refused> {
        let decisions = self.answers(queries).await?;
        match queries.iter().zip(&decisions).find(|(_, decision)| !decision.verdict.allowed) {
            None => Ok(decisions),
            Some((query, decision)) => Err(self.refuse(query, decision.clone()).await),
        }
    }

    /// Every query's decision, denials included.
    pub async fn answers(&self, queries: &[Query]) -> Result<Vec<Decision>, Refused> {
        let mut decisions: Vec<Option<Decision>> = queries.iter().map(|query| self.cached(query)).collect();
        for lent in BY_HIMSELF_THEN_LENT {
            let open = queries.iter().zip(&decisions).filter(|(_, decision)| decision.is_none());
            let roots: Vec<Uid> = open.flat_map(|(query, _)| self.slice_roots(query, lent)).collect();
            if roots.is_empty() {
                break;
            }
            let stamp = self.decider.facts.feed().stamp();
            let warm = self.closures(roots, stamp).await?;
            for (query, decision) in queries.iter().zip(&mut decisions) {
                if decision.is_none() {
                    *decision = self.evaluate(query, &warm, stamp, lent);
                }
            }
        }
        Ok(decisions.into_iter().flatten().collect())
    }

    pub(super) fn slice_roots(&self, query: &Query, lent: bool) -> Vec<Uid> {
        if lent { self.snapshot().roots(query) } else { self.snapshot().own_roots(query) }
    }

    fn cached(&self, query: &Query) -> Option<Decision> {
        let Decider { tables, facts, .. } = &*self.decider;
        let hit = cache::get(&tables.decisions, query, facts.feed(), self.policies.number, self.now_ms)?;
        Some(Decision { verdict: hit.value.clone(), store_revision: Some(hit.stamp), cached: true })
    }

    /// The decision; `None` without the grant where one could change it.
    pub(super) fn evaluate(
        &self,
        query: &Query,
        warm: &Found,
        stamp: Option<Revision>,
        lent: bool,
    ) -> Option<Decision> {
        let snapshot = &self.policies.snapshot;
        let slice: Vec<&Warm> =
            self.slice_roots(query, lent).iter().filter_map(|uid| warm.get(uid)).collect();
        let closures: Vec<&Closure> = slice.iter().map(|it| &it.value).collect();
        let verdict = Arc::new(snapshot.evaluate(query, &closures, self.now_ms));
        if !lent && !verdict.is_settled() && snapshot.grant_of(query, &query.resource).is_some() {
            return None;
        }
        if let (Some(stamp), true) = (stamp, verdict.errors.is_empty()) {
            let until_ms = snapshot.holds_until(query, &closures, self.now_ms).unwrap_or(i64::MAX);
            let slots = slice.iter().flat_map(|it| it.slots.iter().copied()).collect();
            self.keep_decision(query, verdict.clone(), stamp, slots, until_ms);
        }
        Some(Decision { verdict, store_revision: stamp, cached: false })
    }

    fn keep_decision(
        &self,
        query: &Query,
        verdict: Arc<Verdict>,
        stamp: Revision,
        slots: Box<[u32]>,
        until_ms: i64,
    ) {
        if until_ms > self.now_ms {
            let policies = self.policies.number;
            let stamped = Stamped { value: verdict, policies, stamp, as_of: stamp, slots, until_ms };
            let Decider { tables, facts, .. } = &*self.decider;
            cache::put(&tables.decisions, query.clone(), Arc::new(stamped), facts.feed());
        }
    }

    /// The closures of all roots as of `stamp` or newer, from the cache or in one load.
    pub(super) async fn closures(&self, roots: Vec<Uid>, stamp: Option<Revision>) -> Result<Found, Refused> {
        let Decider { tables, facts, .. } = &*self.decider;
        let mut found: Found = Found::with_capacity_and_hasher(roots.len(), Default::default());
        let mut cold: HashSet<Uid> = HashSet::new();
        for root in roots {
            if found.contains_key(&root) || cold.contains(&root) {
                continue;
            }
            let hit = stamp.and_then(|_| {
                cache::get(&tables.closures, &root, facts.feed(), self.policies.number, self.now_ms)
            });
            match hit {
                Some(warm) => drop(found.insert(root, warm)),
                None => drop(cold.insert(root)),
            }
        }
        let mut cold: Vec<Uid> = cold.into_iter().collect();
        if is_mixed(&found, stamp) {
            cold.extend(found.drain().map(|(root, _)| root));
        }
        if !cold.is_empty() {
            let mut loaded = self.load(&cold).await?;
            if !found.is_empty() && stamp != Some(loaded.revision) {
                // Facts of two snapshots may permit together what neither permits: read all of them anew.
                cold.extend(found.drain().map(|(root, _)| root));
                loaded = self.load(&cold).await?;
            }
            self.prepare(&loaded, &cold, stamp, &mut found)?;
        }
        Ok(found)
    }

    fn prepare(
        &self,
        loaded: &Facts,
        cold: &[Uid],
        stamp: Option<Revision>,
        found: &mut Found,
    ) -> Result<(), Refused> {
        let Decider { tables, facts, .. } = &*self.decider;
        let feed = facts.feed();
        let closures = self.policies.snapshot.closures(loaded, cold).map_err(|error| {
            let verdict = Verdict { errors: vec![error.to_string().into()], ..Verdict::default() };
            Refused::Hidden(Decision { verdict: Arc::new(verdict), store_revision: stamp, cached: false })
        })?;
        for closure in closures {
            let root = closure.root().clone();
            let slots = closure.depends_on().iter().map(|uid| feed.slot(uid)).collect();
            let warm = Arc::new(Stamped {
                value: closure,
                policies: self.policies.number,
                stamp: stamp.unwrap_or_default(),
                as_of: stamp.unwrap_or_default().max(loaded.revision),
                slots,
                until_ms: i64::MAX,
            });
            if stamp.is_some() {
                cache::put(&tables.closures, root.clone(), warm.clone(), feed);
            }
            found.insert(root, warm);
        }
        Ok(())
    }

    /// Loads on the store's runtime, so that a caller who leaves cannot cut a load in half.
    pub(super) async fn load(&self, roots: &[Uid]) -> Result<Facts, Refused> {
        let (facts, level) = (self.decider.facts.clone(), self.policies.snapshot.level());
        let roots = roots.to_vec();
        let loading = self.decider.runtime.spawn(async move { facts.facts_for(&roots, level).await });
        match tokio::time::timeout(self.decider.limits.load_timeout, loading).await {
            Err(_) | Ok(Err(_)) => Err(Refused::Late),
            Ok(Ok(Err(error))) => Err(Refused::Store(Arc::new(error))),
            Ok(Ok(Ok(loaded))) => Ok(loaded),
        }
    }

    /// Chooses between 401, 403 and 404: may the principal know that the resource exists?
    async fn refuse(&self, query: &Query, decision: Decision) -> Refused {
        let seeing = match self.policies.snapshot.denial(query, &decision.verdict) {
            Denial::Unauthenticated => return Refused::Unauthenticated(decision),
            Denial::Hidden => return Refused::Hidden(decision),
            Denial::IfSeen(seeing) => seeing,
        };
        match self.answers(std::slice::from_ref(&seeing)).await {
            Err(refused) => refused,
            Ok(seen) if seen.iter().all(|it| it.verdict.allowed) => Refused::Forbidden(decision),
            Ok(_) => Refused::Hidden(decision),
        }
    }

    /// The id of the entity that a principal's attribute refers to, or the text that it holds.
    pub async fn attribute(&self, principal: &Uid, name: &str) -> Result<Option<String>, Refused> {
        let stamp = self.decider.facts.feed().stamp();
        let warm = self.closures(vec![principal.clone()], stamp).await?;
        Ok(warm.get(principal).and_then(|it| it.value.attribute_id(name)))
    }

    /// The time that a principal's attribute holds, in milliseconds since 1970.
    pub async fn attribute_ms(&self, principal: &Uid, name: &str) -> Result<Option<i64>, Refused> {
        let stamp = self.decider.facts.feed().stamp();
        let warm = self.closures(vec![principal.clone()], stamp).await?;
        Ok(warm.get(principal).and_then(|it| it.value.attribute_ms(name)))
    }
}

/// Whether closures may be of two snapshots: some hold a change that others, current as of `stamp`, may lack.
///
/// Such a change is committed but not heard of yet, or was made since the stamp was read.
fn is_mixed(found: &Found, stamp: Option<Revision>) -> bool {
    let mut times = found.values().map(|it| it.as_of);
    let first = times.next();
    found.values().any(|it| Some(it.as_of) > stamp) && times.any(|it| Some(it) != first)
}
