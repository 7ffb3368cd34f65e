//! Tokens, good and bad.

use std::sync::Arc;

use aws_lc_rs::hmac;
use cedargate::domain::Uid;
use cedargate::identity::{
    Authenticator, Caller, Challenge, KeyLocation, Options, OptionsError, Pending, PrincipalSource,
    SourceError, Sources,
};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value as Json, json};
use tokio::runtime::Handle;

use super::issuer::{KeyServer, OTHER_RSA, Pair, RSA, b64, now};
use super::{ISSUER, claims, headers, name, start, token, trust, user, who};

async fn authenticator() -> Authenticator {
    let server = KeyServer::start(json!([RSA.jwk("k1")])).await;
    start(trust(KeyLocation::Url(server.url("/keys"))), Sources::default()).await
}

/// Good claims with some of them changed; `null` takes one away.
fn with(changes: Json) -> Json {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Json::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// A token of the right key with good claims, and a header with some fields changed.
fn headed(changes: Json, pair: &Pair) -> String {
    let mut header = json!({"alg": "RS256", "typ": "at+jwt", "kid": "k1"});
    for (name, value) in changes.as_object().unwrap() {
        header[name] = value.clone();
    }
    pair.token(&header.to_string(), &claims().to_string())
}

#[tokio::test]
async fn tokens_of_all_three_algorithms_are_good() {
    let (p256, ed25519) = (Pair::p256(), Pair::ed25519());
    let server = KeyServer::start(json!([RSA.jwk("r"), p256.jwk("e"), ed25519.jwk("d")])).await;
    let them = start(trust(KeyLocation::Url(server.url("/keys"))), Sources::default()).await;
    for (pair, kid) in [(&*RSA, "r"), (&p256, "e"), (&ed25519, "d")] {
        let token = token(pair, kid, &claims());
        for _ in 0..2 {
            assert_eq!(who(&them, &token).await, Ok(user("wife")), "{kid}");
        }
        let nameless = pair.token(&json!({"alg": pair.alg()}).to_string(), &claims().to_string());
        assert_eq!(who(&them, &nameless).await, Ok(user("wife")), "{kid}");
    }
    for (pair, kid) in [(&*RSA, "e"), (&p256, "d"), (&ed25519, "r")] {
        assert_eq!(who(&them, &token(pair, kid, &claims())).await, Err("algorithm-refused"), "{kid}");
    }
}

#[tokio::test]
async fn claims_decide_who_it_is_and_nothing_else() {
    let them = authenticator().await;
    for good in [
        json!({}),
        json!({"nbf": null, "iat": null}),
        json!({"aud": ["other", "device-api"]}),
        json!({"exp": now() as f64 + 60.5}),
        json!({"roles": ["admin"], "groups": ["owners"], "scope": "admin *"}),
        json!({"email": "husband@example.org", "email_verified": true}),
    ] {
        assert_eq!(who(&them, &token(&RSA, "k1", &with(good.clone()))).await, Ok(user("wife")), "{good}");
    }
    for literal in ["HUSBAND", "husband ", "\u{ff48}usband", "wife\"::User::\"husband"] {
        let token = token(&RSA, "k1", &with(json!({"sub": literal})));
        assert_eq!(who(&them, &token).await, Ok(user(literal)), "{literal}");
    }
}

#[tokio::test]
async fn bad_claims_are_refused() {
    let them = authenticator().await;
    let far = now() + 86_400 * 365;
    for (change, code) in [
        (json!({"exp": now() - 3600}), "token-expired"),
        (json!({"exp": now() - 31}), "token-expired"),
        (json!({"exp": "99999999999"}), "expiry-invalid"),
        (json!({"exp": null}), "expiry-invalid"),
        (json!({"exp": -1}), "expiry-invalid"),
        (json!({"exp": 1e300}), "expiry-invalid"),
        (json!({"nbf": now() + 3600}), "token-not-yet-valid"),
        (json!({"nbf": "99999999999"}), "time-invalid"),
        (json!({"iat": far}), "token-not-yet-valid"),
        (json!({"aud": "other-api"}), "audience-wrong"),
        (json!({"aud": null}), "audience-wrong"),
        (json!({"aud": []}), "audience-wrong"),
        (json!({"iss": "https://evil.example"}), "issuer-unknown"),
        (json!({"iss": null}), "issuer-unknown"),
        (json!({"iss": format!("{ISSUER}/")}), "issuer-unknown"),
        (json!({"iss": [ISSUER]}), "issuer-unknown"),
        (json!({"sub": null}), "subject-invalid"),
        (json!({"sub": ""}), "subject-invalid"),
        (json!({"sub": ["wife", "husband"]}), "subject-invalid"),
        (json!({"sub": 1}), "subject-invalid"),
        (json!({"sub": "wife\u{0}"}), "subject-invalid"),
        (json!({"sub": "x".repeat(257)}), "subject-invalid"),
    ] {
        assert_eq!(who(&them, &token(&RSA, "k1", &with(change.clone()))).await, Err(code), "{change}");
    }
    let text = claims().to_string();
    for (from, to) in [
        (r#""sub":"wife""#.to_owned(), r#""sub":"wife","sub":"husband""#.to_owned()),
        (r#""sub":"wife""#.to_owned(), r#""sub":"husband","sub":"wife""#.to_owned()),
        (r#""sub":"wife""#.to_owned(), r#""sub":"wife","x":{"a":1,"a":2}"#.to_owned()),
        (format!(r#""exp":{}"#, claims()["exp"]), r#""exp":1e400"#.to_owned()),
        ("}".to_owned(), "} {}".to_owned()),
    ] {
        let changed = text.replace(&from, &to);
        assert_ne!(changed, text);
        let token = RSA.token(r#"{"alg":"RS256","kid":"k1"}"#, &changed);
        assert_eq!(who(&them, &token).await, Err("token-malformed"), "{to}");
    }
}

#[tokio::test]
async fn bad_headers_are_refused() {
    let them = authenticator().await;
    for (change, code) in [
        (json!({"kid": "nope"}), "key-unknown"),
        (json!({"kid": "../../../../dev/null"}), "key-unknown"),
        (json!({"kid": "k1' OR '1'='1"}), "key-unknown"),
        (json!({"kid": "http://127.0.0.1:9/k"}), "key-unknown"),
        (json!({"kid": 1}), "key-unknown"),
        (json!({"kid": "evil", "jku": "http://127.0.0.1:9/jwks"}), "key-unknown"),
        (json!({"kid": "evil", "x5u": "http://127.0.0.1:9/c"}), "key-unknown"),
        (json!({"kid": "evil", "jwk": OTHER_RSA.jwk("evil")}), "key-unknown"),
        (json!({"jwk": OTHER_RSA.jwk("k1")}), "signature-wrong"),
        (json!({}), "signature-wrong"),
        (json!({"alg": "ES256"}), "algorithm-refused"),
        (json!({"alg": "none"}), "algorithm-refused"),
        (json!({"alg": "nOnE"}), "algorithm-refused"),
        (json!({"alg": "HS256"}), "algorithm-refused"),
        (json!({"alg": "rs256"}), "algorithm-refused"),
        (json!({"crit": ["x-must-understand"], "x-must-understand": true}), "token-header-refused"),
        (json!({"crit": []}), "token-header-refused"),
        (json!({"crit": ["b64"], "b64": false}), "token-header-refused"),
        (json!({"b64": false}), "token-header-refused"),
        (json!({"zip": "DEF"}), "token-header-refused"),
        (json!({"typ": "JWT-ID"}), "token-type-refused"),
    ] {
        assert_eq!(who(&them, &headed(change.clone(), &OTHER_RSA)).await, Err(code), "{change}");
    }
    // The right key does not make a header better that is not understood.
    for change in [
        json!({"crit": ["x"], "x": 1}),
        json!({"b64": false}),
        json!({"typ": "JWT-ID"}),
        json!({"alg": "ES256"}),
    ] {
        assert!(who(&them, &headed(change.clone(), &RSA)).await.is_err(), "{change}");
    }
    let twice = RSA.token(r#"{"alg":"none","alg":"RS256","kid":"k1"}"#, &claims().to_string());
    assert_eq!(who(&them, &twice).await, Err("token-malformed"));
    for good in
        [json!({"typ": "JWT"}), json!({"typ": "application/AT+jwt"}), json!({"jku": "http://127.0.0.1:9/"})]
    {
        assert_eq!(who(&them, &headed(good.clone(), &RSA)).await, Ok(user("wife")), "{good}");
    }
}

#[tokio::test]
async fn bad_shapes_and_signatures_are_refused() {
    let them = authenticator().await;
    let good = token(&RSA, "k1", &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!("{good}") };
    let mut flipped = RSA.sign(format!("{head}.{body}").as_bytes());
    flipped[40] ^= 1;
    let none = b64(r#"{"alg":"none","typ":"at+jwt"}"#);
    let confused = format!("{}.{body}", b64(r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, RSA.jwk("k1")["n"].as_str().unwrap().as_bytes());
    let unsigned = format!("{head}.{}.{signature}", b64(with(json!({"sub": "husband"})).to_string()));
    let tricky = |id: u32| token(&RSA, "k1", &with(json!({"jti": id})));
    let is_tricky = |token: &String| token.rsplit('.').next().unwrap().contains(['-', '_']);
    let tricky = (0..).map(tricky).find(is_tricky).unwrap();
    let (rest, last) = tricky.rsplit_once('.').unwrap();
    for (bad, code) in [
        (format!("{none}.{body}."), "token-malformed"),
        (format!("{none}.{body}.AA"), "algorithm-refused"),
        (format!("{confused}.{}", b64(hmac::sign(&secret, confused.as_bytes()))), "algorithm-refused"),
        (format!("{head}.{body}.{}", b64(&flipped)), "signature-wrong"),
        (format!("{head}.{body}."), "token-malformed"),
        (unsigned, "signature-wrong"),
        (good[..good.len() - 6].to_owned(), "signature-wrong"),
        (format!("{good}.x"), "token-malformed"),
        (format!("{}.a.b.c.d", b64(r#"{"alg":"RSA-OAEP","enc":"A128GCM"}"#)), "token-malformed"),
        (token(&RSA, "k1", &with(json!({"pad": "a".repeat(60_000)}))), "token-too-large"),
        (token(&RSA, "k1", &with(json!({"pad": "a".repeat(6_000)}))), "token-too-large"),
        (".".repeat(200_000), "token-too-large"),
        ("..".to_owned(), "token-malformed"),
        (String::new(), "token-malformed"),
        (format!("{head}=.{body}=.{signature}="), "token-malformed"),
        (format!("{}.{}", rest, last.replace('-', "+").replace('_', "/")), "token-malformed"),
        (format!("{good}, Bearer {good}"), "token-malformed"),
    ] {
        assert_eq!(who(&them, &bad).await, Err(code), "{}", &bad[..bad.len().min(200)]);
    }
    assert_eq!(who(&them, &good).await, Ok(user("wife")));
}

#[tokio::test]
async fn a_request_has_one_credential_in_one_place() {
    let them = authenticator().await;
    let good = token(&RSA, "k1", &claims());
    let bearer = format!("Bearer {good}");
    let ask = async |fields: &[(&'static str, &str)]| name(them.authenticate(&headers(fields)).await);
    assert_eq!(ask(&[]).await, Err("anonymous"));
    assert_eq!(ask(&[("cookie", &good), ("x-access-token", &good)]).await, Err("anonymous"));
    assert_eq!(ask(&[("authorization", &format!("bEARER  {good}"))]).await, Ok(user("wife")));
    assert_eq!(
        ask(&[("authorization", &bearer), ("authorization", &bearer)]).await,
        Err("credentials-ambiguous")
    );
    assert_eq!(ask(&[("authorization", "")]).await, Err("scheme-unsupported"));
    assert_eq!(ask(&[("authorization", &good)]).await, Err("scheme-unsupported"));
    assert_eq!(ask(&[("authorization", "Basic d2lmZTp4")]).await, Err("scheme-unsupported"));
    assert_eq!(ask(&[("authorization", &format!("Bearer\t{good}"))]).await, Err("scheme-unsupported"));
    assert_eq!(ask(&[("authorization", &format!("Bearer {good}é"))]).await, Err("token-malformed"));
}

#[tokio::test]
async fn a_cached_token_ends_when_it_ends() {
    let server = KeyServer::start(json!([RSA.jwk("k1")])).await;
    let mut options = trust(KeyLocation::Url(server.url("/keys")));
    options.leeway = std::time::Duration::ZERO;
    let them = start(options, Sources::default()).await;
    let exp = now() + 2;
    let token = token(&RSA, "k1", &with(json!({"exp": exp})));
    assert_eq!(who(&them, &token).await, Ok(user("wife")));
    while now() < exp {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(who(&them, &token).await, Err("token-expired"));
}

struct Book;

impl PrincipalSource for Book {
    fn principal_by_email<'a>(&'a self, kind: &'a str, email: &'a str) -> Pending<'a, Option<Uid>> {
        Box::pin(async move {
            match email {
                "wife@example.org" => Ok(Uid::new(kind, "u-1").ok()),
                "down@example.org" => Err(SourceError("down".into())),
                _ => Ok(None),
            }
        })
    }
}

#[tokio::test]
async fn an_email_is_looked_up_and_never_an_identity() {
    let server = KeyServer::start(json!([RSA.jwk("k1")])).await;
    let mut options = trust(KeyLocation::Url(server.url("/keys")));
    options.issuers[0].claim = "email".into();
    let sources = Sources { principals: Some(Arc::new(Book)), keys: None };
    let them = start(options.clone(), sources).await;
    let of = |email: Json, verified: Json| {
        token(&RSA, "k1", &with(json!({"email": email, "email_verified": verified})))
    };
    assert_eq!(who(&them, &of(json!("Wife@Example.ORG"), json!(true))).await, Ok(user("u-1")));
    for (email, verified, code) in [
        (json!("wife@example.org"), json!(false), "email-unverified"),
        (json!("wife@example.org"), json!("true"), "email-unverified"),
        (json!("wife@example.org"), json!(null), "email-unverified"),
        (json!("w\u{131}fe@example.org"), json!(true), "email-invalid"),
        (json!("wife@evil.example@example.org"), json!(true), "email-invalid"),
        (json!(null), json!(true), "subject-invalid"),
        (json!("husband@example.org"), json!(true), "principal-unknown"),
        (json!("down@example.org"), json!(true), "store-unavailable"),
    ] {
        assert_eq!(who(&them, &of(email.clone(), verified)).await, Err(code), "{email}");
    }
    let without = Authenticator::new(options, Sources::default(), &Handle::current());
    assert!(matches!(without, Err(OptionsError::SourceMissing(_))));
}

#[tokio::test]
async fn a_refusal_never_shows_the_token_and_says_how_to_do_better() {
    let them = authenticator().await;
    let bad = token(&OTHER_RSA, "k1", &claims());
    let refused =
        them.authenticate(&headers(&[("authorization", &format!("Bearer {bad}"))])).await.unwrap_err();
    let text = format!("{refused} {refused:?} {}", refused.code());
    assert!(bad.split('.').all(|part| !text.contains(part)), "{text}");
    assert!(!refused.is_unavailable());
    assert_eq!(HeaderValue::from(Challenge::Missing), r#"Bearer realm="cedargate""#);
    assert_eq!(HeaderValue::from(Challenge::Invalid), r#"Bearer realm="cedargate", error="invalid_token""#);
    assert_eq!(them.authenticate(&HeaderMap::new()).await.unwrap(), Caller::Anonymous);
}

#[tokio::test]
async fn options_that_would_let_someone_in_are_refused() {
    let refused = |change: fn(&mut Options)| {
        let mut options = trust(KeyLocation::Url("http://127.0.0.1:9/keys".into()));
        change(&mut options);
        Authenticator::new(options, Sources::default(), &Handle::current()).err()
    };
    assert!(refused(|_| ()).is_none());
    assert!(matches!(refused(|it| it.issuers[0].issuer = " ".into()), Some(OptionsError::IssuerEmpty)));
    assert!(matches!(refused(|it| it.issuers[0].audiences.clear()), Some(OptionsError::AudienceEmpty(_))));
    assert!(matches!(
        refused(|it| it.issuers[0].audiences.push(String::new())),
        Some(OptionsError::AudienceEmpty(_))
    ));
    assert!(matches!(
        refused(|it| it.issuers.push(it.issuers[0].clone())),
        Some(OptionsError::IssuerTwice(_))
    ));
    assert!(matches!(refused(|it| it.issuers[0].claim.clear()), Some(OptionsError::Principal(_))));
    assert!(matches!(refused(|it| it.issuers[0].kind.clear()), Some(OptionsError::Principal(_))));
    assert!(matches!(refused(|it| it.token_types.clear()), Some(OptionsError::TypesEmpty)));
    for address in ["file:///etc/keys", "keys.json", "http://a:b@127.0.0.1/", ""] {
        let mut options = trust(KeyLocation::Url(address.into()));
        options.token_types = vec!["JWT".into()];
        let refused = Authenticator::new(options, Sources::default(), &Handle::current()).err();
        assert!(matches!(refused, Some(OptionsError::Address(_))), "{address}");
    }
}
