//! A worker forwards a permitted call, and nothing outside of the gateway can call `forward` at all.
use cedargate::gateway::Worker;
use cedargate::gateway::translate::Call;

async fn forward(worker: &Worker, call: Call) {
    let _ = worker.forward(call).await;
}

fn main() {
    let _ = forward;
}
