//! Signals: the Job and its pods are deleted, and the run is recorded as killed.

use std::time::{Duration, Instant};

use fake_kubernetes::{Action, Target};
use rustix::process::Signal;

use super::cluster::{ClusterProject, Running};
use crate::harness::assert_lacks;

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
        .expect_stderr("is being deleted; not waiting for its end\n");
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

/// A run whose cluster no longer answers. Watches and logs that are open stay open.
fn hanging(cluster: &ClusterProject) -> Running<'_> {
    let running = cluster.start(&[]);
    cluster.server.start_pod(&cluster.server.pod(0));
    running.wait_for_stderr("Job started.\n");
    let hang = Action::Slow(Duration::from_secs(3600));
    cluster.server.fault(Target::Any, hang, 9999);
    running
}

/// The warning about an unanswered deletion, and the time from the signal to the end.
#[track_caller]
fn expect_unanswered(cluster: &ClusterProject, running: Running<'_>, begun: Instant, limit: u64) {
    let ended = running.end();
    let name = cluster.server.jobs()[0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    ended
        .expect_code(143)
        .expect_stderr(&format!("did not confirm the deletion of the Job '{name}'"))
        .expect_stderr(&format!(
            "; it may still be running; delete it yourself: kubectl delete job {name} -n default --context test\n"
        ));
    assert_lacks(&ended.stderr, "is being deleted");
    assert!(
        begun.elapsed() < Duration::from_secs(limit),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(cluster.run().status, "KILLED");
}

#[test]
fn a_deletion_without_an_answer_is_not_waited_for() {
    let cluster = ClusterProject::new();
    let running = hanging(&cluster);
    let begun = Instant::now();
    running.signal(Signal::TERM);
    expect_unanswered(&cluster, running, begun, 15);
}

#[test]
fn a_second_signal_does_not_wait_for_an_answer() {
    let cluster = ClusterProject::new();
    let running = hanging(&cluster);
    running.signal(Signal::TERM);
    running.wait_for_stderr("Deleting the Job");
    // Signals that come at once are one request.
    std::thread::sleep(Duration::from_millis(600));
    let begun = Instant::now();
    running.signal(Signal::TERM);
    expect_unanswered(&cluster, running, begun, 4);
}

#[test]
fn an_api_that_is_gone_does_not_delete() {
    let cluster = ClusterProject::new();
    let running = cluster.start(&[]);
    cluster.server.start_pod(&cluster.server.pod(0));
    running.wait_for_stderr("Job started.\n");
    let begun = Instant::now();
    cluster.while_away(Duration::from_secs(12), || {
        running.signal(Signal::TERM);
        expect_unanswered(&cluster, running, begun, 12);
    });
}

#[test]
fn who_waits_need_not_wait_for_an_answer() {
    let cluster = ClusterProject::new();
    cluster.start(&["--no-wait"]).end().expect_code(0);
    let run_id = cluster.run().run_id;
    let hang = Action::Slow(Duration::from_secs(3600));
    cluster.server.fault(Target::Any, hang, 9999);
    let requests = cluster.server.faults_left();
    let waiting = cluster.start_mlrun(&["wait", &run_id]);
    cluster.server.wait_for("the Job is asked for", |server| {
        (server.faults_left() < requests).then_some(())
    });
    waiting.signal(Signal::INT);
    waiting.end().expect_code(130).expect_stderr("continues\n");
    assert_eq!(cluster.run().status, "RUNNING");
}
