//! Invitations by mail, before a real mail server.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::pack;
use crate::support::gate::{Gate, Setup};
use crate::support::sink::{Sink, free_port};

const ALL: &str = "/api/v1/invitations";

fn mail(port: u16, more: &str) -> String {
    format!(
        "[mail]\nurl = \"smtp://127.0.0.1:{port}\"\nfrom = \"Cedargate <access@example.com>\"\n\
         link = \"https://home.example.com/invitation#{{token}}\"\nretry = \"200ms\"\n{more}\n"
    )
}

fn family() -> Json {
    serde_json::from_str(&pack::read("entities/family.json")).unwrap()
}

fn gate(tables: &str, store: &str) -> Gate {
    Gate::start_with(
        "http://127.0.0.1:9",
        Setup { tables, store, entities: Some(family()), ..Setup::default() },
    )
}

fn with_mail(port: u16) -> Gate {
    gate(&mail(port, ""), "url = \"sqlite::memory:\"")
}

/// One request to a control listener.
fn request(control: &str, token: &str, method: &str, path: &str, body: Option<&Json>) -> (u16, Json) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request =
            client.request(method.parse().unwrap(), format!("http://{control}{path}")).bearer_auth(token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    })
}

fn call(gate: &Gate, token: &str, method: &str, path: &str, body: Option<&Json>) -> (u16, Json) {
    request(&gate.running().control.to_string(), token, method, path, body)
}

fn invitation(email: &str) -> Json {
    json!({ "organization": "home", "role": "home/user", "email": email })
}

fn invite(gate: &Gate, email: &str) -> Json {
    let (status, answer) = call(gate, &gate.token("dad"), "POST", ALL, Some(&invitation(email)));
    assert_eq!(status, 201, "{answer}");
    answer
}

fn show(gate: &Gate, invitation: &Json) -> Json {
    let path = format!("{ALL}/{}", invitation["id"].as_str().unwrap());
    call(gate, &gate.token("dad"), "GET", &path, None).1
}

/// Waits until the invitation's letter has come so far.
fn wait_for(gate: &Gate, invitation: &Json, state: &str) -> Json {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let shown = show(gate, invitation);
        if shown["delivery"]["state"] == state {
            return shown;
        }
        assert!(Instant::now() < patience, "not {state}: {shown}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn token_of(letter: &Json) -> Json {
    let text = letter["text"].as_str().unwrap();
    let token = text.split("https://home.example.com/invitation#").nth(1).unwrap();
    json!({ "token": token.split_whitespace().next().unwrap() })
}

fn accept(gate: &Gate, token: &str, link: &Json) -> (u16, Json) {
    call(gate, token, "POST", "/api/v1/invitations/accept", Some(link))
}

#[test]
fn the_link_goes_to_the_invited_and_to_nobody_else() {
    let sink = Sink::start();
    let gate = with_mail(sink.port());
    let made = invite(&gate, "Aunt@Example.com");
    assert_eq!(made["token"], Json::Null, "the inviter does not see it");
    let letter = sink.letter_to("aunt@example.com");
    assert_eq!(letter["from"], "access@example.com");
    let subject = json!(["Subject", "Invitation to Family"]);
    let headers = letter["headers"].as_array().unwrap();
    assert!(headers.iter().any(|it| it[0] == "Subject"), "{subject} {headers:?}");
    let shown = wait_for(&gate, &made, "sent");
    assert_eq!((&shown["delivery"]["attempts"], &shown["token"]), (&json!(1), &Json::Null));
    let (status, member) = accept(&gate, &gate.token("aunt"), &token_of(&letter));
    assert_eq!((status, &member["id"]), (200, &json!("aunt")), "{member}");
    assert_eq!(accept(&gate, &gate.token("uncle"), &token_of(&letter)).0, 404, "it works once");
}

#[test]
fn a_new_letter_ends_the_link_of_the_one_before() {
    let sink = Sink::start();
    let gate = with_mail(sink.port());
    let made = invite(&gate, "aunt@example.com");
    let first = sink.letter_to("aunt@example.com");
    wait_for(&gate, &made, "sent");
    let path = format!("{ALL}/{}/resend", made["id"].as_str().unwrap());
    let (status, again) = call(&gate, &gate.token("dad"), "POST", &path, None);
    assert_eq!((status, &again["token"]), (200, &Json::Null), "{again}");
    assert_eq!(accept(&gate, &gate.token("aunt"), &token_of(&first)).0, 404, "from the answer on");
    let patience = Instant::now() + Duration::from_secs(20);
    while sink.letters().len() < 2 {
        assert!(Instant::now() < patience, "no second letter");
        std::thread::sleep(Duration::from_millis(10));
    }
    wait_for(&gate, &made, "sent");
    assert_eq!(accept(&gate, &gate.token("aunt"), &token_of(&sink.letters()[1])).0, 200);
}

#[test]
fn an_address_that_is_refused_is_said_so_and_others_go_on() {
    let sink = Sink::start();
    let gate = with_mail(sink.port());
    let refused = invite(&gate, "refused@example.com");
    let strange = invite(&gate, "\"a(b\"@example.com");
    let busy = invite(&gate, "busy@example.com");
    let slow = invite(&gate, "slow@example.com");
    let good = invite(&gate, "aunt@example.com");
    for (made, state) in [(&refused, "refused"), (&busy, "delayed"), (&good, "sent"), (&slow, "sent")] {
        wait_for(&gate, made, state);
    }
    assert_ne!(show(&gate, &strange)["delivery"]["state"], "queued", "each was tried");
    let attempts = |it: &Json| show(&gate, it)["delivery"]["attempts"].as_i64().unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    while attempts(&busy) < 3 {
        assert!(Instant::now() < patience, "what is delayed is tried again");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(attempts(&refused), 1, "what is refused is not");
    let metrics = format!("http://{}/metrics", gate.running().control);
    let text = gate.running().handle().block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(metrics).send().await.unwrap().text().await.unwrap()
    });
    for outcome in ["sent", "delayed", "refused"] {
        assert!(text.contains(&format!("cedargate_letters_total{{outcome=\"{outcome}\"}}")), "{outcome}");
    }
}

#[test]
fn a_server_that_was_away_gets_the_letters_when_it_is_back() {
    let port = free_port();
    let gate = with_mail(port);
    let made = invite(&gate, "aunt@example.com");
    wait_for(&gate, &made, "delayed");
    let sink = Sink::on(port);
    let letter = sink.letter_to("aunt@example.com");
    wait_for(&gate, &made, "sent");
    assert_eq!(accept(&gate, &gate.token("aunt"), &token_of(&letter)).0, 200, "the link of the last attempt");
}

#[test]
fn a_server_that_does_not_answer_holds_nobody_up() {
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tables = mail(silent.local_addr().unwrap().port(), "timeout = \"300ms\"");
    let gate = gate(&tables, "url = \"sqlite::memory:\"");
    let begun = Instant::now();
    let made = invite(&gate, "aunt@example.com");
    assert!(begun.elapsed() < Duration::from_secs(10));
    let shown = wait_for(&gate, &made, "delayed");
    assert!(shown["delivery"]["attempts"].as_i64().unwrap() >= 1);
}

#[test]
fn a_server_without_encryption_is_sent_nothing_where_encryption_is_wanted() {
    let sink = Sink::start();
    let tables = mail(sink.port(), "").replace("smtp://", "starttls://");
    let gate = gate(&tables, "url = \"sqlite::memory:\"");
    let made = invite(&gate, "aunt@example.com");
    wait_for(&gate, &made, "delayed");
    assert!(sink.letters().is_empty());
}

/// The program itself, so that it can be killed.
struct Program {
    child: Child,
    control: String,
}

impl Program {
    fn serve(gate: &Gate) -> Self {
        Self::serve_with(gate, &[])
    }

    fn serve_with(gate: &Gate, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .args(["serve", "--config"])
            .arg(gate.file("config.toml"))
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let control = line.rsplit("http://").next().unwrap().trim().to_owned();
        Self { child, control }
    }

    /// SIGKILL: nothing is written on the way out.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_letter_that_was_promised_survives_kill_9() {
    let port = free_port();
    // What was under way when the program was killed is tried again after this time.
    let mut gate = gate(&mail(port, "timeout = \"1s\""), "url = \"sqlite://gate.db\"");
    gate.take().stop();
    let program = Program::serve(&gate);
    let body = invitation("aunt@example.com");
    let (status, made) = request(&program.control, &gate.token("dad"), "POST", ALL, Some(&body));
    assert_eq!(status, 201, "{made}");
    program.kill();
    let text = String::from_utf8_lossy(&std::fs::read(gate.file("gate.db")).unwrap()).into_owned();
    assert!(!text.contains("cgi_"), "no token is kept in clear");
    let sink = Sink::on(port);
    let program = Program::serve(&gate);
    let letter = sink.letter_to("aunt@example.com");
    let path = "/api/v1/invitations/accept";
    let (status, answer) =
        request(&program.control, &gate.token("aunt"), "POST", path, Some(&token_of(&letter)));
    assert_eq!(status, 200, "{answer}");
    program.kill();
}

#[test]
fn whoever_shows_another_address_does_not_get_in() {
    let sink = Sink::start();
    let tables = mail(sink.port(), "");
    let gate = gate(&tables, "url = \"sqlite::memory:\"");
    let claims = |name: &str, email: &str, verified: Json| {
        gate.token_of(&json!({ "sub": name, "email": email, "email_verified": verified }))
    };
    invite(&gate, "aunt@example.com");
    let link = token_of(&sink.letter_to("aunt@example.com"));
    for email in
        ["uncle@example.com", "aunt@example.com.evil", "aunt@example.com ", "a\u{fc}nt@example.com", ""]
    {
        let (status, problem) = accept(&gate, &claims("uncle", email, json!(true)), &link);
        let kind = problem["type"].as_str().unwrap_or_default();
        assert!(status == 400 && kind.ends_with("other-address"), "{email}: {status} {problem}");
    }
    let (status, member) = accept(&gate, &claims("aunt", "Aunt@Example.COM", json!(true)), &link);
    assert_eq!(status, 200, "{member}");
    // What the issuer has not verified says nothing, for or against.
    invite(&gate, "uncle@example.com");
    let link = token_of(&sink.letter_to("uncle@example.com"));
    assert_eq!(accept(&gate, &claims("uncle", "x@example.com", json!("true")), &link).0, 200);
}

#[test]
fn where_it_is_required_the_secret_alone_does_not_open() {
    let sink = Sink::start();
    let tables = format!("[sharing]\nrequire_verified_email = true\n{}", mail(sink.port(), ""));
    let gate = gate(&tables, "url = \"sqlite::memory:\"");
    invite(&gate, "aunt@example.com");
    let link = token_of(&sink.letter_to("aunt@example.com"));
    let (status, problem) = accept(&gate, &gate.token("aunt"), &link);
    assert!(status == 400 && problem["type"].as_str().unwrap().ends_with("other-address"), "{problem}");
    let key = gate.token_of(&json!({ "sub": "aunt", "email": "aunt@example.com", "email_verified": false }));
    assert_eq!(accept(&gate, &key, &link).0, 400);
    let good = gate.token_of(&json!({ "sub": "aunt", "email": "aunt@example.com", "email_verified": true }));
    assert_eq!(accept(&gate, &good, &link).0, 200);
}

/// `STARTTLS` with a certificate that is trusted, and with one that is not.
#[test]
fn letters_travel_encrypted_to_a_server_that_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &file("key.pem"), "-out", &file("certificate.pem")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let sink = Sink::with_certificate(folder.path());
    let tables = mail(sink.port(), "").replace("smtp://127.0.0.1", "starttls://localhost");
    for (trusted, state) in [(false, "delayed"), (true, "sent")] {
        let mut gate = gate(&tables, "url = \"sqlite://gate.db\"");
        gate.take().stop();
        let certificate = file("certificate.pem");
        let trust = [("SSL_CERT_FILE", certificate.as_str())];
        let program = Program::serve_with(&gate, if trusted { &trust } else { &[] });
        let token = gate.token("dad");
        let body = invitation("aunt@example.com");
        let (status, made) = request(&program.control, &token, "POST", ALL, Some(&body));
        assert_eq!(status, 201, "{made}");
        let path = format!("{ALL}/{}", made["id"].as_str().unwrap());
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let (_, shown) = request(&program.control, &token, "GET", &path, None);
            if shown["delivery"]["state"] == state {
                break;
            }
            assert!(Instant::now() < patience, "trusted: {trusted}, not {state}: {shown}");
            std::thread::sleep(Duration::from_millis(50));
        }
        program.kill();
        if trusted {
            sink.letter_to("aunt@example.com");
        }
        assert_eq!(sink.letters().len(), usize::from(trusted), "nothing for who is not trusted");
    }
}
