//! Secrets of devices: kept and forgotten by who may set a device's token, and shown to nobody.

use std::sync::Arc;

use crate::domain::nouns::Device;
use crate::domain::{Change, Query, SecretText, Uid};
use crate::sharing::{Actor, Conflict, Failure, Moment, Operation, Plan, Reader, Rule, Sharing};

/// Who may keep, forget and list them.
const ACTION: &str = "edit_auth_token";
/// The most secrets of one device.
const SECRETS_MAX: usize = 16;

/// Keeps a secret of a device, in place of one of the same name.
#[derive(Debug)]
pub struct KeepSecret {
    /// Whose secret it is.
    pub device: Uid,
    /// What routes call it.
    pub name: Arc<str>,
    /// The secret.
    pub value: SecretText,
}

/// What a device has, without the secrets themselves.
#[derive(Debug)]
pub struct Kept {
    device: Option<Device>,
    names: Vec<String>,
}

async fn kept(reader: &Reader<'_>, device: &Uid) -> Result<Kept, Failure> {
    Ok(Kept { device: reader.device(device).await?, names: reader.store.secret_names(device).await? })
}

impl Operation for KeepSecret {
    type Known = Kept;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Kept, Failure> {
        kept(reader, &self.device).await
    }

    fn rule(&self, actor: &Actor, _: &Kept) -> Rule {
        actor.may(ACTION, &self.device)
    }

    fn plan(&self, _: &Actor, known: &Kept, _: &Moment) -> Result<Plan, Conflict> {
        known.device.as_ref().ok_or(Conflict::Missing)?;
        if !SecretText::is_name(&self.name) {
            let what = "a secret's name is at most 64 letters, digits and `_`, and begins with no digit";
            return Err(Conflict::Invalid(what.to_owned()));
        }
        let is_new = !known.names.iter().any(|name| **name == *self.name);
        if is_new && known.names.len() >= SECRETS_MAX {
            let detail = format!("a device has at most {SECRETS_MAX} secrets");
            return Err(Conflict::broken("too-many-secrets", detail));
        }
        let (of, name, value) = (self.device.clone(), self.name.clone(), self.value.clone());
        Ok(Plan { changes: vec![Change::Keep { of, name, value }], ..Plan::default() })
    }
}

/// Forgets a secret of a device.
#[derive(Debug)]
pub struct ForgetSecret {
    /// Whose secret it is.
    pub device: Uid,
    /// What routes call it.
    pub name: Arc<str>,
}

impl Operation for ForgetSecret {
    type Known = Kept;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Kept, Failure> {
        kept(reader, &self.device).await
    }

    fn rule(&self, actor: &Actor, _: &Kept) -> Rule {
        actor.may(ACTION, &self.device)
    }

    fn plan(&self, _: &Actor, known: &Kept, _: &Moment) -> Result<Plan, Conflict> {
        if known.device.is_none() || !known.names.iter().any(|name| **name == *self.name) {
            return Err(Conflict::Missing);
        }
        let (of, name) = (self.device.clone(), self.name.clone());
        Ok(Plan { changes: vec![Change::Forget { of, name }], ..Plan::default() })
    }
}

impl Sharing {
    /// The names of a device's secrets.
    pub async fn secret_names(&self, actor: Option<&Uid>, device: &Uid) -> Result<Vec<String>, Failure> {
        match actor {
            Some(actor) => self.admit(Query::new(actor.clone(), ACTION, device.clone())).await?,
            None => drop(self.read(None, ACTION, device).await?),
        }
        Ok(self.store.secret_names(device).await?)
    }
}
