//! The tables of sharing: its bounds, what each plan includes, and how invitations are mailed.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use toml::Spanned;

use crate::config::{Config, HeaderField, Secret, read};
use crate::finding::Finding;

/// `[sharing]`: the bounds of organizations, invitations and grants.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sharing {
    /// How many organizations stand on top of each other, the root included.
    #[serde(deserialize_with = "read::count::<_, 1, 64>")]
    pub depth_max: usize,
    /// How many organizations one tree has, whatever its plan.
    #[serde(deserialize_with = "read::count::<_, 1, 5000>")]
    pub organizations_max: usize,
    /// How many roles an organization has.
    #[serde(deserialize_with = "read::count::<_, 1, 1000>")]
    pub roles_max: usize,
    /// How many invitations an organization sends in a day.
    #[serde(deserialize_with = "read::count::<_, 0, 1000>")]
    pub invitations_per_day_max: usize,
    /// How many days the link of an invitation works.
    #[serde(deserialize_with = "read::count::<_, 1, 365>")]
    pub invitation_days: usize,
    /// Whether an invitation needs a token that says its address, verified.
    pub require_verified_email: bool,
    /// Whether devices are lent at all.
    pub grants: bool,
    /// The header that names the organization whose lists are wanted.
    pub organization_header: Option<HeaderField>,
    /// The query parameter that does.
    #[serde(deserialize_with = "parameter")]
    pub organization_query: Option<String>,
}

impl Default for Sharing {
    fn default() -> Self {
        Self {
            depth_max: 4,
            organizations_max: 201,
            roles_max: 9,
            invitations_per_day_max: 25,
            invitation_days: 30,
            require_verified_email: false,
            grants: true,
            organization_header: None,
            organization_query: None,
        }
    }
}

fn parameter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if read::is_query_name(&text) {
        return Ok(Some(text));
    }
    let what = format!("`{text}` is not the name of a query parameter\nwrite letters, digits, `-` and `_`");
    Err(D::Error::custom(what))
}

/// `[plans]`: what each plan includes, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Plans(pub BTreeMap<String, Plan>);

/// What one plan includes; what is left out has no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// People of one organization.
    pub users: Option<usize>,
    /// Devices of one organization.
    pub devices: Option<usize>,
    /// Organizations below the top one.
    pub sub_organizations: Option<usize>,
}

impl Default for Plans {
    fn default() -> Self {
        let plan = |users, devices, below| Plan {
            users: Some(users),
            devices: Some(devices),
            sub_organizations: Some(below),
        };
        let plans = [("FREE", plan(5, 10, 0)), ("PRO", plan(50, 50, 200))];
        Self(plans.map(|(name, plan)| (name.to_owned(), plan)).into())
    }
}

/// `[mail]`: where letters are handed in.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The server: `smtps://`, `starttls://` or, without encryption, `smtp://`.
    pub url: Spanned<MailUrl>,
    /// The sender.
    pub from: Spanned<String>,
    /// The link, with `{token}` in the place of the token.
    #[serde(deserialize_with = "link")]
    pub link: String,
    /// The user name, where the server asks for one; empty: none.
    #[serde(default)]
    pub username: String,
    /// The password.
    #[serde(default)]
    pub password: Secret,
    /// How long one attempt may take.
    #[serde(default = "timeout", deserialize_with = "read::duration")]
    pub timeout: Duration,
    /// The wait before the second attempt; each further one is twice as long, up to an hour.
    #[serde(default = "retry", deserialize_with = "read::duration")]
    pub retry: Duration,
}

fn timeout() -> Duration {
    Duration::from_secs(30)
}

fn retry() -> Duration {
    Duration::from_secs(10)
}

fn link<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    if is_web && text.matches("{token}").count() == 1 && !text.contains(char::is_whitespace) {
        return Ok(text);
    }
    Err(D::Error::custom(
        "the link has no place for the token\nwrite `https://home.example.com/invitation#{token}`",
    ))
}

/// How the mail server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailScheme {
    /// `smtps://`: encrypted from the first byte on.
    Tls,
    /// `starttls://`: from `STARTTLS` on, or not at all.
    StartTls,
    /// `smtp://`: not encrypted.
    Plain,
}

/// The address of a mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailUrl {
    /// How it is reached.
    pub scheme: MailScheme,
    /// Its name.
    pub host: String,
    /// Its port; the usual one unless stated.
    pub port: Option<u16>,
}

impl FromStr for MailUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str =
            "not the URL of a mail server\nwrite `smtps://host`, `starttls://host:587` or `smtp://host:25`";
        let uri: http::Uri = text.parse().map_err(|_| FORM)?;
        let scheme = match uri.scheme_str() {
            Some("smtps") => MailScheme::Tls,
            Some("starttls") => MailScheme::StartTls,
            Some("smtp") => MailScheme::Plain,
            _ => return Err(FORM),
        };
        if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
            return Err("a URL has no user or password here\nwrite `username` and `password`");
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(FORM)?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('#') {
            return Err(FORM);
        }
        Ok(Self { scheme, host: host.to_owned(), port: uri.port_u16() })
    }
}

impl<'de> Deserialize<'de> for MailUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

pub(super) fn contradictions(config: &Config, found: &mut Vec<Finding>) {
    let Some(mail) = &config.mail else { return };
    let url = mail.url.get_ref();
    if url.scheme == MailScheme::Plain && !mail.username.is_empty() {
        let message = "the password would travel unencrypted";
        let error = config.origin.error(mail.url.span(), message);
        found.push(error.with_help("write `smtps://` or `starttls://`, or leave out `username`"));
    }
    if mail.username.is_empty() != mail.password.reveal().is_empty() {
        let error = config.origin.error(mail.url.span(), "the mail server gets a name or a password alone");
        found.push(error.with_help("state both `username` and `password`, or neither"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_has_a_scheme_and_a_name() {
        let url: MailUrl = "starttls://mail.example.com:587".parse().unwrap();
        assert_eq!(
            (url.scheme, url.host.as_str(), url.port),
            (MailScheme::StartTls, "mail.example.com", Some(587))
        );
        assert_eq!("smtps://mail.example.com".parse::<MailUrl>().unwrap().port, None);
        for bad in
            ["", "mail.example.com", "http://a", "smtp://", "smtp://u:p@a", "smtp://a/b", "smtp://a?b=c"]
        {
            assert!(bad.parse::<MailUrl>().is_err(), "{bad}");
        }
    }
}
