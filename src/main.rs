//! The `cedargate` program: parse the command line, run it, answer with an exit code.

use std::process::ExitCode;

use cedargate::cli::{Cli, run};
use clap::Parser;

fn main() -> ExitCode {
    run(&Cli::parse())
}
