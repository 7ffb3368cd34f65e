//! What `cedargate demo` brings along to stand behind the gateway.

pub mod device_api;
pub mod issuer;
