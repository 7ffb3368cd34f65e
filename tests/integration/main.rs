//! Table of contents of the integration tests: one binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in helper functions too"
)]

mod store;
mod support;
