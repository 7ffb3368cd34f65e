//! `cedargate me` and `cedargate setup`: who one is, and how a tree begins.

use clap::Args;
use serde_json::json;

use crate::cli::Outcome;
use crate::cli::remote::client::{Client, Request};
use crate::cli::remote::{Ask, Asked, Remote, Trouble, run};

/// Options of `me`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Me {
    /// What the actions are about, as Type::id [default: your own organization]
    #[arg(long, value_name = "T::ID")]
    resource: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

impl Me {
    /// Asks, and shows the answer.
    pub(in crate::cli) fn run(&self) -> Outcome {
        run(&self.remote, self)
    }
}

impl Ask for Me {
    async fn asked(&self, _: &Client) -> Result<Asked, Trouble> {
        let request = Request::get(&["me"]);
        Ok(Asked::One(match &self.resource {
            Some(resource) => request.with("resource", resource),
            None => request,
        }))
    }
}

/// Options of `setup`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SetUp {
    /// What the first organization is called
    name: String,
    /// The administrator's id: what the issuer's tokens say
    #[arg(long, value_name = "ID")]
    admin: String,
    /// The administrator's address
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// The organization's id [default: a new one]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// What was paid for [default: PRO]
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

impl SetUp {
    /// Asks, and shows the answer.
    pub(in crate::cli) fn run(&self) -> Outcome {
        run(&self.remote, self)
    }
}

impl Ask for SetUp {
    async fn asked(&self, _: &Client) -> Result<Asked, Trouble> {
        let admin = json!({ "id": self.admin, "email": self.email });
        let body = json!({ "id": self.id, "name": self.name, "plan": self.plan, "admin": admin });
        Ok(Asked::One(Request::post(&["setup"]).body(body)))
    }
}
