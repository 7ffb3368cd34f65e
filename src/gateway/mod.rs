//! stub
pub mod body;
pub mod filter;
pub mod forward;
pub mod head;
pub mod refusal;
pub mod target;
