//! Whole gateways.
