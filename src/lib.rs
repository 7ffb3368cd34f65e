//! Cedargate: an access gateway that decides every request to a device API with Cedar policies.
//!
//! Read [`gateway`] first: the whole product is its six verbs. ARCHITECTURE.md has the map.

pub mod audit;
pub mod domain;
pub mod identity;
pub mod policy;
