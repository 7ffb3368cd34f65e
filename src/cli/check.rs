//! `cedargate check`: every mistake in the files of a deployment, each with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::{Answer, Failure, Format, Outcome, place, print};
use crate::config::Config;
use crate::domain::Uid;
use crate::finding::{Finding, Severity};
use crate::policy::story;
use crate::policy::{EntityFile, Placed, PolicySnapshot};
use crate::server::{compile_routes, doubts};

/// Where stories are.
pub(super) const STORIES: &str = "tests/stories";

/// Options of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration [default: ./cedargate.toml; without it, ./policies, ./entities, ./tests/stories]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What was read, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Report {
    /// Mistakes and doubts, file by file.
    pub findings: Vec<Finding>,
    /// What was looked at, for people.
    pub read: Vec<String>,
}

impl Report {
    /// How many findings keep the gateway from starting.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|it| it.severity == Severity::Error).count()
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    let config = match &args.config {
        Some(path) => Some(path.clone()),
        None => Some(PathBuf::from(place::CONFIG)).filter(|path| path.exists()),
    };
    if config.is_none() && !Path::new(place::POLICIES).exists() {
        let nothing = "there is nothing to check here: no ./cedargate.toml and no ./policies";
        return Err(Failure::Message(nothing.to_owned()));
    }
    let report = inspect(config.as_deref());
    let (errors, warnings) = (report.errors(), report.findings.len() - report.errors());
    match args.format {
        Format::Json => print::json(&json!({
            "errors": errors,
            "warnings": warnings,
            "findings": report.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
        }))?,
        Format::Text => {
            print::found(&report.findings)?;
            let found = format!("{}, {}", print::count(errors, "error"), print::count(warnings, "warning"));
            print::line(&format!("{found} in {}", report.read.join(", ")))?;
        }
    }
    Ok(if errors == 0 { Answer::Yes } else { Answer::No })
}

/// Checks a configuration and all that it names, or without one what lies in the usual folders.
#[must_use]
pub fn inspect(config: Option<&Path>) -> Report {
    let mut report = Report::default();
    let folder = config.and_then(Path::parent).unwrap_or(Path::new(""));
    let mut policies = folder.join(place::POLICIES);
    let mut entities = folder.join(place::ENTITIES);
    let mut routes = None;
    if let Some(path) = config {
        report.read.push(path.display().to_string());
        match Config::load(path) {
            Ok(config) => {
                policies.clone_from(&config.policies.dir);
                entities.clone_from(&config.entities.dir);
                routes = Some(config);
            }
            Err(found) => report.findings.extend(found),
        }
    }
    let snapshot = report.policies(&policies);
    if let Some(config) = routes {
        report.routes(&config, snapshot.as_ref());
    }
    if let Some(snapshot) = &snapshot {
        report.entities(&entities, snapshot);
    }
    report.stories(&folder.join(STORIES));
    report
}

impl Report {
    fn policies(&mut self, dir: &Path) -> Option<PolicySnapshot> {
        match PolicySnapshot::load(dir) {
            Ok(snapshot) => {
                self.read.push(print::count(snapshot.policies().count(), "policy"));
                Some(snapshot)
            }
            Err(found) => {
                self.read.push(dir.display().to_string());
                self.findings.extend(found);
                None
            }
        }
    }

    /// Without a schema, what names its actions and types goes unchecked.
    fn routes(&mut self, config: &Config, snapshot: Option<&PolicySnapshot>) {
        match compile_routes(config, snapshot) {
            Ok(routes) => {
                self.read.push(print::count(routes.all().len(), "route"));
                self.findings.extend(doubts(config, &routes));
            }
            Err(found) => self.findings.extend(found),
        }
    }

    fn entities(&mut self, dir: &Path, snapshot: &PolicySnapshot) {
        let mut known: BTreeMap<Uid, Placed> = BTreeMap::new();
        let mut rejected = BTreeSet::new();
        for path in files(dir, "json") {
            let name = path.display().to_string();
            let file = match File::open(&path) {
                Ok(file) => BufReader::new(file),
                Err(error) => {
                    self.findings.push(Finding::error(name, format!("cannot be read: {error}")));
                    continue;
                }
            };
            for read in EntityFile::new(snapshot, &name, file) {
                match read {
                    Ok(placed) => self.first(&mut known, placed),
                    Err(it) => {
                        rejected.extend(it.uid);
                        self.findings.push(*it.finding);
                    }
                }
            }
        }
        self.read.push(print::count(known.len(), "entity"));
        // One mistake is told once: whoever names a rejected entity is right.
        self.dangling(&known, |uid| snapshot.is_enumerated(uid.kind()) || rejected.contains(uid));
    }

    fn first(&mut self, known: &mut BTreeMap<Uid, Placed>, placed: Placed) {
        let uid = placed.entity.uid.clone();
        match known.get(&uid) {
            None => drop(known.insert(uid, placed)),
            Some(first) => {
                let at = first.finding("").position().map_or(0, |(line, _)| line);
                let there = format!("the first is at {}:{at}", first.file());
                self.findings.push(placed.finding(format!("{uid} is here twice")).with_help(there));
            }
        }
    }

    /// A name that stands for nothing is no mistake to Cedar, but rarely meant.
    fn dangling(&mut self, known: &BTreeMap<Uid, Placed>, exists: impl Fn(&Uid) -> bool) {
        for placed in known.values() {
            let mut named = placed.entity.referenced();
            named.extend(placed.entity.parents.iter().cloned());
            for uid in named {
                let action = uid.kind().rsplit("::").next() == Some("Action");
                if action || known.contains_key(&uid) || exists(&uid) {
                    continue;
                }
                let message = format!("{uid} is in none of these files");
                let mut finding = placed.finding_at(uid.id(), message);
                finding.severity = Severity::Warning;
                self.findings.push(finding.with_help("add it, or correct the name"));
            }
        }
    }

    fn stories(&mut self, dir: &Path) {
        let mut read = 0;
        for path in files(dir, "toml") {
            let name = path.display().to_string();
            match fs::read_to_string(&path) {
                Ok(text) => match story::parse(name, text) {
                    Ok(_) => read += 1,
                    Err(found) => self.findings.extend(found),
                },
                Err(error) => self.findings.push(Finding::error(name, format!("cannot be read: {error}"))),
            }
        }
        if read > 0 {
            self.read.push(print::count(read, "story"));
        }
    }
}

/// The files of a folder with this extension, in the order of their names; none without the folder.
pub(super) fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    crate::policy::files(dir, &[extension]).unwrap_or_default()
}
