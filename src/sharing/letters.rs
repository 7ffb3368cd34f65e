//! The outbox: letters that were promised with a change, kept until the mail server has taken them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value as Json};

use crate::domain::moment::{now_ms, rfc3339};
use crate::domain::nouns::{Delivery, Invitation, LETTER, Organization, named, reference};
use crate::domain::{Change, Entity, Revision, Uid};
use crate::sharing::secret::Secret;
use crate::sharing::{Conflict, Failure, Reader, Sharing};
use crate::store::StoreError;

/// How often the outbox is looked at when nothing was put into it: other processes fill it too.
const LOOK: Duration = Duration::from_secs(2);
/// The longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(3600);
/// How many letters are under way at once.
const UNDER_WAY_MAX: usize = 4;
/// Letters of one look.
const PAGE: u32 = 200;

/// A letter to one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// To whom.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub text: String,
}

/// Why a letter did not go out; the code names no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undelivered {
    /// It is tried again.
    Later(String),
    /// It is not.
    Never(String),
}

/// Carries a letter to the mail server.
pub type Carrier = Arc<dyn Fn(Letter) -> BoxFuture<'static, Result<(), Undelivered>> + Send + Sync>;

/// How invitations reach those whom they are for.
#[derive(Clone)]
pub struct Post {
    /// Who carries.
    pub carrier: Carrier,
    /// The link, with `{token}` in the place of the token.
    pub link: String,
    /// The wait before the second attempt; each further one is twice as long.
    pub retry: Duration,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// Puts an invitation's letter into the outbox; the token is made when it is sent.
pub(super) fn queue(invitation: &mut Invitation, id: &str, now_ms: i64) -> Result<Change, Conflict> {
    (invitation.delivery, invitation.attempts) = (Some(Delivery::Queued), 0);
    invitation.token_hash = String::new();
    let attrs = Map::from_iter([
        ("invitation".to_owned(), reference(&invitation.uid)),
        ("due".to_owned(), now_ms.into()),
    ]);
    let uid = Uid::new(LETTER, id)?;
    Ok(Change::Create(Entity { uid, attrs, parents: [].into(), tags: Map::new() }))
}

/// The letters of an invitation that are still in the outbox.
pub(super) async fn queued(reader: &Reader<'_>, invitation: &Uid) -> Result<Vec<Uid>, Failure> {
    let letters = reader.referring(LETTER, "invitation", invitation).await?;
    Ok(letters.into_iter().map(|it| it.uid).collect())
}

fn due(letter: &Entity) -> i64 {
    letter.attrs.get("due").and_then(Json::as_i64).unwrap_or_default()
}

fn millis(of: Duration) -> i64 {
    i64::try_from(of.as_millis()).unwrap_or(i64::MAX)
}

impl Post {
    /// How long the letter waits after this attempt.
    fn wait(&self, attempts: i64) -> Duration {
        let doubled = u32::try_from(attempts - 1).ok().and_then(|it| 2u32.checked_pow(it));
        doubled.and_then(|it| self.retry.checked_mul(it)).unwrap_or(WAIT_MAX).min(WAIT_MAX)
    }
}

/// A letter that this process sends, and no other one meanwhile.
struct Claimed {
    invitation: Invitation,
    secret: Secret,
}

impl Sharing {
    /// Empties the outbox again and again, for as long as the runtime lives.
    pub(super) async fn deliver(self: Arc<Self>, post: Post) {
        loop {
            if let Err(error) = self.empty(&post).await {
                tracing::warn!(%error, "the outbox cannot be read; letters wait");
            }
            tokio::select! {
                () = self.posted.notified() => {}
                () = tokio::time::sleep(LOOK.min(post.retry)) => {}
            }
        }
    }

    /// Sends every letter that is due.
    async fn empty(&self, post: &Post) -> Result<(), Failure> {
        let mut after: Option<Uid> = None;
        loop {
            let page = self.store.page(Some(LETTER), after.as_ref(), PAGE).await?;
            let now = now_ms();
            let ready: Vec<Uid> = page.iter().filter(|it| due(it) <= now).map(|it| it.uid.clone()).collect();
            let sent = stream::iter(ready).for_each_concurrent(UNDER_WAY_MAX, async |letter| {
                if let Err(error) = self.send(post, &letter).await {
                    tracing::warn!(letter = letter.id(), %error, "a letter could not be looked after");
                }
            });
            sent.await;
            after = page.last().map(|it| it.uid.clone());
            if page.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    async fn send(&self, post: &Post, letter: &Uid) -> Result<(), Failure> {
        let Some(Claimed { invitation, secret }) = self.claim(post, letter).await? else { return Ok(()) };
        let text = self.written(post, &invitation, &secret).await?;
        let outcome = (post.carrier)(text).await;
        let (delivery, code) = match &outcome {
            Ok(()) => (Delivery::Sent, "250"),
            Err(Undelivered::Later(code)) => (Delivery::Delayed, code.as_str()),
            Err(Undelivered::Never(code)) => (Delivery::Refused, code.as_str()),
        };
        metrics::counter!("cedargate_letters_total", "outcome" => delivery.as_str()).increment(1);
        if delivery != Delivery::Sent {
            let (invitation, attempts, state) = (&invitation.uid, invitation.attempts, delivery.as_str());
            tracing::warn!(%invitation, attempts, state, code, "the letter of an invitation was not taken");
        }
        self.close_letter(post, letter, delivery).await
    }

    /// Takes a letter for one attempt: the token's hash is stored before the token leaves.
    async fn claim(&self, post: &Post, letter: &Uid) -> Result<Option<Claimed>, Failure> {
        loop {
            let _turn = self.turn.lock().await;
            let (revision, found, invitation) = self.look(letter).await?;
            let now = now_ms();
            let Some(mut found) = found.filter(|it| due(it) <= now) else { return Ok(None) };
            let Some(mut invitation) = invitation.filter(|it| it.is_open(now)) else {
                match self.store.apply(vec![Change::Remove(letter.clone())], Some(revision)).await {
                    Err(StoreError::Conflict(_)) => continue,
                    done => return Ok(done.map(|_| None)?),
                }
            };
            let secret = Secret::random(invitation.uid.id())?;
            invitation.token_hash = secret.hash();
            invitation.attempts += 1;
            // If this process ends now, whoever looks next tries anew, with another token.
            let again = now + millis(post.timeout + post.wait(invitation.attempts));
            found.attrs.insert("due".to_owned(), again.into());
            let changes = vec![Change::Put(found), Change::Put(invitation.write())];
            match self.store.apply(changes, Some(revision)).await {
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(Some(Claimed { invitation, secret })),
            }
        }
    }

    /// Notes what became of an attempt; a letter that was replaced meanwhile is none of its business.
    async fn close_letter(&self, post: &Post, letter: &Uid, delivery: Delivery) -> Result<(), Failure> {
        loop {
            let _turn = self.turn.lock().await;
            let (revision, found, invitation) = self.look(letter).await?;
            let Some(mut found) = found else { return Ok(()) };
            let mut changes = Vec::new();
            if let Some(mut invitation) = invitation {
                invitation.delivery = Some(delivery);
                let again = now_ms() + millis(post.wait(invitation.attempts));
                found.attrs.insert("due".to_owned(), again.into());
                changes.push(Change::Put(invitation.write()));
            }
            changes.push(match delivery {
                Delivery::Delayed => Change::Put(found),
                _ => Change::Remove(letter.clone()),
            });
            match self.store.apply(changes, Some(revision)).await {
                Err(StoreError::Conflict(_)) => {}
                done => return Ok(done.map(drop)?),
            }
        }
    }

    async fn look(&self, letter: &Uid) -> Result<(Revision, Option<Entity>, Option<Invitation>), Failure> {
        let revision = self.store.head().await?;
        let session = self.decider.pin();
        let reader = self.reader(&session);
        let found = reader.entity(letter).await?;
        let invitation = match found.as_ref().and_then(|it| named(it, "invitation")) {
            Some(uid) => reader.invitation(&uid).await?,
            None => None,
        };
        Ok((revision, found, invitation))
    }

    async fn written(&self, post: &Post, it: &Invitation, secret: &Secret) -> Result<Letter, Failure> {
        let session = self.decider.pin();
        let reader = self.reader(&session);
        let place: Option<Organization> = reader.organization(&it.organization).await?;
        let place = place.map_or_else(|| it.organization.id().to_owned(), |it| it.name);
        let inviter = reader.user(&it.inviter).await?.and_then(|it| it.name.or(it.email));
        let inviter = inviter.unwrap_or_else(|| "Somebody".to_owned());
        let link = post.link.replace("{token}", secret.reveal());
        let until = rfc3339(it.expires_at);
        let text = format!(
            "{inviter} invites you to {place}.\n\nTo accept, sign in and open this link:\n\n{link}\n\n\
             It works once, until {until}. Whoever has it can use it, so do not pass it on.\n\
             If you expected no invitation, you need not do anything.\n"
        );
        Ok(Letter { to: it.email.clone(), subject: format!("Invitation to {place}"), text })
    }
}
