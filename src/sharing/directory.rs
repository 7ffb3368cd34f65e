//! Finding organizations by words, among the own one and those below it.

use crate::domain::nouns::Organization;
use crate::domain::{Entity, Query, Uid};
use crate::sharing::search::{Filling, Found, Search, begins};
use crate::sharing::{Failure, Sharing};
use crate::store::{Place, words};

/// Organizations that are decided at once.
const STEP: usize = 250;

impl Sharing {
    /// The organizations that fit and that the actor may view, in the order of names; a tree is small.
    pub async fn find_organizations(
        &self,
        actor: Option<&Uid>,
        search: &Search,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<Found, Failure> {
        let top = &search.organization;
        match actor {
            Some(actor) => self.admit(Query::new(actor.clone(), "view_organization", top.clone())).await?,
            None => drop(self.read(None, "view_organization", top).await?),
        }
        let session = self.decider.pin();
        let tree = self.reader(&session).tree(top).await?;
        let mut fitting: Vec<(Place, Entity)> = tree
            .iter()
            .map(Organization::write)
            .filter(|entity| {
                let own = words(entity);
                search.words.iter().all(|word| begins(&own, word))
            })
            .map(|entity| (Place::of(&entity), entity))
            .collect();
        fitting.sort_by(|(a, _), (b, _)| if search.is_backwards { b.cmp(a) } else { a.cmp(b) });
        fitting.retain(|(place, _)| search.is_behind(place, after));
        let left: Vec<Entity> = fitting.into_iter().map(|(_, entity)| entity).collect();
        let mut page = Filling::new(limit as usize);
        for some in left.chunks(STEP) {
            let visible = self.visible(actor, "view_organization", some).await?;
            let seen = some.iter().zip(visible).filter(|(_, is_visible)| *is_visible);
            if !page.takes(seen.map(|(entity, _)| entity.clone())) {
                return Ok(page.full());
            }
        }
        Ok(page.up_to(None))
    }
}
