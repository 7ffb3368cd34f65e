//! The nouns of the gateway and their rules, free of Cedar, SQL and HTTP.

mod change;
mod effect;
mod entity;
mod facts;
pub mod moment;
pub mod nouns;
mod query;
mod secret;
mod uid;
mod world;

pub use change::{Change, ChangeError};
pub use effect::{Intent, Newcomer};
pub use entity::{Entity, references};
pub use facts::{Facts, Revision};
pub use query::{ActionName, Context, Overrides, Query};
pub use secret::{SecretForm, SecretText};
pub use uid::{Uid, UidError};
pub use world::World;
