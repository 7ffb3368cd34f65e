//! Whether what many clients saw at once could have happened one after the other.

use std::collections::BTreeMap;

use super::operation::{Made, Op, Step};
use super::rim::Answer;
use super::state::{Id, State};

/// Who does what with which device.
type Question = (Id, &'static str, Id);

/// What was seen from outside since a revision.
#[derive(Default)]
pub(super) struct Seen {
    /// What was acknowledged, by the revision that it counts from.
    pub(super) done: BTreeMap<u64, (Step, Made)>,
    /// What was refused: the status, and the revisions between which it was decided.
    pub(super) refused: Vec<(Step, u16, u64, u64)>,
    /// What was decided, and the revisions between which.
    pub(super) decided: Vec<(Question, bool, u64, u64)>,
    /// What nobody answered: it was done or not.
    pub(super) unanswered: Vec<Step>,
}

impl Seen {
    pub(super) fn note(&mut self, answer: Answer, from: u64, to: u64) {
        match answer.outcome {
            Ok(()) => {
                let twice = self.done.insert(answer.revision, (answer.step, answer.made));
                assert!(twice.is_none(), "two writes count from {}: {twice:?}", answer.revision);
            }
            Err(status) => self.refused.push((answer.step, status, from, to)),
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        for (revision, step) in other.done {
            let twice = self.done.insert(revision, step);
            assert!(twice.is_none(), "two writes count from {revision}: {twice:?}");
        }
        self.refused.extend(other.refused);
        self.decided.extend(other.decided);
        self.unanswered.extend(other.unanswered);
    }

    /// The states of all revisions from `first` to `last`, so that the last is what is stored; or why not.
    pub(super) fn explain(
        &self,
        first: u64,
        start: &State,
        last: u64,
        stored: &State,
    ) -> Result<Vec<State>, String> {
        if let Some(lost) = self.done.keys().find(|revision| **revision > last) {
            return Err(format!("what was acknowledged at {lost} is lost: the store is at {last}"));
        }
        let mut states = vec![start.clone()];
        self.go_on(first, &mut states, &mut self.unanswered.clone(), last, stored)?;
        for state in &states {
            state.check_invariants()?;
        }
        let between = |from: u64, to: u64| {
            let index = |it: u64| usize::try_from(it.clamp(first, last) - first).unwrap();
            &states[index(from)..=index(to)]
        };
        for (step, status, from, to) in &self.refused {
            let fits = |state: &State| state.clone().perform(step, &Made::default()) == Err(*status);
            if !between(*from, *to).iter().any(fits) {
                return Err(format!(
                    "{step:?} was refused with {status} between {from} and {to}, and never is"
                ));
            }
        }
        for ((who, action, device), found, from, to) in &self.decided {
            if !between(*from, *to).iter().any(|state| state.decides(who, action, device, None) == *found) {
                return Err(format!(
                    "{who} {action} {device} was {found} between {from} and {to}, and never is"
                ));
            }
        }
        Ok(states)
    }

    /// Finds a place for what was done without an answer: where a revision is that nobody told of.
    fn go_on(
        &self,
        first: u64,
        states: &mut Vec<State>,
        open: &mut Vec<Step>,
        last: u64,
        stored: &State,
    ) -> Result<(), String> {
        let reached = states.len();
        let state = states.last().cloned().unwrap_or_default();
        let revision = first + u64::try_from(reached).unwrap();
        if revision > last {
            let found = State { gone: state.gone.clone(), ..stored.clone() };
            return if found == state { Ok(()) } else { Err(state.differences(&found)) };
        }
        let acknowledged = self.done.get(&revision);
        let tries: Vec<(Step, Made, Option<usize>)> = match acknowledged {
            Some((step, made)) => vec![(step.clone(), made.clone(), None)],
            None => open
                .iter()
                .enumerate()
                .map(|(n, it)| (it.clone(), guess(it, &state, stored), Some(n)))
                .collect(),
        };
        let mut why = format!("nothing explains revision {revision}, with {open:?} unanswered");
        for (step, made, taken) in tries {
            let mut next = state.clone();
            if let Err(status) = next.perform(&step, &made) {
                why = format!("revision {revision}: {step:?} was done, and is refused with {status}");
                continue;
            }
            states.push(next);
            let step = taken.map(|n| open.remove(n));
            match self.go_on(first, states, open, last, stored) {
                Ok(()) => return Ok(()),
                Err(reason) => why = reason,
            }
            states.truncate(reached);
            if let (Some(n), Some(step)) = (taken, step) {
                open.insert(n, step);
            }
        }
        Err(why)
    }
}

/// The ids of what was made without an answer: what is stored and was not there.
fn guess(step: &Step, before: &State, stored: &State) -> Made {
    let new = |known: &dyn Fn(&Id) -> bool, all: Vec<&Id>| {
        all.into_iter().find(|id| !known(id)).cloned().unwrap_or_default()
    };
    match &step.op {
        Op::CreateOrg { name, .. } => {
            let named = stored.orgs.iter().filter(|(_, it)| it.name == *name).map(|(id, _)| id).collect();
            Made { id: new(&|id| before.orgs.contains_key(id), named), user: Id::new() }
        }
        Op::CreateRole { org, name, .. } => {
            let named = stored
                .roles
                .iter()
                .filter(|(_, it)| it.org == *org && it.name == *name)
                .map(|(id, _)| id)
                .collect();
            let id = new(&|id| before.roles.contains_key(id), named);
            Made { id: id.rsplit('/').next().unwrap_or_default().to_owned(), user: Id::new() }
        }
        Op::Invite { org, email, .. } => {
            let email = email.to_ascii_lowercase();
            let fits = stored
                .invitations
                .iter()
                .filter(|(_, it)| it.org == *org && it.email == email)
                .map(|(id, _)| id)
                .collect();
            let id = new(&|id| before.invitations.contains_key(id), fits);
            let user = stored.invitations.get(&id).map(|it| it.invitee.clone()).unwrap_or_default();
            Made { id, user }
        }
        _ => Made::default(),
    }
}
