//! One decision permits once.
use cedargate::decision::Permitted;

fn twice(permitted: Permitted<&'static str>) -> [Permitted<&'static str>; 2] {
    [permitted.clone(), permitted]
}

fn main() {
    let _ = twice;
}
