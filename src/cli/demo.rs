//! `cedargate demo`: everything on embedded defaults.

use std::net::SocketAddr;

use crate::cli::{Failure, Outcome};

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

pub(super) fn run(_: &Args) -> Outcome {
    Err(Failure::Message("`demo` is not wired yet".to_owned()))
}
