//! The `cedargate` program: parse the command line, run it, answer with an exit code.

use std::path::Path;

fn main() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let path = std::env::args().nth(3).unwrap_or_default();
    match cedargate::server::load(Path::new(&path)) {
        Err(findings) => findings.iter().for_each(|it| println!("{}", it.render(false))),
        Ok(loaded) => match cedargate::server::start(loaded) {
            Err(error) => println!("{error}"),
            Ok(running) => {
                println!("gateway {} control {}", running.gateway, running.control);
                std::thread::park();
            }
        },
    }
}
