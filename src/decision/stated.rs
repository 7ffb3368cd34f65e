//! Decisions over facts that the asker states for one query, beside those that are stored.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::decision::{Decision, Refused, Session};
use crate::domain::{Overrides, Query, Uid};

/// How many entities stated attributes may refer to.
const REFERENCES_MAX: usize = 64;
/// The largest context that is kept with a cached decision, in bytes of JSON.
const CACHED_CONTEXT_BYTES_MAX: usize = 1024;

impl Session {
    /// The query's decision as if the overrides were stored, denials included.
    ///
    /// Overrides and context attributes that the schema does not declare are ignored; what it declares
    /// and does not fit is [`Refused::Unfit`]. Nothing that was stated is ever cached.
    pub async fn answer_with(&self, query: &Query, overrides: &Overrides) -> Result<Decision, Refused> {
        let query = self.snapshot().narrowed(query);
        let overrides = self.snapshot().narrowed_overrides(overrides);
        if overrides.is_empty() && is_small(&query.context) {
            let decisions = self.answers(std::slice::from_ref(&query)).await?;
            return decisions.into_iter().next().ok_or(Refused::Nothing);
        }
        let stamp = self.decider.facts.feed().stamp();
        let facts = self.load(&self.roots(&query, &overrides)?).await?;
        let facts =
            self.snapshot().amended(facts, &overrides).map_err(|error| Refused::Unfit(error.to_string()))?;
        let verdict = Arc::new(self.snapshot().decide(&query, &facts, self.now_ms));
        Ok(Decision { verdict, store_revision: stamp, cached: false })
    }

    /// What the query needs, and whatever a stated attribute could refer to.
    fn roots(&self, query: &Query, overrides: &Overrides) -> Result<Vec<Uid>, Refused> {
        let mut found = BTreeSet::new();
        overrides.values().flat_map(Map::values).for_each(|value| named(value, &mut found));
        if found.len() > REFERENCES_MAX {
            return Err(Refused::Unfit(format!("they refer to more than {REFERENCES_MAX} entities")));
        }
        found.extend(self.snapshot().roots(query));
        Ok(found.into_iter().collect())
    }
}

fn is_small(context: &Map<String, Json>) -> bool {
    context.is_empty() || serde_json::to_vec(context).is_ok_and(|json| json.len() <= CACHED_CONTEXT_BYTES_MAX)
}

/// Anything with a type and an id may turn out to be an entity; loading one too many does no harm.
fn named(value: &Json, found: &mut BTreeSet<Uid>) {
    match value {
        Json::Object(map) => {
            let part = |name: &str| map.get(name).and_then(Json::as_str);
            found.extend(part("type").zip(part("id")).and_then(|(kind, id)| Uid::new(kind, id).ok()));
            map.values().for_each(|inner| named(inner, found));
        }
        Json::Array(items) => items.iter().for_each(|inner| named(inner, found)),
        _ => {}
    }
}
