//! Open sockets: each client message is decided, and the right to the socket itself again and again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value as Json;
use tokio::sync::OwnedSemaphorePermit;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::audit::{Log, OpenRecord};
use crate::decision::{Ask, Decider, Ended};
use crate::domain::Query;
use crate::gateway::admission::Place;
use crate::gateway::recorded;
use crate::gateway::refusal::Refusal;
use crate::gateway::route::{MessageRule, Rule};
use crate::gateway::translate::Opening;
use crate::gateway::upgrade::{Agreed, Socket};
use crate::json;

/// What a socket needs while it is open.
pub struct Live {
    /// Both handshakes, agreed.
    pub agreed: Agreed,
    /// Its place among the open sockets.
    pub held: OwnedSemaphorePermit,
    /// The request that opened it.
    pub opening: Opening,
    /// The queries that must stay permitted.
    pub queries: Vec<Query>,
    /// Decides.
    pub decider: Arc<Decider>,
    /// Keeps a record of each decided message.
    pub log: Arc<Log>,
    /// The longest message, in bytes.
    pub message_bytes_max: usize,
    /// How long one message may take to be sent on.
    pub send_timeout: Duration,
}

/// Why a socket ended, as its record says it.
struct Closing {
    code: CloseCode,
    reason: &'static str,
}

const BROKEN: Closing = Closing { code: CloseCode::Away, reason: "broke-off" };

/// A message that is permitted; only [`crate::decision::Session::decide`] permits it.
struct Telling {
    queries: Vec<Query>,
    message: Message,
}

impl Ask for Telling {
    fn queries(&self) -> &[Query] {
        &self.queries
    }
}

impl Live {
    /// Carries messages until one side closes, or the right to the socket ends; then writes the record.
    pub async fn run(self, mut record: OpenRecord, place: Option<Place>) {
        let ended = self.decider.clone().ended(self.queries.clone(), self.opening.credential());
        let carrier = Carrier {
            opening: self.opening,
            decider: self.decider,
            log: self.log,
            send_timeout: self.send_timeout,
        };
        let closing = match self.agreed.open(self.message_bytes_max).await {
            Ok((client, upstream)) => carrier.carry(client, upstream, ended).await,
            Err(error) => {
                tracing::debug!(%error, "a socket did not open");
                BROKEN
            }
        };
        record.note(|it| it.reason = Some(closing.reason.into()));
        record.finish(101);
        drop((place, self.held));
    }
}

struct Carrier {
    opening: Opening,
    decider: Arc<Decider>,
    log: Arc<Log>,
    send_timeout: Duration,
}

impl Carrier {
    async fn carry(
        &self,
        mut client: Socket,
        mut upstream: Socket,
        ended: impl Future<Output = Ended>,
    ) -> Closing {
        let closing = {
            let ended = std::pin::pin!(ended);
            tokio::select! {
                biased;
                ended = ended => closing_of(&ended),
                closing = self.both_ways(&mut client, &mut upstream) => closing,
            }
        };
        let frame = CloseFrame { code: closing.code, reason: closing.reason.into() };
        let goodbye = async {
            let _gone = client.close(Some(frame.clone())).await;
            let _gone = upstream.close(Some(frame)).await;
        };
        // Whoever does not listen any more is not waited for.
        let _late = tokio::time::timeout(Duration::from_millis(300), goodbye).await;
        closing
    }

    async fn both_ways(&self, client: &mut Socket, upstream: &mut Socket) -> Closing {
        loop {
            let carried = tokio::select! {
                message = client.next() => self.take_from_client(message, upstream).await,
                message = upstream.next() => self.take_from_upstream(message, client).await,
            };
            if let Err(closing) = carried {
                return closing;
            }
        }
    }

    async fn take_from_client(&self, message: Received, upstream: &mut Socket) -> Result<(), Closing> {
        let message = match received(message)? {
            Some(message) => message,
            None => return Ok(()),
        };
        let permitted = self.decide(message).await?;
        self.send(upstream, permitted).await
    }

    async fn take_from_upstream(&self, message: Received, client: &mut Socket) -> Result<(), Closing> {
        match received(message)? {
            Some(message) => self.send(client, message).await,
            None => Ok(()),
        }
    }

    async fn send(&self, to: &mut Socket, message: Message) -> Result<(), Closing> {
        match tokio::time::timeout(self.send_timeout, to.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(BROKEN),
            Err(_) => Err(Closing { code: CloseCode::Again, reason: "stalled" }),
        }
    }

    /// A message passes if a rule lets it, is sent as it was read if a rule decides so, and else ends the socket.
    async fn decide(&self, message: Message) -> Result<Message, Closing> {
        let refused = Closing { code: CloseCode::Policy, reason: "message-refused" };
        let messages = self.opening.route().messages();
        let json = match &message {
            Message::Text(text) => json::parse(text.as_bytes()).ok(),
            _ => None,
        };
        let rule = json.as_ref().and_then(|json| {
            let holds = |it: &&MessageRule| self.opening.holds(&it.when, json);
            messages.rules.iter().find(holds)
        });
        match (rule.map(|it| &it.rule), json) {
            (Some(Some(rule)), Some(json)) => self.decide_by(rule, json).await,
            (Some(None), _) => Ok(message),
            _ if messages.pass => Ok(message),
            _ => Err(refused),
        }
    }

    async fn decide_by(&self, rule: &Rule, json: Json) -> Result<Message, Closing> {
        let unrecorded = Closing { code: CloseCode::Again, reason: "unrecorded" };
        let mut record = self.log.open("").await.map_err(|_| unrecorded)?;
        let id = recorded::own_id(&mut record);
        tracing::trace!(%id, "a message is decided");
        let session = self.decider.pin();
        recorded::note_opening(&mut record, &self.opening, &session);
        let decided = async {
            let queries = self.opening.queries(rule, &json)?;
            recorded::note_queries(&mut record, &queries);
            let message = Message::Text(json.to_string().into());
            session.decide(Telling { queries, message }).await.map_err(|(_, refused)| Refusal::from(refused))
        };
        match decided.await {
            Ok(permitted) => {
                recorded::note_permit(&mut record, permitted.decisions());
                record.finish(101);
                Ok(permitted.into_parts().0.message)
            }
            Err(refusal) => {
                recorded::note_refusal(&mut record, &refusal);
                record.finish(refusal.problem().status.as_u16());
                Err(Closing { code: CloseCode::Policy, reason: "message-refused" })
            }
        }
    }
}

type Received = Option<Result<Message, tokio_tungstenite::tungstenite::Error>>;

/// Text and binary messages; pings are answered by the protocol on each side for itself.
fn received(message: Received) -> Result<Option<Message>, Closing> {
    match message {
        Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => Ok(Some(message)),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Close(_))) => Err(Closing { code: CloseCode::Normal, reason: "closed" }),
        Some(Err(tokio_tungstenite::tungstenite::Error::Capacity(_))) => {
            Err(Closing { code: CloseCode::Size, reason: "message-too-large" })
        }
        Some(Err(_)) | None => Err(BROKEN),
    }
}

fn closing_of(ended: &Ended) -> Closing {
    match ended {
        Ended::SignedOut => Closing { code: CloseCode::Policy, reason: "signed-out" },
        Ended::Expired => Closing { code: CloseCode::Policy, reason: "credential-expired" },
        Ended::Refused(refused) if refused.decision().is_some() => {
            Closing { code: CloseCode::Policy, reason: "access-ended" }
        }
        Ended::Refused(_) => Closing { code: CloseCode::Again, reason: "undecided" },
    }
}
