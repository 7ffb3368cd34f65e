//! Cedargate: an access gateway that decides every request to a device API with Cedar policies.
//!
//! ARCHITECTURE.md has the map; the whole product is the six verbs of [`gateway`].

pub mod domain;
pub mod finding;
pub mod json;
pub mod config;
pub mod policy;
pub mod audit;
pub mod store;
pub mod identity;
pub mod decision;
pub mod problem;
pub mod gateway;
pub mod control;
pub mod telemetry;
pub mod server;
pub mod demo;
