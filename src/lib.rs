//! Cedargate: an access gateway that decides every request to a device API with Cedar policies.
//!
//! Read [`gateway`] first: the whole product is its six verbs. ARCHITECTURE.md has the map.

pub mod domain;
pub mod policy;
pub mod store;
