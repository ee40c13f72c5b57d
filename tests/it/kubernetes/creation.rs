//! Signals while the Job is being created: the run ends at once, and no Job is left.

use std::time::{Duration, Instant};

use fake_kubernetes::{Action, Target};
use rustix::process::Signal;

use super::cluster::{ClusterProject, Ended, Running};

/// What is said where nobody can know whether there is a Job.
const IN_DOUBT: &str = "was created is not known; if it was, delete it: kubectl delete job my-project-";

/// A run whose Job's creation has begun, with these answers to it.
fn creating<'a>(cluster: &'a ClusterProject, answers: &[(Action, usize)], arguments: &[&str]) -> Running<'a> {
    for (action, times) in answers {
        cluster.server.fault(Target::Create, *action, *times);
    }
    let all = cluster.server.faults_left();
    let running = cluster.start(arguments);
    cluster.server.wait_for("the first request has come", |server| {
        (server.faults_left() < all).then_some(())
    });
    running
}

/// Sends the signal, and expects the end within this time and the run to be killed.
#[track_caller]
fn interrupt(cluster: &ClusterProject, running: Running<'_>, signal: Signal, within: Duration) -> Ended {
    let begun = Instant::now();
    running.signal(signal);
    let ended = running.end();
    let taken = begun.elapsed();
    ended.expect_code(128 + signal.as_raw());
    assert!(taken < within, "{taken:?}\n{}", ended.stderr);
    assert_eq!(cluster.run().status, "KILLED");
    ended
}

/// Far more than it takes, and far less than the minute in which the creation would be tried again.
const SOON: Duration = Duration::from_secs(6);

const AWAY: Duration = Duration::from_secs(7);

#[test]
fn an_api_that_refuses_has_no_job() {
    for (signal, arguments) in [(Signal::TERM, &[][..]), (Signal::INT, &["--no-wait"])] {
        let cluster = ClusterProject::new();
        let running = creating(&cluster, &[(Action::Status(503), 999)], arguments);
        let ended = interrupt(&cluster, running, signal, SOON);
        assert!(cluster.server.jobs().is_empty());
        assert!(!ended.stderr.contains("kubectl"), "{}", ended.stderr);
    }
}

#[test]
fn a_job_whose_creation_was_not_answered_is_found_and_deleted() {
    for arguments in [&[][..], &["--no-wait"]] {
        let cluster = ClusterProject::new();
        // The first of these is carried out.
        let running = creating(
            &cluster,
            &[(Action::Reset, 1), (Action::Status(500), 999)],
            arguments,
        );
        cluster.server.pod(0);
        let ended = interrupt(&cluster, running, Signal::TERM, SOON);
        ended.expect_stderr("Deleting the Job 'my-project-");
        assert!(cluster.server.jobs().is_empty(), "{}", ended.stderr);
        assert!(cluster.server.pods().is_empty());
    }
}

#[test]
fn a_job_whose_creation_is_answered_late_is_deleted() {
    let cluster = ClusterProject::new();
    let slow = Action::Slow(Duration::from_millis(900));
    let running = creating(&cluster, &[(slow, 1)], &[]);
    let ended = interrupt(&cluster, running, Signal::INT, SOON);
    ended.expect_stderr("Deleting the Job 'my-project-");
    assert!(cluster.server.jobs().is_empty());
    let requests = cluster.server.requests();
    assert!(
        requests
            .iter()
            .any(|request| request.method == "POST" && request.code == 201)
    );
}

#[test]
fn an_api_that_does_not_answer_is_not_waited_for() {
    let cluster = ClusterProject::new();
    let running = creating(&cluster, &[(Action::Slow(Duration::from_secs(60)), 1)], &[]);
    let ended = interrupt(&cluster, running, Signal::TERM, SOON);
    ended.expect_stderr(IN_DOUBT);
    assert!(cluster.server.jobs().is_empty());
    let looked = |method: &str, path: &str| method == "GET" && path.contains("/jobs/my-project-");
    let requests = cluster.server.requests();
    assert!(
        requests
            .iter()
            .any(|request| looked(&request.method, &request.path))
    );
}

#[test]
fn an_api_that_goes_away_is_not_waited_for() {
    // Where too many requests are refused, none is carried out; an error may come from behind.
    for (status, is_in_doubt) in [(429, false), (503, true)] {
        let cluster = ClusterProject::new();
        let running = creating(&cluster, &[(Action::Status(status), 999)], &[]);
        cluster.while_away(AWAY, || {
            let ended = interrupt(&cluster, running, Signal::TERM, SOON);
            assert_eq!(ended.stderr.contains(IN_DOUBT), is_in_doubt, "{}", ended.stderr);
        });
        assert!(cluster.server.jobs().is_empty());
    }
}

#[test]
fn a_second_signal_ends_the_search() {
    let cluster = ClusterProject::new();
    let running = creating(&cluster, &[(Action::Status(503), 999)], &[]);
    cluster.while_away(AWAY, || {
        running.signal(Signal::TERM);
        // Signals that come at once are one request.
        std::thread::sleep(Duration::from_millis(300));
        // The search alone would take longer.
        interrupt(&cluster, running, Signal::TERM, Duration::from_millis(1500)).expect_stderr(IN_DOUBT);
    });
}
