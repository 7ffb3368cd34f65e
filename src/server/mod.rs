//! The only wiring: configuration in, running listeners out.

pub mod listen;
