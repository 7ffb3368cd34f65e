//! What was permitted cannot be exchanged for something else.
use cedargate::decision::Permitted;

fn retarget(mut permitted: Permitted<&'static str>) {
    *permitted.target() = "open the garage door";
    permitted.target = "open the garage door";
}

fn main() {
    let _ = retarget;
}
