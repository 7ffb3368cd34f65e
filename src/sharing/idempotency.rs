//! Requests that are sent twice are done once: their answers are kept with what they changed.

use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use crate::audit;
use crate::decision::{Refused, Session};
use crate::domain::nouns::{KEPT_ANSWER, reference};
use crate::domain::{Change, Entity, Uid};
use crate::sharing::secret::hex;
use crate::sharing::{Actor, Circumstances, Conflict, Done, Failure, Reader, Sharing};

/// How long an answer is kept, in milliseconds.
const KEPT_MS: i64 = 24 * 3_600_000;
/// The longest answer that is kept, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What the record of a request says whose answer was given before.
const REPEATED: &str = "repeated";
/// How many answers are forgotten with each that is kept.
const FORGOTTEN_AT_ONCE: u32 = 4;

/// The key of a request, and what the request was.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// What the client chose.
    pub key: String,
    /// The SHA-256 of method, path and body.
    pub fingerprint: [u8; 32],
}

/// The version of an entity.
#[must_use]
pub fn etag(entity: &Entity) -> String {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_string(&(&entity.attrs, &entity.tags)).unwrap_or_default());
    for parent in &entity.parents {
        hash.update(parent.to_string());
    }
    let hash = hash.finalize();
    format!("\"{}\"", hex(hash.get(..12).unwrap_or(&hash)))
}

impl Idempotency {
    /// The name of the kept answer; of the client's key only the hash is in it.
    fn uid(&self, actor: &Actor) -> Result<Uid, Conflict> {
        let owner = actor.uid.as_ref().map(Uid::to_string).unwrap_or_default();
        let hash = Sha256::digest(format!("{}\0{owner}\0{}", owner.len(), self.key));
        Ok(Uid::new(KEPT_ANSWER, hex(&hash))?)
    }

    /// Keeps the answer, and forgets some old ones of the same actor.
    pub(super) async fn keep(
        &self,
        reader: &Reader<'_>,
        actor: &Actor,
        answer: &Json,
        now_ms: i64,
    ) -> Result<Vec<Change>, Failure> {
        let text = answer.to_string();
        let text = if text.len() > ANSWER_BYTES_MAX { "null".to_owned() } else { text };
        let mut attrs = Map::from_iter([
            ("request".to_owned(), hex(&self.fingerprint).into()),
            ("answer".to_owned(), text.into()),
            ("until".to_owned(), (now_ms + KEPT_MS).into()),
        ]);
        let mut changes = Vec::new();
        if let Some(uid) = &actor.uid {
            attrs.insert("principal".to_owned(), reference(uid));
            let old = reader.store.referring(KEPT_ANSWER, "principal", uid, None, FORGOTTEN_AT_ONCE).await?;
            let ended =
                |it: &Entity| it.attrs.get("until").and_then(Json::as_i64).is_none_or(|it| it < now_ms);
            changes.extend(old.into_iter().filter(ended).map(|it| Change::Remove(it.uid)));
        }
        let uid = self.uid(actor)?;
        changes.push(Change::Create(Entity { uid, attrs, parents: [].into(), tags: Map::new() }));
        Ok(changes)
    }
}

impl Sharing {
    /// The answer of the same request, if it was given before and the actor may still act.
    pub(super) async fn replay(
        &self,
        reader: &Reader<'_>,
        session: &Session,
        actor: &Actor,
        circumstances: &Circumstances,
    ) -> Result<Option<Done>, Failure> {
        let Some(idempotency) = &circumstances.idempotency else { return Ok(None) };
        let Some(kept) = reader.entity(&idempotency.uid(actor)?).await? else { return Ok(None) };
        let text = |name: &str| kept.attrs.get(name).and_then(Json::as_str);
        let until = kept.attrs.get("until").and_then(Json::as_i64);
        if text("request") != Some(&hex(&idempotency.fingerprint)) || until < Some(session.now_ms()) {
            return Err(Conflict::KeyReused.into());
        }
        if let (Some(uid), Some(user)) = (&actor.uid, &actor.user) {
            let query = actor.query("view_organization", &user.organization, []);
            let decided = session.answers(query.as_slice()).await;
            for decision in decided.map_err(Failure::Refused)? {
                if decision.verdict.refuse.is_some() || decision.verdict.missing.as_ref() == Some(uid) {
                    return Err(Failure::Refused(Refused::Unauthenticated(decision)));
                }
            }
        }
        let answer = text("answer").and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default();
        let revision = self.store.head().await?;
        audit::note(|record| record.reason = Some(REPEATED.into()));
        Ok(Some(Done { revision, answer }))
    }
}
