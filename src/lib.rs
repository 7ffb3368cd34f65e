//! Cedargate: an access gateway that decides every request to a device API with Cedar policies.
//!
//! ARCHITECTURE.md has the map; the whole product is the six verbs of [`gateway`].

pub mod audit;
pub mod cli;
pub mod config;
pub mod control;
pub mod decision;
pub mod demo;
pub mod domain;
pub mod finding;
pub mod gateway;
pub mod identity;
pub mod json;
pub mod mail;
pub mod policy;
pub mod problem;
pub mod server;
pub mod sharing;
pub mod store;
pub mod telemetry;
pub mod vault;
