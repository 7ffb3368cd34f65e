//! An issuer of tokens for tests: three key pairs and a real HTTP server on the loopback.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};

/// Base64url without padding.
pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// A key pair of one of the three kinds.
pub(crate) enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The issuer's RSA key, and one of somebody else's: making them takes long.
pub(crate) static RSA: LazyLock<Pair> = LazyLock::new(|| Pair::rsa(KeySize::Rsa2048));
pub(crate) static OTHER_RSA: LazyLock<Pair> = LazyLock::new(|| Pair::rsa(KeySize::Rsa2048));

impl Pair {
    fn rsa(size: KeySize) -> Self {
        Self::Rsa(RsaKeyPair::generate(size).unwrap())
    }

    pub(crate) fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    pub(crate) fn alg(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    pub(crate) fn jwk(&self, kid: &str) -> Json {
        match self {
            Self::Rsa(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let (n, e) = (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
                json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": b64(n), "e": b64(e)})
            }
            Self::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": b64(x), "y": b64(y)})
            }
            Self::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(pair.public_key())})
            }
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Self::P256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A token of these texts, whatever they are.
    pub(crate) fn token(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", b64(header), b64(claims));
        let signature = b64(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// What the server answers, and how often it was asked.
#[derive(Default)]
pub(crate) struct Answers {
    keys: Mutex<Json>,
    discovery: Mutex<Json>,
    down: AtomicBool,
    pub(crate) asked: AtomicUsize,
}

/// A server of keys.
pub(crate) struct KeyServer {
    address: SocketAddr,
    pub(crate) answers: Arc<Answers>,
}

impl KeyServer {
    pub(crate) async fn start(keys: Json) -> Self {
        let answers = Arc::new(Answers { keys: Mutex::new(json!({"keys": keys})), ..Answers::default() });
        let app = Router::new()
            .route("/keys", get(send_keys))
            .route("/moved", get(|| async { (StatusCode::FOUND, [("location", "/keys")]) }))
            .route("/large", get(|| async { " ".repeat(300_000) }))
            .route("/.well-known/openid-configuration", get(send_discovery))
            .with_state(Arc::clone(&answers));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, answers }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn publish(&self, keys: Json) {
        *self.answers.keys.lock().unwrap() = json!({"keys": keys});
    }

    pub(crate) fn describe(&self, discovery: Json) {
        *self.answers.discovery.lock().unwrap() = discovery;
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.answers.down.store(down, Ordering::SeqCst);
    }

    pub(crate) fn asked(&self) -> usize {
        self.answers.asked.load(Ordering::SeqCst)
    }
}

async fn send_keys(State(answers): State<Arc<Answers>>) -> impl IntoResponse {
    answers.asked.fetch_add(1, Ordering::SeqCst);
    let down = answers.down.load(Ordering::SeqCst);
    let status = if down { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    (status, answers.keys.lock().unwrap().to_string())
}

async fn send_discovery(State(answers): State<Arc<Answers>>) -> String {
    answers.discovery.lock().unwrap().to_string()
}
