//! `cedargate user`: people.

use serde_json::json;

use crate::cli::remote::client::{Client, Request};
use crate::cli::remote::{Ask, Asked, Trouble, invitation};

const COLUMNS: &[&str] = &["id", "name", "email", "role", "status"];

/// What to do with people.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    #[command(flatten)]
    Invitation(invitation::Command),
    /// List people
    List {
        /// The organization [default: your own]
        #[arg(long, value_name = "ID")]
        org: Option<String>,
    },
    /// Show a person
    Show {
        /// Who [default: yourself]
        id: Option<String>,
    },
    /// Rename a person
    Rename {
        /// Who
        id: String,
        /// What people call the person from now on
        name: String,
    },
    /// Give a person another role
    Role {
        /// Who
        id: String,
        /// A role of the same organization
        role: String,
    },
    /// Close an account until further notice
    Suspend {
        /// Who
        id: String,
    },
    /// Open a suspended account again
    Activate {
        /// Who
        id: String,
    },
    /// End every token and key that was issued to a person until now
    SignOut {
        /// Who
        id: String,
    },
    /// Move a person to another organization of the tree
    Transfer {
        /// Who
        id: String,
        /// The organization
        #[arg(long, value_name = "ID")]
        org: String,
        /// The role there
        #[arg(long, value_name = "ID")]
        role: String,
        /// The person's devices move along; else they stay, and nobody owns them
        #[arg(long)]
        with_devices: bool,
    },
    /// Delete an account; its devices stay, and nobody owns them
    Delete {
        /// Who
        id: String,
    },
}

impl Ask for Command {
    async fn asked(&self, client: &Client) -> Result<Asked, Trouble> {
        Ok(match self {
            Self::Invitation(command) => return command.asked(client).await,
            Self::List { org } => {
                let org = client.organization(org.as_deref()).await?;
                Asked::List(Request::get(&["organizations", &org, "users"]), COLUMNS)
            }
            Self::Show { id } => {
                let id = client.user(id.as_deref()).await?;
                Asked::One(Request::get(&["users", &id]))
            }
            Self::Rename { id, name } => {
                Asked::One(Request::patch(&["users", id]).body(json!({ "name": name })))
            }
            Self::Role { id, role } => {
                Asked::One(Request::put(&["users", id, "role"]).body(json!({ "role": role })))
            }
            Self::Suspend { id } => Asked::One(Request::post(&["users", id, "suspend"])),
            Self::Activate { id } => Asked::One(Request::post(&["users", id, "activate"])),
            Self::SignOut { id } => Asked::One(Request::post(&["users", id, "sign-out"])),
            Self::Transfer { id, org, role, with_devices } => {
                let body = json!({ "organization": org, "role": role, "with_devices": with_devices });
                Asked::One(Request::post(&["users", id, "transfer"]).body(body))
            }
            Self::Delete { id } => Asked::Gone(Request::delete(&["users", id])),
        })
    }
}
