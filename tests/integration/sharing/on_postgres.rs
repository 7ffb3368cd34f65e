//! Every other test of the sharing API once more, on PostgreSQL.

use std::process::Command;

use super::bench::CLUSTER;
use crate::support::postgres::Cluster;

/// Tests that are about something else than the store, or have PostgreSQL of their own.
const LEFT_OUT: [&str; 3] = ["sharing::on_postgres", "sharing::openapi", "sharing::model"];

/// This program runs the tests again, with each bench over a database of its own.
#[test]
fn the_sharing_api_is_the_same_on_postgres() {
    let cluster = Cluster::start();
    let mut tests = Command::new(std::env::current_exe().unwrap());
    tests.args(["sharing::", "--test-threads", "4"]).env(CLUSTER, cluster.url());
    for name in LEFT_OUT {
        tests.args(["--skip", name]);
    }
    let output = tests.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let passed =
        said.rsplit("test result: ok. ").next().and_then(|it| it.split(' ').next()?.parse::<u32>().ok());
    assert!(passed.is_some_and(|count| count > 30), "{said}");
}
