//! Table of contents of the integration tests: one binary.
#![expect(missing_docs, reason = "tests say what they show by their names")]

mod demo_api;
mod support;
mod upstream;
