//! API keys: whole, alive, and alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cedargate::identity::{
    Authenticator, Caller, KeySource, KeyText, Method, Options, OptionsError, Pending, SourceError, Sources,
};
use cedargate::store::ApiKey;
use http::HeaderName;
use http::header::AUTHORIZATION;
use tokio::runtime::Handle;

use super::issuer::now;
use super::{headers, name, start, user};

/// Answers every question with the same key, as a broken store might.
struct Shelf {
    key: Option<ApiKey>,
    asked: AtomicUsize,
    down: bool,
}

impl KeySource for Shelf {
    fn key_by_hash<'a>(&'a self, _: &'a [u8; 32]) -> Pending<'a, Option<ApiKey>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { if self.down { Err(SourceError("down".into())) } else { Ok(self.key.clone()) } })
    }
}

fn options() -> Options {
    Options { api_key_header: Some(HeaderName::from_static("x-api-key")), ..Options::default() }
}

fn record(text: &KeyText, change: impl FnOnce(&mut ApiKey)) -> Option<ApiKey> {
    let mut key = ApiKey {
        id: "1".into(),
        hash: text.hash(),
        principal: user("wife"),
        name: "kitchen".into(),
        created_ms: 0,
        expires_ms: None,
        revoked_ms: None,
    };
    change(&mut key);
    Some(key)
}

async fn with(key: Option<ApiKey>) -> (Authenticator, Arc<Shelf>) {
    let shelf = Arc::new(Shelf { key, asked: AtomicUsize::new(0), down: false });
    let sources = Sources { keys: Some(Arc::clone(&shelf) as Arc<dyn KeySource>), principals: None };
    (start(options(), sources).await, shelf)
}

#[tokio::test]
async fn a_living_key_shows_its_principal() {
    let text = KeyText::random().unwrap();
    let end = now() + 60;
    let (them, _) = with(record(&text, |key| key.expires_ms = Some(end * 1000 + 999))).await;
    let Caller::Known(principal) =
        them.authenticate(&headers(&[("x-api-key", text.reveal())])).await.unwrap()
    else {
        panic!("the key is good")
    };
    assert_eq!(principal.uid, user("wife"));
    assert_eq!(principal.method, Method::ApiKey);
    assert_eq!(principal.expires_at, u64::try_from(end).ok());
}

#[tokio::test]
async fn a_dead_or_wrong_key_shows_nobody() {
    let (text, other) = (KeyText::random().unwrap(), KeyText::random().unwrap());
    for (key, code) in [
        (None, "api-key-unknown"),
        (record(&other, |_| ()), "api-key-unknown"),
        (record(&text, |key| key.expires_ms = Some(now() * 1000)), "api-key-expired"),
        (record(&text, |key| key.expires_ms = Some(i64::MIN)), "api-key-expired"),
        (record(&text, |key| key.revoked_ms = Some(i64::MAX)), "api-key-revoked"),
        (record(&text, |key| key.principal = user("wi\nfe")), "api-key-principal"),
    ] {
        let (them, _) = with(key).await;
        assert_eq!(name(them.authenticate(&headers(&[("x-api-key", text.reveal())])).await), Err(code));
    }
}

#[tokio::test]
async fn a_key_counts_only_whole_and_alone() {
    let text = KeyText::random().unwrap();
    let (them, shelf) = with(record(&text, |_| ())).await;
    let key = text.reveal();
    let ask = async |fields: &[(&'static str, &str)]| name(them.authenticate(&headers(fields)).await);
    let bearer = format!("Bearer {key}");
    for bad in [
        &key[..46],
        &key[4..],
        "",
        &format!("{key}A"),
        &format!("{key}, {key}"),
        &key.to_uppercase(),
        &bearer,
    ] {
        assert_eq!(ask(&[("x-api-key", bad)]).await, Err("api-key-malformed"), "{bad}");
    }
    assert_eq!(ask(&[("x-api-key", key), ("x-api-key", key)]).await, Err("credentials-ambiguous"));
    assert_eq!(ask(&[("x-api-key", key), ("authorization", &bearer)]).await, Err("credentials-ambiguous"));
    assert_eq!(ask(&[("authorization", &bearer)]).await, Err("token-malformed"));
    assert_eq!(shelf.asked.load(Ordering::SeqCst), 0, "no store is asked about nonsense");
    assert_eq!(ask(&[("x-api-key", key)]).await, Ok(user("wife")));
    assert!(them.credential_headers().contains(&HeaderName::from_static("x-api-key")));
}

#[tokio::test]
async fn a_store_that_is_down_is_no_refusal() {
    let shelf = Shelf { key: None, asked: AtomicUsize::new(0), down: true };
    let them = start(options(), Sources { keys: Some(Arc::new(shelf)), principals: None }).await;
    let text = KeyText::random().unwrap();
    let trouble = them.authenticate(&headers(&[("x-api-key", text.reveal())])).await.unwrap_err();
    assert!(trouble.is_unavailable());
    assert!(!format!("{trouble} {trouble:?}").contains(text.reveal()));
}

#[tokio::test]
async fn keys_need_a_header_of_their_own_and_a_store() {
    let refused = |options| Authenticator::new(options, Sources::default(), &Handle::current()).err();
    assert!(matches!(refused(options()), Some(OptionsError::SourceMissing(_))));
    let mut shared = options();
    shared.api_key_header = Some(AUTHORIZATION);
    assert!(matches!(refused(shared), Some(OptionsError::ApiKeyHeader(_))));
    let text = KeyText::random().unwrap();
    let without = start(Options::default(), Sources::default()).await;
    let answer = without.authenticate(&headers(&[("x-api-key", text.reveal())])).await.unwrap();
    assert_eq!(answer, Caller::Anonymous, "where there are no API keys the header means nothing");
}
