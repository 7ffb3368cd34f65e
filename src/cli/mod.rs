//! The command line: each subcommand reads its options, does its work, and answers yes or no.

mod check;
mod demo;
mod explain;
mod export;
mod import;
mod key;
mod place;
mod print;
mod remote;
mod routes;
mod secrets;
mod serve;
mod test;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::domain::UidError;
use crate::finding::{Finding, chain};
use crate::store::StoreError;

pub use check::{Report, inspect};

/// An access gateway that decides every request to a device API with Cedar policies.
#[derive(Debug, Parser)]
#[command(name = "cedargate", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try everything at once: a sample device API, a family, the gateway; no configuration
    Demo(demo::Args),
    /// Run the gateway
    Serve(serve::Args),
    /// Check configuration, routes, schema, policies, entities and stories
    Check(check::Args),
    /// Run stories: who may do what, and because of which policy
    Test(test::Args),
    /// Say how a question is decided, and why
    Explain(explain::Args),
    /// Bring entities into the store
    Import(import::Args),
    /// Write the store's entities as Cedar JSON
    Export(export::Args),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Key(key::Command),
    /// Say who you are, and what you may do here
    Me(remote::Me),
    /// Make a tree with its first administrator, as the operator
    Setup(remote::SetUp),
    /// Organizations, over the control API
    Org(remote::Org),
    /// Roles and their permissions, over the control API
    Role(remote::Role),
    /// People and invitations, over the control API
    User(remote::User),
    /// Devices, over the control API
    Device(remote::Device),
    /// Devices lent to people, over the control API
    Grant(remote::Grant),
    /// Make a route map
    #[command(subcommand)]
    Routes(routes::Command),
    /// Make and change the keys that secrets of devices are sealed with
    #[command(subcommand)]
    Secrets(secrets::Command),
}

/// How a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// What a command that ran says: its exit code is 0 for yes and 1 for no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes, or done.
    Yes,
    /// No, or failed.
    No,
}

/// Why a command could not run: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Mistakes in files that it needs.
    #[error("{} of the files that this needs cannot be used", .0.len())]
    Findings(Vec<Finding>),
    /// Anything else.
    #[error("{0}")]
    Message(String),
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// The store cannot do it.
    #[error("{}", chain(.0))]
    Store(#[from] StoreError),
    /// A text is not the name of an entity.
    #[error(transparent)]
    Name(#[from] UidError),
}

impl From<Vec<Finding>> for Failure {
    fn from(findings: Vec<Finding>) -> Self {
        Self::Findings(findings)
    }
}

/// What came of a command.
pub type Outcome = Result<Answer, Failure>;

/// Runs a command and tells on standard error why it could not run.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    let outcome = match &cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Check(args) => check::run(args),
        Command::Test(args) => test::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Import(args) => import::run(args),
        Command::Export(args) => export::run(args),
        Command::Key(command) => key::run(command),
        Command::Me(args) => args.run(),
        Command::Setup(args) => args.run(),
        Command::Org(group) => group.run(),
        Command::Role(group) => group.run(),
        Command::User(group) => group.run(),
        Command::Device(group) => group.run(),
        Command::Grant(group) => group.run(),
        Command::Routes(command) => routes::run(command),
        Command::Secrets(command) => secrets::run(command),
    };
    match outcome {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        // Whoever closes the pipe has read enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::from(2)
        }
    }
}

/// Nothing is left to do when standard error cannot be written.
fn complain(failure: &Failure) {
    let mut err = io::stderr().lock();
    let _unwritten = match failure {
        Failure::Findings(findings) => print::findings(&mut err, findings, io::stderr().is_terminal()),
        failure => writeln!(err, "cedargate: {}", print::Harmless(&failure.to_string())),
    };
}
