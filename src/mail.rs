//! Mail over SMTP: the only code that knows how a letter is sent.

use std::time::Duration;

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

/// How the mail server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From the first byte on.
    Tls,
    /// From `STARTTLS` on; a server without it is sent nothing.
    StartTls,
    /// Not at all: for a server on the same machine.
    None,
}

/// Where letters are handed in, and from whom they are.
#[derive(Clone)]
pub struct Settings {
    /// The name of the server.
    pub host: String,
    /// Its port; the usual one unless stated.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub encryption: Encryption,
    /// User and password, where the server asks for them.
    pub credentials: Option<(String, String)>,
    /// The sender, such as `Cedargate <access@example.com>`.
    pub from: String,
    /// How long one letter may take.
    pub timeout: Duration,
}

/// Why letters cannot be sent at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The sender is no address.
    #[error("`{0}` is not an address\nwrite it like `Cedargate <access@example.com>`")]
    From(String),
    /// The server's name cannot be used.
    #[error("`{0}` is not the name of a mail server")]
    Server(String),
}

/// Why a letter was not taken; neither says to whom it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// It may be taken later: the server is away, slow or busy, or does not know us.
    #[error("not now: {0}")]
    Later(String),
    /// It never will be: there is no such address, or the server does not want the letter.
    #[error("never: {0}")]
    Never(String),
}

/// Hands letters in, each over a connection of its own.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
}

impl Mailer {
    /// A mailer; nothing is connected before the first letter.
    pub fn new(settings: &Settings) -> Result<Self, Unusable> {
        let from: Mailbox = settings.from.parse().map_err(|_| Unusable::From(settings.from.clone()))?;
        let host = settings.host.as_str();
        let unusable = |_| Unusable::Server(settings.host.clone());
        let mut builder = match settings.encryption {
            Encryption::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(host).map_err(unusable)?,
            Encryption::StartTls => {
                AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host).map_err(unusable)?
            }
            Encryption::None => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host),
        };
        if let Some(port) = settings.port {
            builder = builder.port(port);
        }
        if let Some((user, password)) = &settings.credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        let hello = ClientId::Domain(from.email.domain().to_owned());
        let transport = builder.hello_name(hello).timeout(Some(settings.timeout)).build();
        Ok(Self { transport, from, timeout: settings.timeout })
    }

    /// Hands one letter in; once it returns well, the server answers for it.
    pub async fn send(&self, to: &str, subject: &str, text: &str) -> Result<(), Undelivered> {
        let letter = self.letter(to, subject, text)?;
        match tokio::time::timeout(self.timeout, self.transport.send(letter)).await {
            Err(_) => Err(Undelivered::Later("time-out".to_owned())),
            Ok(Err(error)) => Err(undelivered(&error)),
            Ok(Ok(_)) => Ok(()),
        }
    }

    /// Every part goes through a type of its own: no text can become a header or a second recipient.
    fn letter(&self, to: &str, subject: &str, text: &str) -> Result<Message, Undelivered> {
        let never = |what: &str| Undelivered::Never(what.to_owned());
        let to: Address = to.parse().map_err(|_| never("not-an-address"))?;
        let id = format!("<{}@{}>", uuid::Uuid::now_v7(), self.from.email.domain());
        Message::builder()
            .message_id(Some(id))
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(text.to_owned())
            .map_err(|_| never("not-a-letter"))
    }
}

/// The server's own words are left out: they repeat the address.
fn undelivered(error: &lettre::transport::smtp::Error) -> Undelivered {
    let code = error.status().map(|it| it.to_string());
    // 53x is about us and not about the letter (RFC 4954): the operator will put that right.
    match code {
        Some(code) if error.is_permanent() && !code.starts_with("53") => Undelivered::Never(code),
        Some(code) => Undelivered::Later(code),
        None if error.is_tls() => Undelivered::Later("tls".to_owned()),
        None if error.is_timeout() => Undelivered::Later("time-out".to_owned()),
        None if error.is_client() => Undelivered::Later("not-supported".to_owned()),
        None => Undelivered::Later("no-answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(from: &str) -> Settings {
        let (host, credentials, timeout) = ("localhost".to_owned(), None, Duration::from_secs(1));
        Settings {
            host,
            port: None,
            encryption: Encryption::None,
            credentials,
            from: from.to_owned(),
            timeout,
        }
    }

    #[test]
    fn no_text_becomes_a_header() {
        let mailer = Mailer::new(&settings("Cedargate <access@example.com>")).unwrap();
        let letter = mailer
            .letter("a@example.com", "Hello\r\nBcc: b@example.com", "text\r\n.\r\nBcc: c@example.com")
            .unwrap();
        assert_eq!(letter.envelope().to().len(), 1);
        let text = String::from_utf8(letter.formatted()).unwrap();
        let head = text.split_once("\r\n\r\n").unwrap().0;
        assert!(!head.lines().any(|line| line.to_lowercase().starts_with("bcc")), "{head}");
    }

    /// A configuration is checked before anything else of the program has begun.
    #[test]
    fn encryption_needs_nothing_to_be_set_up_before() {
        for encryption in [Encryption::Tls, Encryption::StartTls] {
            let settings = Settings { encryption, ..settings("access@example.com") };
            assert!(Mailer::new(&settings).is_ok(), "{encryption:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(Mailer::new(&settings("nobody")).is_err());
        assert!(Mailer::new(&settings("a@example.com\r\nBcc: b@example.com")).is_err());
        let mailer = Mailer::new(&settings("access@example.com")).unwrap();
        for bad in
            ["", "a", "a@example.com\r\nb@example.com", "a@example.com,b@example.com", "<a@example.com>"]
        {
            assert_eq!(
                mailer.letter(bad, "s", "t").unwrap_err(),
                Undelivered::Never("not-an-address".to_owned())
            );
        }
    }
}
