//! Runs that nobody waits for.

use super::cluster::ClusterProject;

#[test]
fn a_run_that_is_not_waited_for_has_the_tags_that_it_is_found_by() {
    let cluster = ClusterProject::new();
    let ended = cluster.start(&["--no-wait"]).end();
    let run = cluster.run();
    ended.expect_code(0).expect_stderr(&format!(
        "=== Run (ID '{}') was submitted to kubernetes ===\n",
        run.run_id
    ));
    assert_eq!(ended.stdout, "");
    assert_eq!(run.status, "RUNNING");
    let jobs = cluster.server.jobs();
    let name = jobs[0]["metadata"]["name"].as_str();
    assert_eq!(run.tags.get("mlrun.kubernetes.job").map(String::as_str), name);
    assert_eq!(run.tags["mlrun.kubernetes.namespace"], "default");
    assert_eq!(run.tags["mlrun.kubernetes.context"], "test");
}
