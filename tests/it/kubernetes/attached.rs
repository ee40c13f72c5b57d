//! Runs that nobody waits for, found again by their tags: `mlrun status`, `wait` and `cancel`.

use rustix::process::Signal;

use super::cluster::ClusterProject;
use crate::harness::StoredRun;

/// A run whose Job is created, and which mlrun has left.
fn submitted() -> (ClusterProject, StoredRun) {
    let cluster = ClusterProject::new();
    let ended = cluster.start(&["--no-wait"]).end();
    let run = cluster.run();
    ended.expect_code(0).expect_stderr(&format!(
        "=== Run (ID '{}') was submitted to kubernetes ===\n",
        run.run_id
    ));
    assert_eq!(ended.stdout, "");
    assert_eq!(run.status, "RUNNING");
    (cluster, run)
}

#[test]
fn a_run_that_is_not_waited_for_has_the_tags_that_it_is_found_by() {
    let (cluster, run) = submitted();
    let jobs = cluster.server.jobs();
    let name = jobs[0]["metadata"]["name"].as_str();
    assert_eq!(run.tags.get("mlrun.kubernetes.job").map(String::as_str), name);
    assert_eq!(run.tags["mlrun.kubernetes.namespace"], "default");
    assert_eq!(run.tags["mlrun.kubernetes.context"], "test");
}

#[test]
fn its_status_is_asked_for_and_its_end_recorded() {
    let (cluster, run) = submitted();
    let pod = cluster.server.pod(0);
    let shown = cluster.start_mlrun(&["status", &run.run_id]).end();
    shown.expect_code(0);
    for text in [
        &format!("pod          {pod} (Pending)\n"),
        "context      test\n",
        "namespace    default\n",
    ] {
        assert!(shown.stdout.contains(text), "{text}\n{}", shown.stdout);
    }
    cluster.server.fail(3, "Error");
    let shown = cluster.start_mlrun(&["status", &run.run_id]).end();
    let text = format!("pod          {pod} (Failed: exit code 3)\n");
    assert!(shown.stdout.contains(&text), "{}", shown.stdout);
    assert_eq!(cluster.run().status, "FAILED");
}

#[test]
fn it_is_waited_for_with_its_logs() {
    let (cluster, run) = submitted();
    let pod = cluster.server.pod(0);
    cluster.server.start_pod(&pod);
    cluster.server.log(&pod, "first");
    // A signal ends the waiting, and nothing else.
    let waiting = cluster.start_mlrun(&["wait", &run.run_id]);
    waiting.wait_for_stdout("first\n");
    waiting.signal(Signal::INT);
    waiting.end().expect_code(130);
    assert_eq!(cluster.server.jobs().len(), 1);
    assert_eq!(cluster.run().status, "RUNNING");
    let waiting = cluster.start_mlrun(&["wait", &run.run_id]);
    waiting.wait_for_stdout("first\n");
    cluster.server.log(&pod, "second");
    cluster.server.end_pod(&pod, 0, "Completed");
    cluster.server.end_job(None);
    let ended = waiting.end();
    ended.expect_code(0);
    assert_eq!(ended.stdout, "first\nsecond\n");
    assert_eq!(cluster.run().status, "FINISHED");
}

#[test]
fn a_reason_that_it_failed_for_is_told_to_who_waits() {
    let (cluster, run) = submitted();
    let waiting = cluster.start_mlrun(&["wait", &run.run_id]);
    cluster.server.fail(137, "OOMKilled");
    waiting.end().expect_code(1).expect_stderr("(OOMKilled)\n");
    assert_eq!(cluster.run().status, "FAILED");
}

#[test]
fn it_is_cancelled_with_its_pods() {
    let (cluster, run) = submitted();
    cluster.server.start_pod(&cluster.server.pod(0));
    let ended = cluster.start_mlrun(&["cancel", &run.run_id]).end();
    ended
        .expect_code(0)
        .expect_stderr("Deleting the Job 'my-project-");
    assert!(cluster.server.jobs().is_empty());
    assert!(cluster.server.pods().is_empty());
    assert_eq!(cluster.run().status, "KILLED");
}

#[test]
fn what_has_ended_well_is_not_cancelled_any_more() {
    let (cluster, run) = submitted();
    let pod = cluster.server.pod(0);
    cluster.server.start_pod(&pod);
    cluster.server.end_pod(&pod, 0, "Completed");
    cluster.server.end_job(None);
    cluster
        .start_mlrun(&["cancel", &run.run_id])
        .end()
        .expect_code(0)
        .expect_stderr("has ended already: FINISHED\n");
    assert_eq!(cluster.server.jobs().len(), 1);
    assert_eq!(cluster.run().status, "FINISHED");
}

#[test]
fn a_job_that_is_gone_is_said_to_be() {
    let (cluster, run) = submitted();
    let job = cluster.server.jobs()[0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    cluster.server.delete_job(&job);
    let text = format!("there is no Job '{job}' in the namespace 'default' any more");
    cluster
        .start_mlrun(&["wait", &run.run_id])
        .end()
        .expect_code(1)
        .expect_stderr(&text);
    let shown = cluster.start_mlrun(&["status", &run.run_id]).end();
    assert!(shown.stdout.contains(&text), "{}", shown.stdout);
    cluster.start_mlrun(&["cancel", &run.run_id]).end().expect_code(0);
    assert_eq!(cluster.run().status, "KILLED");
}
