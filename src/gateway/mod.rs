//! The gateway: every request goes through six verbs, in one straight line, to its record.

pub mod admission;
mod answer;
pub mod body;
pub mod effects;
pub mod filter;
pub mod forward;
pub mod head;
pub mod live;
mod recorded;
mod redact;
pub mod refusal;
pub mod route;
pub mod secrets;
pub mod target;
pub mod translate;
pub mod upgrade;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::audit::{Log, OpenRecord};
use crate::decision::{Ask, Credential, Decider, Permitted, Session};
use crate::domain::{Intent, Query, Uid};
use crate::gateway::admission::{Admission, Place};
use crate::gateway::answer::Unseen;
use crate::gateway::body::Body;
use crate::gateway::effects::{Carrier, Effects};
use crate::gateway::filter::List;
use crate::gateway::forward::{Outgoing, Upstream};
use crate::gateway::head::{FieldRules, HeadLimits};
use crate::gateway::live::Live;
use crate::gateway::refusal::Refusal;
use crate::gateway::route::{Creation, ListFilter, Route, Routes};
use crate::gateway::secrets::{Injected, Secrets};
use crate::gateway::translate::{BodyLimits, Call, Opening, Switch, Translator};
use crate::gateway::upgrade::Agreed;
use crate::identity::{Authenticator, Caller};
use crate::problem::{REQUEST_ID, given_id};

/// What a deployment's workers share.
pub struct Gateway {
    /// Finds out who is asking.
    pub authenticator: Arc<Authenticator>,
    /// The route map.
    pub routes: Arc<Routes>,
    /// Decides.
    pub decider: Arc<Decider>,
    /// Bounds the requests under way.
    pub admission: Arc<Admission>,
    /// Keeps the records.
    pub log: Arc<Log>,
    /// Which header fields travel.
    pub fields: FieldRules,
    /// Bounds of heads.
    pub head_limits: HeadLimits,
    /// Bounds of request bodies.
    pub body_limits: BodyLimits,
    /// The most bytes of an answer that is filtered.
    pub list_bytes_max: u64,
    /// The most items of it.
    pub list_items_max: usize,
    /// Places for open sockets.
    pub sockets: Arc<Semaphore>,
    /// The most bytes of a socket's message.
    pub message_bytes_max: usize,
    /// What names the organization whose lists are wanted.
    pub switch: Switch,
    /// Keeps the store in step with what the upstream makes and removes.
    pub effects: Arc<dyn Effects>,
    /// Secrets of devices, for the routes that inject them.
    pub secrets: Arc<dyn Secrets>,
}

/// One worker: the shared gateway and a pool of upstream connections of its own.
#[derive(Clone)]
pub struct Worker {
    gateway: Arc<Gateway>,
    upstream: Upstream,
}

/// An upstream's answer.
enum Answer {
    /// Still to be filtered.
    Plain(Box<Plain>),
    /// Both sides agreed to open a socket.
    Socket(Box<Live>),
}

struct Plain {
    call: Answered,
    head: http::response::Parts,
    body: Body,
}

/// What the client gets.
enum Served {
    Plain(Response<Body>),
    Socket(Box<Live>),
}

/// What is left of a call once it was sent.
struct Answered {
    route: Arc<Route>,
    listing: Option<(ListFilter, Query)>,
    /// The one organization whose items are shown.
    switched: Option<Uid>,
    injected: Injected,
    is_head: bool,
    queries: Vec<Query>,
    credential: Credential,
}

impl Worker {
    /// A worker that sends what is permitted to `upstream`.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, upstream: Upstream) -> Self {
        Self { gateway, upstream }
    }

    /// Answers one request; whatever happens on the way, it is recorded.
    pub async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let given = given_id(request.headers());
        let Ok(mut record) = self.gateway.log.open(given.clone().unwrap_or_default()).await else {
            metrics::counter!("cedargate_requests_total", "outcome" => "unrecorded").increment(1);
            return refuse(&Refusal::Overloaded, &given.unwrap_or_default());
        };
        let request_id = given.unwrap_or_else(|| recorded::own_id(&mut record));
        let mut place = None;
        let served =
            AssertUnwindSafe(self.serve(request, peer, &mut record, &mut place)).catch_unwind().await;
        let answer = served.unwrap_or(Err(Refusal::Internal));
        let response = match answer {
            Ok(Served::Plain(response)) => response,
            Ok(Served::Socket(live)) => {
                let response = recorded::named(live.agreed.response(), &request_id);
                tokio::spawn(live.run(record, place));
                return response;
            }
            Err(refusal) => {
                recorded::note_refusal(&mut record, &refusal);
                refuse(&refusal, &request_id)
            }
        };
        recorded::attach(response, record, place, &request_id)
    }

    async fn serve(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        record: &mut OpenRecord,
        place: &mut Option<Place>,
    ) -> Result<Served, Refusal> {
        let (parts, incoming) = request.into_parts();
        recorded::note_request(record, &parts);
        let place = place.insert(self.gateway.admission.enter()?);
        head::check(&parts, self.gateway.head_limits)?;
        let session = self.gateway.decider.pin();

        let caller = self.authenticate(&parts, place, record).await?;
        let call = self.translate(parts, incoming, &caller, peer, &session, record).await?;
        let permitted = self.decide(call, &session, record).await?;
        match self.forward(permitted, record).await? {
            Answer::Plain(answer) => self.filter(*answer, &session).await.map(Served::Plain),
            Answer::Socket(live) => Ok(Served::Socket(live)),
        }
    }

    async fn authenticate(
        &self,
        parts: &Parts,
        place: &mut Place,
        record: &mut OpenRecord,
    ) -> Result<Caller, Refusal> {
        let caller = self.gateway.authenticator.authenticate(&parts.headers).await?;
        recorded::note_caller(record, &caller);
        if let Caller::Known(principal) = &caller {
            place.of(&self.gateway.admission, &principal.uid)?;
        }
        Ok(caller)
    }

    async fn translate(
        &self,
        parts: Parts,
        incoming: Incoming,
        caller: &Caller,
        peer: SocketAddr,
        session: &Session,
        record: &mut OpenRecord,
    ) -> Result<Call, Refusal> {
        let Gateway { routes, fields, body_limits: limits, switch, .. } = &*self.gateway;
        let call = Translator { routes, fields, limits, switch, session }
            .translate(parts, incoming, caller, peer)
            .await?;
        recorded::note_call(record, &call, session);
        Ok(call)
    }

    async fn decide(
        &self,
        call: Call,
        session: &Session,
        record: &mut OpenRecord,
    ) -> Result<Permitted<Call>, Refusal> {
        let permitted = session.decide(call).await.map_err(|(_, refused)| refused)?;
        recorded::note_permit(record, permitted.decisions());
        Ok(permitted)
    }

    async fn forward(&self, permitted: Permitted<Call>, record: &mut OpenRecord) -> Result<Answer, Refusal> {
        let (call, _) = permitted.into_parts();
        let listing = call.listing().map(|(filter, query)| (filter.clone(), query.clone()));
        let switched = call.switched().cloned();
        let queries = call.queries().to_vec();
        let Call { route, mut outgoing, upgrade, credential, creation, .. } = call;
        let injected = Injected::inject(&*self.gateway.secrets, &route, &queries, &mut outgoing).await?;
        let is_head = outgoing.method == Method::HEAD;
        let asked = upgrade
            .map(|(upgrade, opening)| {
                let held = self.gateway.sockets.clone().try_acquire_owned();
                let held = held.map_err(|_| Refusal::Overloaded)?;
                Ok::<_, Refusal>((upgrade.ask(&mut outgoing.headers)?, upgrade, opening, held))
            })
            .transpose()?;
        let answer = if creation.is_some() || route.removes() {
            self.carry(&route, queries.clone(), creation, outgoing, record).await?
        } else {
            let mut answer = self.upstream.send(outgoing).await?;
            record.note(|it| it.upstream_status = Some(answer.status().as_u16()));
            match asked {
                Some((key, upgrade, opening, held)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    let agreed = upgrade.agree(&key, &mut answer)?;
                    return Ok(Answer::Socket(Box::new(self.live(agreed, opening, queries, held))));
                }
                _ if answer.status().is_informational() => {
                    return Err(Refusal::Upstream("it switched protocols without being asked".into()));
                }
                _ => {}
            }
            answer.map(|incoming| self.upstream.answer_body(incoming))
        };
        let call = Answered { route, listing, switched, injected, is_head, queries, credential };
        let (head, body) = answer.into_parts();
        Ok(Answer::Plain(Box::new(Plain { call, head, body })))
    }

    /// Sends what changes the store on a task of its own: a caller who hangs up cannot cut it.
    async fn carry(
        &self,
        route: &Arc<Route>,
        queries: Vec<Query>,
        creation: Option<Creation>,
        outgoing: Outgoing,
        record: &mut OpenRecord,
    ) -> Result<Response<Body>, Refusal> {
        let makes = creation.as_ref().map(effects::expected);
        let carrier = Carrier {
            effects: self.gateway.effects.clone(),
            upstream: self.upstream.clone(),
            intent: Intent { queries, route: route.pattern().clone(), makes },
            creation,
            bytes_max: self.gateway.list_bytes_max,
        };
        let carried = tokio::spawn(carrier.carry(outgoing)).await;
        let (status, answer) = carried.map_err(|_| Refusal::Internal)?;
        record.note(|it| it.upstream_status = status);
        answer
    }

    fn live(
        &self,
        agreed: Agreed,
        opening: Opening,
        queries: Vec<Query>,
        held: OwnedSemaphorePermit,
    ) -> Live {
        Live {
            agreed,
            held,
            opening,
            queries,
            decider: self.gateway.decider.clone(),
            log: self.gateway.log.clone(),
            message_bytes_max: self.gateway.message_bytes_max,
            send_timeout: self.gateway.body_limits.idle,
        }
    }

    async fn filter(&self, answer: Plain, session: &Session) -> Result<Response<Body>, Refusal> {
        let Plain { call, mut head, body } = answer;
        // The upstream's own reason phrase among them: it may repeat what must not be seen.
        head.extensions.clear();
        let bytes_max = self.gateway.list_bytes_max;
        let Some((shape, query)) = call.listing else {
            if call.route.reads_answer() {
                let Answered { route, injected, is_head, .. } = &call;
                return Unseen { route, injected, is_head: *is_head, bytes_max }.show(head, body).await;
            }
            head::clean_answer(&mut head.headers);
            let ended = self.gateway.decider.clone().ended(call.queries, call.credential);
            return Ok(Response::from_parts(head, body.watched(ended)));
        };
        let mut fields = filter::fields(head.status, &head.headers)?;
        call.injected.clean(&mut fields);
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        let upstream = std::mem::replace(&mut head.headers, fields);
        if !head.status.is_success() || call.is_head {
            // What the upstream says about a list that it would not show may name what is in it.
            return Ok(Response::from_parts(head, Body::empty()));
        }
        let bytes = body::collect_at_most(body, bytes_max).await?;
        let list = List::read(&shape, &query, &bytes, self.gateway.list_items_max)?;
        let mut visible = session.filter(&query, list.ids()).await?;
        if let Some(organization) = &call.switched {
            session.keep_within(organization, list.ids(), &mut visible).await?;
        }
        let (bytes, shown) = list.write(&shape, &visible, call.route.redact(), &bytes)?;
        if call.injected.are_in(&bytes) {
            return Err(Refusal::Withheld("it repeats the device's secret"));
        }
        filter::count_fields(&upstream, shown, &mut head.headers);
        metrics::counter!("cedargate_list_items_total", "shown" => "true").increment(shown as u64);
        let hidden = visible.len().saturating_sub(shown);
        metrics::counter!("cedargate_list_items_total", "shown" => "false").increment(hidden as u64);
        Ok(Response::from_parts(head, Body::whole(bytes)))
    }
}

/// A refusal as an answer.
fn refuse(refusal: &Refusal, request_id: &str) -> Response<Body> {
    let mut response = refusal.problem().render(request_id).map(Body::whole);
    let headers = response.headers_mut();
    if let Some(challenge) = refusal.challenge() {
        headers.insert(WWW_AUTHENTICATE, challenge.into());
    }
    if let Some(seconds) = refusal.retry_after() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}
