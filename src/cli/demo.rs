//! `cedargate demo`: everything on embedded defaults.

use std::net::SocketAddr;

use crate::cli::{Answer, Failure, Outcome};
use crate::finding::chain;
use crate::server::{RunError, run_demo};
use crate::telemetry;

/// Options of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the gateway listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub gateway: SocketAddr,
    /// Where the control API listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub control: SocketAddr,
}

pub(super) fn run(args: &Args) -> Outcome {
    telemetry::logs(false);
    match run_demo(args.gateway, args.control) {
        Ok(()) => Ok(Answer::Yes),
        Err(RunError::Findings(findings)) => Err(Failure::Findings(findings)),
        Err(error) => Err(Failure::Message(chain(&error))),
    }
}
