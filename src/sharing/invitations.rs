//! Invitations: a link for one address, one role and one use.

use serde_json::{Value as Json, json};
use subtle::ConstantTimeEq;

use crate::domain::moment::rfc3339;
use crate::domain::nouns::{Draft, Invitation, Outcome, Role, Status, User};
use crate::domain::{Change, Uid};
use crate::sharing::ask::to;
use crate::sharing::bounds::{Room, Sent};
use crate::sharing::organizations::check_name;
use crate::sharing::people::NAME_CHARS_MAX;
use crate::sharing::secret::Secret;
use crate::sharing::{Actor, Conflict, Failure, Moment, Operation, Plan, Reader, Rule, letters, people};

/// The longest address (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

/// The address as it is compared: plain ASCII with one `@`, in lower case.
pub fn plain_email(text: &str) -> Result<String, Conflict> {
    let is_plain = text.len() <= EMAIL_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_whole = matches!(text.split_once('@'), Some((name, host))
        if !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if is_plain && is_whole {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Conflict::Invalid("an e-mail address is plain ASCII text with one `@`".to_owned()))
}

/// An invitation as the API shows it.
#[must_use]
pub fn described(it: &Invitation) -> Json {
    json!({ "id": it.uid.id(), "organization": it.organization.id(), "role": it.role.id(), "email": it.email,
            "inviter": it.inviter.id(), "user": it.invitee.id(), "status": it.outcome.as_str(),
            "created": rfc3339(it.created_at), "expires": rfc3339(it.expires_at),
            "delivery": it.delivery.map(|state| json!({ "state": state.as_str(), "attempts": it.attempts })) })
}

/// Invites somebody who has no account.
pub struct Invite {
    /// The id of the invitation.
    pub id: String,
    /// The id of the pending person.
    pub user_id: String,
    /// The organization.
    pub organization: Uid,
    /// The role there.
    pub role: Uid,
    /// The address, as it was typed.
    pub email: String,
    /// What people call the person.
    pub name: Option<String>,
    /// The token of the link.
    pub secret: Secret,
}

/// What an invitation depends on.
#[derive(Debug)]
pub struct Inviting {
    role: Option<Role>,
    is_taken: bool,
    room: Room,
    sent: Sent,
}

impl Operation for Invite {
    type Known = Inviting;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Inviting, Failure> {
        let is_taken = match plain_email(&self.email) {
            Ok(email) => reader.user_by_email(&email).await?.is_some(),
            Err(_) => false,
        };
        let organization = reader.organization(&self.organization).await?;
        Ok(Inviting {
            role: reader.role(&self.role).await?,
            is_taken,
            room: reader.room_for_users(organization.as_ref()).await?,
            sent: reader.sent(&self.organization).await?,
        })
    }

    fn rule(&self, actor: &Actor, known: &Inviting) -> Rule {
        let within = actor.gives(known.role.as_ref());
        actor.may_with(
            "invite_user",
            &self.organization,
            [("role", to(&self.role)), ("within_own_rights", within)],
        )
    }

    fn plan(&self, actor: &Actor, known: &Inviting, moment: &Moment) -> Result<Plan, Conflict> {
        let email = plain_email(&self.email)?;
        let role = known.role.as_ref().filter(|it| it.organization == self.organization);
        let role = role.ok_or(Conflict::Destination)?;
        if let Some(name) = &self.name {
            check_name(name, NAME_CHARS_MAX)?;
        }
        if known.is_taken {
            return Err(Conflict::AddressTaken);
        }
        known.room.check(1)?;
        let sent = known.sent.another(moment.now_ms, &moment.limits)?;
        let invitee = Uid::new(User::KIND, self.user_id.as_str())?;
        let mut user =
            User::new(invitee.clone(), self.organization.clone(), role.uid.clone(), Status::Pending);
        (user.email, user.name) = (Some(email.clone()), self.name.clone());
        let inviter = actor.uid.clone().ok_or(Conflict::Missing)?;
        let draft = Draft {
            organization: self.organization.clone(),
            role: role.uid.clone(),
            email,
            inviter,
            invitee,
        };
        let mut invitation = Invitation::new(Uid::new(Invitation::KIND, self.id.as_str())?, draft);
        invitation.created_at = moment.now_ms;
        let sending = send(&mut invitation, &self.secret, moment)?;
        let mut plan = Plan { answer: described(&invitation), secret: sending.token, ..Plan::default() };
        plan.changes.extend([Change::Create(user.write()), Change::Create(invitation.write()), sent]);
        plan.changes.extend(sending.letter);
        Ok(plan)
    }
}

/// How the link reaches the person: the token for the inviter, or a letter for the outbox.
struct Sending {
    token: Option<(&'static str, String)>,
    letter: Option<Change>,
}

fn send(invitation: &mut Invitation, secret: &Secret, moment: &Moment) -> Result<Sending, Conflict> {
    invitation.expires_at = moment.now_ms + moment.limits.invitation_ms;
    if moment.by_mail {
        // The token that is mailed is made when it is mailed; the hash of this one is only a fresh name.
        let letter = letters::queue(invitation, &secret.hash(), moment.now_ms)?;
        return Ok(Sending { token: None, letter: Some(letter) });
    }
    (invitation.token_hash, invitation.delivery) = (secret.hash(), None);
    Ok(Sending { token: Some(("token", secret.reveal().to_owned())), letter: None })
}

/// Makes a new link; the old one opens nothing any more.
pub struct Resend {
    /// Which invitation.
    pub invitation: Uid,
    /// The token of the new link.
    pub secret: Secret,
}

/// What a new link depends on.
#[derive(Debug)]
pub struct Resending {
    invitation: Option<Invitation>,
    sent: Option<Sent>,
    queued: Vec<Uid>,
}

impl Operation for Resend {
    type Known = Resending;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Resending, Failure> {
        let invitation = reader.invitation(&self.invitation).await?;
        let sent = match &invitation {
            Some(it) => Some(reader.sent(&it.organization).await?),
            None => None,
        };
        Ok(Resending { invitation, sent, queued: letters::queued(reader, &self.invitation).await? })
    }

    fn rule(&self, actor: &Actor, _: &Resending) -> Rule {
        actor.may("resend_invitation", &self.invitation)
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.invitation)
    }

    fn plan(&self, _: &Actor, known: &Resending, moment: &Moment) -> Result<Plan, Conflict> {
        let mut invitation = known.invitation.clone().ok_or(Conflict::Missing)?;
        check_unanswered(&invitation)?;
        let sent = known.sent.as_ref().ok_or(Conflict::Missing)?.another(moment.now_ms, &moment.limits)?;
        let sending = send(&mut invitation, &self.secret, moment)?;
        let mut plan = Plan { answer: described(&invitation), secret: sending.token, ..Plan::default() };
        plan.changes.extend([Change::Put(invitation.write()), sent]);
        plan.changes.extend(known.queued.iter().cloned().map(Change::Remove));
        plan.changes.extend(sending.letter);
        Ok(plan)
    }
}

fn check_unanswered(invitation: &Invitation) -> Result<(), Conflict> {
    match invitation.outcome {
        Outcome::Open => Ok(()),
        other => Err(Conflict::broken("answered", format!("the invitation is {}", other.as_str()))),
    }
}

/// Takes an invitation back; the pending person goes too.
#[derive(Debug)]
pub struct Withdraw {
    /// Which invitation.
    pub invitation: Uid,
}

impl Operation for Withdraw {
    type Known = (Option<Invitation>, Option<User>);

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Self::Known, Failure> {
        reader.invited(&self.invitation).await
    }

    fn rule(&self, actor: &Actor, _: &Self::Known) -> Rule {
        actor.may("withdraw_invitation", &self.invitation)
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.invitation)
    }

    fn plan(&self, _: &Actor, (invitation, invitee): &Self::Known, _: &Moment) -> Result<Plan, Conflict> {
        let mut invitation = invitation.clone().ok_or(Conflict::Missing)?;
        check_unanswered(&invitation)?;
        invitation.outcome = Outcome::Withdrawn;
        let mut changes = vec![Change::Put(invitation.write())];
        let pending = invitee.iter().filter(|it| it.status == Status::Pending);
        changes.extend(pending.map(|it| Change::Remove(it.uid.clone())));
        Ok(Plan { changes, ..Plan::default() })
    }
}

/// Uses the link: whoever is signed in becomes the member that was invited.
pub struct Accept {
    /// The token of the link.
    pub secret: Secret,
    /// The address that the caller's issuer has verified, in lower case, where the token says one.
    pub email: Option<String>,
}

/// What using a link depends on.
#[derive(Debug)]
pub struct Accepting {
    invitation: Option<Invitation>,
    invitee: Option<User>,
    /// Whether whoever accepts had an account that was deleted.
    is_returning: bool,
}

impl Operation for Accept {
    type Known = Accepting;

    async fn known(&self, reader: &Reader<'_>, actor: &Actor) -> Result<Accepting, Failure> {
        let (invitation, invitee) = match Uid::new(Invitation::KIND, self.secret.invitation()) {
            Ok(uid) => reader.invited(&uid).await?,
            Err(_) => (None, None),
        };
        let is_returning = match &actor.uid {
            Some(uid) => reader.is_removed(uid).await?,
            None => false,
        };
        Ok(Accepting { invitation, invitee, is_returning })
    }

    fn rule(&self, _: &Actor, _: &Accepting) -> Rule {
        Rule::Secret
    }

    fn plan(&self, actor: &Actor, known: &Accepting, moment: &Moment) -> Result<Plan, Conflict> {
        let opens = |it: &&Invitation| {
            let is_right = bool::from(it.token_hash.as_bytes().ct_eq(self.secret.hash().as_bytes()));
            is_right && it.is_open(moment.now_ms)
        };
        // Wrong, used, withdrawn and expired links look the same.
        let mut invitation = known.invitation.as_ref().filter(opens).ok_or(Conflict::Missing)?.clone();
        let pending =
            known.invitee.as_ref().filter(|it| it.status == Status::Pending).ok_or(Conflict::Missing)?;
        let uid = actor.uid.clone().filter(|uid| uid.kind() == User::KIND).ok_or(Conflict::Missing)?;
        self.check_address(&invitation, moment.limits.require_verified_email)?;
        let is_same = uid == pending.uid;
        if actor.user.is_some() && !is_same {
            return Err(Conflict::broken("has-account", "who has an account is transferred, not invited"));
        }
        let mut member = pending.clone().renamed(uid.clone());
        member.status = Status::Active;
        if known.is_returning {
            // Tokens and keys of the account that was deleted stay dead.
            member.signed_out_at = Some(moment.now_ms);
        }
        (invitation.outcome, invitation.invitee) = (Outcome::Accepted, uid);
        // The address passes from the one to the other, so the first goes first.
        let changes = match is_same {
            true => vec![Change::Put(member.write())],
            // Whoever was deleted here may come back under the issuer's name for him: nothing of him was left.
            false => vec![Change::Remove(pending.uid.clone()), Change::Renew(member.write())],
        };
        let changes = changes.into_iter().chain([Change::Put(invitation.write())]).collect();
        Ok(Plan { changes, answer: people::described(&member), secret: None })
    }
}

impl Accept {
    /// The link is for one address: whoever shows another one has somebody else's link.
    fn check_address(&self, invitation: &Invitation, is_required: bool) -> Result<(), Conflict> {
        let what = match &self.email {
            Some(email) if *email == invitation.email => return Ok(()),
            Some(_) => "the invitation is for another address: sign in with the one that it was sent to",
            None if is_required => "sign in with the address that the invitation was sent to, verified",
            None => return Ok(()),
        };
        Err(Conflict::broken("other-address", what))
    }
}
