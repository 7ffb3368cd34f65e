//! `cedargate import`: entities in Cedar's JSON format into the store, a thousand at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::place::StorePlace;
use crate::cli::{Answer, Failure, Format, Outcome, place, print};
use crate::domain::{Change, ChangeError, Uid};
use crate::finding::Finding;
use crate::policy::{EntityFile, Placed, PolicySnapshot};
use crate::store::{Store, StoreError};

/// Entities of one transaction.
const BATCH: usize = 1000;

/// Options of `import`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files of entities; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    place: StorePlace,
    /// The folder of the schema [default: as configured, or ./policies]
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// How to answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What was done so far.
#[derive(Debug, Default, Clone, Copy)]
struct Done {
    written: usize,
    unchanged: usize,
}

/// Why the import stopped.
enum Stop {
    Findings(Vec<Finding>),
    Failure(Failure),
}

pub(super) fn run(args: &Args) -> Outcome {
    let config = args.place.config()?;
    let policies = place::policies(args.policies.as_deref(), config.as_ref())?;
    let mut done = Done::default();
    let stop = place::block_on(async {
        let store = args.place.open(config.as_ref()).await?;
        let stop = import_all(args, &policies, &store, &mut done).await.err();
        store.close().await?;
        Ok(stop)
    })?;
    let Done { written, unchanged } = done;
    match args.format {
        Format::Json => {
            let findings: Vec<_> = match &stop {
                Some(Stop::Findings(found)) => found.iter().map(Finding::to_json).collect(),
                _ => Vec::new(),
            };
            let answer = json!({ "written": written, "unchanged": unchanged, "findings": findings });
            print::json(&answer)?;
        }
        Format::Text => {
            if let Some(Stop::Findings(found)) = &stop {
                print::found(found)?;
            }
            let all = print::count(written + unchanged, "entity");
            let said = if stop.is_some() { "stopped after" } else { "imported" };
            print::line(&format!("{said} {all}: {written} written, {unchanged} unchanged"))?;
        }
    }
    match stop {
        None => Ok(Answer::Yes),
        Some(Stop::Findings(_)) => Ok(Answer::No),
        Some(Stop::Failure(failure)) => Err(failure),
    }
}

async fn import_all(
    args: &Args,
    policies: &PolicySnapshot,
    store: &Arc<dyn Store>,
    done: &mut Done,
) -> Result<(), Stop> {
    for path in &args.files {
        let name = path.display().to_string();
        let (input, bar) = open(path).map_err(|error| {
            Stop::Findings(vec![Finding::error(name.clone(), format!("cannot be read: {error}"))])
        })?;
        let imported = import(EntityFile::new(policies, &name, input), store, done).await;
        bar.finish_and_clear();
        imported?;
    }
    Ok(())
}

/// A file, or standard input, that moves a bar on a terminal as it is read.
fn open(path: &Path) -> io::Result<(Box<dyn BufRead>, ProgressBar)> {
    let (input, bar): (Box<dyn Read>, ProgressBar) = if path == Path::new("-") {
        (Box::new(io::stdin()), ProgressBar::new_spinner())
    } else {
        let file = File::open(path)?;
        let bar = ProgressBar::new(file.metadata()?.len());
        (Box::new(file), bar)
    };
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}, {eta} left")
        && bar.length().is_some()
    {
        bar.set_style(style);
    }
    bar.set_message(path.display().to_string());
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok((Box::new(BufReader::with_capacity(1 << 16, bar.wrap_read(input))), bar))
}

/// A batch with a mistake is left out as a whole, and nothing after it is read.
async fn import<R: BufRead>(
    file: EntityFile<'_, R>,
    store: &Arc<dyn Store>,
    done: &mut Done,
) -> Result<(), Stop> {
    let mut batch = Vec::with_capacity(BATCH);
    for read in file {
        batch.push(read.map_err(|rejected| Stop::Findings(vec![*rejected.finding]))?);
        if batch.len() == BATCH {
            write(&mut batch, store, done).await?;
        }
    }
    write(&mut batch, store, done).await
}

async fn write(batch: &mut Vec<Placed>, store: &Arc<dyn Store>, done: &mut Done) -> Result<(), Stop> {
    let names: Vec<Uid> = batch.iter().map(|placed| placed.entity.uid.clone()).collect();
    let known = match store.facts_for(&names, 1).await {
        Ok(facts) => facts.entities.into_iter().map(|entity| (entity.uid.clone(), entity)).collect(),
        // What they are in does not fit into one answer: write them all, that is right as well.
        Err(StoreError::TooLarge { .. }) => std::collections::HashMap::new(),
        Err(error) => return Err(Stop::Failure(error.into())),
    };
    let differs =
        |placed: &&Placed| known.get(&placed.entity.uid).is_none_or(|entity| **entity != placed.entity);
    let changes: Vec<Change> =
        batch.iter().filter(differs).map(|placed| Change::Put(placed.entity.clone())).collect();
    let written = changes.len();
    if written > 0 {
        store.apply(changes, None).await.map_err(|error| refused(batch, error))?;
    }
    done.written += written;
    done.unchanged += batch.len() - written;
    batch.clear();
    Ok(())
}

/// The entity that the store refuses, with its place.
fn refused(batch: &[Placed], error: StoreError) -> Stop {
    let uid = match &error {
        StoreError::Change(
            ChangeError::Exists(uid)
            | ChangeError::Missing(uid)
            | ChangeError::Reused(uid)
            | ChangeError::Cycle(uid),
        ) => uid,
        StoreError::KeyTaken { uid, .. } | StoreError::KeyForm { uid, .. } | StoreError::Nul(uid) => uid,
        _ => return Stop::Failure(error.into()),
    };
    match batch.iter().find(|placed| placed.entity.uid == *uid) {
        Some(placed) => Stop::Findings(vec![placed.finding(error.to_string())]),
        None => Stop::Failure(error.into()),
    }
}
