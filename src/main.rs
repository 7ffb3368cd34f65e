//! The `cedargate` program: parse the command line, run it, answer with an exit code.
fn main() {}
