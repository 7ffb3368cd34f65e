//! An invitation: a link that makes somebody a member, once and for some time.

use serde_json::Value as Json;

use crate::domain::moment::datetime;
use crate::domain::nouns::{NounError, blank, lacks, moment, named, reference, set, text};
use crate::domain::{Entity, Uid};

/// What became of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody has answered yet.
    Open,
    /// Its link was used.
    Accepted,
    /// It was taken back.
    Withdrawn,
}

impl Outcome {
    /// The name in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Accepted, Self::Withdrawn].into_iter().find(|it| it.as_str() == text)
    }
}

/// How far the letter with the link has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It waits to be sent.
    Queued,
    /// It was not taken yet, and is sent again.
    Delayed,
    /// The mail server took it.
    Sent,
    /// The mail server does not take letters to this address.
    Refused,
}

impl Delivery {
    const ALL: [Self; 4] = [Self::Queued, Self::Delayed, Self::Sent, Self::Refused];

    /// The name in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delayed => "delayed",
            Self::Sent => "sent",
            Self::Refused => "refused",
        }
    }
}

/// An invitation into one organization, with one role, to one address.
#[derive(Debug, Clone, PartialEq)]
pub struct Invitation {
    /// Its name in the store.
    pub uid: Uid,
    /// Where it leads.
    pub organization: Uid,
    /// The role that it gives.
    pub role: Uid,
    /// Whom it is addressed to, in lower case.
    pub email: String,
    /// Who invited.
    pub inviter: Uid,
    /// The pending person that it brings to life.
    pub invitee: Uid,
    /// The SHA-256 of the link's token, in hexadecimal digits.
    pub token_hash: String,
    /// When it was sent, in Unix milliseconds.
    pub created_at: i64,
    /// When it ends by itself.
    pub expires_at: i64,
    /// What became of it.
    pub outcome: Outcome,
    /// How far its letter has come; nothing where the inviter hands the link over himself.
    pub delivery: Option<Delivery>,
    /// How often the letter was tried.
    pub attempts: i64,
    /// The entity as it was read, with every attribute that has no meaning here.
    pub rest: Entity,
}

/// What a new invitation consists of.
pub struct Draft {
    /// Where it leads.
    pub organization: Uid,
    /// The role that it gives.
    pub role: Uid,
    /// Whom it is addressed to.
    pub email: String,
    /// Who invites.
    pub inviter: Uid,
    /// The pending person.
    pub invitee: Uid,
}

impl Invitation {
    /// The entity type.
    pub const KIND: &'static str = "Invitation";

    /// A new invitation, whose token is still to be made.
    #[must_use]
    pub fn new(uid: Uid, draft: Draft) -> Self {
        let Draft { organization, role, email, inviter, invitee } = draft;
        Self {
            rest: blank(uid.clone()),
            uid,
            organization,
            role,
            email,
            inviter,
            invitee,
            token_hash: String::new(),
            created_at: 0,
            expires_at: 0,
            outcome: Outcome::Open,
            delivery: None,
            attempts: 0,
        }
    }

    /// Reads the entity.
    pub fn read(entity: &Entity) -> Result<Self, NounError> {
        let entity_of = |name: &'static str| named(entity, name).ok_or_else(lacks(entity, name));
        let text_of = |name: &'static str| text(entity, name).ok_or_else(lacks(entity, name));
        let moment_of = |name: &'static str| moment(entity, name).ok_or_else(lacks(entity, name));
        Ok(Self {
            uid: entity.uid.clone(),
            organization: entity_of("organization")?,
            role: entity_of("role")?,
            email: text_of("email")?,
            inviter: entity_of("inviter")?,
            invitee: entity_of("user")?,
            token_hash: text_of("token_hash")?,
            created_at: moment_of("created")?,
            expires_at: moment_of("expires")?,
            outcome: Outcome::parse(&text_of("status")?).ok_or_else(lacks(entity, "status"))?,
            delivery: text(entity, "delivery")
                .and_then(|name| Delivery::ALL.into_iter().find(|it| it.as_str() == name)),
            attempts: entity.attrs.get("attempts").and_then(Json::as_i64).unwrap_or_default(),
            rest: entity.clone(),
        })
    }

    /// The entity to store.
    #[must_use]
    pub fn write(&self) -> Entity {
        let mut entity = self.rest.clone();
        set(&mut entity, "organization", Some(reference(&self.organization)));
        set(&mut entity, "role", Some(reference(&self.role)));
        set(&mut entity, "email", Some(self.email.clone().into()));
        set(&mut entity, "inviter", Some(reference(&self.inviter)));
        set(&mut entity, "user", Some(reference(&self.invitee)));
        set(&mut entity, "token_hash", Some(self.token_hash.clone().into()));
        set(&mut entity, "created", Some(datetime(self.created_at)));
        set(&mut entity, "expires", Some(datetime(self.expires_at)));
        set(&mut entity, "status", Some(self.outcome.as_str().into()));
        set(&mut entity, "delivery", self.delivery.map(|it| it.as_str().into()));
        set(&mut entity, "attempts", (self.attempts > 0).then(|| self.attempts.into()));
        entity
    }

    /// Whether its link still opens something.
    #[must_use]
    pub fn is_open(&self, now_ms: i64) -> bool {
        self.outcome == Outcome::Open && now_ms < self.expires_at
    }
}
