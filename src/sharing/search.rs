//! Finding devices by words, in the order of their names: what may be seen, and bounded work for each page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use crate::domain::nouns::{Device, User, named};
use crate::domain::{Context, Entity, Query, Uid};
use crate::sharing::listing::WORK;
use crate::sharing::{Conflict, Failure, Sharing};
use crate::store::{Place, words, words_of};

/// The longest query, in characters.
const QUERY_CHARS_MAX: usize = 255;
/// The most words of a query.
const WORDS_MAX: usize = 8;
/// A word that fits no more than this is looked up; what fits more is met soon enough in the order of names.
const CANDIDATES_MAX: u32 = 1_000;
/// The most devices that are looked at for one page.
const LOOKED_AT_MAX: usize = 5_000;
/// Devices of one look.
const STEP: u32 = 250;

/// What is looked for, and where.
#[derive(Debug, Clone)]
pub struct Search {
    /// The organization.
    pub organization: Uid,
    /// Whether those below it count too.
    pub below: bool,
    /// Words that must all be found; none finds everything.
    pub words: BTreeSet<String>,
    /// From Z to A.
    pub is_backwards: bool,
}

impl Search {
    /// Reads what somebody typed.
    pub fn parse(organization: Uid, below: bool, text: &str, is_backwards: bool) -> Result<Self, Conflict> {
        if text.chars().count() > QUERY_CHARS_MAX {
            return Err(Conflict::Invalid(format!("a query has at most {QUERY_CHARS_MAX} characters")));
        }
        let typed: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        if typed.len() > WORDS_MAX {
            return Err(Conflict::Invalid(format!("a query has at most {WORDS_MAX} words")));
        }
        // A word is cut where those that are kept are cut.
        let longest = |word: &String| words_of(word).into_iter().max_by_key(String::len);
        let words = typed.iter().map(|word| longest(word).ok_or_else(|| nothing(word)));
        Ok(Self { organization, below, words: words.collect::<Result<_, _>>()?, is_backwards })
    }
}

impl Search {
    /// Whether a place comes behind another one in the order of this search.
    pub(super) fn is_behind(&self, place: &Place, after: Option<&Place>) -> bool {
        match (after, self.is_backwards) {
            (None, _) => true,
            (Some(after), false) => place > after,
            (Some(after), true) => place < after,
        }
    }
}

fn nothing(word: &str) -> Conflict {
    Conflict::Invalid(format!("nothing can be found by `{}`", word.escape_debug()))
}

/// A page of what was found.
#[derive(Debug)]
pub struct Found {
    /// The devices.
    pub items: Vec<Entity>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Place>,
}

/// A page that fills up.
pub(super) struct Filling {
    items: Vec<Entity>,
    limit: usize,
}

impl Filling {
    pub(super) fn new(limit: usize) -> Self {
        Self { items: Vec::new(), limit }
    }

    /// Whether all of them found room; what did not is for the next page.
    pub(super) fn takes(&mut self, found: impl IntoIterator<Item = Entity>) -> bool {
        found.into_iter().all(|entity| {
            let is_room = self.items.len() < self.limit;
            if is_room {
                self.items.push(entity);
            }
            is_room
        })
    }

    /// The page, with more behind its last item.
    pub(super) fn full(self) -> Found {
        let next = self.items.last().map(Place::of);
        self.up_to(next)
    }

    /// The page, with nothing looked at behind this place.
    pub(super) fn up_to(self, next: Option<Place>) -> Found {
        Found { items: self.items, next }
    }
}

/// Whether one of them begins so.
pub(super) fn begins(words: &BTreeSet<String>, with: &str) -> bool {
    words.iter().any(|it| it.starts_with(with))
}

/// One search under way.
struct Looking<'a> {
    sharing: &'a Sharing,
    actor: Option<&'a Uid>,
    search: &'a Search,
    /// The organizations.
    within: Vec<String>,
    /// These, and those above: an owner may sit there.
    owners_within: Vec<String>,
}

impl Sharing {
    /// The devices that fit and that the actor may view; the operator views everything.
    pub async fn search(
        &self,
        actor: Option<&Uid>,
        search: &Search,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<Found, Failure> {
        self.admit_search(actor, search).await?;
        let session = self.decider.pin();
        let reader = self.reader(&session);
        let id = |uid: &Uid| uid.id().to_owned();
        let within: Vec<String> = match search.below {
            true => reader.tree(&search.organization).await?.iter().map(|it| id(&it.uid)).collect(),
            false => vec![id(&search.organization)],
        };
        let above = reader.chain(&search.organization).await?;
        let owners_within =
            within.iter().cloned().chain(above.iter().skip(1).map(|it| id(&it.uid))).collect();
        let looking = Looking { sharing: self, actor, search, within, owners_within };
        match looking.candidates().await? {
            Some(candidates) => looking.among(candidates, after, limit as usize).await,
            None => looking.in_order(after, limit as usize).await,
        }
    }

    async fn admit_search(&self, actor: Option<&Uid>, search: &Search) -> Result<(), Failure> {
        let Some(actor) = actor else {
            return self.read(None, "search_devices", &search.organization).await.map(drop);
        };
        let context = Context::from_iter([("include_sub_orgs".to_owned(), json!(search.below))]);
        let query = Query::new(actor.clone(), "search_devices", search.organization.clone());
        self.admit(Query { context: Arc::new(context), ..query }).await
    }
}

impl Looking<'_> {
    /// Everything that one of the words can be about, for the word that is about least; none if that is much.
    async fn candidates(&self) -> Result<Option<BTreeSet<Uid>>, Failure> {
        let mut fewest: Option<BTreeSet<Uid>> = None;
        for word in &self.search.words {
            let found = self.about(word).await?;
            fewest = match (fewest, found) {
                (Some(some), Some(found)) if found.len() < some.len() => Some(found),
                (None, found) => found,
                (some, _) => some,
            };
        }
        Ok(fewest)
    }

    /// The devices that a word can be about, by their own words or by their owner's.
    async fn about(&self, word: &str) -> Result<Option<BTreeSet<Uid>>, Failure> {
        let store = &self.sharing.store;
        let enough = CANDIDATES_MAX + 1;
        let mut found: BTreeSet<Uid> =
            store.with_word(Device::KIND, &self.within, word, enough).await?.into_iter().collect();
        let owners = store.with_word(User::KIND, &self.owners_within, word, enough).await?;
        if owners.len().max(found.len()) >= enough as usize {
            return Ok(None);
        }
        for owner in owners {
            let owned = store.referring(Device::KIND, "owner", &owner, None, enough).await?;
            found.extend(owned.into_iter().map(|it| it.uid));
            if found.len() >= enough as usize {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    async fn among(
        &self,
        candidates: BTreeSet<Uid>,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Found, Failure> {
        let wanted: Vec<Uid> = candidates.into_iter().collect();
        let mut found: BTreeMap<Place, Entity> = BTreeMap::new();
        for some in wanted.chunks(STEP as usize) {
            let facts = self.sharing.store.facts_for(some, 1).await?;
            let known = some.iter().filter_map(|uid| facts.get(uid));
            let here = known.filter(|it| {
                named(it, "organization").is_some_and(|uid| self.within.iter().any(|id| id == uid.id()))
            });
            found.extend(here.map(|it| (Place::of(it), Entity::clone(it))));
        }
        let mut ordered: Vec<(Place, Entity)> = found.into_iter().collect();
        if self.search.is_backwards {
            ordered.reverse();
        }
        let left: Vec<Entity> = ordered
            .into_iter()
            .filter(|(place, _)| self.search.is_behind(place, after))
            .map(|(_, it)| it)
            .collect();
        let (mut page, begun) = (Filling::new(limit), Instant::now());
        for some in left.chunks(STEP as usize) {
            if !page.takes(self.fitting(some).await?) {
                return Ok(page.full());
            }
            if begun.elapsed() > WORK {
                return Ok(page.up_to(some.last().map(Place::of)));
            }
        }
        Ok(page.up_to(None))
    }

    async fn in_order(&self, after: Option<&Place>, limit: usize) -> Result<Found, Failure> {
        let (mut page, mut place, mut seen) = (Filling::new(limit), after.cloned(), 0);
        let begun = Instant::now();
        while seen < LOOKED_AT_MAX && begun.elapsed() < WORK {
            let backwards = self.search.is_backwards;
            let store = &self.sharing.store;
            let some = store.in_order(Device::KIND, &self.within, place.as_ref(), backwards, STEP).await?;
            seen += some.len();
            if !page.takes(self.fitting(&some).await?) {
                return Ok(page.full());
            }
            match some.last() {
                Some(last) if some.len() >= STEP as usize => place = Some(Place::of(last)),
                _ => return Ok(page.up_to(None)),
            }
        }
        // What comes behind was not looked at: the next page does.
        Ok(page.up_to(place))
    }

    /// Those that every word is about and that the actor may view.
    async fn fitting(&self, devices: &[Entity]) -> Result<Vec<Entity>, Failure> {
        let mut possible: Vec<(&Entity, BTreeSet<&String>)> = Vec::new();
        for device in devices {
            let own = words(device);
            let left: BTreeSet<&String> = self.search.words.iter().filter(|it| !begins(&own, it)).collect();
            if left.is_empty() || named(device, "owner").is_some() {
                possible.push((device, left));
            }
        }
        let asked: Vec<Entity> = possible.iter().map(|(device, _)| Entity::clone(device)).collect();
        let visible = self.sharing.visible(self.actor, "view", &asked).await?;
        let seen = possible.into_iter().zip(visible).filter(|(_, is_visible)| *is_visible);
        let open: Vec<(&Entity, BTreeSet<&String>)> = seen.map(|(it, _)| it).collect();
        // A name or an address is a reason only for who may see the person.
        let left = open.iter().filter(|(_, left)| !left.is_empty());
        let owners = left.filter_map(|(device, _)| named(device, "owner")).collect();
        let owners = self.owners(owners).await?;
        let fits = |(device, left): &(&Entity, BTreeSet<&String>)| {
            let owner = named(device, "owner").and_then(|it| owners.get(&it));
            left.iter().all(|word| owner.is_some_and(|has| begins(has, word)))
        };
        Ok(open.iter().filter(|it| fits(it)).map(|(device, _)| Entity::clone(device)).collect())
    }

    /// The words of those owners that the actor may see.
    async fn owners(&self, owners: BTreeSet<Uid>) -> Result<BTreeMap<Uid, BTreeSet<String>>, Failure> {
        let uids: Vec<Uid> = owners.into_iter().collect();
        if uids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let facts = self.sharing.store.facts_for(&uids, 1).await?;
        let people: Vec<Entity> =
            uids.iter().filter_map(|uid| facts.get(uid)).map(|it| Entity::clone(it)).collect();
        let visible = self.sharing.visible(self.actor, "view_user", &people).await?;
        let seen = people.into_iter().zip(visible).filter(|(_, is_visible)| *is_visible);
        Ok(seen.map(|(it, _)| (it.uid.clone(), words(&it))).collect())
    }
}
