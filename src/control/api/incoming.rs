//! Reads a request of the sharing API: who asks, what is sent, and under which circumstances.

use std::sync::Arc;

use axum::extract::{Query, Request};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use crate::control::access::{check_media_type, read};
use crate::control::{Control, ControlError};
use crate::domain::Uid;
use crate::sharing::{Circumstances, Idempotency, Sharing};

/// The header that carries the revision of a write, and the one that a reader asks for.
pub(super) const REVISION: HeaderName = HeaderName::from_static("cedargate-revision");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const KEY_BYTES_MAX: usize = 255;
const PAGE_MAX: u32 = 200;
const PAGE_DEFAULT: u32 = 50;

/// A request, read.
pub(super) struct Incoming<T> {
    pub(super) actor: Option<Uid>,
    /// The address that the actor's issuer has verified.
    pub(super) email: Option<String>,
    pub(super) body: T,
    pub(super) circumstances: Circumstances,
}

/// A body that must be empty.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Which part of a list is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageForm {
    /// The most items; 50 unless stated, at most 200.
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<u32>,
    /// What the page before gave as `next`.
    pub(super) cursor: Option<String>,
}

impl PageForm {
    pub(super) fn limit(&self) -> Result<u32, ControlError> {
        match self.limit {
            None => Ok(PAGE_DEFAULT),
            Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
            Some(_) => Err(ControlError::Malformed(format!("`limit` is between 1 and {PAGE_MAX}"))),
        }
    }
}

/// The members of a query string, each known.
pub(super) fn query_of<T: DeserializeOwned>(uri: &http::Uri) -> Result<T, ControlError> {
    let read = Query::try_from_uri(uri).map(|Query(form)| form);
    read.map_err(|error| ControlError::Malformed(format!("the query string: {error}")))
}

/// An entity of a path or a body.
pub(super) fn entity(kind: &str, id: &str) -> Result<Uid, ControlError> {
    Uid::new(kind, id).map_err(|error| ControlError::Malformed(error.to_string()))
}

impl Control {
    /// Reads a write; the body is not read for strangers.
    pub(super) async fn incoming<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<Incoming<T>, ControlError> {
        let (parts, body) = request.into_parts();
        let caller = self.caller(&parts.headers).await?;
        let bytes = read(body, self.limits.body_bytes_max).await?;
        let value = match bytes.is_empty() {
            true => Value::Object(Map::new()),
            false => {
                check_media_type(&parts.headers)?;
                let malformed = |error| ControlError::Malformed(format!("the body is not JSON: {error}"));
                crate::json::parse(&bytes).map_err(malformed)?
            }
        };
        if !value.is_object() {
            return Err(ControlError::Malformed("the body must be a JSON object".to_owned()));
        }
        let body = serde_json::from_value(value)
            .map_err(|error| ControlError::Malformed(format!("the body does not fit: {error}")))?;
        let circumstances = Circumstances {
            idempotency: idempotency(&parts, &bytes)?,
            if_match: single(&parts.headers, &header::IF_MATCH)?.map(str::to_owned),
        };
        let (actor, email) = (caller.uid().cloned(), caller.email().map(str::to_owned));
        Ok(Incoming { actor, email, body, circumstances })
    }

    /// Reads who asks to see something, and waits for nobody: what is read is always the newest.
    pub(super) async fn reader(&self, headers: &HeaderMap) -> Result<Option<Uid>, ControlError> {
        let caller = self.caller(headers).await?;
        if let Some(wanted) = single(headers, &REVISION)? {
            let malformed = || ControlError::Malformed("`Cedargate-Revision` is a number".to_owned());
            let wanted: u64 = wanted.parse().map_err(|_| malformed())?;
            if self.sharing()?.head().await? < wanted {
                return Err(ControlError::Behind);
            }
        }
        Ok(caller.uid().cloned())
    }

    /// Sharing; its routes exist only with it.
    pub(super) fn sharing(&self) -> Result<&Arc<Sharing>, ControlError> {
        self.sharing.as_ref().ok_or(ControlError::NotFound)
    }
}

/// The value of a header that may be sent once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ControlError> {
    let mut values = headers.get_all(name).iter();
    let malformed = || ControlError::Malformed(format!("`{name}` is one line of text"));
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(only), None) => only.to_str().map(Some).map_err(|_| malformed()),
        (Some(_), Some(_)) => Err(malformed()),
    }
}

/// The key of the request, bound to its method, its path and its body.
fn idempotency(parts: &Parts, body: &[u8]) -> Result<Option<Idempotency>, ControlError> {
    let Some(key) = single(&parts.headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    let is_plain =
        (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain {
        let what = format!("`Idempotency-Key` is 1 to {KEY_BYTES_MAX} characters of plain text");
        return Err(ControlError::Malformed(what));
    }
    let mut hash = Sha256::new();
    for part in [parts.method.as_str(), &parts.uri.to_string()] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let fingerprint = hash.chain_update(body).finalize().into();
    Ok(Some(Idempotency { key: key.to_owned(), fingerprint }))
}
