//! What fails is refused and recorded, and what comes after it works.

/// Clients that leave, and records that cannot be kept.
mod clients;
/// Stores and policies that fail: nothing is forwarded.
mod decisions;
/// A part of the gateway that panics.
mod panics;
/// Upstreams that fail, one way after the other.
mod upstreams;
