//! Who is asking: real keys, real key servers, and every way we know to cheat with a token.

mod api_keys;
pub(crate) mod issuer;
mod keys;
mod tokens;

use std::time::Duration;

use cedargate::domain::Uid;
use cedargate::identity::{
    Authenticator, Caller, IssuerOptions, KeyLocation, Options, Sources, Unauthenticated,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value as Json, json};
use tokio::runtime::Handle;

use self::issuer::{Pair, now};

const ISSUER: &str = "https://id.example.org";

/// Claims of a good token.
fn claims() -> Json {
    let now = now();
    json!({"iss": ISSUER, "aud": "device-api", "sub": "wife", "iat": now - 5, "nbf": now - 5, "exp": now + 3600})
}

/// Options that trust one issuer.
fn trust(keys: KeyLocation) -> Options {
    let issuer = IssuerOptions {
        issuer: ISSUER.into(),
        audiences: vec!["device-api".into()],
        keys,
        kind: "User".into(),
        claim: "sub".into(),
    };
    Options { issuers: vec![issuer], ..Options::default() }
}

async fn start(options: Options, sources: Sources) -> Authenticator {
    let authenticator = Authenticator::new(options, sources, &Handle::current()).unwrap();
    tokio::time::timeout(Duration::from_secs(20), authenticator.started()).await.unwrap();
    authenticator
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        map.append(HeaderName::from_static(name), value);
    }
    map
}

/// The name of the caller that the token shows, or the code of the refusal.
async fn who(authenticator: &Authenticator, token: &str) -> Result<Uid, &'static str> {
    name(authenticator.authenticate(&headers(&[("authorization", &format!("Bearer {token}"))])).await)
}

fn name(answer: Result<Caller, Unauthenticated>) -> Result<Uid, &'static str> {
    match answer {
        Ok(Caller::Known(principal)) => Ok(principal.uid.clone()),
        Ok(Caller::Anonymous) => Err("anonymous"),
        Err(refused) => Err(refused.code()),
    }
}

fn user(id: &str) -> Uid {
    Uid::new("User", id).unwrap()
}

fn token(pair: &Pair, kid: &str, claims: &Json) -> String {
    pair.token(&json!({"alg": pair.alg(), "typ": "at+jwt", "kid": kid}).to_string(), &claims.to_string())
}
