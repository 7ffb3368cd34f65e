//! A reference of the sharing model in plain Rust beside the real thing, and random histories through both.

mod generate;
mod histories;
mod inside;
mod invariants;
mod operation;
mod people;
mod ram;
mod rules;
mod state;
mod structure;
mod things;
