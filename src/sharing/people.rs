//! People who are members: their roles, their status, where they belong.

use serde_json::{Value as Json, json};

use crate::domain::nouns::{Device, Grant, Invitation, Organization, Role, Status, User};
use crate::domain::{Change, Uid};
use crate::sharing::ask::to;
use crate::sharing::bounds::Room;
use crate::sharing::devices::moved_along;
use crate::sharing::grants::{ended, lent_on};
use crate::sharing::organizations::check_name;
use crate::sharing::{Actor, Conflict, Failure, Moment, Operation, Plan, Reader, Rule};

/// The longest name of a person, in characters.
pub(super) const NAME_CHARS_MAX: usize = 100;

/// What is known of a person.
#[derive(Debug)]
pub struct Person {
    user: Option<User>,
    /// How many other administrators can act; nothing if the person is none.
    other_admins: Option<usize>,
}

impl Person {
    async fn read(reader: &Reader<'_>, uid: &Uid) -> Result<Self, Failure> {
        let user = reader.user(uid).await?;
        let other_admins = match &user {
            Some(user) if user.status.is_activated() => reader.other_admins(user).await?,
            _ => None,
        };
        Ok(Self { user, other_admins })
    }

    fn user(&self) -> Result<&User, Conflict> {
        self.user.as_ref().ok_or(Conflict::Missing)
    }

    /// An organization keeps an administrator.
    fn check_admin_stays(&self) -> Result<(), Conflict> {
        let detail = "the organization would have no administrator: make somebody else one first";
        if self.other_admins == Some(0) { Err(Conflict::broken("last-admin", detail)) } else { Ok(()) }
    }
}

/// A person as the API shows it.
#[must_use]
pub fn described(user: &User) -> Json {
    json!({ "id": user.uid.id(), "organization": user.organization.id(), "role": user.role.id(),
            "status": user.status.as_str(), "email": user.email, "name": user.name })
}

fn put(user: &User) -> Plan {
    Plan { changes: vec![Change::Put(user.write())], answer: described(user), secret: None }
}

/// Gives a person another name.
#[derive(Debug)]
pub struct Rename {
    /// Who.
    pub user: Uid,
    /// What people call the person from now on.
    pub name: String,
}

impl Operation for Rename {
    type Known = Person;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Person, Failure> {
        Person::read(reader, &self.user).await
    }

    fn rule(&self, actor: &Actor, _: &Person) -> Rule {
        actor.may("edit_user", &self.user)
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.user)
    }

    fn plan(&self, _: &Actor, known: &Person, _: &Moment) -> Result<Plan, Conflict> {
        check_name(&self.name, NAME_CHARS_MAX)?;
        Ok(put(&User { name: Some(self.name.clone()), ..known.user()?.clone() }))
    }
}

/// What is done to an account as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Closes it until further notice.
    Suspend,
    /// Opens it again.
    Activate,
    /// Notes that nobody has used it for long; it works as before.
    MarkInactive,
    /// Ends what was issued until now.
    SignOut,
}

/// Suspends, activates or signs out.
#[derive(Debug)]
pub struct SetStatus {
    /// Who.
    pub user: Uid,
    /// What is done.
    pub verb: Verb,
}

impl Operation for SetStatus {
    type Known = Person;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Person, Failure> {
        Person::read(reader, &self.user).await
    }

    fn rule(&self, actor: &Actor, _: &Person) -> Rule {
        let action = match self.verb {
            Verb::Suspend => "suspend_user",
            Verb::Activate => "activate_user",
            Verb::MarkInactive => "mark_inactive",
            Verb::SignOut => "force_sign_out",
        };
        actor.may(action, &self.user)
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.user)
    }

    fn plan(&self, _: &Actor, known: &Person, moment: &Moment) -> Result<Plan, Conflict> {
        let user = known.user()?;
        let mut after = user.clone();
        match (self.verb, user.status) {
            (Verb::SignOut, _) => after.signed_out_at = Some(moment.now_ms),
            (_, Status::Pending) => {
                let detail = "the invitation is not accepted yet: withdraw it instead";
                return Err(Conflict::broken("pending", detail));
            }
            (Verb::Suspend, _) => {
                known.check_admin_stays()?;
                (after.status, after.signed_out_at) = (Status::Suspended, Some(moment.now_ms));
            }
            (Verb::Activate, _) => after.status = Status::Active,
            (Verb::MarkInactive, Status::Suspended) => {
                let detail = "the account is suspended: activate it first";
                return Err(Conflict::broken("suspended", detail));
            }
            (Verb::MarkInactive, _) => after.status = Status::Inactive,
        }
        Ok(put(&after))
    }
}

/// Gives a person another role of the same organization.
#[derive(Debug)]
pub struct ChangeRole {
    /// Who.
    pub user: Uid,
    /// The role.
    pub role: Uid,
}

impl Operation for ChangeRole {
    type Known = (Person, Option<Role>);

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Self::Known, Failure> {
        Ok((Person::read(reader, &self.user).await?, reader.role(&self.role).await?))
    }

    fn rule(&self, actor: &Actor, (_, role): &Self::Known) -> Rule {
        let within = actor.gives(role.as_ref());
        actor.may_with("change_role", &self.user, [("role", to(&self.role)), ("within_own_rights", within)])
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.user)
    }

    fn plan(&self, _: &Actor, (person, role): &Self::Known, _: &Moment) -> Result<Plan, Conflict> {
        let user = person.user()?;
        let role =
            role.as_ref().filter(|it| it.organization == user.organization).ok_or(Conflict::Destination)?;
        if !role.is_admin() {
            person.check_admin_stays()?;
        }
        Ok(put(&User { role: role.uid.clone(), ..user.clone() }))
    }
}

/// Moves a person to another organization of the tree.
#[derive(Debug)]
pub struct Transfer {
    /// Who.
    pub user: Uid,
    /// Where to.
    pub organization: Uid,
    /// The role there.
    pub role: Uid,
    /// Whether the person's devices move along; else they stay, and nobody owns them.
    pub with_devices: bool,
}

/// What a move depends on.
#[derive(Debug)]
pub struct Moving {
    person: Person,
    from_root: Option<Uid>,
    chain: Vec<Organization>,
    role: Option<Role>,
    devices: Vec<Device>,
    rooms: [Room; 2],
    /// The grants of these devices.
    lent: Vec<Grant>,
}

impl Operation for Transfer {
    type Known = Moving;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Moving, Failure> {
        let person = Person::read(reader, &self.user).await?;
        let from = match &person.user {
            Some(user) => reader.chain(&user.organization).await?,
            None => Vec::new(),
        };
        let chain = reader.chain(&self.organization).await?;
        let to = chain.first();
        let (devices, mut lent) = (reader.owned(&self.user).await?, Vec::new());
        for device in &devices {
            lent.extend(reader.grants("device", &device.uid).await?);
        }
        Ok(Moving {
            person,
            from_root: from.last().map(|it| it.uid.clone()),
            rooms: [reader.room_for_users(to).await?, reader.room_for_devices(to).await?],
            chain,
            role: reader.role(&self.role).await?,
            devices,
            lent,
        })
    }

    fn rule(&self, actor: &Actor, known: &Moving) -> Rule {
        actor.may_with(
            "transfer_user",
            &self.user,
            [
                ("organization", to(&self.organization)),
                ("role", to(&self.role)),
                ("within_own_rights", actor.gives(known.role.as_ref())),
                ("with_devices", Some(self.with_devices.into())),
            ],
        )
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.user)
    }

    fn plan(&self, _: &Actor, known: &Moving, _: &Moment) -> Result<Plan, Conflict> {
        let user = known.person.user()?;
        let organization = known.chain.first().ok_or(Conflict::Destination)?;
        let role = known.role.as_ref().filter(|it| it.organization == organization.uid);
        let role = role.ok_or(Conflict::Destination)?;
        if known.chain.last().map(|it| &it.uid) != known.from_root.as_ref() {
            return Err(Conflict::Destination);
        }
        if user.status == Status::Pending {
            return Err(Conflict::broken(
                "pending",
                "the invitation is not accepted yet: withdraw it instead",
            ));
        }
        if organization.uid == user.organization {
            return Err(Conflict::broken(
                "same-organization",
                "the person is there already: change the role instead",
            ));
        }
        known.person.check_admin_stays()?;
        let [users, devices] = &known.rooms;
        users.check(1)?;
        let along = |it: &&Device| self.with_devices && it.organization != organization.uid;
        devices.check(known.devices.iter().filter(along).count())?;
        let moved = User { organization: organization.uid.clone(), role: role.uid.clone(), ..user.clone() };
        let mut plan = put(&moved);
        for device in &known.devices {
            plan.changes.push(Change::Put(self.along(device, organization)?.write()));
        }
        if self.with_devices {
            plan.changes.extend(moved_along(&known.lent, &organization.uid));
        }
        Ok(plan)
    }
}

impl Transfer {
    fn along(&self, device: &Device, to: &Organization) -> Result<Device, Conflict> {
        if !self.with_devices {
            return Ok(Device { owner: None, ..device.clone() });
        }
        if !to.takes(device.template.as_deref()) {
            let detail = format!("the organization has no template for the device `{}`", device.uid.id());
            return Err(Conflict::broken("template", detail));
        }
        Ok(Device { organization: to.uid.clone(), ..device.clone() })
    }
}

/// Deletes an account; its devices stay, and nobody owns them.
#[derive(Debug)]
pub struct Delete {
    /// Who.
    pub user: Uid,
}

/// What goes with a person.
#[derive(Debug)]
pub struct Leaving {
    person: Person,
    devices: Vec<Device>,
    invitations: Vec<Uid>,
    received: Vec<Grant>,
    given: Vec<Grant>,
}

impl Operation for Delete {
    type Known = Leaving;

    async fn known(&self, reader: &Reader<'_>, _: &Actor) -> Result<Leaving, Failure> {
        let invitations = reader.referring(Invitation::KIND, "user", &self.user).await?;
        let received = reader.grants("grantee", &self.user).await?;
        let mut given = reader.grants("granter", &self.user).await?;
        given.extend(lent_on(reader, received.iter()).await?);
        Ok(Leaving {
            person: Person::read(reader, &self.user).await?,
            devices: reader.owned(&self.user).await?,
            invitations: invitations.into_iter().map(|it| it.uid).collect(),
            received,
            given,
        })
    }

    fn rule(&self, actor: &Actor, _: &Leaving) -> Rule {
        actor.may("delete_user", &self.user)
    }

    fn subject(&self) -> Option<&Uid> {
        Some(&self.user)
    }

    fn plan(&self, _: &Actor, known: &Leaving, _: &Moment) -> Result<Plan, Conflict> {
        let user = known.person.user()?;
        known.person.check_admin_stays()?;
        let left = known.devices.iter().map(|it| Change::Put(Device { owner: None, ..it.clone() }.write()));
        // The name of a grant follows from device and grantee, so one that may be made again is not removed.
        let ended = ended(known.given.iter().filter(|it| it.grantee != user.uid));
        let gone = known.invitations.iter().chain(known.received.iter().map(|it| &it.uid)).chain([&user.uid]);
        let gone = gone.cloned().map(Change::Remove);
        Ok(Plan { changes: left.chain(ended).chain(gone).collect(), ..Plan::default() })
    }
}
