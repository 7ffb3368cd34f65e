//! Secrets of devices: read for a permitted request, written into it, and kept out of its answer.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode;

use crate::config::Place;
use crate::domain::{Query, SecretText, Uid};
use crate::gateway::forward::Outgoing;
use crate::gateway::refusal::Refusal;
use crate::gateway::route::Route;

/// Where secrets of devices are kept.
pub trait Secrets: Send + Sync {
    /// The secret of this name, as it is now.
    fn secret(&self, of: Uid, name: Arc<str>) -> BoxFuture<'static, Result<Option<SecretText>, Refusal>>;
}

/// The secrets that were written into a request; its answer may hold none of them.
#[derive(Debug, Default)]
pub(super) struct Injected(Vec<SecretText>);

impl Injected {
    /// Reads what the route injects, and writes it into the request.
    ///
    /// A request whose secret is missing is not sent.
    pub(super) async fn inject(
        secrets: &dyn Secrets,
        route: &Route,
        queries: &[Query],
        outgoing: &mut Outgoing,
    ) -> Result<Self, Refusal> {
        let mut injected = Vec::new();
        for (place, name) in route.secrets() {
            // A route that injects a secret has exactly one resource.
            let [query] = queries else { return Err(Refusal::Internal) };
            let found = secrets.secret(query.resource.clone(), name.clone()).await?;
            let value = found.ok_or(Refusal::NoSecret("missing"))?;
            match place {
                Place::Query(key) => outgoing.add_parameter(key, value.reveal()),
                Place::Header(name) => {
                    let name = HeaderName::try_from(name.as_str()).map_err(|_| Refusal::Internal)?;
                    let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| Refusal::Internal)?;
                    value.set_sensitive(true);
                    outgoing.headers.insert(name, value);
                }
            }
            injected.push(value);
        }
        Ok(Self(injected))
    }

    /// Whether nothing was injected.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes header fields that repeat a secret; whether there were any.
    pub(super) fn clean(&self, headers: &mut HeaderMap) -> bool {
        let leaking: Vec<HeaderName> = headers
            .iter()
            .filter(|(_, value)| self.are_in(value.as_bytes()))
            .map(|(name, _)| name.clone())
            .collect();
        leaking.iter().for_each(|name| drop(headers.remove(name)));
        !leaking.is_empty()
    }

    /// Whether a secret is among these bytes, as it is, percent-encoded, or as JSON writes it.
    pub(super) fn are_in(&self, bytes: &[u8]) -> bool {
        let decoded: Option<Vec<u8>> = bytes.contains(&b'%').then(|| percent_decode(bytes).collect());
        self.0.iter().any(|secret| {
            let plain = secret.reveal();
            let escaped = plain.replace('\\', "\\\\").replace('"', "\\\"");
            let slashed = escaped.replace('/', "\\/");
            contains(bytes, plain)
                || decoded.as_ref().is_some_and(|bytes| contains(bytes, plain))
                || (escaped != plain && contains(bytes, &escaped))
                || (slashed != escaped && contains(bytes, &slashed))
        })
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injected(text: &str) -> Injected {
        Injected(vec![SecretText::new(text.to_owned()).unwrap()])
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let secret = injected(r#"a+b/c="d"\e"#);
        for text in [
            r#"x a+b/c="d"\e x"#,
            "a%2Bb%2fc%3D%22d%22%5ce",
            r#"{"t":"a+b/c=\"d\"\\e"}"#,
            r#"{"t":"a+b\/c=\"d\"\\e"}"#,
        ] {
            assert!(secret.are_in(text.as_bytes()), "{text}");
        }
        for text in ["", "a+b/c", "%", "%2", "100%", "A+B/C=\"D\"\\E"] {
            assert!(!secret.are_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn fields_that_repeat_a_secret_are_removed() {
        let mut headers = HeaderMap::new();
        headers.insert("location", HeaderValue::from_static("https://x/?token=abc123&v1"));
        headers.append("x-a", HeaderValue::from_static("harmless"));
        headers.append("x-a", HeaderValue::from_static("abc123"));
        headers.insert("etag", HeaderValue::from_static("abc"));
        assert!(injected("abc123").clean(&mut headers));
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["etag"]);
        assert!(!injected("abc123").clean(&mut headers));
    }
}
