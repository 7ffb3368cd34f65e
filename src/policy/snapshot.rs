//! One immutable set of schema and policies: loaded whole, validated strictly, or not at all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, ValidationMode, Validator};
use miette::Diagnostic;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::domain::nouns::{Catalogue, Role};
use crate::domain::{ActionName, Entity, Facts, Uid};
use crate::finding::Finding;
use crate::policy::rule::Rule;
use crate::policy::schema::Vocabulary;
use crate::policy::time::TimeUse;
use crate::policy::{Closure, FactError, Source, guard, prepared, source};

/// How many references away from principal and resource a policy may look.
const LEVEL_MAX: u32 = 4;
/// Cedar's parser recurses; this much stack carries it through anything that [`guard`] lets pass.
const PARSER_STACK_BYTES: usize = 64 * 1024 * 1024;

/// A policy as people know it.
#[derive(Debug, Clone)]
pub struct PolicyText {
    /// Its `@id`.
    pub id: Arc<str>,
    /// Its `@why`: the rule in one sentence.
    pub why: Arc<str>,
    /// Whether it forbids rather than permits.
    pub forbids: bool,
    /// Its `@refuse`: how a refusal by this forbid is answered.
    pub refuse: Option<Arc<str>>,
    /// The file it stands in.
    pub file: Arc<str>,
    /// The line that it begins at, counted from one.
    pub line: usize,
}

/// The policies that can apply to one action.
#[derive(Default)]
pub(super) struct ActionPolicies {
    pub(super) set: PolicySet,
    /// The same policies in the order of their names.
    pub(super) rules: Vec<Rule>,
    pub(super) time: TimeUse,
}

/// A schema and its policies, validated together; decisions name its revision.
pub struct PolicySnapshot {
    revision: Arc<str>,
    level: u32,
    catalogue: Arc<Catalogue>,
    pub(super) is_lending: bool,
    pub(super) vocabulary: Vocabulary,
    pub(super) texts: HashMap<PolicyId, PolicyText>,
    pub(super) by_action: BTreeMap<ActionName, ActionPolicies>,
}

impl std::fmt::Debug for PolicySnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicySnapshot").field("revision", &self.revision).finish_non_exhaustive()
    }
}

impl PolicySnapshot {
    /// Loads the schema and policy files of a folder.
    pub fn load(dir: &Path) -> Result<Self, Vec<Finding>> {
        Self::parse(source::read_dir(dir)?)
    }

    /// Parses and validates schema and policy texts; all mistakes are reported together.
    pub fn parse(sources: Vec<Source>) -> Result<Self, Vec<Finding>> {
        let findings: Vec<Finding> = sources.iter().filter_map(|it| guard::check(it).err()).collect();
        if !findings.is_empty() {
            return Err(findings);
        }
        let stopped = || vec![Finding::error("policies", "the policy parser stopped; simplify the policies")];
        thread::Builder::new()
            .stack_size(PARSER_STACK_BYTES)
            .spawn(move || build(&sources))
            .map_err(|_| stopped())?
            .join()
            .unwrap_or_else(|_| Err(stopped()))
    }

    /// The same policies where nothing is lent: no decision knows a grant.
    #[must_use]
    pub fn without_grants(self) -> Self {
        Self { is_lending: false, ..self }
    }

    /// A short hash of all texts, the same wherever the same texts are loaded.
    #[must_use]
    pub fn revision(&self) -> &Arc<str> {
        &self.revision
    }

    /// How many references deep the policies read (Cedar RFC 76); what facts must be loaded to.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.level
    }

    /// The actions of the schema by the names that routes and queries use.
    pub fn actions(&self) -> impl Iterator<Item = &ActionName> {
        self.vocabulary.actions.keys()
    }

    /// The entity types of the schema.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.vocabulary.kinds()
    }

    /// The ids of an enumerated entity type; none where the type has any id.
    #[must_use]
    pub fn ids(&self, kind: &str) -> &[String] {
        self.vocabulary.ids(kind)
    }

    /// What permissions need, and the roles of a new tree.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Whether the schema lists every entity of this type, so that none is ever stored.
    #[must_use]
    pub fn is_enumerated(&self, kind: &str) -> bool {
        self.vocabulary.is_enumerated(kind)
    }

    /// Whether the schema declares this attribute for this entity type.
    #[must_use]
    pub fn declares(&self, kind: &str, attribute: &str) -> bool {
        self.vocabulary.declares(kind, attribute)
    }

    /// The policies with the sentences that explain them.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyText> {
        self.texts.values()
    }

    /// The policy of this `@id`.
    #[must_use]
    pub fn policy(&self, id: &str) -> Option<&PolicyText> {
        self.texts.get(&PolicyId::new(id))
    }

    /// The action whose permission makes a resource of this type visible (`@visible_by` in the schema).
    #[must_use]
    pub fn visibility(&self, kind: &str) -> Option<ActionName> {
        self.vocabulary.visible_by(kind)
    }

    /// Checks one entity of Cedar's JSON format against the schema and gives its stored form.
    pub fn canonical(&self, json: Json) -> Result<Entity, String> {
        prepared::to_entity(&prepared::parse(&self.vocabulary, json)?)
    }

    /// Prepares the closures of several roots of one snapshot of facts.
    pub fn closures(&self, facts: &Facts, roots: &[Uid]) -> Result<Vec<Closure>, FactError> {
        prepared::closures(&self.vocabulary, facts, roots, self.level)
    }
}

fn build(sources: &[Source]) -> Result<PolicySnapshot, Vec<Finding>> {
    let (catalogues, texts): (Vec<&Source>, Vec<&Source>) = sources.iter().partition(|it| it.is_catalogue());
    let (schemas, policies): (Vec<&Source>, Vec<&Source>) = texts.into_iter().partition(|it| it.is_schema());
    if schemas.is_empty() {
        return Err(vec![
            Finding::error("policies", "there is no schema")
                .with_help("put a *.cedarschema file beside the policies"),
        ]);
    }
    let vocabulary = Vocabulary::parse(&schemas)?;
    let catalogue = match catalogues.first() {
        Some(source) => super::catalogue::parse(source, vocabulary.ids(Role::PERMISSION))?,
        None => Catalogue::default(),
    };
    let (set, texts) = named_policies(&policies)?;
    let level = validate(&vocabulary, &set, &texts, &policies)?;
    let by_action =
        by_action(&vocabulary, &set, &texts).map_err(|error| vec![Finding::error("policies", error)])?;
    let (revision, catalogue) = (revision(sources), Arc::new(catalogue));
    Ok(PolicySnapshot { revision, level, catalogue, is_lending: true, vocabulary, texts, by_action })
}

fn revision(sources: &[Source]) -> Arc<str> {
    let mut hash = Sha256::new();
    for source in sources {
        hash.update(source.text.len().to_be_bytes());
        hash.update(source.text.as_bytes());
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

type Named = (PolicySet, HashMap<PolicyId, PolicyText>);

/// Cedar numbers policies by position; each gets the name of its `@id` instead.
fn named_policies(sources: &[&Source]) -> Result<Named, Vec<Finding>> {
    let (mut set, mut texts, mut findings) = (PolicySet::new(), HashMap::new(), Vec::new());
    for source in sources {
        let parsed = match PolicySet::from_str(&source.text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                findings.extend(errors.iter().map(|error| finding(source, error)));
                continue;
            }
        };
        if parsed.templates().next().is_some() {
            findings.push(
                Finding::error(source.name.clone(), "templates are not supported")
                    .with_help("write the policy over attributes instead of `?principal` and `?resource`"),
            );
        }
        for policy in parsed.policies() {
            match named(source, policy).and_then(|(named, text)| {
                let id = named.id().clone();
                set.add(named).map_err(|_| misnamed(source, policy, "is used twice"))?;
                texts.insert(id, text);
                Ok(())
            }) {
                Ok(()) => {}
                Err(found) => findings.push(found),
            }
        }
    }
    if findings.is_empty() { Ok((set, texts)) } else { Err(findings) }
}

fn named(source: &Source, policy: &Policy) -> Result<(Policy, PolicyText), Finding> {
    let id = policy.annotation("id").filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| misnamed(source, policy, "is missing"))?;
    let text = PolicyText {
        id: id.into(),
        why: policy.annotation("why").unwrap_or_default().into(),
        forbids: policy.effect() == Effect::Forbid,
        refuse: policy.annotation("refuse").map(Into::into),
        file: source.name.as_str().into(),
        line: line_of(&source.text, span_of(policy).map_or(0, |span| span.start)),
    };
    Ok((policy.new_id(PolicyId::new(id)), text))
}

fn misnamed(source: &Source, policy: &Policy, what: &str) -> Finding {
    let id = policy.annotation("id").unwrap_or_default();
    let found = Finding::error(source.name.clone(), format!("the policy's @id `{id}` {what}"))
        .with_help("give each policy its own name: @id(\"verb-what-whom\")");
    match span_of(policy) {
        Some(span) => found.at(source.text.clone(), span),
        None => found,
    }
}

fn span_of(policy: &Policy) -> Option<std::ops::Range<usize>> {
    let core: &cedar_policy_core::ast::Policy = policy.as_ref();
    let span = core.loc()?.span;
    Some(span.offset()..span.offset() + span.len())
}

pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Strict validation, warnings included; gives the lowest level that the policies pass.
fn validate(
    vocabulary: &Vocabulary,
    set: &PolicySet,
    texts: &HashMap<PolicyId, PolicyText>,
    sources: &[&Source],
) -> Result<u32, Vec<Finding>> {
    let validator = Validator::new(vocabulary.schema.clone());
    let result = validator.validate(set, ValidationMode::Strict);
    let placed = |id: &PolicyId, diagnostic: &dyn Diagnostic| {
        let file = texts.get(id).map(|text| text.file.clone()).unwrap_or_default();
        match sources.iter().find(|source| source.name.as_str() == &*file) {
            Some(source) => finding(source, diagnostic),
            None => Finding::error("policies", diagnostic.to_string()),
        }
    };
    let mut findings: Vec<Finding> =
        result.validation_errors().map(|error| placed(error.policy_id(), error)).collect();
    findings.extend(result.validation_warnings().map(|warning| placed(warning.policy_id(), warning)));
    if !findings.is_empty() {
        return Err(findings);
    }
    let passes =
        |level: &u32| validator.validate_with_level(set, ValidationMode::Strict, *level).validation_passed();
    (1..=LEVEL_MAX).find(passes).ok_or_else(|| {
        let result = validator.validate_with_level(set, ValidationMode::Strict, LEVEL_MAX);
        result.validation_errors().map(|error| placed(error.policy_id(), error)).collect()
    })
}

/// A policy that cannot apply to an action costs that action nothing.
fn by_action(
    vocabulary: &Vocabulary,
    set: &PolicySet,
    texts: &HashMap<PolicyId, PolicyText>,
) -> Result<BTreeMap<ActionName, ActionPolicies>, String> {
    let mut by_action: BTreeMap<ActionName, ActionPolicies> =
        vocabulary.actions.keys().map(|name| (name.clone(), ActionPolicies::default())).collect();
    for policy in set.policies() {
        let time = TimeUse::of(policy);
        let mut applies: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for env in policy.get_valid_request_envs(&vocabulary.schema) {
            applies.entry(env.action().clone()).or_default().insert(env.principal().to_string());
        }
        for (name, action) in &vocabulary.actions {
            if let Some((principals, policies)) = applies.remove(&action.uid).zip(by_action.get_mut(name)) {
                policies.set.add(policy.clone()).map_err(|error| error.to_string())?;
                policies.rules.extend(texts.get(policy.id()).map(|text| Rule::new(policy, text, principals)));
                policies.time = policies.time.max(time);
            }
        }
    }
    by_action.values_mut().for_each(|policies| policies.rules.sort_by(|a, b| a.id.cmp(&b.id)));
    Ok(by_action)
}

/// A Cedar diagnostic as a finding, with its first place in the file.
pub(super) fn finding(source: &Source, diagnostic: &dyn Diagnostic) -> Finding {
    let mut found = Finding::error(source.name.clone(), diagnostic.to_string());
    if let Some(help) = diagnostic.help() {
        found = found.with_help(help.to_string());
    }
    let label = diagnostic.labels().into_iter().flatten().next();
    match label {
        Some(label) => {
            let start = label.offset().min(source.text.len());
            let end = (start + label.len().max(1)).min(source.text.len());
            found.at(source.text.clone(), start..end)
        }
        None => found,
    }
}
