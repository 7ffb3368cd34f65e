//! The schema as the gateway asks about it: actions, their context, and what makes a thing visible.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Context, EntityId, EntityNamespace, EntityTypeName, EntityUid, SchemaFragment};
use cedar_policy_core::ast::{self, RequestSchema};
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::{ValidatorEntityTypeKind, ValidatorSchema, types::Type};
use serde_json::{Map, Value as Json};

use crate::domain::{ActionName, Uid};
use crate::finding::Finding;
use crate::policy::Source;
use crate::policy::share::SHARE;
use crate::policy::time::datetime_json;

/// An action of the schema.
pub(super) struct Action {
    pub(super) uid: EntityUid,
    pub(super) entity: Arc<ast::Entity>,
    attributes: BTreeSet<String>,
    /// Cedar's reason why the action cannot do without a context, if it cannot.
    needs_context: Option<String>,
}

/// The parsed schema and what was read off it once.
pub(super) struct Vocabulary {
    pub(super) schema: cedar_policy::Schema,
    pub(super) actions: BTreeMap<ActionName, Action>,
    kinds: HashMap<String, Kind>,
}

struct Kind {
    name: EntityTypeName,
    attributes: BTreeSet<String>,
    visible_by: Option<ActionName>,
    ids: Vec<String>,
}

impl Action {
    /// Whether the action's context declares the attribute.
    pub(super) fn declares(&self, attribute: &str) -> bool {
        self.attributes.contains(attribute)
    }
}

impl Vocabulary {
    /// Parses schema files; every mistake is a finding.
    pub(super) fn parse(sources: &[&Source]) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let mut fragments = Vec::new();
        for source in sources {
            match SchemaFragment::from_cedarschema_str(&source.text) {
                Ok((fragment, warnings)) => {
                    findings.extend(warnings.map(|warning| super::snapshot::finding(source, &warning)));
                    fragments.push(fragment);
                }
                Err(error) => findings.push(super::snapshot::finding(source, &error)),
            }
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let whole = |error: String| vec![Finding::error(names(sources), error)];
        let schema = cedar_policy::Schema::from_schema_fragments(fragments.clone())
            .map_err(|error| whole(crate::finding::chain(&error)))?;
        let actions = actions_of(&schema).map_err(whole)?;
        let kinds = kinds_of(&schema, &fragments, &actions).map_err(whole)?;
        Ok(Self { schema, actions, kinds })
    }

    pub(super) fn action(&self, name: &str) -> Option<&Action> {
        self.actions.get(name)
    }

    pub(super) fn visible_by(&self, kind: &str) -> Option<ActionName> {
        self.kinds.get(kind)?.visible_by.clone()
    }

    pub(super) fn declares(&self, kind: &str, attribute: &str) -> bool {
        self.kinds.get(kind).is_some_and(|it| it.attributes.contains(attribute))
    }

    /// The ids of an enumerated type.
    pub(super) fn ids(&self, kind: &str) -> &[String] {
        self.kinds.get(kind).map_or(&[], |it| &it.ids)
    }

    pub(super) fn is_enumerated(&self, kind: &str) -> bool {
        !self.ids(kind).is_empty()
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    pub(super) fn kind(&self, kind: &str) -> Option<&EntityTypeName> {
        self.kinds.get(kind).map(|it| &it.name)
    }

    /// The Cedar name of an entity whose type the schema declares.
    pub(super) fn euid(&self, uid: &Uid) -> Option<EntityUid> {
        let name = self.kinds.get(uid.kind())?.name.clone();
        Some(EntityUid::from_type_name_and_id(name, EntityId::new(uid.id())))
    }

    /// The context that an action's policies see: declared attributes only, the time if declared, and
    /// how the resource is lent; what a caller says of that does not count.
    pub(super) fn context(
        &self,
        action: &Action,
        given: &Map<String, Json>,
        share: Option<Json>,
        now_ms: i64,
    ) -> Result<Context, String> {
        let mut seen: Map<String, Json> = given
            .iter()
            .filter(|(name, _)| *name != SHARE && action.declares(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        seen.extend(share.map(|share| (SHARE.to_owned(), share)));
        if action.declares("now") && !seen.contains_key("now") {
            seen.insert("now".to_owned(), datetime_json(now_ms));
        }
        if seen.is_empty() {
            return Ok(Context::empty());
        }
        Context::from_json_value(Json::Object(seen), Some((&self.schema, &action.uid)))
            .map_err(|error| crate::finding::chain(&error))
    }

    /// Checks a request as Cedar does, but an empty context only once.
    pub(super) fn check(
        &self,
        action: &Action,
        principal: &ast::EntityUID,
        resource: &ast::EntityUID,
        context: &Context,
    ) -> Result<(), String> {
        let core: &ValidatorSchema = self.schema.as_ref();
        let named = AsRef::<ast::EntityUID>::as_ref(&action.uid);
        core.validate_scope_variables(Some(principal), Some(named), Some(resource))
            .map_err(|error| error.to_string())?;
        let context: &ast::Context = context.as_ref();
        match (context.num_keys(), &action.needs_context) {
            (0, None) => Ok(()),
            (0, Some(reason)) => Err(reason.clone()),
            _ => core
                .validate_context(context, named, Extensions::all_available())
                .map_err(|error| error.to_string()),
        }
    }
}

fn names(sources: &[&Source]) -> String {
    sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Actions by their id, or by their whole name where several namespaces use the id.
fn actions_of(schema: &cedar_policy::Schema) -> Result<BTreeMap<ActionName, Action>, String> {
    let entities = schema.action_entities().map_err(|error| crate::finding::chain(&error))?;
    let core: &ValidatorSchema = schema.as_ref();
    let mut by_id: BTreeMap<ActionName, Vec<Action>> = BTreeMap::new();
    for uid in schema.actions() {
        let Some(entity) = entities.get(uid) else { continue };
        let attributes = core
            .get_action_id(uid.as_ref())
            .and_then(|action| action.context_type())
            .map_or_else(BTreeSet::new, record_names);
        let entity = Arc::new(AsRef::<ast::Entity>::as_ref(entity).clone());
        let empty = core.validate_context(&ast::Context::empty(), uid.as_ref(), Extensions::all_available());
        let needs_context = empty.err().map(|error| error.to_string());
        let id: ActionName = AsRef::<str>::as_ref(uid.id()).into();
        by_id.entry(id).or_default().push(Action { uid: uid.clone(), entity, attributes, needs_context });
    }
    let mut actions = BTreeMap::new();
    for (id, mut group) in by_id {
        match (group.pop(), group.is_empty()) {
            (Some(only), true) => drop(actions.insert(id, only)),
            (last, _) => group.into_iter().chain(last).for_each(|action| {
                actions.insert(action.uid.to_string().into(), action);
            }),
        }
    }
    Ok(actions)
}

fn record_names(of: &Type) -> BTreeSet<String> {
    match of {
        Type::Record { attrs, .. } => attrs.keys().map(ToString::to_string).collect(),
        _ => BTreeSet::new(),
    }
}

fn kinds_of(
    schema: &cedar_policy::Schema,
    fragments: &[SchemaFragment],
    actions: &BTreeMap<ActionName, Action>,
) -> Result<HashMap<String, Kind>, String> {
    let core: &ValidatorSchema = schema.as_ref();
    let mut kinds = HashMap::new();
    for name in schema.entity_types() {
        let attributes = core
            .get_entity_type(name.as_ref())
            .map_or_else(BTreeSet::new, |kind| kind.attributes().keys().map(ToString::to_string).collect());
        let visible_by = match annotation(fragments, name, "visible_by") {
            None => None,
            Some(action) if actions.contains_key(action.as_str()) => Some(ActionName::from(action)),
            Some(action) => return Err(format!("@visible_by of `{name}` names no action: `{action}`")),
        };
        let ids = match core.get_entity_type(name.as_ref()).map(|it| &it.kind) {
            Some(ValidatorEntityTypeKind::Enum(ids)) => {
                ids.iter().map(|id| AsRef::<str>::as_ref(id).to_owned()).collect()
            }
            _ => Vec::new(),
        };
        kinds.insert(name.to_string(), Kind { name: name.clone(), attributes, visible_by, ids });
    }
    Ok(kinds)
}

fn annotation(fragments: &[SchemaFragment], name: &EntityTypeName, key: &str) -> Option<String> {
    let namespace = name.namespace();
    let namespace = (!namespace.is_empty()).then(|| EntityNamespace::from_str(&namespace).ok()).flatten();
    fragments.iter().find_map(|fragment| {
        fragment.entity_type_annotation(namespace.clone(), name.basename(), key).map(str::to_owned)
    })
}
