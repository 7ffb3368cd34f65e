//! `cedargate role`: roles and their permissions.

use clap::ValueEnum;
use serde_json::json;

use crate::cli::remote::client::{Client, Request};
use crate::cli::remote::{Ask, Asked, Trouble};

const COLUMNS: &[&str] = &["id", "name", "permissions"];

/// What happens to the roles of the same name below.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum Push {
    /// Nothing
    None,
    /// The same change
    Changed,
    /// They hold the same from now on
    Overwrite,
}

/// What to do with roles.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// List the roles of an organization
    List {
        /// The organization [default: your own]
        #[arg(long, value_name = "ID")]
        org: Option<String>,
    },
    /// Show a role
    Show {
        /// Which
        id: String,
    },
    /// Make a role in a whole tree
    Create {
        /// What it is called
        name: String,
        /// The top organization of the tree [default: your own]
        #[arg(long, value_name = "ID")]
        org: Option<String>,
        /// A permission that it holds at first; may be repeated
        #[arg(long, value_name = "NAME")]
        permission: Vec<String>,
    },
    /// Rename a role in the whole tree
    Rename {
        /// Which
        id: String,
        /// What it is called from now on
        name: String,
    },
    /// Switch permissions on and off; what they need comes along
    Edit {
        /// Which
        id: String,
        /// A permission to switch on; may be repeated
        #[arg(long, value_name = "NAME", required_unless_present_any = ["remove", "push"])]
        add: Vec<String>,
        /// A permission to switch off; may be repeated
        #[arg(long, value_name = "NAME")]
        remove: Vec<String>,
        /// What happens to the roles of the same name below
        #[arg(long, value_enum)]
        push: Option<Push>,
    },
    /// Delete a role in the whole tree
    Delete {
        /// Which
        id: String,
        /// The role that its people get
        #[arg(long, value_name = "ID")]
        replacement: String,
    },
}

impl Ask for Command {
    async fn asked(&self, client: &Client) -> Result<Asked, Trouble> {
        Ok(match self {
            Self::List { org } => {
                let org = client.organization(org.as_deref()).await?;
                Asked::List(Request::get(&["organizations", &org, "roles"]), COLUMNS)
            }
            Self::Show { id } => Asked::One(Request::get(&["roles", id])),
            Self::Create { name, org, permission } => {
                let organization = client.organization(org.as_deref()).await?;
                let body = json!({ "organization": organization, "name": name, "permissions": permission });
                Asked::One(Request::post(&["roles"]).body(body))
            }
            Self::Rename { id, name } => {
                Asked::One(Request::patch(&["roles", id]).body(json!({ "name": name })))
            }
            Self::Edit { id, add, remove, push } => {
                let push = match push {
                    None | Some(Push::None) => "none",
                    Some(Push::Changed) => "changed",
                    Some(Push::Overwrite) => "overwrite",
                };
                let body = json!({ "add": add, "remove": remove, "push": push });
                Asked::One(Request::patch(&["roles", id, "permissions"]).body(body))
            }
            Self::Delete { id, replacement } => {
                Asked::Gone(Request::delete(&["roles", id]).with("replacement", replacement))
            }
        })
    }
}
