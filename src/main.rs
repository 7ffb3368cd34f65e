//! The `cedargate` program: parse the command line, run it, answer with an exit code.

use std::process::ExitCode;

use cedargate::cli::{Cli, run};
use clap::Parser;

/// Costs a request a tenth less than the system's (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    run(&Cli::parse())
}
