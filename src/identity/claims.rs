//! What a token claims: when it is good, for whom it was made, and whom it is about.

use serde_json::{Map, Value as Json};

use crate::identity::Reason;

/// The last second of the year 9999: an end beyond it is milliseconds, or nonsense.
const SECONDS_MAX: f64 = 253_402_300_799.0;
/// The longest e-mail address (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

/// When a token is good, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// The present.
    pub(super) now: f64,
    /// How far the issuer's clock may be off.
    pub(super) leeway: f64,
}

impl Clock {
    /// Whether a token that ends at `exp` has ended.
    pub(super) fn is_past(self, exp: f64) -> bool {
        exp + self.leeway <= self.now
    }

    fn is_ahead(self, at: f64) -> bool {
        at > self.now + self.leeway
    }
}

/// Checks the times of a token and returns its end.
pub(super) fn check_times(claims: &Map<String, Json>, clock: Clock) -> Result<f64, Reason> {
    let exp = seconds(claims, "exp")?.ok_or(Reason::ExpiryInvalid)?;
    if clock.is_past(exp) {
        return Err(Reason::Expired);
    }
    for start in ["nbf", "iat"] {
        if seconds(claims, start)?.is_some_and(|at| clock.is_ahead(at)) {
            return Err(Reason::NotYetValid);
        }
    }
    Ok(exp)
}

fn seconds(claims: &Map<String, Json>, name: &str) -> Result<Option<f64>, Reason> {
    let invalid = if name == "exp" { Reason::ExpiryInvalid } else { Reason::TimeInvalid };
    let Some(value) = claims.get(name) else { return Ok(None) };
    match value.as_f64() {
        Some(at) if (0.0..=SECONDS_MAX).contains(&at) => Ok(Some(at)),
        _ => Err(invalid),
    }
}

/// Checks that the token was made for one of the audiences.
pub(super) fn check_audience(claims: &Map<String, Json>, audiences: &[String]) -> Result<(), Reason> {
    let ours = |name: &str| audiences.iter().any(|audience| audience == name);
    let meant = match claims.get("aud") {
        Some(Json::String(name)) => ours(name),
        Some(Json::Array(names)) => {
            names.iter().all(Json::is_string) && names.iter().filter_map(Json::as_str).any(ours)
        }
        _ => false,
    };
    if meant { Ok(()) } else { Err(Reason::AudienceWrong) }
}

/// The claim that names the principal: text, not empty, without control characters.
pub(super) fn subject<'a>(claims: &'a Map<String, Json>, claim: &str) -> Result<&'a str, Reason> {
    match claims.get(claim).and_then(Json::as_str) {
        Some(name) if !name.is_empty() && !name.chars().any(char::is_control) => Ok(name),
        _ => Err(Reason::SubjectInvalid),
    }
}

/// The e-mail address that the issuer has verified, in lower case.
///
/// Only ASCII: letters that look alike or fold together would let one person be another.
pub(super) fn verified_email(claims: &Map<String, Json>) -> Result<String, Reason> {
    let email = subject(claims, "email")?;
    let plain = email.len() <= EMAIL_BYTES_MAX && email.bytes().all(|byte| byte.is_ascii_graphic());
    let whole = matches!(email.split_once('@'), Some((name, host))
        if !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if !plain || !whole {
        return Err(Reason::EmailInvalid);
    }
    match claims.get("email_verified") {
        Some(Json::Bool(true)) => Ok(email.to_ascii_lowercase()),
        _ => Err(Reason::EmailUnverified),
    }
}

/// The address that the issuer has verified, if the token says one: only to be compared with another.
///
/// One that is no plain address is given as it stands, and is like no other.
pub(super) fn stated_email(claims: &Map<String, Json>) -> Option<String> {
    let is_verified = claims.get("email_verified") == Some(&Json::Bool(true));
    let email = claims.get("email").and_then(Json::as_str).filter(|_| is_verified)?;
    Some(email.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CLOCK: Clock = Clock { now: 1_000_000.0, leeway: 30.0 };

    fn claims(value: Json) -> Map<String, Json> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn times_are_numbers_within_reason() {
        let at = |exp: Json| check_times(&claims(json!({"exp": exp})), CLOCK);
        assert_eq!(at(json!(1_000_001)), Ok(1_000_001.0));
        assert_eq!(at(json!(999_970.5)), Ok(999_970.5));
        assert_eq!(at(json!(999_970)), Err(Reason::Expired));
        for bad in [json!(-1), json!("1000001"), json!(1e300), json!(null), json!([1_000_001]), json!(1e13)] {
            assert_eq!(at(bad.clone()), Err(Reason::ExpiryInvalid), "{bad}");
        }
        assert_eq!(check_times(&claims(json!({})), CLOCK), Err(Reason::ExpiryInvalid));
        for name in ["nbf", "iat"] {
            let with = |at: Json| check_times(&claims(json!({"exp": 2_000_000, name: at})), CLOCK);
            assert!(with(json!(1_000_030)).is_ok());
            assert_eq!(with(json!(1_000_031)), Err(Reason::NotYetValid));
            assert_eq!(with(json!("1")), Err(Reason::TimeInvalid));
            assert_eq!(with(json!(null)), Err(Reason::TimeInvalid));
        }
    }

    #[test]
    fn an_audience_is_stated_and_ours() {
        let ours = ["api".to_owned(), "other".to_owned()];
        for good in [json!("api"), json!(["x", "other"])] {
            assert_eq!(check_audience(&claims(json!({"aud": good})), &ours), Ok(()));
        }
        for bad in [
            json!("API"),
            json!("api "),
            json!([]),
            json!(["x"]),
            json!(["api", 1]),
            json!(null),
            json!({"a": "api"}),
        ] {
            assert!(check_audience(&claims(json!({"aud": bad.clone()})), &ours).is_err(), "{bad}");
        }
        assert!(check_audience(&claims(json!({})), &ours).is_err());
    }

    #[test]
    fn an_address_is_stated_only_where_it_is_verified() {
        let read = |value: Json| stated_email(&claims(value));
        let verified = json!({"email": "Wife@Example.org", "email_verified": true});
        assert_eq!(read(verified).as_deref(), Some("wife@example.org"));
        for not in [json!(false), json!("true"), json!(1), json!(null)] {
            assert_eq!(read(json!({"email": "a@b", "email_verified": not})), None);
        }
        assert_eq!(read(json!({"email": "a@b"})), None);
        // A letter that looks alike stays another one.
        let odd = read(json!({"email": "w\u{131}fe@example.org", "email_verified": true}));
        assert_ne!(odd.as_deref(), Some("wife@example.org"));
    }

    #[test]
    fn an_email_is_verified_and_plain() {
        let read = |email: &str, verified: Json| {
            verified_email(&claims(json!({"email": email, "email_verified": verified})))
        };
        assert_eq!(read("Wife@Example.org", json!(true)).unwrap(), "wife@example.org");
        for verified in [json!(false), json!("true"), json!(1), json!(null)] {
            assert_eq!(read("a@b", verified), Err(Reason::EmailUnverified));
        }
        for bad in
            ["a", "@b", "a@", "a@b@c", "a b@c", "w\u{131}fe@example.org", &format!("{}@b", "a".repeat(254))]
        {
            assert_eq!(read(bad, json!(true)), Err(Reason::EmailInvalid), "{bad}");
        }
        assert_eq!(verified_email(&claims(json!({"email": ["a@b"]}))), Err(Reason::SubjectInvalid));
    }
}
