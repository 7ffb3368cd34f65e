//! A reference of the sharing model in plain Rust beside the real thing, and random histories through both.

/// The reference: what is known, who may do what, what each operation does, and what always holds.
mod invariants;
mod operation;
mod people;
mod rules;
mod state;
mod structure;
mod things;

/// The real thing, from inside and from outside.
mod inside;
mod ram;
mod rim;

/// What is tried, and whether it went as it must.
mod explanation;
mod generate;
mod histories;
mod killed;
mod together;
