//! A whole gateway: real listeners, a real upstream, a real store.

/// Bodies stream both ways, and no faster than the other side reads.
mod bodies;
/// What changes in the store is in force for the very next request.
mod changes;
/// Connections: pooled, pipelined, HTTP/2, drained.
mod connections;
/// Who may do what, and what everybody else is told.
mod decisions;
/// A 2xx that makes or removes a device, and what may come between it and the store.
mod effects;
/// Which header fields travel, which do not, and what the gateway adds.
mod fields;
/// What a kill leaves of a request that changes the store.
mod killed;
/// What of an answer is not shown.
mod redaction;

use serde_json::json;

use crate::support::upstream::{Answer, Recorder, Seen};

/// A device API with three devices that also tells what it was asked.
fn devices() -> Recorder {
    Recorder::start(|seen: &Seen| match seen.line().as_str() {
        "GET /devices" | "HEAD /devices" => {
            let item = |id: &str| json!({ "id": id, "name": id.to_uppercase() });
            let all: Vec<_> = ["lamp", "garage-door", "drinking-machine", "unknown"].map(item).into();
            Answer::json(&json!({ "devices": all, "total": 4, "secret": "drinking-machine" }))
                .header("X-Total-Count", "4")
                .header("ETag", "\"all-of-them\"")
        }
        line => Answer::json(&json!({ "asked": line })),
    })
}
