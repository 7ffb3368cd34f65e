//! `cedargate org`: organizations.

use serde_json::json;

use crate::cli::remote::client::{Client, Request};
use crate::cli::remote::{Ask, Asked, Trouble};

const COLUMNS: &[&str] = &["id", "name", "plan", "parent"];

/// What to do with organizations.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// List the organizations directly below one
    List {
        /// The upper one [default: your own]
        id: Option<String>,
    },
    /// Show an organization
    Show {
        /// Which [default: your own]
        id: Option<String>,
    },
    /// Make an organization below another one
    Create {
        /// What it is called
        name: String,
        /// The organization above it [default: your own]
        #[arg(long, value_name = "ID")]
        parent: Option<String>,
    },
    /// Rename an organization
    Rename {
        /// Which
        id: String,
        /// What it is called from now on
        name: String,
    },
    /// Move an organization to another place of its tree
    Transfer {
        /// Which
        id: String,
        /// The organization above it from now on
        #[arg(long, value_name = "ID")]
        parent: String,
    },
    /// Delete an organization that is empty
    Delete {
        /// Which
        id: String,
    },
}

impl Ask for Command {
    async fn asked(&self, client: &Client) -> Result<Asked, Trouble> {
        Ok(match self {
            Self::List { id } => {
                let id = client.organization(id.as_deref()).await?;
                Asked::List(Request::get(&["organizations", &id, "children"]), COLUMNS)
            }
            Self::Show { id } => {
                let id = client.organization(id.as_deref()).await?;
                Asked::One(Request::get(&["organizations", &id]))
            }
            Self::Create { name, parent } => {
                let parent = client.organization(parent.as_deref()).await?;
                let body = json!({ "parent": parent, "name": name });
                Asked::One(Request::post(&["organizations"]).body(body))
            }
            Self::Rename { id, name } => {
                Asked::One(Request::patch(&["organizations", id]).body(json!({ "name": name })))
            }
            Self::Transfer { id, parent } => {
                let request = Request::post(&["organizations", id, "transfer"]);
                Asked::One(request.body(json!({ "parent": parent })))
            }
            Self::Delete { id } => Asked::Gone(Request::delete(&["organizations", id])),
        })
    }
}
