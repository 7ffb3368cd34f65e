//! `cedargate test`: runs stories, and tells what failed and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::cli::{Answer, Failure, Format, Outcome, check, place, print};
use crate::domain::World;
use crate::finding::Finding;
use crate::policy::PolicySnapshot;
use crate::policy::story::{self, Coverage};

/// Options of `test`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Stories, or folders of them [default: ./tests/stories]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The folder of schema and policies
    #[arg(long, value_name = "DIR", default_value = place::POLICIES)]
    policies: PathBuf,
    /// The folder of the worlds: NAME.json for `world = "NAME"`
    #[arg(long, value_name = "DIR", default_value = place::ENTITIES)]
    entities: PathBuf,
    /// List each policy and action with the stories that reach it
    #[arg(long)]
    coverage: bool,
    /// How to answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What came of one story.
struct Played {
    file: String,
    title: String,
    checks: usize,
    failures: Vec<Finding>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let files = stories(&args.paths)?;
    let policies = PolicySnapshot::load(&args.policies)?;
    let mut stage = Stage { policies: &policies, entities: &args.entities, worlds: BTreeMap::new() };
    let mut coverage = Coverage::default();
    let played: Vec<Played> = files.iter().map(|file| stage.play(file, &mut coverage)).collect();
    let failed = played.iter().filter(|story| !story.failures.is_empty()).count();
    let passed = played.len() - failed;
    match args.format {
        Format::Json => {
            let mut answer = json!({
                "passed": passed,
                "failed": failed,
                "stories": played.iter().map(Played::to_json).collect::<Vec<_>>(),
            });
            if let (true, Json::Object(answer)) = (args.coverage, &mut answer) {
                answer.insert("coverage".to_owned(), coverage_json(&coverage, &policies));
            }
            print::json(&answer)?;
        }
        Format::Text => {
            for story in &played {
                print::found(&story.failures)?;
            }
            if args.coverage {
                tell_coverage(&coverage, &policies)?;
            }
            print::line(&format!("{passed} passed, {failed} failed"))?;
        }
    }
    Ok(if failed == 0 { Answer::Yes } else { Answer::No })
}

fn stories(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let usual = [PathBuf::from(check::STORIES)];
    let mut found = Vec::new();
    for path in if paths.is_empty() { &usual[..] } else { paths } {
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => found.extend(check::files(path, "toml")),
            Ok(_) => found.push(path.clone()),
            Err(error) => return Err(Failure::Message(format!("`{}`: {error}", path.display()))),
        }
    }
    if found.is_empty() {
        return Err(Failure::Message("there is no story: write one in `tests/stories/NAME.toml`".to_owned()));
    }
    Ok(found)
}

/// The policies, and the worlds that were read so far.
struct Stage<'a> {
    policies: &'a PolicySnapshot,
    entities: &'a Path,
    worlds: BTreeMap<String, Result<World, Vec<Finding>>>,
}

impl Stage<'_> {
    fn play(&mut self, path: &Path, coverage: &mut Coverage) -> Played {
        let file = path.display().to_string();
        let failed = |title: &str, failures| Played {
            file: file.clone(),
            title: title.to_owned(),
            checks: 0,
            failures,
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                return failed("", vec![Finding::error(file.clone(), format!("cannot be read: {error}"))]);
            }
        };
        let story = match story::parse(file.clone(), text) {
            Ok(story) => story,
            Err(findings) => return failed("", findings),
        };
        let (policies, entities) = (self.policies, self.entities);
        let world =
            self.worlds.entry(story.world.clone()).or_insert_with(|| world(policies, entities, &story.world));
        match world {
            Ok(world) => {
                let outcome = story.run(policies, world);
                coverage.merge(outcome.coverage);
                let checks = outcome.checks;
                Played { file: file.clone(), title: story.title, checks, failures: outcome.failures }
            }
            Err(findings) => failed(&story.title, findings.clone()),
        }
    }
}

fn world(policies: &PolicySnapshot, entities: &Path, name: &str) -> Result<World, Vec<Finding>> {
    let path = entities.join(format!("{name}.json"));
    let file = path.display().to_string();
    let text = fs::read_to_string(&path)
        .map_err(|error| vec![Finding::error(file.clone(), format!("the world cannot be read: {error}"))])?;
    story::read_world(policies, &file, &text)
}

impl Played {
    fn to_json(&self) -> Json {
        json!({
            "file": self.file,
            "title": self.title,
            "checks": self.checks,
            "failures": self.failures.iter().map(Finding::to_json).collect::<Vec<_>>(),
        })
    }
}

type Reached<K> = BTreeMap<K, BTreeSet<String>>;

fn titles<K: Ord>(reached: &Reached<K>, name: &K) -> Vec<String> {
    reached.get(name).into_iter().flatten().cloned().collect()
}

fn coverage_json(coverage: &Coverage, policies: &PolicySnapshot) -> Json {
    let reasons: BTreeMap<_, _> =
        policies.policies().map(|it| (it.id.to_string(), titles(&coverage.reasons, &it.id))).collect();
    let action = |name| json!({ "allowed": titles(&coverage.allowed, name), "denied": titles(&coverage.denied, name) });
    let actions: BTreeMap<_, _> = policies.actions().map(|name| (name.to_string(), action(name))).collect();
    json!({ "policies": reasons, "actions": actions, "gaps": coverage.gaps(policies) })
}

fn tell_coverage(coverage: &Coverage, policies: &PolicySnapshot) -> Result<(), Failure> {
    let mut ids: Vec<_> = policies.policies().map(|policy| &policy.id).collect();
    ids.sort();
    for id in ids {
        tell_reached(&format!("policy {id}"), &titles(&coverage.reasons, id))?;
    }
    for name in policies.actions() {
        tell_reached(&format!("action {name}, allowed"), &titles(&coverage.allowed, name))?;
        tell_reached(&format!("action {name}, denied"), &titles(&coverage.denied, name))?;
    }
    Ok(())
}

fn tell_reached(what: &str, stories: &[String]) -> Result<(), Failure> {
    if stories.is_empty() {
        return Ok(print::line(&format!("{what}: no story"))?);
    }
    print::line(&format!("{what}:"))?;
    for story in stories {
        print::line(&format!("  {story}"))?;
    }
    Ok(())
}
