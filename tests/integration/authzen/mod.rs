//! The OpenID Authorization API 1.0 over a policy set that has nothing to do with devices.

mod batch;
mod bench;
mod callers;
mod discovery;
mod single;
