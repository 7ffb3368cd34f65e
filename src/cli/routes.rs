//! `cedargate routes import`: a route map to edit, from an OpenAPI 3 document.

mod document;
mod guess;
mod map;

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::cli::{Answer, Failure, Format, Outcome, print};
use document::Document;
use guess::{Guesser, Placed};

/// What to do with routes.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Write a route map to edit, from an OpenAPI 3 document (JSON or YAML)
    Import(Import),
}

/// Options of `routes import`.
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// The document
    #[arg(value_name = "OPENAPI")]
    document: PathBuf,
    /// What the API calls a device, such as `thing`; may be given several times
    #[arg(long, value_name = "WORD", default_values = ["device", "thing"])]
    noun: Vec<String>,
    /// Cedar's entity type of a device
    #[arg(long, value_name = "TYPE", default_value = "Device")]
    kind: String,
    /// Where to write the map; a file that exists is not overwritten [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(command: &Command) -> Outcome {
    let Command::Import(args) = command;
    let text = fs::read_to_string(&args.document).map_err(|error| {
        Failure::Message(format!("`{}` cannot be read: {error}", args.document.display()))
    })?;
    let document = Document::parse(&text).map_err(Failure::Message)?;
    let guesser = Guesser::new(&args.noun, &args.kind);
    let placed: Vec<Placed> = document.operations().iter().map(|it| guesser.place(&document, it)).collect();
    let left = placed.iter().filter(|it| it.route.is_err()).count();
    let map = map::written(&placed);
    match &args.output {
        Some(path) => {
            let new = fs::OpenOptions::new().write(true).create_new(true).open(path);
            new.and_then(|mut file| file.write_all(map.as_bytes())).map_err(|error| {
                Failure::Message(format!("`{}` cannot be written: {error}", path.display()))
            })?;
        }
        None if args.format == Format::Text => print::line(map.trim_end())?,
        None => {}
    }
    if args.format == Format::Json {
        print::json(&report(&placed, &map))?;
    }
    print::remark(&format!(
        "{}, {left} not placed; read each before you use it: what is guessed is marked",
        print::count(placed.len() - left, "route")
    ))?;
    Ok(if placed.len() > left { Answer::Yes } else { Answer::No })
}

fn report(placed: &[Placed], map: &str) -> Json {
    let row = |it: &Placed| match &it.route {
        Ok(route) => json!({ "operation": it.operation, "action": route.action, "guessed": route.remarks }),
        Err(why) => json!({ "operation": it.operation, "not_placed": why }),
    };
    json!({ "operations": placed.iter().map(row).collect::<Vec<_>>(), "map": map })
}
