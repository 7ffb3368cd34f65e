//! Decisions about many resources at once.

use std::sync::Arc;

use crate::decision::cache::{self, FilterKey, Stamped};
use crate::decision::decider::{BY_HIMSELF_THEN_LENT, Decider, Found};
use crate::decision::{Refused, Session};
use crate::domain::{Query, Revision, Uid};
use crate::policy::Filter;

impl Session {
    /// For each resource, all of `query.resource`'s type: may the query's action be done on it?
    ///
    /// Decided as a set by the policies' residual where they allow it, one by one where not.
    pub async fn filter(&self, query: &Query, resources: &[Uid]) -> Result<Vec<bool>, Refused> {
        let snapshot = self.snapshot();
        let mut decided: Vec<Option<bool>> = vec![None; resources.len()];
        for lent in BY_HIMSELF_THEN_LENT {
            let open = || resources.iter().zip(&decided).filter(|(_, it)| it.is_none()).map(|(uid, _)| uid);
            if open().next().is_none() {
                break;
            }
            let mut roots = self.slice_roots(query, lent);
            roots.extend(open().cloned());
            if lent {
                roots.extend(open().filter_map(|uid| snapshot.grant_of(query, uid)));
            }
            let stamp = self.decider.facts.feed().stamp();
            let warm = self.closures(roots, stamp).await?;
            let program = self.program(query, &warm, stamp);
            let filter = program.as_ref().and_then(|it| it.value.as_ref());
            for (uid, decided) in resources.iter().zip(&mut decided).filter(|(_, it)| it.is_none()) {
                *decided = self.item(query, uid, filter, &warm, stamp, lent);
            }
        }
        Ok(decided.into_iter().map(|it| it == Some(true)).collect())
    }

    /// Hides what does not lie in that organization: a view of one, which takes away and never gives.
    pub async fn keep_within(
        &self,
        organization: &Uid,
        resources: &[Uid],
        visible: &mut [bool],
    ) -> Result<(), Refused> {
        let shown = resources.iter().zip(visible.iter()).filter(|(_, it)| **it).map(|(uid, _)| uid.clone());
        let stamp = self.decider.facts.feed().stamp();
        let warm = self.closures(shown.collect(), stamp).await?;
        for (uid, is_visible) in resources.iter().zip(visible) {
            let within = warm.get(uid).and_then(|it| it.value.attribute_id("organization"));
            *is_visible = *is_visible && within.as_deref() == Some(organization.id());
        }
        Ok(())
    }

    /// Whether one item of a list is permitted; `None` without its grant where one could change that.
    fn item(
        &self,
        query: &Query,
        uid: &Uid,
        filter: Option<&Filter>,
        warm: &Found,
        stamp: Option<Revision>,
        lent: bool,
    ) -> Option<bool> {
        let filter = filter.filter(|_| uid.kind() == query.resource.kind());
        let by_himself = filter.zip(warm.get(uid)).and_then(|(filter, it)| filter.decide(&it.value));
        if by_himself == Some(true) {
            return by_himself;
        }
        let grant = self.snapshot().grant_of(query, uid);
        let is_lent = || grant.as_ref().is_some_and(|it| warm.get(it).is_some_and(|it| it.value.exists()));
        match by_himself {
            Some(_) if grant.is_some() && !lent => return None,
            Some(_) if !is_lent() => return Some(false),
            _ => {}
        }
        let asked = Query { resource: uid.clone(), ..query.clone() };
        Some(self.evaluate(&asked, warm, stamp, lent)?.verdict.allowed)
    }

    pub(super) fn program(
        &self,
        query: &Query,
        warm: &Found,
        stamp: Option<Revision>,
    ) -> Option<Arc<Stamped<Option<Filter>>>> {
        let Decider { tables, facts, .. } = &*self.decider;
        let principal = warm.get(&query.principal).filter(|it| it.value.exists())?;
        let kind: Arc<str> = query.resource.kind().into();
        let key = FilterKey { query: query.clone(), kind };
        if let Some(hit) = stamp
            .and_then(|_| cache::get(&tables.filters, &key, facts.feed(), self.policies.number, self.now_ms))
        {
            return Some(hit);
        }
        let snapshot = &self.policies.snapshot;
        let value = snapshot.filter(query, &key.kind, &principal.value, self.now_ms);
        let until_ms = snapshot.holds_until(query, &[&principal.value], self.now_ms).unwrap_or(i64::MAX);
        let made = Arc::new(Stamped {
            value,
            policies: self.policies.number,
            stamp: stamp.unwrap_or_default(),
            as_of: principal.as_of,
            slots: principal.slots.clone(),
            until_ms: if snapshot.reads_clock(query) { self.now_ms } else { until_ms },
        });
        if stamp.is_some() && made.until_ms > self.now_ms {
            cache::put(&tables.filters, key, made.clone(), facts.feed());
        }
        Some(made)
    }
}
