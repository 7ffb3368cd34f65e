//! Random small worlds, and what everybody tries in them, nonsense included.

use std::collections::BTreeSet;

use super::operation::{OPERATOR, Op, Step};
use super::state::{Device, Grant, Id, Org, Role, State, User};
use super::structure::completed;
use crate::support::random::Random;

const HOUR: i64 = 3_600_000;

/// What roles of the worlds may hold.
pub(super) const HELD: [&str; 34] = [
    "ROLE_VIEW",
    "ROLE_CREATE",
    "ROLE_EDIT",
    "ROLE_DELETE",
    "ORG_VIEW_USERS",
    "ORG_INVITE_USERS",
    "ORG_EDIT_USERS",
    "ORG_DELETE_USERS",
    "USER_FORCE_LOGOUT",
    "USER_TRANSFER",
    "USER_SUSPEND",
    "PROVISION_DEVICES",
    "OWN_DEVICES_VIEW",
    "OWN_DEVICES_CONTROL",
    "OWN_DEVICES_EDIT",
    "OWN_DEVICES_DELETE",
    "OWN_DEVICE_DATA_DELETE",
    "OWN_DEVICES_REPORT",
    "ORG_DEVICES_VIEW",
    "ORG_DEVICES_CONTROL",
    "ORG_DEVICES_EDIT",
    "ORG_DEVICES_DELETE",
    "ORG_DEVICE_DATA_DELETE",
    "ORG_DEVICES_TIMELINE_VIEW",
    "SET_AUTH_TOKEN",
    "DEVICE_TRANSFER",
    "OWN_ORG_EDIT",
    "ORG_SWITCH",
    "ORG_TRANSFER",
    "ORG_VIEW",
    "ORG_CREATE",
    "ORG_EDIT",
    "ORG_DELETE",
    "TIMELINE_EDIT",
];

/// Two trees: `a` with organizations below it, and `b`.
pub(super) fn start(random: &mut Random, prefix: &str, now: i64) -> State {
    let mut state = State { now, ..State::default() };
    for (id, parent) in [("a", None), ("a1", Some("a")), ("a2", Some("a")), ("a11", Some("a1")), ("b", None)]
    {
        let plan = if id == "b" && random.below(2) == 0 { "FREE" } else { "PRO" };
        let org = Org {
            name: format!("{prefix}{id}"),
            parent: parent.map(|parent| format!("{prefix}{parent}")),
            plan: Some(plan.to_owned()),
            may_have_children: (random.below(8) == 0).then_some(false),
            templates: (random.below(6) == 0).then(|| vec!["lamp".to_owned()]),
            grants: (random.below(8) == 0).then_some(false),
        };
        state.orgs.insert(format!("{prefix}{id}"), org);
        for (name, of_eight) in [("Admin", 9), ("Staff", 5), ("User", 2)] {
            let held: BTreeSet<String> =
                HELD.iter().filter(|_| random.below(8) < of_eight).map(|it| (*it).to_owned()).collect();
            let role = Role { org: format!("{prefix}{id}"), name: name.to_owned(), holds: completed(&held) };
            state.roles.insert(format!("{prefix}{id}/{}", name.to_lowercase()), role);
        }
    }
    people(random, &mut state, prefix);
    things(random, &mut state, prefix);
    state
}

fn people(random: &mut Random, state: &mut State, prefix: &str) {
    for (id, org, role) in [
        ("root", "a", "admin"),
        ("second", "a", "admin"),
        ("staff", "a", "staff"),
        ("member", "a", "user"),
        ("chief", "a1", "admin"),
        ("tenant", "a1", "user"),
        ("leaf", "a11", "staff"),
        ("boss", "b", "admin"),
        ("guest", "b", "user"),
    ] {
        let status = ["active", "active", "active", "inactive", "suspended"][random.below(5)];
        let status = if role == "admin" { "active" } else { status };
        let (id, org, role) =
            (format!("{prefix}{id}"), format!("{prefix}{org}"), format!("{prefix}{org}/{role}"));
        let email = Some(format!("{id}@example.com"));
        state
            .users
            .insert(id, User { org, role, status: status.to_owned(), email, name: None, signed_out: false });
    }
}

fn things(random: &mut Random, state: &mut State, prefix: &str) {
    for n in 0..5 {
        let org = format!("{prefix}{}", ["a", "a", "a1", "a11", "b"][n]);
        let may_own: Vec<Id> = state
            .users
            .iter()
            .filter(|(_, it)| state.is_inside(&org, &it.org))
            .map(|(id, _)| id.clone())
            .collect();
        let owner = (random.below(5) > 0).then(|| may_own[random.below(may_own.len())].clone());
        let template = (random.below(3) == 0).then(|| ["lamp", "door"][random.below(2)].to_owned());
        let template = template.filter(|it| state.takes(&org, Some(it)));
        state
            .devices
            .insert(format!("{prefix}d{n}"), Device { org, owner, name: format!("Device {n}"), template });
    }
    for _ in 0..random.below(6) {
        let mut pick = Pick { state, random, prefix };
        let (device, grantee, granter) = (pick.device(), pick.user(), pick.user());
        let (Some(it), true, true) = (
            state.devices.get(&device),
            state.users.contains_key(&grantee),
            state.users.contains_key(&granter),
        ) else {
            continue;
        };
        let owner = it.owner.clone().filter(|_| random.below(3) > 0);
        let status = ["accepted", "accepted", "offered", "declined", "revoked"][random.below(5)];
        let (org, granter, status) = (it.org.clone(), owner.unwrap_or(granter), status.to_owned());
        let streams = (random.below(4) == 0).then(|| vec!["v1".to_owned()]);
        let grant =
            Grant { org, granter, status, control: random.below(2) == 0, streams, from: None, until: None };
        state.grants.insert((device, grantee), grant);
    }
}

/// What somebody tries next.
pub(super) fn step(random: &mut Random, state: &State, prefix: &str, number: usize) -> Step {
    let mut pick = Pick { state, random, prefix };
    let op = pick.op(number);
    let who = pick.actor(&op);
    Step { who, op }
}

/// Chooses what exists mostly.
struct Pick<'a> {
    state: &'a State,
    random: &'a mut Random,
    prefix: &'a str,
}

impl Pick<'_> {
    fn one(&mut self, of: Vec<&Id>) -> Id {
        if of.is_empty() || self.random.below(30) == 0 {
            return format!("{}nothing", self.prefix);
        }
        of[self.random.below(of.len())].clone()
    }

    fn org(&mut self) -> Id {
        self.one(self.state.orgs.keys().collect())
    }

    fn user(&mut self) -> Id {
        self.one(self.state.users.keys().collect())
    }

    fn device(&mut self) -> Id {
        self.one(self.state.devices.keys().collect())
    }

    /// A role, one of the organization mostly.
    fn role(&mut self, org: Option<&str>) -> Id {
        let anywhere = self.random.below(8) == 0;
        self.one(
            self.state
                .roles
                .iter()
                .filter(|(_, it)| anywhere || org.is_none_or(|org| it.org == org))
                .map(|(id, _)| id)
                .collect(),
        )
    }

    /// A role of a top organization mostly: the structure of roles is changed there.
    fn top_role(&mut self) -> Id {
        let top = format!("{}a", self.prefix);
        if self.random.below(4) == 0 { self.role(None) } else { self.role(Some(&top)) }
    }

    fn invitation(&mut self) -> Id {
        self.one(self.state.invitations.keys().collect())
    }

    fn grant(&mut self) -> (Id, Id) {
        let all: Vec<&(Id, Id)> = self.state.grants.keys().collect();
        match all.is_empty() || self.random.below(30) == 0 {
            true => (self.device(), self.user()),
            false => all[self.random.below(all.len())].clone(),
        }
    }

    fn email(&mut self) -> String {
        let user = self.user();
        let email = self.state.users.get(&user).and_then(|it| it.email.clone());
        let email = email.unwrap_or_else(|| format!("{}nobody@example.com", self.prefix));
        if self.random.below(4) == 0 { email.to_uppercase() } else { email }
    }

    fn name(&mut self, number: usize) -> String {
        match self.random.below(12) {
            0 => String::new(),
            1 => " padded".to_owned(),
            2 => "Admin".to_owned(),
            3 => format!("{}A1", self.prefix),
            _ => format!("{}Name {number}", self.prefix),
        }
    }

    fn some_held(&mut self, most: usize) -> Vec<&'static str> {
        (0..self.random.below(most + 1)).map(|_| HELD[self.random.below(HELD.len())]).collect()
    }

    fn actor(&mut self, op: &Op) -> Id {
        let stranger = |random: &mut Random, prefix: &str| format!("{prefix}stranger{}", random.below(3));
        match (op, self.random.below(40)) {
            (_, 0) => return OPERATOR.to_owned(),
            (_, 1) => return stranger(self.random, self.prefix),
            (_, 2) if !self.state.gone.is_empty() => {
                return self.one(self.state.gone.iter().map(|(_, id)| id).collect());
            }
            (Op::Accept { .. }, 3..30) => return stranger(self.random, self.prefix),
            (Op::Accepted { grantee, .. } | Op::Declined { grantee, .. }, 3..30) => return grantee.clone(),
            _ => {}
        }
        if self.random.below(2) == 0 {
            return self.user();
        }
        let is_admin = |it: &User| self.state.roles.get(&it.role).is_some_and(|it| it.name == "Admin");
        let root = |it: &User| self.state.orgs.get(&it.org).is_some_and(|it| it.parent.is_none());
        let admins =
            self.state.users.iter().filter(|(_, it)| is_admin(it) && root(it)).map(|(id, _)| id).collect();
        self.one(admins)
    }

    fn op(&mut self, number: usize) -> Op {
        match self.random.below(36) {
            0 | 1 => Op::CreateOrg { parent: self.org(), name: self.name(number) },
            2 => Op::RenameOrg { org: self.org(), name: self.name(number) },
            3 => Op::DeleteOrg { org: self.org() },
            4 | 5 => Op::MoveOrg { org: self.org(), parent: self.org() },
            6 => Op::CreateRole { org: self.org(), name: self.name(number), holds: self.some_held(4) },
            7 => Op::RenameRole { role: self.top_role(), name: self.name(number) },
            8 | 9 => {
                let push = ["none", "changed", "overwrite"][self.random.below(3)];
                Op::EditRole {
                    role: self.role(None),
                    add: self.some_held(2),
                    remove: self.some_held(2),
                    push,
                }
            }
            10 => Op::DeleteRole { role: self.top_role(), replacement: self.top_role() },
            11..=20 => self.op_on_people(number),
            _ => self.op_on_things(number),
        }
    }

    fn op_on_people(&mut self, number: usize) -> Op {
        let user = self.user();
        let home = self.state.users.get(&user).map(|it| it.org.clone());
        match self.random.below(13) {
            0 => Op::RenameUser { user, name: self.name(number) },
            1 => Op::Suspend { user },
            2 => Op::Activate { user },
            3 => Op::SignOut { user },
            4 => Op::ChangeRole { role: self.role(home.as_deref()), user },
            5 | 6 => {
                let org = self.org();
                Op::MoveUser {
                    user,
                    role: self.role(Some(&org)),
                    org,
                    with_devices: self.random.below(2) == 0,
                }
            }
            7 => Op::DeleteUser { user },
            8 | 9 => {
                let email = if self.random.below(4) == 0 {
                    self.email()
                } else {
                    format!("{}new{number}@example.com", self.prefix)
                };
                let email = if self.random.below(20) == 0 { "not an address".to_owned() } else { email };
                let org = self.org();
                Op::Invite { role: self.role(Some(&org)), org, email }
            }
            10 => Op::Resend { invitation: self.invitation() },
            11 if self.random.below(2) == 0 => Op::Withdraw { invitation: self.invitation() },
            _ => Op::Accept { invitation: self.invitation(), is_newest: self.random.below(6) > 0 },
        }
    }

    fn op_on_things(&mut self, number: usize) -> Op {
        let device = self.device();
        match self.random.below(14) {
            0 | 1 => {
                let device =
                    if self.random.below(6) == 0 { device } else { format!("{}new{number}", self.prefix) };
                let template =
                    (self.random.below(3) == 0).then(|| ["lamp", "door"][self.random.below(2)].to_owned());
                Op::Provision { device, org: self.org(), name: self.name(number), template }
            }
            2 | 3 => Op::GiveTo { device, email: self.email() },
            4 => Op::MoveDevice { device, org: self.org() },
            5 => Op::ClearOwner { device },
            6 => Op::Describe { device, name: self.name(number) },
            7 => Op::DeleteDevice { device },
            8 | 9 => self.offer(device),
            10 | 11 => {
                let (device, grantee) = self.grant();
                Op::Accepted { device, grantee }
            }
            12 => {
                let (device, grantee) = self.grant();
                Op::Declined { device, grantee }
            }
            _ => {
                let (device, grantee) = self.grant();
                Op::Revoked { device, grantee }
            }
        }
    }

    fn offer(&mut self, device: Id) -> Op {
        let emails = (0..=self.random.below(2)).map(|_| self.email()).collect();
        let control = self.random.below(2) == 0;
        let streams = (self.random.below(4) == 0).then(|| vec!["v1".to_owned()]);
        let mut time = |often| {
            (self.random.below(often) == 0)
                .then(|| self.state.now + [-24, 24, 48][self.random.below(3)] * HOUR)
        };
        let (from, until) = (time(6), time(4));
        Op::Offer { device, emails, control, streams, from, until }
    }
}
