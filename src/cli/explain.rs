//! `cedargate explain`: how one question is decided, and why.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::cli::place::StorePlace;
use crate::cli::{Answer, Failure, Format, Outcome, check, place, print};
use crate::config::Config;
use crate::domain::moment::now_ms;
use crate::domain::{Change, Context, Facts, Query, Uid, World};
use crate::finding::Finding;
use crate::policy::{EntityFile, NearPermit, PolicySnapshot, PolicyText, Verdict};

/// Options of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Who asks, such as User::wife
    #[arg(long, value_name = "T::ID", required_unless_present = "record")]
    principal: Option<String>,
    /// What would be done, such as view
    #[arg(long, value_name = "NAME", required_unless_present = "record")]
    action: Option<String>,
    /// To what, such as Device::garage
    #[arg(long, value_name = "T::ID", required_unless_present = "record")]
    resource: Option<String>,
    /// Context attributes as a JSON object
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
    /// A recorded decision, by its id
    #[arg(long, value_name = "ID")]
    record: Option<String>,
    #[command(flatten)]
    place: StorePlace,
    /// The folder of schema and policies [default: as configured, or ./policies]
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// A folder of entities to decide over, in place of the store
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    entities: Option<PathBuf>,
    /// How to answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// A decision with all that explains it.
struct Explained<'p> {
    query: Query,
    verdict: Verdict,
    policies: Vec<&'p PolicyText>,
    near: Vec<NearPermit>,
    over: String,
}

pub(super) fn run(args: &Args) -> Outcome {
    if let Some(id) = &args.record {
        let message = format!("the record `{id}` cannot be explained: `--record` is not there yet");
        return Err(Failure::Message(message));
    }
    let config = args.place.config()?;
    let policies = place::policies(args.policies.as_deref(), config.as_ref())?;
    let query = args.query(&policies)?;
    let (facts, over) = args.facts(&policies, config.as_ref(), &query)?;
    let now_ms = now_ms();
    let verdict = policies.decide(&query, &facts, now_ms);
    let unexplained = !verdict.allowed
        && verdict.reasons.is_empty()
        && verdict.errors.is_empty()
        && verdict.missing.is_none();
    let near = match unexplained {
        true => policies.nearest_permits(&query, &facts, now_ms).map_err(Failure::Message)?,
        false => Vec::new(),
    };
    let reasons = verdict.reasons.iter().filter_map(|id| policies.policy(id)).collect();
    let explained = Explained { query, policies: reasons, near, over, verdict };
    match args.format {
        Format::Json => print::json(&explained.to_json())?,
        Format::Text => explained.tell()?,
    }
    Ok(if explained.verdict.allowed { Answer::Yes } else { Answer::No })
}

impl Args {
    fn query(&self, policies: &PolicySnapshot) -> Result<Query, Failure> {
        let text = |given: &Option<String>| given.clone().unwrap_or_default();
        let (principal, resource) = (named(policies, &text(&self.principal))?, text(&self.resource));
        let resource = named(policies, &resource)?;
        let wanted = text(&self.action);
        let Some(action) = policies.actions().find(|name| ***name == *wanted) else {
            let names: Vec<&str> = policies.actions().map(|name| &**name).collect();
            let message =
                format!("the schema has no action `{wanted}`; its actions are {}", names.join(", "));
            return Err(Failure::Message(message));
        };
        Ok(Query { principal, action: action.clone(), resource, context: self.context()?.into() })
    }

    fn context(&self) -> Result<Context, Failure> {
        let Some(text) = &self.context else { return Ok(Context::new()) };
        match crate::json::parse(text.as_bytes()) {
            Ok(Json::Object(context)) => Ok(context),
            Ok(_) => Err(Failure::Message("`--context` must be a JSON object, such as `{\"a\": 1}`".into())),
            Err(error) => Err(Failure::Message(format!("`--context` is not JSON: {error}"))),
        }
    }

    /// The facts of the question, and where they are from.
    fn facts(
        &self,
        policies: &PolicySnapshot,
        config: Option<&Config>,
        query: &Query,
    ) -> Result<(Facts, String), Failure> {
        let roots = [query.principal.clone(), query.resource.clone()];
        if let Some(dir) = &self.entities {
            return folder_facts(policies, dir, &roots);
        }
        let static_dir = config.map_or(Path::new(place::ENTITIES), |config| config.entities.dir.as_path());
        let stored = self.place.store.is_some() || config.is_some();
        if !stored || (self.place.store.is_none() && self.place.missing_file(config)?.is_some()) {
            return folder_facts(policies, static_dir, &roots);
        }
        let found = place::block_on(async {
            let store = self.place.open_existing(config).await?;
            // The gateway seeds an empty store from the files when it starts.
            let seeded = self.place.store.is_some() || !store.page(None, None, 1).await?.is_empty();
            let facts = store.facts_for(&roots, policies.level()).await?;
            store.close().await?;
            Ok(seeded.then_some(facts))
        })?;
        match found {
            Some(facts) => {
                let over = format!("the store at revision {}", facts.revision);
                Ok((facts, over))
            }
            None => folder_facts(policies, static_dir, &roots),
        }
    }
}

fn named(policies: &PolicySnapshot, text: &str) -> Result<Uid, Failure> {
    let uid = Uid::parse(text)?;
    match policies.kinds().any(|kind| kind == uid.kind()) {
        true => Ok(uid),
        false => Err(Failure::Message(format!("the schema has no type `{}`", uid.kind()))),
    }
}

fn folder_facts(policies: &PolicySnapshot, dir: &Path, roots: &[Uid]) -> Result<(Facts, String), Failure> {
    let (mut changes, mut findings) = (Vec::new(), Vec::new());
    let paths = check::files(dir, "json");
    if paths.is_empty() {
        return Err(Failure::Message(format!("there are no entities: `{}` has no *.json", dir.display())));
    }
    for path in paths {
        let name = path.display().to_string();
        match File::open(&path) {
            Err(error) => findings.push(Finding::error(name, format!("cannot be read: {error}"))),
            Ok(file) => {
                for read in EntityFile::new(policies, &name, BufReader::new(file)) {
                    match read {
                        Ok(placed) => changes.push(Change::Put(placed.entity)),
                        Err(rejected) => findings.push(*rejected.finding),
                    }
                }
            }
        }
    }
    if !findings.is_empty() {
        return Err(Failure::Findings(findings));
    }
    let mut world = World::default();
    world.apply(&changes).map_err(|error| Failure::Message(format!("`{}`: {error}", dir.display())))?;
    Ok((world.slice(roots, policies.level()), format!("the files in `{}`", dir.display())))
}

impl Explained<'_> {
    fn tell(&self) -> Result<(), Failure> {
        let Query { principal, action, resource, .. } = &self.query;
        let said = if self.verdict.allowed { "allowed" } else { "denied" };
        print::line(&format!("{said}: {principal} {action} {resource}, over {}", self.over))?;
        if let Some(uid) = &self.verdict.missing {
            print::line(&format!("  {uid} does not exist"))?;
        }
        for error in &self.verdict.errors {
            print::line(&format!("  the decision failed: {error}"))?;
        }
        for policy in &self.policies {
            let effect = if policy.forbids { "forbidden" } else { "permitted" };
            print::line(&format!("  {effect} by {} ({}:{})", policy.id, policy.file, policy.line))?;
            print::line(&format!("    {}", policy.why))?;
        }
        self.tell_near()
    }

    fn tell_near(&self) -> Result<(), Failure> {
        let lacking = self.policies.is_empty()
            && !self.verdict.allowed
            && self.verdict.missing.is_none()
            && self.verdict.errors.is_empty();
        if !lacking {
            return Ok(());
        }
        if self.near.is_empty() {
            return Ok(print::line("  no policy permits this action for these types")?);
        }
        print::line("  no policy permits it; each permit lacks a clause, the nearest first:")?;
        for near in &self.near {
            let NearPermit { policy, clause, line, held, clauses, .. } = near;
            print::line(&format!(
                "  {} ({}:{}), {held} of {clauses} clauses hold",
                policy.id, policy.file, policy.line
            ))?;
            print::line(&format!("    {}", policy.why))?;
            match &near.error {
                None => print::line(&format!("    does not hold, line {line}: {clause}"))?,
                Some(error) => {
                    print::line(&format!("    cannot be evaluated, line {line}: {clause}: {error}"))?
                }
            }
        }
        Ok(())
    }

    fn to_json(&self) -> Json {
        let policy = |it: &PolicyText| {
            json!({
                "id": &*it.id,
                "effect": if it.forbids { "forbid" } else { "permit" },
                "why": &*it.why,
                "file": &*it.file,
                "line": it.line,
            })
        };
        let near = |it: &NearPermit| {
            json!({
                "policy": policy(&it.policy),
                "clauses": it.clauses,
                "held": it.held,
                "missing": { "clause": it.clause, "line": it.line, "error": it.error },
            })
        };
        json!({
            "principal": self.query.principal.to_string(),
            "action": &*self.query.action,
            "resource": self.query.resource.to_string(),
            "decision": if self.verdict.allowed { "allow" } else { "deny" },
            "policies": self.policies.iter().map(|it| policy(it)).collect::<Vec<_>>(),
            "nearest": self.near.iter().map(near).collect::<Vec<_>>(),
            "errors": self.verdict.errors.iter().map(|it| &**it).collect::<Vec<_>>(),
            "does_not_exist": self.verdict.missing.as_ref().map(ToString::to_string),
        })
    }
}
