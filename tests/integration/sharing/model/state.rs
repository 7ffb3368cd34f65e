//! What the reference knows: organizations, roles, people, invitations, devices and grants, as plain values.

use std::collections::{BTreeMap, BTreeSet};

use cedargate::domain::{Entity, Uid, moment, nouns};
use serde_json::{Value as Json, json};

pub(super) type Id = String;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Org {
    pub(super) name: String,
    pub(super) parent: Option<Id>,
    pub(super) plan: Option<String>,
    pub(super) may_have_children: Option<bool>,
    pub(super) templates: Option<Vec<String>>,
    pub(super) grants: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) org: Id,
    pub(super) name: String,
    pub(super) holds: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) org: Id,
    pub(super) role: Id,
    pub(super) status: String,
    pub(super) email: Option<String>,
    pub(super) name: Option<String>,
    pub(super) signed_out: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) org: Id,
    pub(super) owner: Option<Id>,
    pub(super) name: String,
    pub(super) template: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invitation {
    pub(super) org: Id,
    pub(super) role: Id,
    pub(super) email: String,
    pub(super) inviter: Id,
    pub(super) invitee: Id,
    pub(super) status: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) org: Id,
    pub(super) granter: Id,
    pub(super) status: String,
    pub(super) control: bool,
    pub(super) streams: Option<Vec<String>>,
    pub(super) from: Option<i64>,
    pub(super) until: Option<i64>,
}

/// Everything; grants by device and grantee.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) orgs: BTreeMap<Id, Org>,
    pub(super) roles: BTreeMap<Id, Role>,
    pub(super) users: BTreeMap<Id, User>,
    pub(super) invitations: BTreeMap<Id, Invitation>,
    pub(super) devices: BTreeMap<Id, Device>,
    pub(super) grants: BTreeMap<(Id, Id), Grant>,
    /// People and devices that were removed: devices never come back, people with nothing. The store does not tell.
    pub(super) gone: BTreeSet<(&'static str, Id)>,
    /// When everything happens, in Unix milliseconds.
    pub(super) now: i64,
}

impl State {
    /// What is stored; what the store does not tell is taken over from `before`.
    pub(super) fn read<'a>(entities: impl Iterator<Item = &'a Entity>, before: &Self) -> Self {
        let mut state = Self { gone: before.gone.clone(), now: before.now, ..Self::default() };
        entities.for_each(|entity| state.take(entity));
        state
    }

    fn take(&mut self, entity: &Entity) {
        let id = |uid: &Uid| uid.id().to_owned();
        let own = id(&entity.uid);
        match entity.uid.kind() {
            "Organization" => {
                let it = nouns::Organization::read(entity).unwrap();
                let grants = entity.attrs.get("grants").and_then(Json::as_bool);
                let parent = it.parent.as_ref().map(id);
                let may_have_children = it.can_create_sub_orgs;
                let org = Org {
                    name: it.name,
                    parent,
                    plan: it.plan,
                    may_have_children,
                    templates: it.templates,
                    grants,
                };
                self.orgs.insert(own, org);
            }
            "Role" => {
                let it = nouns::Role::read(entity).unwrap();
                self.roles
                    .insert(own, Role { org: id(&it.organization), name: it.name, holds: it.permissions });
            }
            "User" => {
                let it = nouns::User::read(entity).unwrap();
                let (org, role, status) = (id(&it.organization), id(&it.role), it.status.as_str().to_owned());
                let signed_out = it.signed_out_at.is_some();
                self.users
                    .insert(own, User { org, role, status, email: it.email, name: it.name, signed_out });
            }
            "Device" => {
                let it = nouns::Device::read(entity).unwrap();
                let (org, owner) = (id(&it.organization), it.owner.as_ref().map(id));
                self.devices.insert(own, Device { org, owner, name: it.name, template: it.template });
            }
            "Invitation" => {
                let it = nouns::Invitation::read(entity).unwrap();
                let (org, role, status) =
                    (id(&it.organization), id(&it.role), it.outcome.as_str().to_owned());
                let (inviter, invitee) = (id(&it.inviter), id(&it.invitee));
                let invitation = Invitation { org, role, email: it.email, inviter, invitee, status };
                self.invitations.insert(own, invitation);
            }
            "Grant" => {
                let it = nouns::Grant::read(entity).unwrap();
                let (org, granter, status) =
                    (id(&it.organization), id(&it.granter), it.answer.as_str().to_owned());
                let (control, streams, from, until) = (it.control, it.datastreams, it.from, it.until);
                let key = (id(&it.device), id(&it.grantee));
                assert_eq!(entity.uid, Uid::of_grant(&it.device, &it.grantee), "the name of a grant follows");
                self.grants.insert(key, Grant { org, granter, status, control, streams, from, until });
            }
            "Permission" => {}
            kind if nouns::is_note(kind) => {}
            other => panic!("nobody made a {other}"),
        }
    }

    /// What is different in the other one, for people.
    pub(super) fn differences(&self, other: &Self) -> String {
        let lines = |state: &Self| -> BTreeSet<String> {
            let text = |it: &dyn std::fmt::Debug| format!("{it:?}");
            let (things, people) =
                (state.devices.iter().map(|it| text(&it)), state.users.iter().map(|it| text(&it)));
            let (orgs, roles) =
                (state.orgs.iter().map(|it| text(&it)), state.roles.iter().map(|it| text(&it)));
            let (open, lent) =
                (state.invitations.iter().map(|it| text(&it)), state.grants.iter().map(|it| text(&it)));
            things.chain(people).chain(orgs).chain(roles).chain(open).chain(lent).collect()
        };
        let (own, others) = (lines(self), lines(other));
        let expected = own.difference(&others).map(|it| format!("  expected {it}\n"));
        expected.chain(others.difference(&own).map(|it| format!("  found    {it}\n"))).collect()
    }

    /// The part that one tree of a store with many is: every id begins with `prefix`, or hangs on one that does.
    pub(super) fn part(&self, prefix: &str) -> Self {
        let mut part = Self { gone: self.gone.clone(), now: self.now, ..Self::default() };
        let is_of = |org: &Id| self.root(org).starts_with(prefix);
        let copy = |it: (&Id, &Org)| (it.0.clone(), it.1.clone());
        part.orgs = self.orgs.iter().filter(|(id, _)| is_of(id)).map(copy).collect();
        part.roles.extend(self.roles.clone().into_iter().filter(|(_, it)| is_of(&it.org)));
        part.users.extend(self.users.clone().into_iter().filter(|(_, it)| is_of(&it.org)));
        part.devices.extend(self.devices.clone().into_iter().filter(|(_, it)| is_of(&it.org)));
        part.invitations.extend(self.invitations.clone().into_iter().filter(|(_, it)| is_of(&it.org)));
        part.grants.extend(self.grants.clone().into_iter().filter(|(_, it)| is_of(&it.org)));
        part
    }

    /// Everything as entities in Cedar's JSON format; invitations are only made by operations.
    pub(super) fn entities(&self) -> Vec<Json> {
        let name = |kind: &str, id: &str| json!({ "type": kind, "id": id });
        let refer = |kind: &str, id: &str| json!({ "__entity": name(kind, id) });
        let time = |at: i64| moment::datetime(at);
        let entity = |uid: Json, attrs: Json, parents: Vec<Json>| {
            let mut attrs = attrs;
            attrs.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            json!({ "uid": uid, "attrs": attrs, "parents": parents })
        };
        let mut all = Vec::new();
        for (id, it) in &self.orgs {
            let attrs = json!({ "name": it.name, "plan": it.plan, "can_create_sub_orgs": it.may_have_children,
                                "templates": it.templates, "grants": it.grants });
            let parents = it.parent.iter().map(|parent| name("Organization", parent)).collect();
            all.push(entity(name("Organization", id), attrs, parents));
        }
        for (id, it) in &self.roles {
            let attrs = json!({ "name": it.name, "organization": refer("Organization", &it.org) });
            let parents = it.holds.iter().map(|held| name("Permission", held)).collect();
            all.push(entity(name("Role", id), attrs, parents));
        }
        for (id, it) in &self.users {
            let attrs = json!({ "organization": refer("Organization", &it.org), "status": it.status,
                                "email": it.email, "name": it.name });
            all.push(entity(name("User", id), attrs, vec![name("Role", &it.role)]));
        }
        for (id, it) in &self.devices {
            let owner = it.owner.as_ref().map(|owner| refer("User", owner));
            let attrs = json!({ "organization": refer("Organization", &it.org), "name": it.name,
                                "owner": owner, "template": it.template });
            all.push(entity(name("Device", id), attrs, vec![]));
        }
        for ((device, grantee), it) in &self.grants {
            let uid = Uid::of_grant(
                &Uid::new("Device", device.as_str()).unwrap(),
                &Uid::new("User", grantee.as_str()).unwrap(),
            );
            let attrs = json!({ "organization": refer("Organization", &it.org), "device": refer("Device", device),
                                "grantee": refer("User", grantee), "granter": refer("User", &it.granter),
                                "status": it.status, "control": it.control, "datastreams": it.streams,
                                "from": it.from.map(time), "until": it.until.map(time) });
            all.push(entity(name("Grant", uid.id()), attrs, vec![]));
        }
        all
    }
}
