//! The `cedargate` program: parse the command line, run it, answer with an exit code.

use std::path::Path;

fn main() {
    cedargate::telemetry::logs(false);
    let path = std::env::args().nth(3).unwrap_or_default();
    let ran = match std::env::args().nth(1).as_deref() {
        Some("demo") => {
            cedargate::server::run_demo(([127, 0, 0, 1], 8080).into(), ([127, 0, 0, 1], 8081).into())
        }
        _ => cedargate::server::run_serve(Path::new(&path), false),
    };
    if let Err(error) = ran {
        tracing::error!(%error, "ended");
    }
}
