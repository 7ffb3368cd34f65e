//! `cedargate export`: the store's entities as one list in Cedar's JSON format.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::ProgressBar;
use serde_json::{Map, Value as Json};

use crate::cli::place::StorePlace;
use crate::cli::{Answer, Failure, Outcome, place, print};
use crate::domain::nouns::is_note;
use crate::domain::{Entity, Uid};
use crate::store::Store;

/// Entities of one question.
const PAGE: u32 = 1000;

/// Options of `export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only entities of this type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    #[command(flatten)]
    place: StorePlace,
    /// Where to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let config = args.place.config()?;
    place::block_on(async {
        let store = args.place.open_existing(config.as_ref()).await?;
        let kind = args.kind.as_deref();
        match &args.output {
            None => drop(write(&store, kind, &mut BufWriter::new(io::stdout().lock())).await?),
            Some(path) => {
                let count = write_file(&store, kind, path).await?;
                print::remark(&format!("{} in `{}`", print::count(count, "entity"), path.display()))?;
            }
        }
        store.close().await?;
        Ok(Answer::Yes)
    })
}

/// Under another name first: a file that is there is whole.
async fn write_file(store: &Arc<dyn Store>, kind: Option<&str>, path: &Path) -> Result<usize, Failure> {
    let named = |error: io::Error| Failure::Message(format!("`{}`: {error}", path.display()));
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let mut out = BufWriter::new(File::create(&partial).map_err(named)?);
    let written = write(store, kind, &mut out).await;
    let synced = out.get_ref().sync_all();
    match (written, synced) {
        (Ok(count), Ok(())) => {
            fs::rename(&partial, path).map_err(named)?;
            Ok(count)
        }
        (written, synced) => {
            // What is left of it is of no use; that it may stay is not worth a second error.
            let _removed = fs::remove_file(&partial);
            synced.map_err(named)?;
            written
        }
    }
}

async fn write(store: &Arc<dyn Store>, kind: Option<&str>, out: &mut dyn Write) -> Result<usize, Failure> {
    let bar = ProgressBar::new_spinner();
    let mut count = 0;
    let mut after: Option<Uid> = None;
    out.write_all(b"[")?;
    loop {
        let page = store.page(kind, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.uid.clone());
        // What only this store can go on with is not worth keeping anywhere else.
        for entity in page.iter().filter(|it| !is_note(it.uid.kind())) {
            out.write_all(if count == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut *out, &sorted(plain(entity))).map_err(io::Error::from)?;
            count += 1;
        }
        bar.set_message(print::count(count, "entity"));
        bar.tick();
    }
    out.write_all(if count == 0 { b"]\n" } else { b"\n]\n" })?;
    out.flush()?;
    bar.finish_and_clear();
    Ok(count)
}

/// The entity without empty tags, which few entities have.
fn plain(entity: &Entity) -> Json {
    let mut json = entity.to_json();
    if let (true, Json::Object(members)) = (entity.tags.is_empty(), &mut json) {
        members.remove("tags");
    }
    json
}

/// The same value with its keys in order, so that equal stores give equal files.
fn sorted(value: Json) -> Json {
    match value {
        Json::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Json::Object(Map::from_iter(members))
        }
        Json::Array(items) => Json::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Change;
    use crate::domain::nouns::{KEPT_ANSWER, LETTER};
    use crate::store::{Options, open};

    #[tokio::test]
    async fn notes_are_left_out() {
        let store = open("sqlite::memory:", Options::default()).await.unwrap();
        let entity = |kind: &str| Entity {
            uid: Uid::new(kind, "x").unwrap(),
            attrs: Map::new(),
            parents: [].into(),
            tags: Map::new(),
        };
        let changes = ["Device", KEPT_ANSWER, LETTER].map(|kind| Change::Create(entity(kind)));
        store.apply(changes.to_vec(), None).await.unwrap();
        let mut out = Vec::new();
        assert_eq!(write(&store, None, &mut out).await.ok(), Some(1));
        assert!(!String::from_utf8(out).unwrap().contains(KEPT_ANSWER));
    }
}
