//! API keys of members: each for himself.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::audit;
use crate::domain::moment::rfc3339;
use crate::domain::{Query, Revision, Uid};
use crate::sharing::{Conflict, Failure, Sharing};
use crate::store::ApiKey;

/// The most keys that one principal has, revoked ones included.
const KEYS_MAX: u32 = 100;

/// A key that is to be stored: its hash, never its text.
pub struct Draft {
    /// Its public name.
    pub id: String,
    /// The SHA-256 of the key.
    pub hash: [u8; 32],
    /// Whom it speaks for.
    pub principal: Uid,
    /// What its owner calls it.
    pub name: String,
    /// When it was made, in Unix milliseconds.
    pub created_ms: i64,
    /// When it ends by itself.
    pub expires_ms: Option<i64>,
}

/// A key as the API shows it, with the id that a list goes on behind.
#[derive(Debug)]
pub struct Shown {
    /// Its public name.
    pub id: Arc<str>,
    /// The answer.
    pub answer: Json,
}

fn shown(key: &ApiKey) -> Shown {
    let answer = json!({ "id": *key.id, "name": key.name, "principal": key.principal.to_string(),
                         "created": rfc3339(key.created_ms), "expires": key.expires_ms.map(rfc3339),
                         "revoked": key.revoked_ms.map(rfc3339) });
    Shown { id: key.id.clone(), answer }
}

impl Sharing {
    /// Stores a key; a principal makes keys for itself, the operator for anybody.
    pub async fn create_key(&self, actor: Option<&Uid>, draft: Draft) -> Result<(Revision, Json), Failure> {
        let Draft { id, hash, principal, name, created_ms, expires_ms } = draft;
        let key = ApiKey { id: id.into(), hash, principal, name, created_ms, expires_ms, revoked_ms: None };
        self.admit_owner(actor, &key.principal, "edit_user").await?;
        if !key.principal.is_tellable() {
            return Err(
                Conflict::Invalid("the id has control characters: no key can speak for it".into()).into()
            );
        }
        let had = self.store.keys_of(&key.principal, None, KEYS_MAX).await?;
        if had.len() >= KEYS_MAX as usize {
            return Err(Conflict::broken("too-many-keys", format!("at most {KEYS_MAX} keys")).into());
        }
        let answer = shown(&key).answer;
        Ok((self.store.create_key(key).await?, answer))
    }

    /// The keys of a principal.
    pub async fn keys(
        &self,
        actor: Option<&Uid>,
        of: &Uid,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Shown>, Failure> {
        self.admit_owner(actor, of, "view_user").await?;
        Ok(self.store.keys_of(of, after, limit).await?.iter().map(shown).collect())
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
        Ok(self.store.revoke_key(id, now_ms).await?)
    }

    /// A key speaks for its principal, so nobody makes one for somebody else, whatever his role.
    async fn admit_owner(&self, actor: Option<&Uid>, of: &Uid, action: &str) -> Result<(), Failure> {
        if let Some(actor) = actor {
            // Whether the actor may act at all comes first: strangers learn nothing else.
            self.admit(Query::new(actor.clone(), action, actor.clone())).await?;
        }
        let is_admitted = actor.is_none_or(|actor| actor == of);
        audit::note(|record| {
            record.action = Some(action.into());
            record.resources = vec![of.clone()];
            record.decision = Some(if is_admitted { audit::Decision::Allow } else { audit::Decision::Deny });
        });
        if is_admitted { Ok(()) } else { Err(Conflict::Missing.into()) }
    }
}
