//! Commands over the control API: each is one request, or the pages of one list.

mod client;
mod device;
mod grant;
mod invitation;
mod org;
mod role;
mod show;
mod tree;
mod user;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value as Json;

use crate::cli::remote::client::{Client, Request};
use crate::cli::{Answer, Failure, Format, Outcome, place, print};

/// Where the control API is, and who asks.
#[derive(Debug, Clone, Args)]
pub(super) struct Remote {
    /// The control listener
    #[arg(long, global = true, value_name = "URL", env = "CEDARGATE_CONTROL")]
    #[arg(default_value = "http://127.0.0.1:8081")]
    control: String,
    /// The file that holds the token or API key [default: the variable CEDARGATE_TOKEN]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The header of API keys, as the gateway is configured
    #[arg(long, global = true, value_name = "NAME", default_value = "X-API-Key")]
    key_header: String,
    /// How to answer
    #[arg(long, global = true, value_enum, default_value = "text")]
    format: Format,
}

/// One group of commands with what all of them take.
#[derive(Debug, Args)]
pub(super) struct Group<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    #[command(flatten)]
    remote: Remote,
}

/// Commands about organizations.
pub(super) type Org = Group<org::Command>;
/// Commands about roles.
pub(super) type Role = Group<role::Command>;
/// Commands about people.
pub(super) type User = Group<user::Command>;
/// Commands about devices.
pub(super) type Device = Group<device::Command>;
/// Commands about grants.
pub(super) type Grant = Group<grant::Command>;
pub(super) use tree::{Me, SetUp};

/// Why there is no answer to show.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The API refused; its problem.
    Refused(Json),
    /// Nothing could be asked, or nothing was understood.
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What is asked, and how the answer is shown.
pub(super) enum Asked {
    /// One thing; shown member by member.
    One(Request),
    /// All pages of a list; shown as a table of these columns.
    List(Request, &'static [&'static str]),
    /// Things that one request made; shown like a list.
    Several(Request, &'static [&'static str]),
    /// Something that is gone afterwards.
    Gone(Request),
}

/// A command that is turned into a request.
pub(super) trait Ask {
    /// The request; what it leaves out is looked up.
    async fn asked(&self, client: &Client) -> Result<Asked, Trouble>;
}

impl<C: Subcommand + Ask> Group<C> {
    /// Asks, and shows the answer.
    pub(super) fn run(&self) -> Outcome {
        run(&self.remote, &self.command)
    }
}

fn run(remote: &Remote, command: &impl Ask) -> Outcome {
    let client = Client::new(remote)?;
    let told = place::block_on(async {
        match tell(&client, remote.format, command).await {
            Err(Trouble::Failed(failure)) => Err(failure),
            Err(Trouble::Refused(problem)) => Ok(Err(problem)),
            Ok(()) => Ok(Ok(())),
        }
    })?;
    let Err(problem) = told else { return Ok(Answer::Yes) };
    match remote.format {
        Format::Json => print::json(&problem)?,
        Format::Text => print::remark(&show::problem(&problem))?,
    }
    Ok(Answer::No)
}

async fn tell(client: &Client, format: Format, command: &impl Ask) -> Result<(), Trouble> {
    match (command.asked(client).await?, format) {
        (Asked::One(request), Format::Json) => print::json(&client.ask(&request).await?)?,
        (Asked::One(request), Format::Text) => print::lines(&show::members(&client.ask(&request).await?))?,
        (Asked::List(request, _), Format::Json) => print::json(&client.all(request).await?.into())?,
        (Asked::List(request, columns), Format::Text) => {
            print::lines(&show::table(&client.all(request).await?, columns))?;
        }
        (Asked::Several(request, _), Format::Json) => print::json(&client.ask(&request).await?)?,
        (Asked::Several(request, columns), Format::Text) => {
            let answer = client.ask(&request).await?;
            let items = answer.get("items").and_then(Json::as_array);
            print::lines(&show::table(items.map_or(&[], Vec::as_slice), columns))?;
        }
        (Asked::Gone(request), format) => {
            client.ask(&request).await?;
            if format == Format::Text {
                print::line("done")?;
            }
        }
    }
    Ok(())
}
