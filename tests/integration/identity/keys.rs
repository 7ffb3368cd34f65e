//! An issuer's keys: rotation, outages, files, discovery, and runtimes that come and go.

use std::sync::Arc;
use std::time::Duration;

use cedargate::identity::{Authenticator, KeyLocation, Sources};
use serde_json::json;
use tokio::runtime::{Builder, Handle};

use super::issuer::{KeyServer, Pair};
use super::{ISSUER, claims, start, token, trust, user, who};

/// Waits for a condition and fails when it never comes.
async fn until(mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the condition never came");
}

#[tokio::test]
async fn an_unknown_key_is_fetched_once_and_a_flood_of_them_not_again() {
    let (old, new) = (Pair::ed25519(), Pair::ed25519());
    let server = KeyServer::start(json!([old.jwk("old")])).await;
    let them = start(trust(KeyLocation::Url(server.url("/keys"))), Sources::default()).await;
    let before = token(&old, "old", &claims());
    assert_eq!(who(&them, &before).await, Ok(user("wife")));
    assert_eq!(server.asked(), 1);
    server.publish(json!([new.jwk("new")]));
    assert_eq!(who(&them, &before).await, Ok(user("wife")), "no reason to fetch");
    assert_eq!(who(&them, &token(&new, "new", &claims())).await, Ok(user("wife")));
    assert_eq!(server.asked(), 2);
    assert_eq!(who(&them, &before).await, Err("key-unknown"), "a key that is gone ends its cached tokens");
    for kid in ["a", "b", "c"] {
        assert_eq!(who(&them, &token(&new, kid, &claims())).await, Err("key-unknown"));
    }
    assert_eq!(who(&them, &token(&old, "new", &claims())).await, Err("signature-wrong"));
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_new_key_under_the_old_name_is_fetched_too() {
    let (old, new) = (Pair::p256(), Pair::p256());
    let server = KeyServer::start(json!([old.jwk("k")])).await;
    let them = start(trust(KeyLocation::Url(server.url("/keys"))), Sources::default()).await;
    server.publish(json!([new.jwk("k")]));
    assert_eq!(who(&them, &token(&new, "k", &claims())).await, Ok(user("wife")));
    assert_eq!(who(&them, &token(&old, "k", &claims())).await, Err("signature-wrong"));
}

#[tokio::test]
async fn keys_are_refreshed_without_being_asked_for() {
    let pair = Pair::ed25519();
    let server = KeyServer::start(json!([pair.jwk("k")])).await;
    let mut options = trust(KeyLocation::Url(server.url("/keys")));
    options.refresh.every = Duration::from_millis(50);
    let them = start(options, Sources::default()).await;
    let token = token(&pair, "k", &claims());
    assert_eq!(who(&them, &token).await, Ok(user("wife")));
    server.publish(json!([]));
    until(async || who(&them, &token).await == Err("key-unknown")).await;
    assert!(!them.keys_loaded());
}

#[tokio::test]
async fn old_keys_serve_while_the_issuer_is_down_but_not_forever() {
    let pair = Pair::ed25519();
    let server = KeyServer::start(json!([pair.jwk("k")])).await;
    let mut options = trust(KeyLocation::Url(server.url("/keys")));
    options.refresh.every = Duration::from_millis(50);
    let mut strict = options.clone();
    strict.refresh.stale_max = Duration::from_millis(500);
    let (lenient, strict) =
        (start(options, Sources::default()).await, start(strict, Sources::default()).await);
    server.set_down(true);
    let asked = server.asked();
    until(async || server.asked() > asked + 4).await;
    assert_eq!(who(&lenient, &token(&pair, "k", &claims())).await, Ok(user("wife")));
    assert!(lenient.keys_loaded());
    until(async || who(&strict, &token(&pair, "k", &claims())).await == Err("keys-unavailable")).await;
    assert!(!strict.keys_loaded());
    server.set_down(false);
    until(async || strict.keys_loaded()).await;
}

#[tokio::test]
async fn an_issuer_that_comes_late_is_found() {
    let pair = Pair::ed25519();
    let server = KeyServer::start(json!([pair.jwk("k")])).await;
    server.set_down(true);
    let them = start(trust(KeyLocation::Url(server.url("/keys"))), Sources::default()).await;
    assert!(!them.keys_loaded());
    let token = token(&pair, "k", &claims());
    assert_eq!(who(&them, &token).await, Err("keys-unavailable"));
    server.set_down(false);
    until(async || them.keys_loaded()).await;
    assert_eq!(who(&them, &token).await, Ok(user("wife")));
}

#[tokio::test]
async fn keys_come_from_where_they_are_configured_only() {
    let pair = Pair::ed25519();
    let server = KeyServer::start(json!([pair.jwk("k")])).await;
    for path in ["/moved", "/large", "/nothing"] {
        let them = start(trust(KeyLocation::Url(server.url(path))), Sources::default()).await;
        assert!(!them.keys_loaded(), "{path}");
    }
    assert_eq!(server.asked(), 0);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.json");
    std::fs::write(&path, json!({"keys": [pair.jwk("k")]}).to_string()).unwrap();
    let them = start(trust(KeyLocation::File(path)), Sources::default()).await;
    assert_eq!(who(&them, &token(&pair, "k", &claims())).await, Ok(user("wife")));
}

#[tokio::test]
async fn discovery_believes_only_the_issuer_itself() {
    let pair = Pair::ed25519();
    let server = KeyServer::start(json!([pair.jwk("k")])).await;
    let issuer = server.url("");
    for (named, keys_url, found) in [
        (issuer.clone(), server.url("/keys"), true),
        (format!("{issuer}/"), server.url("/keys"), false),
        (ISSUER.to_owned(), server.url("/keys"), false),
        (issuer.clone(), "file:///etc/hostname".to_owned(), false),
    ] {
        server.describe(json!({"issuer": named, "jwks_uri": keys_url}));
        let mut options = trust(KeyLocation::Discovery);
        options.issuers[0].issuer = issuer.clone();
        let them = start(options, Sources::default()).await;
        assert_eq!(them.keys_loaded(), found, "{named} {keys_url}");
        let mut claims = claims();
        claims["iss"] = issuer.clone().into();
        let expected = if found { Ok(user("wife")) } else { Err("keys-unavailable") };
        assert_eq!(who(&them, &token(&pair, "k", &claims)).await, expected);
    }
}

#[tokio::test]
async fn one_issuer_cannot_speak_for_another() {
    let (ours, theirs) = (Pair::ed25519(), Pair::ed25519());
    let (one, two) =
        (KeyServer::start(json!([ours.jwk("k")])).await, KeyServer::start(json!([theirs.jwk("k")])).await);
    let mut options = trust(KeyLocation::Url(one.url("/keys")));
    let mut second = options.issuers[0].clone();
    second.issuer = "https://machines.example".into();
    second.keys = KeyLocation::Url(two.url("/keys"));
    second.kind = "OAuthClient".into();
    options.issuers.push(second);
    let them = start(options, Sources::default()).await;
    let mut machine = claims();
    machine["iss"] = "https://machines.example".into();
    assert_eq!(who(&them, &token(&ours, "k", &claims())).await, Ok(user("wife")));
    assert_eq!(who(&them, &token(&theirs, "k", &machine)).await.unwrap().kind(), "OAuthClient");
    assert_eq!(who(&them, &token(&theirs, "k", &claims())).await, Err("signature-wrong"));
    assert_eq!(who(&them, &token(&ours, "k", &machine)).await, Err("signature-wrong"));
}

#[test]
fn any_runtime_may_ask() {
    let back = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (old, new) = (Arc::new(Pair::ed25519()), Arc::new(Pair::ed25519()));
    let server = back.block_on(KeyServer::start(json!([old.jwk("old")])));
    let make = async {
        Authenticator::new(
            trust(KeyLocation::Url(server.url("/keys"))),
            Sources::default(),
            &Handle::current(),
        )
    };
    let them = Arc::new(back.block_on(make).unwrap());
    back.block_on(them.started());
    server.publish(json!([old.jwk("old"), new.jwk("new")]));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (them, new) = (Arc::clone(&them), Arc::clone(&new));
            std::thread::spawn(move || {
                let runtime = Builder::new_current_thread().build().unwrap();
                runtime.block_on(async { who(&them, &token(&new, "new", &claims())).await })
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Ok(user("wife")));
    }
    assert_eq!(server.asked(), 2, "four threads asked at once, and one fetch served them");
}
