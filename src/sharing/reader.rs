//! Reads nouns and lists of the store, every list with a bound.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::decision::Session;
use crate::domain::nouns::{
    Catalogue, Device, Grant, Invitation, NounError, Organization, Role, User, is_note,
};
use crate::domain::{Change, Entity, Uid};
use crate::sharing::{Conflict, Failure, Limits, etag};
use crate::store::Store;

/// Entities of one look-up.
const PAGE: u32 = 500;

/// The store as operations read it.
pub struct Reader<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) session: &'a Session,
    pub(super) limits: &'a Limits,
}

impl Reader<'_> {
    /// The entity of this name.
    pub async fn entity(&self, uid: &Uid) -> Result<Option<Entity>, Failure> {
        let facts = self.store.facts_for(std::slice::from_ref(uid), 1).await?;
        Ok(facts.get(uid).map(|entity| Entity::clone(entity)))
    }

    /// Whether the name belongs to an entity, or did once.
    pub async fn is_used(&self, uid: &Uid) -> Result<bool, Failure> {
        Ok(self.store.is_removed(uid).await? || self.entity(uid).await?.is_some())
    }

    async fn noun<T>(
        &self,
        uid: &Uid,
        kind: &str,
        read: fn(&Entity) -> Result<T, NounError>,
    ) -> Result<Option<T>, Failure> {
        if uid.kind() != kind {
            return Ok(None);
        }
        Ok(self.entity(uid).await?.as_ref().map(read).transpose()?)
    }

    /// What permissions need, and the roles of a new tree.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.session.snapshot().catalogue().clone()
    }

    /// The person of this name.
    pub async fn user(&self, uid: &Uid) -> Result<Option<User>, Failure> {
        self.noun(uid, User::KIND, User::read).await
    }

    /// The role of this name.
    pub async fn role(&self, uid: &Uid) -> Result<Option<Role>, Failure> {
        self.noun(uid, Role::KIND, Role::read).await
    }

    /// The device of this name.
    pub async fn device(&self, uid: &Uid) -> Result<Option<Device>, Failure> {
        self.noun(uid, Device::KIND, Device::read).await
    }

    /// The invitation of this name.
    pub async fn invitation(&self, uid: &Uid) -> Result<Option<Invitation>, Failure> {
        self.noun(uid, Invitation::KIND, Invitation::read).await
    }

    /// The invitation of this name, and whom it is for.
    pub async fn invited(&self, uid: &Uid) -> Result<(Option<Invitation>, Option<User>), Failure> {
        let invitation = self.invitation(uid).await?;
        let invitee = match &invitation {
            Some(it) => self.user(&it.invitee).await?,
            None => None,
        };
        Ok((invitation, invitee))
    }

    /// The grant of this name.
    pub async fn grant(&self, uid: &Uid) -> Result<Option<Grant>, Failure> {
        self.noun(uid, Grant::KIND, Grant::read).await
    }

    /// The organization of this name.
    pub async fn organization(&self, uid: &Uid) -> Result<Option<Organization>, Failure> {
        self.noun(uid, Organization::KIND, Organization::read).await
    }

    /// The person whose address this is.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>, Failure> {
        match self.store.find(User::KIND, "email", email).await? {
            Some(uid) => self.user(&uid).await,
            None => Ok(None),
        }
    }

    /// The organization and all above it, from below to the root; empty where it does not exist.
    pub async fn chain(&self, uid: &Uid) -> Result<Vec<Organization>, Failure> {
        let facts = self.store.facts_for(std::slice::from_ref(uid), 1).await?;
        let mut chain: Vec<Organization> = Vec::new();
        let mut next = Some(uid.clone());
        while let Some(entity) = next.and_then(|uid| facts.get(&uid)) {
            let organization = Organization::read(entity)?;
            next = organization.parent.clone();
            chain.push(organization);
        }
        Ok(chain)
    }

    /// What refers to `to` by this attribute.
    pub async fn referring(&self, kind: &str, label: &str, to: &Uid) -> Result<Vec<Entity>, Failure> {
        let mut found: Vec<Entity> = Vec::new();
        loop {
            let after = found.last().map(|entity| entity.uid.id());
            let page = self.store.referring(kind, label, to, after, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            found.extend(page);
            if found.len() > self.limits.touched_max {
                return Err(Conflict::TooMuch(self.limits.touched_max).into());
            }
            if is_last {
                return Ok(found);
            }
        }
    }

    /// Whether there was an entity of this name, and it was removed.
    pub async fn is_removed(&self, uid: &Uid) -> Result<bool, Failure> {
        Ok(self.store.is_removed(uid).await?)
    }

    /// Whether anything refers to `to` by this attribute.
    pub async fn is_referred(&self, kind: &str, label: &str, to: &Uid) -> Result<bool, Failure> {
        Ok(!self.store.referring(kind, label, to, None, 1).await?.is_empty())
    }

    /// An organization and everything below it, from above to below.
    pub async fn tree(&self, root: &Uid) -> Result<Vec<Organization>, Failure> {
        let mut found = Vec::new();
        let mut open: VecDeque<Organization> = self.organization(root).await?.into_iter().collect();
        while let Some(organization) = open.pop_front() {
            for entity in self.referring(Organization::KIND, "", &organization.uid).await? {
                open.push_back(Organization::read(&entity)?);
            }
            found.push(organization);
            if found.len() + open.len() > self.limits.touched_max {
                return Err(Conflict::TooMuch(self.limits.touched_max).into());
            }
        }
        Ok(found)
    }

    /// The roles of an organization.
    pub async fn roles(&self, organization: &Uid) -> Result<Vec<Role>, Failure> {
        let found = self.referring(Role::KIND, "organization", organization).await?;
        Ok(found.iter().map(Role::read).collect::<Result<_, _>>()?)
    }

    /// The people with this role.
    pub async fn holders(&self, role: &Uid) -> Result<Vec<User>, Failure> {
        let found = self.referring(User::KIND, "", role).await?;
        Ok(found.iter().map(User::read).collect::<Result<_, _>>()?)
    }

    /// The devices of a person.
    pub async fn owned(&self, user: &Uid) -> Result<Vec<Device>, Failure> {
        let found = self.referring(Device::KIND, "owner", user).await?;
        Ok(found.iter().map(Device::read).collect::<Result<_, _>>()?)
    }

    /// The grants that refer to `to` by this attribute.
    pub async fn grants(&self, label: &str, to: &Uid) -> Result<Vec<Grant>, Failure> {
        let found = self.referring(Grant::KIND, label, to).await?;
        Ok(found.iter().map(Grant::read).collect::<Result<_, _>>()?)
    }

    /// How many other people of the user's role can act, if it is the administrators'.
    pub async fn other_admins(&self, user: &User) -> Result<Option<usize>, Failure> {
        let Some(role) = self.role(&user.role).await?.filter(Role::is_admin) else { return Ok(None) };
        let holders = self.holders(&role.uid).await?;
        let others = holders.iter().filter(|it| it.uid != user.uid && it.status.is_activated());
        Ok(Some(others.count()))
    }

    /// Refuses an operation on a version that is not the newest.
    pub(super) async fn check_version(&self, uid: Option<&Uid>, wanted: Option<&str>) -> Result<(), Failure> {
        let (Some(uid), Some(wanted)) = (uid, wanted) else { return Ok(()) };
        let entity = self.entity(uid).await?.ok_or(Conflict::Missing)?;
        if wanted == "*" || wanted.split(',').any(|it| it.trim() == etag(&entity)) {
            return Ok(());
        }
        Err(Conflict::Outdated.into())
    }

    /// Checks everything that would be written against the schema.
    pub(super) fn check(&self, changes: &[Change]) -> Result<(), Failure> {
        for change in changes {
            // A note of our own is no noun of the schema.
            if let Change::Put(entity) | Change::Create(entity) | Change::Renew(entity) = change
                && !is_note(entity.uid.kind())
            {
                let fits = self.session.snapshot().canonical(entity.to_json());
                fits.map_err(|reason| Conflict::Invalid(format!("it does not fit the schema: {reason}")))?;
            }
        }
        Ok(())
    }
}
