//! The nouns of sharing: typed views of entities that keep every attribute which they do not know.

mod catalogue;
mod device;
mod grant;
mod invitation;
mod organization;
mod role;
mod user;

use serde_json::{Map, Value as Json, json};

use crate::domain::{Entity, Uid, moment};

pub use catalogue::{Catalogue, Template};
pub use device::Device;
pub use grant::{Answer, Grant};
pub use invitation::{Delivery, Draft, Invitation, Outcome};
pub use organization::Organization;
pub use role::{Permission, Role};
pub use user::{Status, User};

/// The type of answers that are kept for repeated requests: no schema declares it, so no policy sees one.
pub const KEPT_ANSWER: &str = "IdempotencyKey";
/// The type of letters that are still to be sent; no schema declares it either.
pub const LETTER: &str = "Letter";
/// The type of what is known of an organization's latest invitations; no schema declares it either.
pub const SENT: &str = "SentInvitations";

/// Whether entities of this type are notes of the program's own: no policy sees one, and no file holds one.
#[must_use]
pub fn is_note(kind: &str) -> bool {
    [KEPT_ANSWER, LETTER, RECONCILIATION, SENT].contains(&kind)
}

/// An entity that is not what its type says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{uid} has no usable `{attribute}`")]
pub struct NounError {
    /// Which entity.
    pub uid: Uid,
    /// What it lacks.
    pub attribute: &'static str,
}

/// A reference in Cedar's JSON format.
#[must_use]
pub fn reference(uid: &Uid) -> Json {
    json!({ "__entity": { "type": uid.kind(), "id": uid.id() } })
}

/// The type of notes of what an upstream was asked to make or remove; no schema declares it either.
pub const RECONCILIATION: &str = "Reconciliation";

fn blank(uid: Uid) -> Entity {
    Entity { uid, attrs: Map::new(), parents: [].into(), tags: Map::new() }
}

fn lacks(entity: &Entity, attribute: &'static str) -> impl FnOnce() -> NounError {
    let uid = entity.uid.clone();
    move || NounError { uid, attribute }
}

fn text(entity: &Entity, name: &str) -> Option<String> {
    entity.attrs.get(name)?.as_str().map(str::to_owned)
}

fn moment(entity: &Entity, name: &str) -> Option<i64> {
    moment::millis(entity.attrs.get(name)?)
}

fn texts(entity: &Entity, name: &str) -> Vec<String> {
    let items = entity.attrs.get(name).and_then(Json::as_array);
    items.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
}

/// The entity that an attribute refers to.
#[must_use]
pub fn named(entity: &Entity, name: &str) -> Option<Uid> {
    let entity = entity.attrs.get(name)?.get("__entity")?;
    Uid::new(entity.get("type")?.as_str()?, entity.get("id")?.as_str()?).ok()
}

/// Sets the attribute, or takes it away.
fn set(entity: &mut Entity, name: &str, value: Option<Json>) {
    match value {
        Some(value) => drop(entity.attrs.insert(name.to_owned(), value)),
        None => drop(entity.attrs.remove(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(kind: &str, attrs: Json, parents: &[(&str, &str)]) -> Entity {
        let attrs = attrs.as_object().unwrap().clone();
        let parents = parents.iter().map(|(kind, id)| Uid::new(*kind, *id).unwrap()).collect();
        Entity { uid: Uid::new(kind, "x").unwrap(), attrs, parents, tags: Map::new() }
    }

    fn home() -> Json {
        reference(&Uid::new("Organization", "home").unwrap())
    }

    #[test]
    fn a_noun_is_written_as_it_was_read() {
        let device = entity(
            "Device",
            json!({"name": "Lamp", "organization": home(), "tags": ["a"], "colour": "red", "owner": home()}),
            &[],
        );
        assert_eq!(Device::read(&device).unwrap().write(), device);
        let user = entity(
            "User",
            json!({"organization": home(), "status": "pending", "email": "a@b", "height": 7}),
            &[("Role", "r"), ("Team", "t")],
        );
        assert_eq!(User::read(&user).unwrap().write(), user);
        let role = entity("Role", json!({"organization": home(), "name": "Staff"}), &[("Permission", "P")]);
        assert_eq!(Role::read(&role).unwrap().write(), role);
        let organization = entity("Organization", json!({"name": "Home", "plan": "PRO", "n": 1}), &[]);
        assert_eq!(Organization::read(&organization).unwrap().write(), organization);
    }

    #[test]
    fn what_is_no_noun_is_refused() {
        let user = entity("User", json!({"organization": home(), "status": "asleep"}), &[("Role", "r")]);
        assert_eq!(User::read(&user).unwrap_err().attribute, "status");
        let user = entity("User", json!({"organization": home(), "status": "active"}), &[]);
        assert_eq!(User::read(&user).unwrap_err().attribute, "role");
        let device = entity("Device", json!({"organization": "home"}), &[]);
        assert_eq!(Device::read(&device).unwrap_err().attribute, "organization");
    }
}
