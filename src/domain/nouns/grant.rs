//! A grant: one device lent to one person.

use serde_json::Value as Json;

use crate::domain::moment::datetime;
use crate::domain::nouns::{NounError, blank, lacks, moment, named, reference, set, text, texts};
use crate::domain::{Entity, Uid};

/// How a grant was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Not yet.
    Offered,
    /// It counts.
    Accepted,
    /// The other side does not want it, or not any more.
    Declined,
    /// It was taken back.
    Revoked,
}

impl Answer {
    const ALL: [Self; 4] = [Self::Offered, Self::Accepted, Self::Declined, Self::Revoked];

    /// The name in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Revoked => "revoked",
        }
    }
}

/// One device lent to one person; its name follows from the two.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// Its name in the store.
    pub uid: Uid,
    /// The device's organization.
    pub organization: Uid,
    /// What is lent.
    pub device: Uid,
    /// To whom.
    pub grantee: Uid,
    /// By whom.
    pub granter: Uid,
    /// How it was answered.
    pub answer: Answer,
    /// Whether the person may make the device do something.
    pub control: bool,
    /// Which parts of the device; all unless stated.
    pub datastreams: Option<Vec<String>>,
    /// From when on, in Unix milliseconds.
    pub from: Option<i64>,
    /// Until when.
    pub until: Option<i64>,
    /// In which quarters of an hour of the week; Monday at midnight is 0.
    pub hours: Option<Vec<i64>>,
    /// By the clock of which zone.
    pub zone: Option<String>,
    /// Whether the person may lend it on.
    pub may_lend_on: bool,
    /// Who lent it on, in the granter's name.
    pub lent_on_by: Option<Uid>,
    /// The grant that was lent on.
    pub lent_from: Option<Uid>,
    /// A word to the other side.
    pub note: Option<String>,
    /// When it was offered, in Unix milliseconds.
    pub created: Option<i64>,
    /// The entity as it was read, with every attribute that has no meaning here.
    pub rest: Entity,
}

impl Grant {
    /// The entity type.
    pub const KIND: &'static str = "Grant";

    /// A grant of view, to be answered.
    #[must_use]
    pub fn new(organization: Uid, device: Uid, grantee: Uid, granter: Uid) -> Self {
        let uid = Uid::of_grant(&device, &grantee);
        Self {
            rest: blank(uid.clone()),
            uid,
            organization,
            device,
            grantee,
            granter,
            answer: Answer::Offered,
            control: false,
            datastreams: None,
            from: None,
            until: None,
            hours: None,
            zone: None,
            may_lend_on: false,
            lent_on_by: None,
            lent_from: None,
            note: None,
            created: None,
        }
    }

    /// Reads the entity.
    pub fn read(entity: &Entity) -> Result<Self, NounError> {
        let entity_of = |name: &'static str| named(entity, name).ok_or_else(lacks(entity, name));
        let status = text(entity, "status");
        let answer = Answer::ALL.into_iter().find(|it| Some(it.as_str()) == status.as_deref());
        let control = entity.attrs.get("control").and_then(Json::as_bool);
        let hours = entity.attrs.get("hours").and_then(Json::as_array);
        Ok(Self {
            uid: entity.uid.clone(),
            organization: entity_of("organization")?,
            device: entity_of("device")?,
            grantee: entity_of("grantee")?,
            granter: entity_of("granter")?,
            answer: answer.ok_or_else(lacks(entity, "status"))?,
            control: control.ok_or_else(lacks(entity, "control"))?,
            datastreams: entity.attrs.contains_key("datastreams").then(|| texts(entity, "datastreams")),
            from: moment(entity, "from"),
            until: moment(entity, "until"),
            hours: hours.map(|it| it.iter().filter_map(Json::as_i64).collect()),
            zone: text(entity, "zone"),
            may_lend_on: entity.attrs.get("may_lend_on").and_then(Json::as_bool).unwrap_or_default(),
            lent_on_by: named(entity, "lent_on_by"),
            lent_from: named(entity, "lent_from"),
            note: text(entity, "note"),
            created: moment(entity, "created"),
            rest: entity.clone(),
        })
    }

    /// The entity to store.
    #[must_use]
    pub fn write(&self) -> Entity {
        let mut entity = self.rest.clone();
        set(&mut entity, "organization", Some(reference(&self.organization)));
        set(&mut entity, "device", Some(reference(&self.device)));
        set(&mut entity, "grantee", Some(reference(&self.grantee)));
        set(&mut entity, "granter", Some(reference(&self.granter)));
        set(&mut entity, "status", Some(self.answer.as_str().into()));
        set(&mut entity, "control", Some(self.control.into()));
        set(&mut entity, "datastreams", self.datastreams.clone().map(Json::from));
        set(&mut entity, "from", self.from.map(datetime));
        set(&mut entity, "until", self.until.map(datetime));
        set(&mut entity, "hours", self.hours.clone().map(Json::from));
        set(&mut entity, "zone", self.zone.clone().map(Json::from));
        set(&mut entity, "may_lend_on", self.may_lend_on.then_some(Json::Bool(true)));
        set(&mut entity, "lent_on_by", self.lent_on_by.as_ref().map(reference));
        set(&mut entity, "lent_from", self.lent_from.as_ref().map(reference));
        set(&mut entity, "note", self.note.clone().map(Json::from));
        set(&mut entity, "created", self.created.map(datetime));
        entity
    }
}
