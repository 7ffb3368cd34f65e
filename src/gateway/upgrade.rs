//! The WebSocket handshake (RFC 6455 section 4), made anew on each side of the gateway.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::gateway::body::Body;
use crate::gateway::refusal::Refusal;

/// The longest name of a subprotocol; a longer one is more likely a token.
const PROTOCOL_BYTES_MAX: usize = 64;

/// One side of a socket.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A client's wish to open a socket, read and found in order.
#[derive(Debug)]
pub struct Upgrade {
    key: HeaderValue,
    protocols: Vec<String>,
    on_client: OnUpgrade,
}

/// An upstream that agreed to open a socket.
#[derive(Debug)]
pub struct Agreed {
    protocol: Option<String>,
    on_upstream: OnUpgrade,
    client: Upgrade,
}

/// Takes the client's side of a request that wants to become a socket.
pub fn wanted(parts: &mut Parts) -> Result<Option<Upgrade>, Refusal> {
    let headers = &parts.headers;
    if !headers.contains_key(UPGRADE) {
        return Ok(None);
    }
    let is = |name: &HeaderName, value: &str| {
        headers.get(name).is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    };
    let bodiless = !headers.contains_key(TRANSFER_ENCODING)
        && headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0");
    let key =
        headers.get(SEC_WEBSOCKET_KEY).filter(|key| STANDARD.decode(key).is_ok_and(|it| it.len() == 16));
    let plain = parts.method == Method::GET && parts.version == Version::HTTP_11 && bodiless;
    let Some(key) = key.filter(|_| plain && is(&UPGRADE, "websocket") && is(&SEC_WEBSOCKET_VERSION, "13"))
    else {
        return Err(Refusal::NotAllowed("an upgrade"));
    };
    if !lists(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade")) {
        return Err(Refusal::NotAllowed("an upgrade"));
    }
    check_origin(headers)?;
    let key = key.clone();
    let protocols =
        lists(headers, &SEC_WEBSOCKET_PROTOCOL).filter(|it| is_protocol(it)).map(str::to_owned).collect();
    let Some(on_client) = parts.extensions.remove::<OnUpgrade>() else {
        return Err(Refusal::NotAllowed("an upgrade"));
    };
    Ok(Some(Upgrade { key, protocols, on_client }))
}

/// A page of another site must not open sockets with what a browser adds by itself.
fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().ok().and_then(|it| it.split_once("://")).map(|(_, host)| host);
    let host = headers.get(HOST).and_then(|it| it.to_str().ok());
    if origin.is_some() && origin == host {
        Ok(())
    } else {
        Err(Refusal::NotAllowed("a socket from this origin"))
    }
}

fn lists<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|it| !it.is_empty())
}

/// Clients smuggle tokens in as protocols; those stay here.
fn is_protocol(name: &str) -> bool {
    name.len() <= PROTOCOL_BYTES_MAX && name.matches('.').count() < 2 && !name.eq_ignore_ascii_case("bearer")
}

impl Upgrade {
    /// Writes the gateway's own handshake into the request; gives the key that the answer must know.
    pub fn ask(&self, headers: &mut HeaderMap) -> Result<String, Refusal> {
        let mut random = [0u8; 16];
        getrandom::fill(&mut random).map_err(|_| Refusal::Internal)?;
        let key = STANDARD.encode(random);
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_str(&key).map_err(|_| Refusal::Internal)?);
        if !self.protocols.is_empty() {
            let offered = HeaderValue::from_str(&self.protocols.join(", ")).map_err(|_| Refusal::Internal)?;
            headers.insert(SEC_WEBSOCKET_PROTOCOL, offered);
        }
        Ok(key)
    }

    /// Checks the upstream's side of the handshake.
    pub fn agree(self, key: &str, answer: &mut Response<Incoming>) -> Result<Agreed, Refusal> {
        let broken = || Refusal::Upstream("it did not answer the handshake of a socket".into());
        let accept = answer.headers().get(SEC_WEBSOCKET_ACCEPT);
        if accept.is_none_or(|it| it.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(broken());
        }
        let protocol = match answer.headers().get(SEC_WEBSOCKET_PROTOCOL) {
            None => None,
            Some(chosen) => {
                let chosen = chosen.to_str().map_err(|_| broken())?;
                Some(self.protocols.iter().find(|it| *it == chosen).ok_or_else(broken)?.clone())
            }
        };
        Ok(Agreed { protocol, on_upstream: hyper::upgrade::on(answer), client: self })
    }
}

impl Agreed {
    /// The answer that makes the client's connection a socket.
    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(self.client.key.as_bytes())) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(Ok(protocol)) = self.protocol.as_deref().map(HeaderValue::from_str) {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }

    /// Both sides as sockets, once the client has its answer.
    pub async fn open(self, message_bytes_max: usize) -> Result<(Socket, Socket), hyper::Error> {
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0)
            .max_write_buffer_size(message_bytes_max.saturating_mul(2).max(64 * 1024))
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        let (client, upstream) = tokio::try_join!(self.client.on_client, self.on_upstream)?;
        let client = WebSocketStream::from_raw_socket(TokioIo::new(client), Role::Server, Some(config)).await;
        let upstream =
            WebSocketStream::from_raw_socket(TokioIo::new(upstream), Role::Client, Some(config)).await;
        Ok((client, upstream))
    }
}
