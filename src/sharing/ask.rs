//! Who acts, and what Cedar is asked before anything is planned.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::decision::{Ask, Exempt};
use crate::domain::nouns::{Permission, Role, User, reference};
use crate::domain::{Query, Uid};
use crate::sharing::{Failure, Reader};

/// Who acts.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The principal; the operator has none.
    pub uid: Option<Uid>,
    /// The person behind the principal, if it is one that is known here.
    pub user: Option<User>,
    /// What the person's role holds.
    pub permissions: BTreeSet<Permission>,
}

impl Actor {
    pub(super) async fn load(reader: &Reader<'_>, uid: Option<Uid>) -> Result<Self, Failure> {
        let user = match uid.as_ref().filter(|uid| uid.kind() == User::KIND) {
            Some(uid) => reader.user(uid).await?,
            None => None,
        };
        let role = match &user {
            Some(user) => reader.role(&user.role).await?,
            None => None,
        };
        Ok(Self { uid, user, permissions: role.map(|role| role.permissions).unwrap_or_default() })
    }

    /// Whether the actor's role holds everything that the other one holds.
    #[must_use]
    pub fn holds(&self, permissions: &BTreeSet<Permission>) -> bool {
        permissions.is_subset(&self.permissions)
    }

    /// The question whether the actor may do it; nobody's question denies itself.
    #[must_use]
    pub fn may(&self, action: &str, resource: &Uid) -> Rule {
        self.may_with(action, resource, [])
    }

    /// The same, with facts for the policies.
    #[must_use]
    pub fn may_with<const N: usize>(
        &self,
        action: &str,
        resource: &Uid,
        context: [(&str, Option<Json>); N],
    ) -> Rule {
        Rule::Cedar(self.query(action, resource, context).into_iter().collect())
    }

    /// The query itself.
    #[must_use]
    pub fn query<const N: usize>(
        &self,
        action: &str,
        resource: &Uid,
        context: [(&str, Option<Json>); N],
    ) -> Option<Query> {
        let context = context.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let context = Arc::new(context.collect());
        Some(Query { context, ..Query::new(self.uid.clone()?, action, resource.clone()) })
    }

    /// Whether giving out this role is within the actor's rights, as the policies see it.
    #[must_use]
    pub fn gives(&self, role: Option<&Role>) -> Option<Json> {
        Some(role.is_some_and(|role| self.holds(&role.permissions)).into())
    }
}

/// A reference for a context.
pub(super) fn to(uid: &Uid) -> Option<Json> {
    Some(reference(uid))
}

/// Who may do an operation.
#[derive(Debug)]
pub enum Rule {
    /// Who Cedar permits all of this; nobody when nothing is asked.
    Cedar(Vec<Query>),
    /// The operator, when he sets the gateway up.
    Operator,
    /// Whoever knows a secret that the plan checks.
    Secret,
}

/// An operation with the question whether it may be done.
#[derive(Debug)]
pub(super) struct Asked<O> {
    pub(super) operation: O,
    rule: Rule,
}

impl<O> Asked<O> {
    pub(super) fn new(operation: O, rule: Rule) -> Self {
        Self { operation, rule }
    }

    /// The operator does what only he may and nothing else; principals never do that.
    pub(super) fn is_wrong_actor(&self, actor: &Actor) -> bool {
        match self.rule {
            Rule::Operator => actor.uid.is_some(),
            Rule::Cedar(_) | Rule::Secret => actor.uid.is_none(),
        }
    }
}

impl<O> Ask for Asked<O> {
    fn queries(&self) -> &[Query] {
        match &self.rule {
            Rule::Cedar(queries) => queries,
            Rule::Operator | Rule::Secret => &[],
        }
    }

    fn exempt(&self) -> Exempt<'_> {
        match self.rule {
            Rule::Cedar(_) => Exempt::No,
            Rule::Operator => Exempt::Operator,
            Rule::Secret => Exempt::Secret,
        }
    }
}
