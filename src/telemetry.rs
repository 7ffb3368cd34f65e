//! Logs and metrics of the process.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// Installs the metrics recorder, once in a process, and gives the handle that renders it.
pub fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // An error only says that a recorder was installed before.
        let _installed = metrics::set_global_recorder(recorder);
        handle
    };
    HANDLE.get_or_init(install).clone()
}

/// Writes logs to standard error: JSON unless a person watches; `CEDARGATE_LOG` chooses what.
pub fn logs(json: bool) {
    let filter = EnvFilter::try_from_env("CEDARGATE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // An error only says that logs were set up before.
    let _installed = if json { logs.json().try_init() } else { logs.try_init() };
}
