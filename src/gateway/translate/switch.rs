//! The organization in whose view a list is wanted: decided as `switch_org`, and sent no further.

use http::{HeaderMap, HeaderName};

use crate::domain::{Query, Uid};
use crate::gateway::refusal::Refusal;
use crate::gateway::target::Target;
use crate::identity::Principal;

/// What names the organization; without either nobody switches.
#[derive(Debug, Clone, Default)]
pub struct Switch {
    /// A header.
    pub header: Option<HeaderName>,
    /// A query parameter.
    pub query: Option<String>,
}

impl Switch {
    /// The organization that the request names, once; the parameter is taken out of the target.
    pub(super) fn named(&self, target: &mut Target, headers: &HeaderMap) -> Result<Option<Uid>, Refusal> {
        let ambiguous = || Refusal::Malformed("name one organization to switch to".to_owned());
        let mut named: Vec<String> = Vec::new();
        if let Some(name) = &self.query {
            named.extend(target.take(name).map(Option::unwrap_or_default));
        }
        for value in self.header.iter().flat_map(|name| headers.get_all(name)) {
            named.push(value.to_str().map_err(|_| ambiguous())?.to_owned());
        }
        if named.len() > 1 {
            return Err(ambiguous());
        }
        let uid = named.into_iter().next().map(|id| Uid::new("Organization", id));
        uid.transpose().map_err(|_| ambiguous())
    }
}

/// Whether the caller may work in that view.
pub(super) fn query(principal: &Principal, organization: &Uid) -> Query {
    Query::new(principal.uid.clone(), "switch_org", organization.clone())
}
