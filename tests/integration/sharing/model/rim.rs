//! The real thing from outside: every operation as a request of the sharing API.

use std::collections::BTreeMap;
use std::sync::Mutex;

use cedargate::domain::{Uid, moment};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::inside::uid;
use super::operation::{Made, OPERATOR, Op, Outcome, Step};
use super::state::Id;

/// The operator's token, wherever the model runs.
pub(super) const OPERATOR_TOKEN: &str = "the-operators-own-token";

/// The bearer token of a person.
type Token = dyn Fn(&str) -> String + Send + Sync;

/// One listener, as many clients use it.
pub(super) struct Rim {
    base: String,
    client: Client,
    token: Box<Token>,
    links: Mutex<BTreeMap<Id, String>>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// What was asked in the end: a link that nobody knows is a useless one.
    pub(super) step: Step,
    pub(super) outcome: Outcome,
    pub(super) made: Made,
    /// The revision that it counts from.
    pub(super) revision: u64,
}

fn part(id: &str) -> String {
    id.replace('/', "%2F")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

impl Rim {
    pub(super) fn new(base: String, token: Box<Token>) -> Self {
        let client = Client::builder().no_proxy().build().unwrap();
        Self { base, client, token, links: Mutex::default() }
    }

    fn request(&self, who: &str, method: &str, path: &str, body: &Value) -> RequestBuilder {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.base));
        let token = if who == OPERATOR { OPERATOR_TOKEN.to_owned() } else { (self.token)(who) };
        let request = request.bearer_auth(token);
        match body.is_null() {
            true => request,
            false => request.header("content-type", "application/json").body(body.to_string()),
        }
    }

    /// One step; nothing where no answer came.
    pub(super) async fn perform(&self, step: &Step) -> Option<Answer> {
        let mut step = step.clone();
        let link = self.link(&mut step.op);
        let (method, path, body) = request(&step.op, link);
        let sent = self.request(&step.who, method, &format!("/api/v1{path}"), &body).send().await.ok()?;
        let status = sent.status().as_u16();
        let revision = sent.headers().get("cedargate-revision").and_then(|it| it.to_str().ok()?.parse().ok());
        let answer: Value = match sent.bytes().await.ok()? {
            bytes if bytes.is_empty() => Value::Null,
            bytes => serde_json::from_slice(&bytes).ok()?,
        };
        if !(200..300).contains(&status) {
            return Some(Answer { step, outcome: Err(status), made: Made::default(), revision: 0 });
        }
        let made = made(&step.op, &answer);
        if let (Some(token), Op::Invite { .. } | Op::Resend { .. }) = (answer["token"].as_str(), &step.op) {
            let invitation = text(&answer, "id").to_owned();
            self.links.lock().unwrap().insert(invitation, token.to_owned());
        }
        Some(Answer { step, outcome: Ok(()), made, revision: revision? })
    }

    /// The link to accept with; one that nobody was told opens nothing.
    fn link(&self, op: &mut Op) -> String {
        let Op::Accept { invitation, is_newest } = op else { return String::new() };
        let known = self.links.lock().unwrap().get(invitation).cloned().filter(|_| *is_newest);
        *is_newest = known.is_some();
        known.unwrap_or_else(|| format!("cgi_{invitation}.{}", "A".repeat(43)))
    }

    /// Whether each may do this with each device, as the Authorization API says.
    pub(super) async fn decide(&self, asked: &[(Id, &str, Id)]) -> Vec<bool> {
        let evaluation = |(who, action, device): &(Id, &str, Id)| {
            json!({ "subject": { "type": "User", "id": who }, "action": { "name": action },
                    "resource": { "type": "Device", "id": device } })
        };
        let body = json!({ "evaluations": asked.iter().map(evaluation).collect::<Vec<_>>() });
        let sent = self.request(OPERATOR, "POST", "/access/v1/evaluations", &body).send().await.unwrap();
        let answer: Value = serde_json::from_slice(&sent.bytes().await.unwrap()).unwrap();
        let all = answer["evaluations"].as_array().unwrap_or_else(|| panic!("{answer}"));
        all.iter().map(|it| it["decision"].as_bool().unwrap()).collect()
    }
}

fn made(op: &Op, answer: &Value) -> Made {
    let id = text(answer, "id");
    match op {
        Op::CreateRole { org, .. } => {
            let id = id.strip_prefix(org.as_str()).and_then(|it| it.strip_prefix('/')).unwrap_or_default();
            Made { id: id.to_owned(), user: String::new() }
        }
        _ => Made { id: id.to_owned(), user: text(answer, "user").to_owned() },
    }
}

fn request(op: &Op, link: String) -> (&'static str, String, Value) {
    match op {
        Op::CreateOrg { parent, name } => {
            ("POST", "/organizations".to_owned(), json!({ "parent": parent, "name": name }))
        }
        Op::RenameOrg { org, name } => ("PATCH", format!("/organizations/{org}"), json!({ "name": name })),
        Op::DeleteOrg { org } => ("DELETE", format!("/organizations/{org}"), Value::Null),
        Op::MoveOrg { org, parent } => {
            ("POST", format!("/organizations/{org}/transfer"), json!({ "parent": parent }))
        }
        Op::CreateRole { org, name, holds } => {
            ("POST", "/roles".to_owned(), json!({ "organization": org, "name": name, "permissions": holds }))
        }
        Op::RenameRole { role, name } => ("PATCH", format!("/roles/{}", part(role)), json!({ "name": name })),
        Op::EditRole { role, add, remove, push } => (
            "PATCH",
            format!("/roles/{}/permissions", part(role)),
            json!({ "add": add, "remove": remove, "push": push }),
        ),
        Op::DeleteRole { role, replacement } => {
            ("DELETE", format!("/roles/{}?replacement={}", part(role), part(replacement)), Value::Null)
        }
        Op::Invite { org, role, email } => {
            ("POST", "/invitations".to_owned(), json!({ "organization": org, "role": role, "email": email }))
        }
        Op::Resend { invitation } => ("POST", format!("/invitations/{invitation}/resend"), Value::Null),
        Op::Withdraw { invitation } => ("DELETE", format!("/invitations/{invitation}"), Value::Null),
        Op::Accept { .. } => ("POST", "/invitations/accept".to_owned(), json!({ "token": link })),
        _ => request_on_people(op).unwrap_or_else(|| request_on_things(op)),
    }
}

fn request_on_people(op: &Op) -> Option<(&'static str, String, Value)> {
    Some(match op {
        Op::RenameUser { user, name } => ("PATCH", format!("/users/{user}"), json!({ "name": name })),
        Op::Suspend { user } => ("POST", format!("/users/{user}/suspend"), Value::Null),
        Op::Activate { user } => ("POST", format!("/users/{user}/activate"), Value::Null),
        Op::SignOut { user } => ("POST", format!("/users/{user}/sign-out"), Value::Null),
        Op::ChangeRole { user, role } => ("PUT", format!("/users/{user}/role"), json!({ "role": role })),
        Op::MoveUser { user, org, role, with_devices } => {
            let body = json!({ "organization": org, "role": role, "with_devices": with_devices });
            ("POST", format!("/users/{user}/transfer"), body)
        }
        Op::DeleteUser { user } => ("DELETE", format!("/users/{user}"), Value::Null),
        _ => return None,
    })
}

fn request_on_things(op: &Op) -> (&'static str, String, Value) {
    let grant = |device: &str, grantee: &str| {
        Uid::of_grant(&uid("Device", device), &uid("User", grantee)).id().to_owned()
    };
    match op {
        Op::Provision { device, org, name, template } => {
            let body = json!({ "id": device, "organization": org, "name": name, "template": template });
            ("POST", "/devices".to_owned(), body)
        }
        Op::GiveTo { device, email } => {
            ("POST", format!("/devices/{device}/transfer"), json!({ "email": email }))
        }
        Op::MoveDevice { device, org } => {
            ("POST", format!("/devices/{device}/transfer"), json!({ "organization": org }))
        }
        Op::ClearOwner { device } => ("DELETE", format!("/devices/{device}/owner"), Value::Null),
        Op::Describe { device, name } => ("PATCH", format!("/devices/{device}"), json!({ "name": name })),
        Op::DeleteDevice { device } => ("DELETE", format!("/devices/{device}"), Value::Null),
        Op::Offer { device, emails, control, streams, from, until } => {
            let (from, until) = (from.map(moment::rfc3339), until.map(moment::rfc3339));
            let body = json!({ "device": device, "emails": emails, "control": control, "datastreams": streams,
                               "from": from, "until": until });
            ("POST", "/grants".to_owned(), body)
        }
        Op::Accepted { device, grantee } => {
            ("POST", format!("/grants/{}/accept", grant(device, grantee)), Value::Null)
        }
        Op::Declined { device, grantee } => {
            ("POST", format!("/grants/{}/decline", grant(device, grantee)), Value::Null)
        }
        Op::Revoked { device, grantee } => {
            ("DELETE", format!("/grants/{}", grant(device, grantee)), Value::Null)
        }
        other => panic!("{other:?}"),
    }
}
