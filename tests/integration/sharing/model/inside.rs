//! The real thing in this process: operations and decisions over any store, without HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cedargate::control::ControlError;
use cedargate::decision::{Decider, Limits};
use cedargate::domain::nouns::Answer;
use cedargate::domain::{Context, Query, Uid};
use cedargate::sharing::secret::Secret;
use cedargate::sharing::{
    Circumstances, Operation, Sharing, devices, grants, invitations, organizations, people, permissions,
    roles,
};
use cedargate::store::{FactSource, Store};
use serde_json::json;
use tokio::runtime::Handle;

use super::operation::{DEPTH_MAX, INVITATIONS_MAX, Made, OPERATOR, ORGS_MAX, Op, Outcome, ROLES_MAX, Step};
use super::state::Id;
use crate::sharing::bench::snapshot;

/// The bounds of the model's worlds.
pub(super) fn limits() -> cedargate::sharing::Limits {
    cedargate::sharing::Limits {
        depth_max: DEPTH_MAX,
        organizations_max: ORGS_MAX,
        roles_max: ROLES_MAX,
        invitations_per_day_max: INVITATIONS_MAX,
        ..cedargate::sharing::Limits::default()
    }
}

/// Operations and decisions of this process.
pub(super) struct Inside {
    decider: Arc<Decider>,
    sharing: Arc<Sharing>,
    /// The newest link of each invitation.
    links: BTreeMap<Id, String>,
    /// In the order of time, as the ids of the API are.
    ids: u64,
}

pub(super) fn uid(kind: &str, id: &str) -> Uid {
    Uid::new(kind, id).unwrap()
}

fn set(names: &[&str]) -> std::collections::BTreeSet<String> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

impl Inside {
    pub(super) fn over(store: Arc<dyn Store>) -> Self {
        let facts: Arc<dyn FactSource> = store.clone();
        let bounds = Limits { decisions: 2_000, closures: 2_000, load_timeout: Duration::from_secs(10) };
        let decider = Decider::new(snapshot(), facts, Handle::current(), bounds);
        let sharing = Sharing::new(decider.clone(), store, Handle::current(), limits());
        Self { decider, sharing, links: BTreeMap::new(), ids: 0 }
    }

    pub(super) fn begin(&mut self) {
        self.links.clear();
    }

    fn fresh(&mut self, now: i64) -> Id {
        self.ids += 1;
        format!("{:08x}-{:04x}-7000-8000-{:012x}", (now >> 16) & 0xffff_ffff, now & 0xffff, self.ids)
    }

    /// The step of this number: the ids that it makes follow from that.
    pub(super) async fn perform(&mut self, number: usize, step: &Step, now: i64) -> (Outcome, Made) {
        self.ids = 2 * u64::try_from(number).unwrap();
        let made = Made { id: self.fresh(now), user: self.fresh(now) };
        (self.apply(step, &made).await, made)
    }

    async fn run<O: Operation>(&self, who: &str, operation: O) -> Outcome {
        let actor = (who != OPERATOR).then(|| uid("User", who));
        match self.sharing.perform(actor, operation, Circumstances::default()).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(ControlError::from(failure).problem().status.as_u16()),
        }
    }

    async fn apply(&mut self, Step { who, op }: &Step, made: &Made) -> Outcome {
        match op {
            Op::CreateOrg { .. } | Op::RenameOrg { .. } | Op::DeleteOrg { .. } | Op::MoveOrg { .. } => {
                self.on_organizations(who, op, made).await
            }
            Op::CreateRole { .. } | Op::RenameRole { .. } | Op::EditRole { .. } | Op::DeleteRole { .. } => {
                self.on_roles(who, op, made).await
            }
            Op::Invite { .. } | Op::Resend { .. } | Op::Withdraw { .. } | Op::Accept { .. } => {
                self.on_invitations(who, op, made).await
            }
            Op::Provision { .. }
            | Op::GiveTo { .. }
            | Op::MoveDevice { .. }
            | Op::ClearOwner { .. }
            | Op::Describe { .. }
            | Op::DeleteDevice { .. } => self.on_devices(who, op).await,
            Op::Offer { .. } | Op::Accepted { .. } | Op::Declined { .. } | Op::Revoked { .. } => {
                self.on_grants(who, op).await
            }
            _ => self.on_people(who, op).await,
        }
    }

    async fn on_organizations(&self, who: &str, op: &Op, made: &Made) -> Outcome {
        use organizations::{Create, Delete, Rename, Transfer};
        let org = |id: &str| uid("Organization", id);
        match op {
            Op::CreateOrg { parent, name } => {
                self.run(who, Create { id: made.id.clone(), parent: org(parent), name: name.clone() }).await
            }
            Op::RenameOrg { org: id, name } => {
                self.run(who, Rename { organization: org(id), name: name.clone() }).await
            }
            Op::DeleteOrg { org: id } => self.run(who, Delete { organization: org(id) }).await,
            Op::MoveOrg { org: id, parent } => {
                self.run(who, Transfer { organization: org(id), parent: org(parent) }).await
            }
            other => panic!("{other:?}"),
        }
    }

    async fn on_roles(&self, who: &str, op: &Op, made: &Made) -> Outcome {
        use roles::{Create, Delete, EditPermissions, Push, Rename};
        let role = |id: &str| uid("Role", id);
        match op {
            Op::CreateRole { org, name, holds } => {
                let (organization, permissions) = (uid("Organization", org), set(holds));
                self.run(who, Create { id: made.id.clone(), organization, name: name.clone(), permissions })
                    .await
            }
            Op::RenameRole { role: id, name } => {
                self.run(who, Rename { role: role(id), name: name.clone() }).await
            }
            Op::EditRole { role: id, add, remove, push } => {
                let push = match *push {
                    "none" => Push::None,
                    "changed" => Push::Changed,
                    _ => Push::Overwrite,
                };
                let edit = permissions::Edit { add: set(add), remove: set(remove) };
                self.run(who, EditPermissions { role: role(id), edit, push }).await
            }
            Op::DeleteRole { role: id, replacement } => {
                self.run(who, Delete { role: role(id), replacement: role(replacement) }).await
            }
            other => panic!("{other:?}"),
        }
    }

    async fn on_people(&self, who: &str, op: &Op) -> Outcome {
        use people::{ChangeRole, Delete, Rename, SetStatus, Transfer, Verb};
        let user = |id: &str| uid("User", id);
        let set_status = async |id: &str, verb| self.run(who, SetStatus { user: user(id), verb }).await;
        match op {
            Op::RenameUser { user: id, name } => {
                self.run(who, Rename { user: user(id), name: name.clone() }).await
            }
            Op::Suspend { user: id } => set_status(id, Verb::Suspend).await,
            Op::Activate { user: id } => set_status(id, Verb::Activate).await,
            Op::SignOut { user: id } => set_status(id, Verb::SignOut).await,
            Op::ChangeRole { user: id, role } => {
                self.run(who, ChangeRole { user: user(id), role: uid("Role", role) }).await
            }
            Op::MoveUser { user: id, org, role, with_devices } => {
                let (organization, role) = (uid("Organization", org), uid("Role", role));
                let operation = Transfer { user: user(id), organization, role, with_devices: *with_devices };
                self.run(who, operation).await
            }
            Op::DeleteUser { user: id } => self.run(who, Delete { user: user(id) }).await,
            other => panic!("{other:?}"),
        }
    }

    async fn on_invitations(&mut self, who: &str, op: &Op, made: &Made) -> Outcome {
        use invitations::{Accept, Invite, Resend, Withdraw};
        match op {
            Op::Invite { org, role, email } => {
                let secret = Secret::random(&made.id).unwrap();
                let link = secret.reveal().to_owned();
                let (organization, role, name) = (uid("Organization", org), uid("Role", role), None);
                let (id, user_id, email) = (made.id.clone(), made.user.clone(), email.clone());
                self.run(who, Invite { id, user_id, organization, role, email, name, secret }).await?;
                self.links.insert(made.id.clone(), link);
                Ok(())
            }
            Op::Resend { invitation } => {
                let secret = Secret::random(invitation).unwrap();
                let link = secret.reveal().to_owned();
                self.run(who, Resend { invitation: uid("Invitation", invitation), secret }).await?;
                self.links.insert(invitation.clone(), link);
                Ok(())
            }
            Op::Withdraw { invitation } => {
                self.run(who, Withdraw { invitation: uid("Invitation", invitation) }).await
            }
            Op::Accept { invitation, is_newest } => {
                let link = self.links.get(invitation).filter(|_| *is_newest);
                let secret = link.and_then(|link| Secret::parse(link));
                let secret = secret.unwrap_or_else(|| Secret::random(invitation).unwrap());
                self.run(who, Accept { secret, email: None }).await
            }
            other => panic!("{other:?}"),
        }
    }

    async fn on_devices(&self, who: &str, op: &Op) -> Outcome {
        use devices::{Delete, Describe, Description, Destination, Provision, Transfer};
        let thing = |id: &str| uid("Device", id);
        let transfer = async |id: &str, to| self.run(who, Transfer { device: thing(id), to }).await;
        match op {
            Op::Provision { device, org, name, template } => {
                let organization = uid("Organization", org);
                let (id, name, template) = (device.clone(), name.clone(), template.clone());
                self.run(who, Provision { id, organization, name, template }).await
            }
            Op::GiveTo { device, email } => {
                transfer(device, Destination::Owner { email: email.clone() }).await
            }
            Op::MoveDevice { device, org } => {
                transfer(device, Destination::Organization(uid("Organization", org))).await
            }
            Op::ClearOwner { device } => transfer(device, Destination::Nobody).await,
            Op::Describe { device, name } => {
                let description = Description { name: Some(name.clone()), ..Description::default() };
                self.run(who, Describe { device: thing(device), description }).await
            }
            Op::DeleteDevice { device } => self.run(who, Delete { device: thing(device) }).await,
            other => panic!("{other:?}"),
        }
    }

    async fn on_grants(&self, who: &str, op: &Op) -> Outcome {
        let (device, grantee, answer) = match op {
            Op::Accepted { device, grantee } => (device, grantee, Answer::Accepted),
            Op::Declined { device, grantee } => (device, grantee, Answer::Declined),
            Op::Revoked { device, grantee } => (device, grantee, Answer::Revoked),
            Op::Offer { device, emails, control, streams, from, until } => {
                let terms = grants::Terms {
                    control: *control,
                    datastreams: streams.clone(),
                    from: *from,
                    until: *until,
                    ..grants::Terms::default()
                };
                let (device, emails) = (uid("Device", device), emails.clone());
                return self.run(who, grants::Offer { device, emails, terms, lend_on: false }).await;
            }
            other => panic!("{other:?}"),
        };
        let grant = Uid::of_grant(&uid("Device", device), &uid("User", grantee));
        self.run(who, grants::Reply { grant, answer }).await
    }

    /// Whether each may do this with each device: who, action, device, datastream.
    pub(super) async fn decide(&self, asked: &[(Id, &str, Id, Option<&str>)]) -> Vec<bool> {
        let query = |(who, action, device, stream): &(Id, &str, Id, Option<&str>)| {
            let context = stream.map(|it| ("datastream".to_owned(), json!(it)));
            let query = Query::new(uid("User", who), *action, uid("Device", device));
            Query { context: Arc::new(context.into_iter().collect::<Context>()), ..query }
        };
        let queries: Vec<Query> = asked.iter().map(query).collect();
        let answers = self.decider.pin().answers(&queries).await.unwrap();
        answers.iter().map(|it| it.verdict.allowed).collect()
    }

    /// Which of the devices a list shows.
    pub(super) async fn list(&self, who: &str, shown: &[Id]) -> Vec<bool> {
        let Some(first) = shown.first() else { return Vec::new() };
        let query = Query::new(uid("User", who), "view", uid("Device", first));
        let devices: Vec<Uid> = shown.iter().map(|it| uid("Device", it)).collect();
        self.decider.pin().filter(&query, &devices).await.unwrap()
    }
}
