//! A plain web server: nginx.

use std::collections::BTreeMap;

use super::cutting::CuttingProxy;
use super::{assert_nothing_is_left, layout, run, servers, sum_of_big};
use crate::harness::Project;

#[test]
fn a_broken_connection_is_continued() {
    let Some(server) = servers::web() else { return };
    let proxy = CuttingProxy::start(server.port, 8 << 20, 3);
    let project = Project::new().mlproject(super::SHOW);
    let finished = run(&project, &server.uri("big.bin", proxy.port));
    finished.expect_code(0);
    let big = BTreeMap::from([("big.bin".to_owned(), sum_of_big())]);
    assert_eq!(layout(finished.stdout()), (big, "big.bin".to_owned()));
    assert_eq!(proxy.cuts(), 3);
}

#[test]
fn what_is_missing_is_told() {
    let Some(server) = servers::web() else { return };
    let project = Project::new().mlproject(super::SHOW);
    let finished = run(&project, &server.uri("nope", server.port));
    finished.expect_code(1);
    assert!(
        finished.stderr().contains("the server answered 404 Not Found"),
        "{}",
        finished.stderr()
    );
    assert_nothing_is_left(&project);
}
