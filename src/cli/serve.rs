//! `cedargate serve`: the gateway.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use crate::cli::{Answer, Failure, Outcome, print};
use crate::finding::chain;
use crate::server::{RunError, run_serve};
use crate::telemetry;

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

pub(super) fn run(args: &Args) -> Outcome {
    telemetry::logs(!io::stderr().is_terminal());
    match run_serve(&args.config, args.check) {
        Ok(()) => Ok(Answer::Yes),
        // With `--check` the mistakes are the answer; without, they are why there is none.
        Err(RunError::Findings(findings)) if args.check => {
            print::found(&findings)?;
            Ok(Answer::No)
        }
        Err(RunError::Findings(findings)) => Err(Failure::Findings(findings)),
        Err(error) => Err(Failure::Message(chain(&error))),
    }
}
