//! The organization that a reader works in the view of: named by a header or a parameter of the operator's choice.

use http::{HeaderMap, HeaderName, Uri};
use serde::de::DeserializeOwned;

use crate::control::api::incoming::query_of;
use crate::control::{Control, ControlError};
use crate::domain::Uid;
use crate::domain::nouns::Organization;

/// What names the organization; without either nobody switches.
#[derive(Debug, Clone, Default)]
pub struct SwitchNames {
    /// A header.
    pub header: Option<HeaderName>,
    /// A query parameter.
    pub query: Option<String>,
}

impl Control {
    /// The organization that was switched to, if one was and Cedar permits `switch_org`, and the query
    /// without the parameter that names it.
    pub(in crate::control) async fn switched<T: DeserializeOwned>(
        &self,
        actor: Option<&Uid>,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(Option<Uid>, T), ControlError> {
        let (by_query, uri) = self.taken_out(uri)?;
        let form = query_of(&uri)?;
        let mut named: Vec<String> = by_query.into_iter().collect();
        if let Some(name) = &self.switch.header {
            for value in headers.get_all(name) {
                let value = value.to_str().map_err(|_| malformed(name.as_str()))?;
                named.push(value.to_owned());
            }
        }
        let mut named = named.into_iter();
        let id = match (named.next(), named.next()) {
            (None, _) => return Ok((None, form)),
            (Some(id), None) => id,
            (Some(_), Some(_)) => {
                return Err(ControlError::Malformed("name one organization to switch to".to_owned()));
            }
        };
        let uid = Uid::new(Organization::KIND, id).map_err(|it| ControlError::Malformed(it.to_string()))?;
        if let Some(actor) = actor {
            self.sharing()?.switch(actor, &uid).await?;
        }
        Ok((Some(uid), form))
    }

    /// The parameter's value, and the query without it.
    fn taken_out(&self, uri: &Uri) -> Result<(Option<String>, Uri), ControlError> {
        let (Some(name), Some(query)) = (&self.switch.query, uri.query()) else {
            return Ok((None, uri.clone()));
        };
        let is_it = |part: &&str| part.split('=').next() == Some(name);
        let (taken, left): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_it);
        let written = |query: String| format!("/?{query}").parse::<Uri>().map_err(|_| malformed(name));
        let read: Vec<(String, String)> = query_of(&written(taken.join("&"))?)?;
        let mut values = read.into_iter().map(|(_, value)| value);
        match (values.next(), values.next()) {
            (first, None) => Ok((first, written(left.join("&"))?)),
            (_, Some(_)) => Err(malformed(name)),
        }
    }
}

fn malformed(what: &str) -> ControlError {
    ControlError::Malformed(format!("`{what}` cannot be read"))
}
