//! Jobs that a queue holds back: their waiting is no trouble, however long it is.

use std::time::Duration;

use fake_kubernetes::Options;
use serde_json::json;

use super::cluster::{ClusterProject, TEMPLATE};

const TIMEOUT: &[&str] = &["--start-timeout", "1s"];
/// Longer than the time to start.
const LONG: Duration = Duration::from_millis(2500);

fn suspended(metadata: &str) -> ClusterProject {
    let template = TEMPLATE.replace("backoffLimit: 0", "backoffLimit: 0\n  suspend: true");
    ClusterProject::with(&format!("{metadata}{template}"), Options::default())
}

#[test]
fn the_time_to_start_does_not_count_while_the_job_is_suspended() {
    let cluster = suspended("");
    let server = &cluster.server;
    let running = cluster.start(TIMEOUT);
    running.wait_for_stderr("The Job is suspended; it starts when it is resumed\n");
    std::thread::sleep(LONG);
    assert_eq!(server.jobs().len(), 1, "{}", running.stderr());
    server.suspend_job(false);
    server.succeed(&["done"]);
    let ended = running.end();
    ended.expect_code(0).expect_stderr("The Job is resumed\n");
    assert_eq!(ended.stdout, "done\n");
    assert!(!ended.stderr.contains("has not started"), "{}", ended.stderr);
}

#[test]
fn the_time_to_start_counts_from_when_the_job_is_resumed() {
    let cluster = suspended("metadata: {labels: {kueue.x-k8s.io/queue-name: gpus}}\n");
    let server = &cluster.server;
    let running = cluster.start(TIMEOUT);
    running.wait_for_stderr("The Job is suspended; it starts when Kueue admits it (queue 'gpus')\n");
    std::thread::sleep(LONG);
    server.suspend_job(false);
    running
        .end()
        .expect_code(1)
        .expect_stderr("The Job is resumed\n")
        .expect_stderr("error: the entry point has not started within 1 second: the pod is Pending\n");
}

#[test]
fn a_queue_may_stop_a_job_and_start_it_again() {
    let cluster = suspended("");
    let server = &cluster.server;
    let running = cluster.start(TIMEOUT);
    running.wait_for_stderr("The Job is suspended");
    server.suspend_job(false);
    let first = server.pod(0);
    server.start_pod(&first);
    running.wait_for_stderr("Job started.\n");
    server.suspend_job(true);
    running.wait_for_stderr("The Job is suspended again, and its pods are ended");
    server.suspend_job(false);
    server.succeed(&["done"]);
    let ended = running.end();
    ended.expect_code(0);
    assert!(
        !ended.stderr.contains("was deleted"),
        "the queue's doing: {}",
        ended.stderr
    );
}

#[test]
fn the_time_to_start_does_not_count_while_the_pod_is_gated() {
    let cluster = ClusterProject::new();
    let server = &cluster.server;
    let running = cluster.start(TIMEOUT);
    server.change_pod(&server.pod(0), |pod| {
        pod["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates"}]);
    });
    running.wait_for_stderr("The pod is kept back by its scheduling gates");
    std::thread::sleep(LONG);
    assert_eq!(server.jobs().len(), 1, "{}", running.stderr());
    server.succeed(&["done"]);
    running.end().expect_code(0);
}
