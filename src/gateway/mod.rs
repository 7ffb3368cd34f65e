//! The straight path of a request.

pub mod route;
