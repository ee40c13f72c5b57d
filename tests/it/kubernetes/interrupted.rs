//! Signals: the Job and its pods are deleted, and the run is recorded as killed.

use std::time::{Duration, Instant};

use fake_kubernetes::{Action, Target};
use rustix::process::Signal;

use super::cluster::ClusterProject;

#[test]
fn a_signal_deletes_the_job_and_its_pods() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let cluster = ClusterProject::new();
        let running = cluster.start(&[]);
        let pod = cluster.server.pod(0);
        cluster.server.start_pod(&pod);
        cluster.server.log(&pod, "begun");
        running.wait_for_stdout("begun\n");
        running.signal(signal);
        let ended = running.end();
        ended
            .expect_code(code)
            .expect_stderr("Deleting the Job 'my-project-");
        assert!(cluster.server.jobs().is_empty());
        assert!(cluster.server.pods().is_empty());
        assert_eq!(cluster.run().status, "KILLED");
        let requests = cluster.server.requests();
        let deletion = requests
            .iter()
            .find(|request| request.method == "DELETE")
            .unwrap();
        assert_eq!(deletion.body["propagationPolicy"], "Foreground");
    }
}

#[test]
fn a_signal_before_the_start_deletes_the_job_too() {
    let cluster = ClusterProject::new();
    let running = cluster.start(&[]);
    running.wait_for_stderr("Waiting for Job to start\n");
    running.signal(Signal::TERM);
    running.end().expect_code(143);
    assert!(cluster.server.jobs().is_empty());
    assert_eq!(cluster.run().status, "KILLED");
}

#[test]
fn a_second_signal_does_not_wait_for_the_pods() {
    let cluster = ClusterProject::new();
    cluster.server.keep_deleted();
    let running = cluster.start(&[]);
    cluster.server.start_pod(&cluster.server.pod(0));
    running.wait_for_stderr("Job started.\n");
    running.signal(Signal::INT);
    running.wait_for_stderr("Deleting the Job");
    cluster.server.wait_for("the Job is being deleted", |server| {
        server.jobs()[0]["metadata"]["deletionTimestamp"]
            .as_str()
            .map(|_| ())
    });
    // Signals that come at once are one request.
    std::thread::sleep(Duration::from_millis(600));
    let begun = Instant::now();
    running.signal(Signal::INT);
    running
        .end()
        .expect_code(130)
        .expect_stderr("is being deleted; its end is not waited for\n");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(cluster.run().status, "KILLED");
}

#[test]
fn a_deletion_is_insisted_on() {
    let cluster = ClusterProject::new();
    cluster.server.fault(Target::Delete, Action::Status(500), 2);
    cluster.server.fault(Target::Delete, Action::Reset, 1);
    let running = cluster.start(&[]);
    cluster.server.start_pod(&cluster.server.pod(0));
    running.wait_for_stderr("Job started.\n");
    running.signal(Signal::TERM);
    running.end().expect_code(143);
    assert!(cluster.server.jobs().is_empty());
}

#[test]
fn a_deletion_that_is_refused_is_said() {
    let cluster = ClusterProject::new();
    cluster.server.fault(Target::Delete, Action::Status(403), 1);
    let running = cluster.start(&[]);
    cluster.server.start_pod(&cluster.server.pod(0));
    running.wait_for_stderr("Job started.\n");
    running.signal(Signal::TERM);
    let ended = running.end();
    ended
        .expect_code(143)
        .expect_stderr("delete it yourself: kubectl delete job my-project-");
    assert_eq!(cluster.run().status, "KILLED");
}
