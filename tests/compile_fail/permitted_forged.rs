//! A permission comes from a decision only.
use cedargate::decision::Permitted;

fn main() {
    let _forged = Permitted { target: "open the garage door", decisions: Vec::new() };
}
