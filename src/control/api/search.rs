//! Finding devices and organizations by words.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::control::api::cursor::Binding;
use crate::control::api::form::{DeviceBody, OrganizationBody, PageBody, Refusals};
use crate::control::api::incoming::{PageForm, entity};
use crate::control::api::outgoing::Shown;
use crate::control::api::{devices, organizations};
use crate::control::{Control, ControlError};
use crate::domain::Uid;
use crate::domain::nouns::{Organization, User};
use crate::sharing::{Found, Place, Search};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(search)).routes(routes!(find_organizations))
}

/// What is looked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SearchForm {
    /// Words, each the beginning of one of the device's: of its name, id, tags and metadata, and of its
    /// owner's name and address where the caller may see that person. Everything unless stated.
    #[param(max_length = 255)]
    query: Option<String>,
    /// Only the organization, or also those below it.
    scope: Option<ScopeForm>,
    /// The id of the organization: the one that was switched to, or the own one, unless stated.
    organization: Option<String>,
    /// The order; devices of the same name in the order of their ids.
    sort: Option<SortForm>,
    /// The most items; 50 unless stated, at most 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// What the page before gave as `next`.
    cursor: Option<String>,
}

/// Where is looked.
#[derive(Deserialize, ToSchema, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum ScopeForm {
    /// In the organization.
    #[default]
    Own,
    /// Below it too.
    All,
}

/// In which order.
#[derive(Deserialize, ToSchema, Clone, Copy, Default, PartialEq, Eq)]
enum SortForm {
    /// From A to Z.
    #[default]
    #[serde(rename = "name")]
    Name,
    /// From Z to A.
    #[serde(rename = "-name")]
    NameBackwards,
}

/// Finds devices: those that fit and that the caller may view; a page may be short and still have a next one.
#[utoipa::path(get, path = "/api/v1/devices", tag = "sharing", security(("bearer" = [])), params(SearchForm), responses((status = 200, description = "what was found", body = PageBody<DeviceBody>), Refusals))]
async fn search(
    State(control): State<Arc<Control>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ControlError> {
    let actor = control.reader(&headers).await?;
    let (switched, form) = control.switched::<SearchForm>(actor.as_ref(), &uri, &headers).await?;
    let SearchForm { query, scope, organization, sort, limit, cursor } = form;
    let organization = control.place_of(actor.as_ref(), organization.as_deref(), switched).await?;
    let below = scope.unwrap_or_default() == ScopeForm::All;
    let typed = Typed { query, sort, page: PageForm { limit, cursor } };
    let Wanted { search, binding, after, limit } =
        typed.read("search", actor.as_ref(), organization, below)?;
    let found = control.sharing()?.search(actor.as_ref(), &search, after.as_ref(), limit).await?;
    answered(&found, &binding, devices::shown)
}

/// Which organizations are looked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DirectoryForm {
    /// Words, each the beginning of one of the organization's name or id. Everything unless stated.
    #[param(max_length = 255)]
    query: Option<String>,
    /// The order; organizations of the same name in the order of their ids.
    sort: Option<SortForm>,
    /// The most items; 50 unless stated, at most 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// What the page before gave as `next`.
    cursor: Option<String>,
    /// The id of an organization, to look at it and below: the one that was switched to, or the own one,
    /// unless stated.
    organization: Option<String>,
}

/// Finds organizations: an organization and those below it, as far as the caller may see them.
#[utoipa::path(get, path = "/api/v1/organizations", tag = "sharing", security(("bearer" = [])), params(DirectoryForm), responses((status = 200, description = "what was found", body = PageBody<OrganizationBody>), Refusals))]
async fn find_organizations(
    State(control): State<Arc<Control>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ControlError> {
    let actor = control.reader(&headers).await?;
    let (switched, form) = control.switched::<DirectoryForm>(actor.as_ref(), &uri, &headers).await?;
    let DirectoryForm { query, organization, sort, limit, cursor } = form;
    let top = control.place_of(actor.as_ref(), organization.as_deref(), switched).await?;
    let typed = Typed { query, sort, page: PageForm { limit, cursor } };
    let Wanted { search, binding, after, limit } = typed.read("organizations", actor.as_ref(), top, true)?;
    let found = control.sharing()?.find_organizations(actor.as_ref(), &search, after.as_ref(), limit).await?;
    answered(&found, &binding, organizations::shown)
}

/// What both searches are asked with.
struct Typed {
    query: Option<String>,
    sort: Option<SortForm>,
    page: PageForm,
}

/// A search, and the page of it that is wanted.
struct Wanted {
    search: Search,
    binding: Binding,
    after: Option<Place>,
    limit: u32,
}

impl Typed {
    fn read(
        self,
        what: &str,
        actor: Option<&Uid>,
        organization: Uid,
        below: bool,
    ) -> Result<Wanted, ControlError> {
        let is_backwards = self.sort == Some(SortForm::NameBackwards);
        let query = self.query.unwrap_or_default();
        let caller = actor.map(Uid::to_string).unwrap_or_default();
        let flags = format!("{below} {is_backwards}");
        let binding = Binding::new(&[&caller, what, organization.id(), &flags, &query]);
        let after = self.page.cursor.as_deref().map(|cursor| place(&binding.read(cursor)?)).transpose()?;
        let search = Search::parse(organization, below, &query, is_backwards)?;
        Ok(Wanted { search, binding, after, limit: self.page.limit()? })
    }
}

fn answered(found: &Found, binding: &Binding, shown: Shown) -> Result<Json<Value>, ControlError> {
    let items: Vec<Value> = found.items.iter().map(shown).collect::<Result<_, _>>()?;
    let next = found.next.as_ref().map(|it| binding.write(&json!([it.sort, it.id]).to_string()));
    Ok(Json(json!({ "items": items, "next": next })))
}

fn place(text: &str) -> Result<Place, ControlError> {
    let read: Result<(String, String), _> = serde_json::from_str(text);
    read.map(|(sort, id)| Place { sort, id }).map_err(|_| ControlError::Internal)
}

impl Control {
    /// Where is looked: what is stated, what was switched to, or at home.
    async fn place_of(
        &self,
        actor: Option<&Uid>,
        stated: Option<&str>,
        switched: Option<Uid>,
    ) -> Result<Uid, ControlError> {
        match (stated, switched) {
            (Some(id), Some(switched)) if id != switched.id() => {
                let what = "`organization` is not the one that was switched to: state one of them";
                Err(ControlError::Malformed(what.to_owned()))
            }
            (Some(id), _) => entity(Organization::KIND, id),
            (None, Some(switched)) => Ok(switched),
            (None, None) => self.home(actor).await,
        }
    }

    /// The organization that a person is a member of.
    async fn home(&self, actor: Option<&Uid>) -> Result<Uid, ControlError> {
        let stated = || ControlError::Malformed("`organization`: state which one".to_owned());
        let actor = actor.filter(|it| it.kind() == User::KIND).ok_or_else(stated)?;
        let session = self.decider.pin();
        let home = session.attribute(actor, "organization").await.map_err(ControlError::Undecided)?;
        // Who is nobody here is told so when the search is decided.
        entity(Organization::KIND, home.as_deref().unwrap_or("?"))
    }
}
