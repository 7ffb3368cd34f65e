//! What the upstream makes and removes: noted before it is asked, settled when it answered, and left to
//! the operator where the two may differ.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::domain::moment::rfc3339;
use crate::domain::nouns::{Device, Grant, RECONCILIATION, User};
use crate::domain::{Change, Entity, Intent, Newcomer, Uid};
use crate::sharing::devices::Provision;
use crate::sharing::{
    Actor, Circumstances, Conflict, Failure, Moment, Operation, Plan, Reader, Rule, Sharing,
};

/// What adding a device depends on.
type Provisioned = <Provision as Operation>::Known;

impl Intent {
    fn rule(&self) -> Rule {
        Rule::Cedar(self.queries.clone())
    }

    fn provision(&self, entry: &Uid) -> Option<Provision> {
        let (makes, query) = (self.makes.as_ref()?, self.queries.first()?);
        Some(provision(makes, query.resource.clone(), entry))
    }

    fn note(&self, entry: &Uid, now_ms: i64) -> Entity {
        let principal = self.queries.first().map(|query| query.principal.to_string());
        let resources: Vec<String> = self.queries.iter().map(|query| query.resource.to_string()).collect();
        let mut attrs = Map::from_iter([
            ("effect".to_owned(), if self.makes.is_some() { "creates" } else { "removes" }.into()),
            ("route".to_owned(), (*self.route).into()),
            ("principal".to_owned(), principal.into()),
            ("resources".to_owned(), resources.into()),
            ("at".to_owned(), now_ms.into()),
            ("reason".to_owned(), "under way".into()),
        ]);
        if let Some(makes) = &self.makes {
            describe(makes, &mut attrs);
        }
        Entity { uid: entry.clone(), attrs, parents: [].into(), tags: Map::new() }
    }
}

fn describe(makes: &Newcomer, attrs: &mut Map<String, Json>) {
    for (name, value) in [("id", &makes.id), ("name", &makes.name), ("template", &makes.template)] {
        if let Some(value) = value {
            attrs.insert(name.to_owned(), value.as_str().into());
        }
    }
}

/// A name that the store would refuse must not keep the device out of it.
fn provision(makes: &Newcomer, organization: Uid, entry: &Uid) -> Provision {
    let id = makes.id.clone().unwrap_or_else(|| entry.id().to_owned());
    let cut: String = id.chars().filter(|c| !c.is_control()).take(60).collect();
    let name = makes.name.clone().unwrap_or(cut);
    Provision { id, organization, name, template: makes.template.clone() }
}

/// Notes what the upstream will be asked; refuses what could not be registered anyway.
#[derive(Debug)]
pub struct Begin {
    /// The name of the note.
    pub entry: Uid,
    /// What will be asked.
    pub intent: Intent,
}

impl Operation for Begin {
    type Known = (Option<Provisioned>, bool);

    async fn known(&self, reader: &Reader<'_>, actor: &Actor) -> Result<Self::Known, Failure> {
        let Some(provision) = self.intent.provision(&self.entry) else { return Ok((None, false)) };
        let taken = match &self.intent.makes {
            Some(Newcomer { id: Some(id), .. }) => {
                reader.is_used(&Uid::new(Device::KIND, id.as_str()).map_err(Conflict::from)?).await?
            }
            _ => false,
        };
        Ok((Some(provision.known(reader, actor).await?), taken))
    }

    fn rule(&self, _: &Actor, _: &Self::Known) -> Rule {
        self.intent.rule()
    }

    fn plan(&self, actor: &Actor, (known, taken): &Self::Known, moment: &Moment) -> Result<Plan, Conflict> {
        if *taken {
            return Err(Conflict::Taken);
        }
        if let (Some(provision), Some(known)) = (self.intent.provision(&self.entry), known) {
            provision.plan(actor, known, moment)?;
        }
        let note = Change::Create(self.intent.note(&self.entry, moment.now_ms));
        Ok(Plan { changes: vec![note], ..Plan::default() })
    }
}

/// Does to the store what the upstream did, and forgets the note.
#[derive(Debug)]
pub struct Settle {
    /// The name of the note.
    pub entry: Uid,
    /// What the upstream did.
    pub intent: Intent,
}

/// What settling depends on.
pub struct Situation {
    noted: bool,
    provisioned: Option<Provisioned>,
    gone: Vec<Uid>,
}

impl Operation for Settle {
    type Known = Situation;

    async fn known(&self, reader: &Reader<'_>, actor: &Actor) -> Result<Situation, Failure> {
        let noted = reader.entity(&self.entry).await?.is_some();
        match self.intent.provision(&self.entry) {
            Some(provision) => {
                let provisioned = Some(provision.known(reader, actor).await?);
                Ok(Situation { noted, provisioned, gone: Vec::new() })
            }
            None => {
                let resources = self.intent.queries.iter().map(|query| &query.resource);
                Ok(Situation { noted, provisioned: None, gone: with_grants(reader, resources).await? })
            }
        }
    }

    fn rule(&self, _: &Actor, _: &Situation) -> Rule {
        self.intent.rule()
    }

    fn plan(&self, actor: &Actor, known: &Situation, moment: &Moment) -> Result<Plan, Conflict> {
        if !known.noted {
            return Err(Conflict::Missing);
        }
        let mut plan = match self.intent.provision(&self.entry).zip(known.provisioned.as_ref()) {
            Some((provision, known)) => {
                let provision = usable(provision);
                let of = Uid::new(Device::KIND, provision.id.as_str())?;
                let mut plan = provision.plan(actor, known, moment)?;
                let secrets = self.intent.makes.iter().flat_map(|makes| makes.secrets.clone());
                plan.changes.extend(secrets.map(|(name, value)| Change::Keep {
                    of: of.clone(),
                    name,
                    value,
                }));
                plan
            }
            None => Plan::default(),
        };
        plan.changes.extend(known.gone.iter().chain([&self.entry]).cloned().map(Change::Remove));
        Ok(plan)
    }
}

/// What the upstream calls it may not be what the store takes for a name.
fn usable(provision: Provision) -> Provision {
    let name: String = provision.name.chars().filter(|c| !c.is_control()).take(60).collect();
    let name = name.trim().to_owned();
    let name = if name.is_empty() { "Device".to_owned() } else { name };
    Provision { name, ..provision }
}

/// What is there of the resources, and the grants of those that are devices.
async fn with_grants(
    reader: &Reader<'_>,
    resources: impl Iterator<Item = &Uid>,
) -> Result<Vec<Uid>, Failure> {
    let mut gone = Vec::new();
    for uid in resources {
        if uid.kind() == Device::KIND {
            let grants: Vec<Grant> = reader.grants("device", uid).await?;
            gone.extend(grants.into_iter().map(|grant| grant.uid));
        }
        if reader.entity(uid).await?.is_some() {
            gone.push(uid.clone());
        }
    }
    Ok(gone)
}

/// The operator puts the store in step by hand.
#[derive(Debug)]
pub struct Finish {
    /// The name of the note.
    pub entry: Uid,
    /// The id that the upstream gave the device, where the note does not know it.
    pub device: Option<String>,
}

/// What the note says, and what it leads to.
pub struct Noted {
    owner: Actor,
    provision: Option<(Provision, Provisioned)>,
    gone: Vec<Uid>,
}

impl Operation for Finish {
    type Known = Option<Noted>;

    async fn known(&self, reader: &Reader<'_>, actor: &Actor) -> Result<Self::Known, Failure> {
        // Only the operator may; what follows is not read for anybody else.
        if actor.uid.is_some() {
            return Ok(None);
        }
        let Some(note) = reader.entity(&self.entry).await? else { return Ok(None) };
        let text = |name: &str| note.attrs.get(name).and_then(Json::as_str).map(str::to_owned);
        let uid = |text: &str| Uid::parse(text).ok();
        let principal = text("principal").as_deref().and_then(uid);
        let owner = Actor::load(reader, principal.filter(|uid| uid.kind() == User::KIND)).await?;
        let resources = note.attrs.get("resources").and_then(Json::as_array).into_iter().flatten();
        let resources: Vec<Uid> = resources.filter_map(Json::as_str).filter_map(uid).collect();
        if text("effect").as_deref() != Some("creates") {
            let gone = with_grants(reader, resources.iter()).await?;
            return Ok(Some(Noted { owner, provision: None, gone }));
        }
        let Some(organization) = resources.into_iter().next() else { return Ok(None) };
        let id = self.device.clone().or_else(|| text("id"));
        let id = id.ok_or_else(|| Conflict::Invalid("state the `device` that was made".to_owned()))?;
        let makes =
            Newcomer { id: Some(id), name: text("name"), template: text("template"), secrets: Vec::new() };
        let provision = usable(provision(&makes, organization, &self.entry));
        let provisioned = provision.known(reader, &owner).await?;
        Ok(Some(Noted { owner, provision: Some((provision, provisioned)), gone: Vec::new() }))
    }

    fn rule(&self, _: &Actor, _: &Self::Known) -> Rule {
        Rule::Operator
    }

    fn plan(&self, _: &Actor, known: &Self::Known, moment: &Moment) -> Result<Plan, Conflict> {
        let noted = known.as_ref().ok_or(Conflict::Missing)?;
        let mut plan = match &noted.provision {
            Some((provision, known)) => provision.plan(&noted.owner, known, moment)?,
            None => Plan::default(),
        };
        plan.changes.extend(noted.gone.iter().chain([&self.entry]).cloned().map(Change::Remove));
        Ok(plan)
    }
}

/// The operator forgets a note: the upstream did nothing, or it was undone there.
#[derive(Debug)]
pub struct Discard {
    /// The name of the note.
    pub entry: Uid,
}

impl Operation for Discard {
    type Known = bool;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<bool, Failure> {
        Ok(reader.entity(&self.entry).await?.is_some())
    }

    fn rule(&self, _: &Actor, _: &bool) -> Rule {
        Rule::Operator
    }

    fn plan(&self, _: &Actor, known: &bool, _: &Moment) -> Result<Plan, Conflict> {
        match known {
            true => Ok(Plan { changes: vec![Change::Remove(self.entry.clone())], ..Plan::default() }),
            false => Err(Conflict::Missing),
        }
    }
}

/// A note as the API shows it.
fn shown(note: &Entity) -> Json {
    let mut shown = Map::from_iter([("id".to_owned(), note.uid.id().into())]);
    for (name, value) in &note.attrs {
        let (name, value) = match (name.as_str(), value) {
            ("id", value) => ("device", value.clone()),
            ("at", value) => ("at", value.as_i64().map(rfc3339).into()),
            (name, value) => (name, value.clone()),
        };
        shown.insert(name.to_owned(), value);
    }
    Json::Object(shown)
}

impl Sharing {
    /// The name of a new note, in the order of time.
    pub fn fresh_entry() -> Result<Uid, Conflict> {
        Ok(Uid::new(RECONCILIATION, uuid::Uuid::now_v7().to_string())?)
    }

    /// Notes what an upstream will be asked for a principal.
    pub async fn begin(self: &Arc<Self>, entry: Uid, intent: Intent) -> Result<(), Failure> {
        let actor = intent.queries.first().map(|query| query.principal.clone());
        self.perform(actor, Begin { entry, intent }, Circumstances::default()).await.map(drop)
    }

    /// Does to the store what the upstream did.
    pub async fn settle(self: &Arc<Self>, entry: Uid, intent: Intent) -> Result<(), Failure> {
        let actor = intent.queries.first().map(|query| query.principal.clone());
        self.perform(actor, Settle { entry, intent }, Circumstances::default()).await.map(drop)
    }

    /// Forgets a note of our own: the upstream did nothing.
    pub async fn withdraw(&self, entry: Uid) -> Result<(), Failure> {
        self.store.apply(vec![Change::Remove(entry)], None).await?;
        Ok(())
    }

    /// Says in a note of our own why it is the operator's now.
    pub async fn leave(&self, entry: Uid, reason: &str, made: Option<&Newcomer>) -> Result<(), Failure> {
        let session = self.decider.pin();
        let mut note = self.reader(&session).entity(&entry).await?.ok_or(Conflict::Missing)?;
        note.attrs.insert("reason".to_owned(), reason.into());
        if let Some(made) = made {
            describe(made, &mut note.attrs);
        }
        self.store.apply(vec![Change::Put(note)], None).await?;
        Ok(())
    }

    /// The notes, for the operator: those that are under way, and those that nobody settled.
    pub async fn reconciliations(
        &self,
        actor: Option<&Uid>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Json>, Option<String>), Failure> {
        if actor.is_some() {
            return Err(Failure::NotYours);
        }
        let after = after.map(|id| Uid::new(RECONCILIATION, id)).transpose().map_err(Conflict::from)?;
        let page = self.store.page(Some(RECONCILIATION), after.as_ref(), limit).await?;
        let is_full = page.len() >= limit as usize;
        let next = page.last().filter(|_| is_full).map(|note| note.uid.id().to_owned());
        Ok((page.iter().map(shown).collect(), next))
    }
}
