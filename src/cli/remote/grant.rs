//! `cedargate grant`: devices lent to people.

use clap::ValueEnum;
use serde_json::{Value as Json, json};

use crate::cli::Failure;
use crate::cli::remote::client::{Client, Request};
use crate::cli::remote::{Ask, Asked, Trouble};

const COLUMNS: &[&str] = &["id", "device", "grantee", "status", "control", "until"];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// What to do with grants.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Lend a device to people; each of them may accept
    Give(Give),
    /// List grants
    List {
        /// Those of this device
        #[arg(long, value_name = "ID")]
        device: Option<String>,
        /// Those to this person [default: yourself]
        #[arg(long, value_name = "ID", conflicts_with = "device")]
        user: Option<String>,
    },
    /// Show a grant
    Show {
        /// Which
        id: String,
    },
    /// Accept a grant that was offered to you
    Accept {
        /// Which
        id: String,
    },
    /// Decline a grant, or give it back
    Decline {
        /// Which
        id: String,
    },
    /// Take a grant back, at once
    Revoke {
        /// Which
        id: String,
    },
}

/// What a grant lends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Right {
    /// See the device
    View,
    /// Make it do something, too
    Control,
}

/// Options of `grant give`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Give {
    /// The device
    device: String,
    /// The addresses of up to 50 people, of any tree
    #[arg(required = true)]
    emails: Vec<String>,
    /// What they may do
    #[arg(long, value_enum, default_value = "view")]
    right: Right,
    /// A part of the device; may be repeated [default: all of it]
    #[arg(long, value_name = "NAME")]
    datastream: Vec<String>,
    /// From when on, such as 2026-07-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Hours of the week, such as `mon-fri 08:00-18:15`; may be repeated
    #[arg(long, value_name = "DAYS HOURS", requires = "zone")]
    hours: Vec<String>,
    /// By the clock of which zone, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", requires = "hours")]
    zone: Option<String>,
    /// They may lend it on to others, once
    #[arg(long, conflicts_with = "lend_on")]
    may_lend_on: bool,
    /// Lend on what was lent to you
    #[arg(long)]
    lend_on: bool,
    /// A word to the other side
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Ask for Command {
    async fn asked(&self, client: &Client) -> Result<Asked, Trouble> {
        Ok(match self {
            Self::Give(give) => Asked::Several(Request::post(&["grants"]).body(give.body()?), COLUMNS),
            Self::List { device: Some(device), .. } => {
                Asked::List(Request::get(&["devices", device, "grants"]), COLUMNS)
            }
            Self::List { user, .. } => {
                let user = client.user(user.as_deref()).await?;
                Asked::List(Request::get(&["users", &user, "grants"]), COLUMNS)
            }
            Self::Show { id } => Asked::One(Request::get(&["grants", id])),
            Self::Accept { id } => Asked::One(Request::post(&["grants", id, "accept"])),
            Self::Decline { id } => Asked::One(Request::post(&["grants", id, "decline"])),
            Self::Revoke { id } => Asked::One(Request::delete(&["grants", id])),
        })
    }
}

impl Give {
    fn body(&self) -> Result<Json, Failure> {
        let hours = self.hours.iter().map(|text| hours(text)).collect::<Result<Vec<_>, _>>()?;
        Ok(json!({
            "device": self.device,
            "emails": self.emails,
            "control": self.right == Right::Control,
            "datastreams": (!self.datastream.is_empty()).then_some(&self.datastream),
            "from": self.from,
            "until": self.until,
            "hours": (!hours.is_empty()).then_some(hours),
            "zone": self.zone,
            "may_lend_on": self.may_lend_on,
            "lend_on": self.lend_on,
            "note": self.note,
        }))
    }
}

/// Reads `mon-fri,sun 08:00-18:15`.
fn hours(text: &str) -> Result<Json, Failure> {
    let read = || {
        let (days, times) = text.trim().split_once(' ')?;
        let (from, to) = times.trim().split_once('-')?;
        let days: Vec<&str> =
            days.split(',').map(span).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
        Some(json!({ "days": days, "from": from, "to": to }))
    };
    let wrong = || Failure::Message(format!("`{text}`: write hours like `mon-fri 08:00-18:15`"));
    read().ok_or_else(wrong)
}

/// One day, or those from one to another; a week may be gone through its end.
fn span(text: &str) -> Option<Vec<&'static str>> {
    let day = |name: &str| DAYS.iter().position(|day| name.eq_ignore_ascii_case(day));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    let count = (last + DAYS.len() - first) % DAYS.len() + 1;
    Some(DAYS.iter().cycle().skip(first).take(count).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_name_days_one_by_one_or_as_spans() {
        let read = |text| hours(text).unwrap();
        assert_eq!(read("mon 08:00-18:15"), json!({ "days": ["mon"], "from": "08:00", "to": "18:15" }));
        assert_eq!(read("Sat-mon,wed 22:00-06:00")["days"], json!(["sat", "sun", "mon", "wed"]));
        for bad in ["", "mon", "mon 08:00", "noday 08:00-09:00", "mon- 08:00-09:00"] {
            assert!(hours(bad).is_err(), "{bad}");
        }
    }
}
