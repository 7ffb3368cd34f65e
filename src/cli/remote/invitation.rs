//! `cedargate user invite` and what becomes of invitations.

use std::io::Read;
use std::path::PathBuf;

use serde_json::json;

use crate::cli::Failure;
use crate::cli::remote::client::{Client, Request, secret};
use crate::cli::remote::{Ask, Asked, Trouble};

const COLUMNS: &[&str] = &["id", "email", "role", "status", "expires"];
/// The longest token that is read from standard input, in bytes.
const TOKEN_BYTES_MAX: u64 = 4096;

/// What to do with invitations.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Invite somebody who has no account; the answer holds the token for the link
    Invite {
        /// The address
        email: String,
        /// The role that the person gets
        #[arg(long, value_name = "ID")]
        role: String,
        /// The organization [default: your own]
        #[arg(long, value_name = "ID")]
        org: Option<String>,
        /// What people call the person
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
    },
    /// List invitations
    Invitations {
        /// The organization [default: your own]
        #[arg(long, value_name = "ID")]
        org: Option<String>,
    },
    /// Make a new link for an invitation; the old one opens nothing any more
    Resend {
        /// Which invitation
        id: String,
    },
    /// Take an invitation back
    Withdraw {
        /// Which invitation
        id: String,
    },
    /// Accept an invitation; its token is read from standard input
    Accept {
        /// The file that holds the token, instead of standard input
        #[arg(long, value_name = "FILE")]
        invitation_file: Option<PathBuf>,
    },
}

impl Ask for Command {
    async fn asked(&self, client: &Client) -> Result<Asked, Trouble> {
        Ok(match self {
            Self::Invite { email, role, org, name } => {
                let organization = client.organization(org.as_deref()).await?;
                let body =
                    json!({ "organization": organization, "role": role, "email": email, "name": name });
                Asked::One(Request::post(&["invitations"]).body(body))
            }
            Self::Invitations { org } => {
                let org = client.organization(org.as_deref()).await?;
                Asked::List(Request::get(&["organizations", &org, "invitations"]), COLUMNS)
            }
            Self::Resend { id } => Asked::One(Request::post(&["invitations", id, "resend"])),
            Self::Withdraw { id } => Asked::Gone(Request::delete(&["invitations", id])),
            Self::Accept { invitation_file } => {
                let token = match invitation_file {
                    Some(file) => secret(file)?,
                    None => typed()?,
                };
                Asked::One(Request::post(&["invitations", "accept"]).body(json!({ "token": token })))
            }
        })
    }
}

/// The token of an invitation, as it is typed or piped in.
fn typed() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(TOKEN_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| Failure::Message(format!("standard input cannot be read: {error}")))?;
    Ok(text.trim().to_owned())
}
