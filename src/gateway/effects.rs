//! Requests whose 2xx changes the store: noted before they are sent, settled after, whoever hangs up.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::Response;
use hyper::body::Incoming;
use serde_json::Value as Json;

use crate::domain::{Intent, Newcomer, SecretText, Uid};
use crate::gateway::body::{self, Body};
use crate::gateway::forward::{Outgoing, Upstream};
use crate::gateway::refusal::Refusal;
use crate::gateway::route::{Creation, Pointer, Told};
use crate::json;

/// Keeps the store in step with what the upstream did.
pub trait Effects: Send + Sync {
    /// Notes what will happen, durably; refuses what could not be settled, before it is sent.
    fn begin(&self, intent: Intent) -> BoxFuture<'static, Result<Uid, Refusal>>;

    /// Changes the store as was noted, whole or not at all; an error says why it was not changed.
    fn settle(
        &self,
        entry: Uid,
        intent: Intent,
    ) -> BoxFuture<'static, Result<(), Box<dyn std::error::Error + Send + Sync>>>;

    /// Forgets the note: the upstream did nothing.
    fn withdraw(&self, entry: Uid) -> BoxFuture<'static, ()>;

    /// Leaves the note to the operator, with the reason and what is known of the device.
    fn leave(&self, entry: Uid, reason: &'static str, made: Option<Newcomer>) -> BoxFuture<'static, ()>;
}

/// One such request, on its own task.
pub(super) struct Carrier {
    pub(super) effects: Arc<dyn Effects>,
    pub(super) upstream: Upstream,
    pub(super) intent: Intent,
    pub(super) creation: Option<Creation>,
    /// The most bytes of an answer in which an id is looked for.
    pub(super) bytes_max: u64,
}

/// The upstream's status, if it answered, and its answer or why it is not passed on.
pub(super) type Carried = (Option<u16>, Result<Response<Body>, Refusal>);

impl Carrier {
    pub(super) async fn carry(self, outgoing: Outgoing) -> Carried {
        let entry = match self.effects.begin(self.intent.clone()).await {
            Ok(entry) => entry,
            Err(refusal) => return (None, Err(refusal)),
        };
        let answer = match self.upstream.send(outgoing).await {
            Ok(answer) => answer,
            Err(refusal @ (Refusal::Unreachable(_) | Refusal::Malformed(_))) => {
                self.effects.withdraw(entry).await;
                return (None, Err(refusal));
            }
            Err(refusal) => {
                self.effects.leave(entry, "the upstream did not answer", None).await;
                return (None, Err(refusal));
            }
        };
        let status = answer.status();
        let result = match status {
            _ if status.is_success() => self.settled(entry, answer).await,
            _ => {
                match status.is_server_error() {
                    true => self.effects.leave(entry, "the upstream failed", None).await,
                    false => self.effects.withdraw(entry).await,
                }
                Ok(self.streamed(answer))
            }
        };
        (Some(status.as_u16()), result)
    }

    fn streamed(&self, answer: Response<Incoming>) -> Response<Body> {
        answer.map(|incoming| self.upstream.answer_body(incoming))
    }

    async fn settled(&self, entry: Uid, answer: Response<Incoming>) -> Result<Response<Body>, Refusal> {
        let Some(creation) = &self.creation else {
            self.settle(entry, None).await?;
            return Ok(self.streamed(answer));
        };
        let (head, incoming) = answer.into_parts();
        let body = self.upstream.answer_body(incoming);
        let Ok(bytes) = body::collect_at_most(body, self.bytes_max).await else {
            self.effects.leave(entry, "the answer could not be read", None).await;
            return Err(Refusal::Unsettled);
        };
        let made = made(creation, json::parse(&bytes).ok().as_ref());
        if made.id.is_none() {
            self.effects.leave(entry, "the answer names no id", Some(made)).await;
            return Err(Refusal::Unsettled);
        }
        self.settle(entry, Some(made)).await?;
        Ok(Response::from_parts(head, Body::whole(bytes)))
    }

    async fn settle(&self, entry: Uid, made: Option<Newcomer>) -> Result<(), Refusal> {
        let intent = Intent { makes: made.clone(), ..self.intent.clone() };
        let Err(error) = self.effects.settle(entry.clone(), intent).await else { return Ok(()) };
        tracing::error!(entry = entry.id(), %error, "the upstream did it, but the store was not changed");
        self.effects.leave(entry, "the store could not be changed", made).await;
        Err(Refusal::Unsettled)
    }
}

/// What is known of the device before the upstream made it.
pub(super) fn expected(creation: &Creation) -> Newcomer {
    let expected = made(creation, None);
    Newcomer { id: expected.id.or_else(|| creation.wished.clone()), ..expected }
}

fn made(creation: &Creation, answer: Option<&Json>) -> Newcomer {
    let text = |told: &Told| match told {
        Told::Now(text) => Some(text.clone()),
        Told::Later(pointer) => match pointer.get(answer?)? {
            Json::String(text) if !text.is_empty() => Some(text.clone()),
            Json::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
            _ => None,
        },
    };
    let secret = |(name, pointer): &(Arc<str>, Pointer)| {
        let text = pointer.get(answer?)?.as_str()?;
        Some((name.clone(), SecretText::new(text.to_owned()).ok()?))
    };
    let optional = |told: &Option<Told>| told.as_ref().and_then(text);
    Newcomer {
        id: text(&creation.id),
        name: optional(&creation.name),
        template: optional(&creation.template),
        secrets: creation.secrets.iter().filter_map(secret).collect(),
    }
}
