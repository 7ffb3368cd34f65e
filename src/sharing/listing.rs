//! Reading: one entity that may be seen, or those of a list.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::decision::Ask;
use crate::domain::nouns::{Organization, Role, named, reference};
use crate::domain::{ActionName, Context, Entity, Query, Uid};
use crate::sharing::{Conflict, Failure, Sharing};

/// The most entities that are looked at for one page.
const LOOKED_AT_MAX: usize = 5_000;
/// How long a page is worked at before it ends short: a request has no more than a few times that.
pub(super) const WORK: Duration = Duration::from_secs(2);

/// A list: what refers to something, cut down to what may be seen.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Who may ask for it at all: an action on what the list hangs on.
    pub gate: &'static str,
    /// What the list hangs on.
    pub of: Uid,
    /// The type of what is listed.
    pub kind: &'static str,
    /// The attribute that refers; an empty one stands for parents.
    pub label: &'static str,
    /// The action that makes one of them visible.
    pub view: &'static str,
}

/// A page of a list.
#[derive(Debug)]
pub struct Page {
    /// What may be seen.
    pub items: Vec<Entity>,
    /// The id that the next page begins behind, if there may be one.
    pub next: Option<String>,
}

struct Asked([Query; 1]);

impl Ask for Asked {
    fn queries(&self) -> &[Query] {
        &self.0
    }
}

impl Sharing {
    pub(super) async fn admit(&self, query: Query) -> Result<(), Failure> {
        let session = self.decider.pin();
        match session.decide(Asked([query])).await {
            Ok(permitted) => {
                session.note(permitted.target().queries(), Ok(permitted.decisions()));
                Ok(())
            }
            Err((asked, refused)) => {
                session.note(asked.queries(), Err(&refused));
                Err(Failure::Refused(refused))
            }
        }
    }

    /// One entity, if the actor may see it; the operator sees everything.
    pub async fn read(&self, actor: Option<&Uid>, view: &str, uid: &Uid) -> Result<Entity, Failure> {
        if let Some(actor) = actor {
            self.admit(Query::new(actor.clone(), view, uid.clone())).await?;
        }
        let facts = self.store.facts_for(std::slice::from_ref(uid), 1).await?;
        let entity = facts.get(uid).map(|it| Entity::clone(it));
        Ok(entity.ok_or(Conflict::Missing)?)
    }

    /// A page of a list, at most `limit` long.
    pub async fn list(
        &self,
        actor: Option<&Uid>,
        listing: &Listing,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page, Failure> {
        match actor {
            Some(actor) => self.admit(Query::new(actor.clone(), listing.gate, listing.of.clone())).await?,
            None => drop(self.read(None, listing.gate, &listing.of).await?),
        }
        let (mut items, mut after, mut seen) = (Vec::new(), after.map(str::to_owned), 0);
        let begun = Instant::now();
        while items.len() < limit as usize && seen < LOOKED_AT_MAX && begun.elapsed() < WORK {
            let Listing { kind, label, of, .. } = listing;
            let page = self.store.referring(kind, label, of, after.as_deref(), limit).await?;
            seen += page.len();
            let is_last = page.len() < limit as usize;
            let visible = self.visible(actor, listing.view, &page).await?;
            for (entity, is_visible) in page.into_iter().zip(visible) {
                if items.len() >= limit as usize {
                    return Ok(Page { items, next: after });
                }
                after = Some(entity.uid.id().to_owned());
                if is_visible {
                    items.push(entity);
                }
            }
            if is_last {
                return Ok(Page { items, next: None });
            }
        }
        Ok(Page { items, next: after })
    }

    /// Works in the view of an organization, if Cedar permits `switch_org`.
    pub async fn switch(&self, actor: &Uid, organization: &Uid) -> Result<(), Failure> {
        self.admit(Query::new(actor.clone(), "switch_org", organization.clone())).await
    }

    /// Which of these the actor may see, by the action that makes one visible.
    pub(super) async fn visible(
        &self,
        actor: Option<&Uid>,
        view: &'static str,
        page: &[Entity],
    ) -> Result<Vec<bool>, Failure> {
        let (Some(actor), Some(first)) = (actor, page.first()) else { return Ok(vec![true; page.len()]) };
        let query = Query::new(actor.clone(), Arc::<str>::from(view), first.uid.clone());
        let uids: Vec<Uid> = page.iter().map(|it| it.uid.clone()).collect();
        let decided = self.decider.pin().filter(&query, &uids).await;
        decided.map_err(Failure::Refused)
    }

    /// Which actions the actor may do here, given that what he hands out is within his rights.
    ///
    /// Where an action needs a role or a destination, one that fits the resource is supposed.
    pub async fn permitted(&self, actor: &Uid, resource: &Uid) -> Result<Vec<String>, Failure> {
        let session = self.decider.pin();
        let context = Arc::new(self.supposed(actor, resource).await?);
        let actions: Vec<_> = session.snapshot().actions().cloned().collect();
        let query = |action: &ActionName| Query {
            context: Arc::clone(&context),
            ..Query::new(actor.clone(), action.clone(), resource.clone())
        };
        let queries: Vec<Query> = actions.iter().map(query).collect();
        let answers = session.answers(&queries).await.map_err(Failure::Refused)?;
        let allowed = actions.iter().zip(answers).filter(|(_, it)| it.verdict.allowed);
        Ok(allowed.map(|(action, _)| action.to_string()).collect())
    }

    /// Circumstances under which each action of the resource could be done.
    async fn supposed(&self, actor: &Uid, resource: &Uid) -> Result<Context, Failure> {
        let session = self.decider.pin();
        let reader = self.reader(&session);
        let entity = reader.entity(resource).await?;
        let organization = match resource.kind() {
            Organization::KIND => Some(resource.clone()),
            _ => entity.as_ref().and_then(|it| named(it, "organization")),
        };
        let mut context = Context::from_iter([
            ("within_own_rights".to_owned(), true.into()),
            ("control".to_owned(), false.into()),
            ("grantee".to_owned(), reference(actor)),
        ]);
        let Some(organization) = organization else { return Ok(context) };
        let roles = self.store.referring(Role::KIND, "organization", &organization, None, 1).await?;
        if let Some(role) = roles.first() {
            context.insert("role".to_owned(), reference(&role.uid));
            context.insert("replacement".to_owned(), reference(&role.uid));
        }
        let root = reader.chain(&organization).await?.pop().map(|it| it.uid);
        context.insert("root".to_owned(), reference(root.as_ref().unwrap_or(&organization)));
        context.insert("organization".to_owned(), reference(&organization));
        context.insert("new_parent".to_owned(), reference(&organization));
        Ok(context)
    }
}
