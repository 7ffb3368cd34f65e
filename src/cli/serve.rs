//! `cedargate serve`: the gateway.

use std::path::PathBuf;

use crate::cli::{Failure, Outcome};

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "cedargate.toml")]
    pub config: PathBuf,
    /// Stop after checking
    #[arg(long)]
    pub check: bool,
}

pub(super) fn run(_: &Args) -> Outcome {
    Err(Failure::Message("`serve` is not wired yet".to_owned()))
}
