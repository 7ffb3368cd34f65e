//! From start to stop: what `serve` and `demo` do once they are asked.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use crate::finding::Finding;
use crate::server::demo::{self, DemoError};
use crate::server::{Running, StartError, load, start};

/// Why a deployment ended without having served.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Something that a person wrote is wrong.
    #[error("nothing was started")]
    Findings(Vec<Finding>),
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The demo could not start.
    #[error(transparent)]
    Demo(#[from] DemoError),
}

/// Serves a configuration until it is told to stop; with `check`, only looks whether it could.
pub fn run_serve(config: &Path, check: bool) -> Result<(), RunError> {
    let loaded = load(config).map_err(RunError::Findings)?;
    if check {
        return Ok(());
    }
    let running = start(loaded)?;
    say(&format!("gateway on http://{}, control on http://{}\n", running.gateway, running.control));
    wait(&running);
    running.stop();
    Ok(())
}

/// Runs the demo until it is told to stop.
pub fn run_demo(gateway: SocketAddr, control: SocketAddr) -> Result<(), RunError> {
    let demo = match demo::start(gateway, control) {
        Err(DemoError::Findings(findings)) => return Err(RunError::Findings(findings)),
        other => other?,
    };
    say(&demo.tour);
    wait(&demo.running);
    demo.stop();
    Ok(())
}

/// Whoever started the program may have closed its output; that is no reason to end.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _best_effort = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Waits for SIGINT or SIGTERM.
fn wait(running: &Running) {
    running.handle().block_on(async {
        let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(error) => {
                tracing::warn!(%error, "only an interrupt will stop the gateway");
                let _interrupted = tokio::signal::ctrl_c().await;
                return;
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    });
    tracing::info!("stopping: requests under way may finish");
}
