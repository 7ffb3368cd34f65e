//! `cedargate device`: devices.

use serde_json::{Map, Value as Json, json};

use crate::cli::Failure;
use crate::cli::remote::client::{Client, Request};
use crate::cli::remote::{Ask, Asked, Trouble};

const COLUMNS: &[&str] = &["id", "name", "owner", "organization", "tags"];

/// What to do with devices.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// List devices that you may see
    List {
        /// Those of this organization [default: your own]
        #[arg(long, value_name = "ID")]
        org: Option<String>,
        /// Those of this person
        #[arg(long, value_name = "ID", conflicts_with = "org")]
        owner: Option<String>,
    },
    /// Show a device
    Show {
        /// Which
        id: String,
    },
    /// Add a device; you own it
    Add {
        /// What it is called
        name: String,
        /// The id that the device API knows it by [default: a new one]
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// The organization [default: your own]
        #[arg(long, value_name = "ID")]
        org: Option<String>,
        /// What kind of product it is
        #[arg(long, value_name = "ID")]
        template: Option<String>,
    },
    /// Rename a device
    Rename {
        /// Which
        id: String,
        /// What it is called from now on
        name: String,
    },
    /// Give a device these tags and no others
    Tag {
        /// Which
        id: String,
        /// All of its tags; none to take them away
        tags: Vec<String>,
    },
    /// Change what else is known of a device
    Meta {
        /// Which
        id: String,
        /// NAME=TEXT to remember; may be repeated
        #[arg(long, value_name = "NAME=TEXT", required_unless_present = "unset")]
        set: Vec<String>,
        /// A name to forget; may be repeated
        #[arg(long, value_name = "NAME")]
        unset: Vec<String>,
    },
    /// Give a device to somebody else; who had it keeps nothing
    Transfer {
        /// Which
        id: String,
        /// The address of the new owner; the device moves to his organization
        #[arg(long, value_name = "ADDRESS", required_unless_present = "org", conflicts_with = "org")]
        email: Option<String>,
        /// An organization, where nobody owns it
        #[arg(long, value_name = "ID")]
        org: Option<String>,
    },
    /// Leave a device without an owner
    ClearOwner {
        /// Which
        id: String,
    },
    /// Forget a device
    Delete {
        /// Which
        id: String,
    },
}

impl Ask for Command {
    async fn asked(&self, client: &Client) -> Result<Asked, Trouble> {
        Ok(match self {
            Self::List { owner: Some(owner), .. } => {
                Asked::List(Request::get(&["users", owner, "devices"]), COLUMNS)
            }
            Self::List { org, .. } => {
                let org = client.organization(org.as_deref()).await?;
                Asked::List(Request::get(&["organizations", &org, "devices"]), COLUMNS)
            }
            Self::Show { id } => Asked::One(Request::get(&["devices", id])),
            Self::Add { name, id, org, template } => {
                let organization = client.organization(org.as_deref()).await?;
                let body =
                    json!({ "id": id, "organization": organization, "name": name, "template": template });
                Asked::One(Request::post(&["devices"]).body(body))
            }
            Self::Rename { id, name } => described(id, json!({ "name": name })),
            Self::Tag { id, tags } => described(id, json!({ "tags": tags })),
            Self::Meta { id, set, unset } => described(id, json!({ "metadata": metadata(set, unset)? })),
            Self::Transfer { id, email, org } => {
                let body = json!({ "email": email, "organization": org });
                Asked::One(Request::post(&["devices", id, "transfer"]).body(body))
            }
            Self::ClearOwner { id } => Asked::One(Request::delete(&["devices", id, "owner"])),
            Self::Delete { id } => Asked::Gone(Request::delete(&["devices", id])),
        })
    }
}

fn described(id: &str, change: Json) -> Asked {
    Asked::One(Request::patch(&["devices", id]).body(change))
}

fn metadata(set: &[String], unset: &[String]) -> Result<Map<String, Json>, Failure> {
    let pair = |text: &String| {
        let wrong = || Failure::Message(format!("`{text}`: write it like `room=kitchen`"));
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        Ok((name.to_owned(), value.into()))
    };
    let mut all = set.iter().map(pair).collect::<Result<Map<_, _>, Failure>>()?;
    all.extend(unset.iter().map(|name| (name.clone(), Json::Null)));
    Ok(all)
}
