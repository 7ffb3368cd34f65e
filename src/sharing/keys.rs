//! API keys of members: each for himself.

use std::sync::Arc;

use crate::domain::{Query, Revision, Uid};
use crate::sharing::{Conflict, Failure, Sharing};
use crate::store::ApiKey;

/// The most keys that one principal has, revoked ones included.
const KEYS_MAX: u32 = 100;

impl Sharing {
    /// Stores a key; a principal makes keys for itself, the operator for anybody.
    pub async fn create_key(&self, actor: Option<&Uid>, key: ApiKey) -> Result<Revision, Failure> {
        self.admit_owner(actor, &key.principal, "edit_user").await?;
        let had = self.store.keys_of(&key.principal, None, KEYS_MAX).await?;
        if had.len() >= KEYS_MAX as usize {
            return Err(Conflict::broken("too-many-keys", format!("at most {KEYS_MAX} keys")).into());
        }
        Ok(self.store.create_key(key).await?)
    }

    /// The keys of a principal.
    pub async fn keys(
        &self,
        actor: Option<&Uid>,
        of: &Uid,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ApiKey>, Failure> {
        self.admit_owner(actor, of, "view_user").await?;
        Ok(self.store.keys_of(of, after, limit).await?)
    }

    /// Revokes a key of a principal.
    pub async fn revoke_key(
        &self,
        actor: Option<&Uid>,
        of: &Uid,
        id: &str,
        now_ms: i64,
    ) -> Result<Revision, Failure> {
        self.admit_owner(actor, of, "edit_user").await?;
        let owned = self.store.keys_of(of, None, KEYS_MAX).await?;
        if !owned.iter().any(|key| *key.id == *id) {
            return Err(Conflict::Missing.into());
        }
        Ok(self.store.revoke_key(&Arc::<str>::from(id), now_ms).await?)
    }

    /// A key speaks for its principal, so nobody makes one for somebody else, whatever his role.
    async fn admit_owner(&self, actor: Option<&Uid>, of: &Uid, action: &str) -> Result<(), Failure> {
        let Some(actor) = actor else { return Ok(()) };
        if actor != of {
            return Err(Conflict::Missing.into());
        }
        let query = Query::new(actor.clone(), action, of.clone());
        self.admit(query).await
    }
}
