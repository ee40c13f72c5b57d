//! Signals while the Job is being created, and a created Job that the store does not record.

use std::time::{Duration, Instant};

use fake_databricks::{FakeDatabricks, Fault, Settings, TOKEN};
use fake_kubernetes::{Action, Target};
use rustix::process::Signal;

use super::cluster::{ClusterProject, Ended, Running};
use crate::harness::{MlflowServer, StoreContents, StoredRun, assert_lacks};

/// The warning if nobody can know whether the Job exists.
const IN_DOUBT: &str = "was created; if it was, delete it: kubectl delete job my-project-";

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
        assert_lacks(&ended.stderr, "kubectl");
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

/// A cluster, and a store in a workspace, both of which can be made to fail.
fn cluster_and_store() -> Option<(ClusterProject, FakeDatabricks)> {
    let server = MlflowServer::shared()?;
    let workspace = FakeDatabricks::start(Settings {
        mlflow: Some(server.url().to_owned()),
        ..Settings::default()
    });
    let cluster = ClusterProject::new()
        .env("MLFLOW_TRACKING_URI", "databricks")
        .env("DATABRICKS_HOST", workspace.url())
        .env("DATABRICKS_TOKEN", TOKEN)
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        .env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
        .env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
        .env("MLRUN_RECORD_TIMEOUT", "2");
    Some((cluster, workspace))
}

/// The tags of the Job cannot be stored. Those of the environment come first.
fn refuse_tags(workspace: &FakeDatabricks) {
    let call = "POST /mlflow/runs/log-batch";
    workspace.fail(Fault::answer(call, 99, 403, "PERMISSION_DENIED", "No edit permission").after(1));
}

const EXPERIMENT: [&str; 2] = ["--experiment-name", "/Users/user@example.com/kubernetes"];

fn stored(text: &str) -> StoredRun {
    let (_, rest) = text
        .split_once("the link from run '")
        .unwrap_or_else(|| panic!("{text}"));
    let server = MlflowServer::shared().unwrap();
    let runs = StoreContents::of_sqlite(&server.database()).runs;
    runs.into_iter().find(|run| run.run_id == rest[..32]).unwrap()
}

#[test]
fn a_job_that_the_store_cannot_know_of_is_deleted() {
    for arguments in [&[][..], &["--no-wait"]] {
        let Some((cluster, workspace)) = cluster_and_store() else {
            return;
        };
        refuse_tags(&workspace);
        let arguments = [&EXPERIMENT, arguments].concat();
        let ended = cluster.start(&arguments).end();
        ended
            .expect_code(1)
            .expect_stderr("to the Job 'my-project-")
            .expect_stderr("in the namespace 'default' could not be stored; it was canceled\n")
            .expect_stderr("No edit permission");
        assert!(cluster.server.jobs().is_empty());
        assert!(cluster.server.pods().is_empty());
        assert_eq!(stored(&ended.stderr).status, "FAILED");
    }
}

#[test]
fn a_job_that_cannot_be_deleted_is_named() {
    let Some((cluster, workspace)) = cluster_and_store() else {
        return;
    };
    refuse_tags(&workspace);
    cluster.server.fault(Target::Delete, Action::Status(403), 9);
    let ended = cluster.start(&EXPERIMENT).end();
    let name = cluster.server.jobs()[0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    ended
        .expect_code(1)
        .expect_stderr("it could not be canceled and may still run: cannot delete the Job on the cluster")
        .expect_stderr(&format!(
            "hint: this message is the only link to it: kubectl delete job {name} -n default --context test\n"
        ));
    assert_eq!(stored(&ended.stderr).status, "FAILED");
}

#[test]
fn a_store_that_hangs_before_the_job_is_not_waited_for_after_a_signal() {
    let Some((cluster, workspace)) = cluster_and_store() else {
        return;
    };
    let call = "POST /mlflow/runs/log-batch";
    workspace.fail(Fault::new(call, 99, fake_databricks::Action::Hang));
    let running = cluster.start(&EXPERIMENT);
    cluster.server.wait_for("the request with the tags", |_| {
        let requests = workspace.all_requests();
        let of_tags = requests
            .iter()
            .find(|request| request.path.ends_with("runs/log-batch"));
        of_tags.map(|_| ())
    });
    let begun = std::time::Instant::now();
    running.signal(Signal::TERM);
    running.end().expect_code(143);
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert!(cluster.server.jobs().is_empty());
}

#[test]
fn a_second_signal_ends_the_wait_for_a_deletion() {
    let Some((cluster, workspace)) = cluster_and_store() else {
        return;
    };
    refuse_tags(&workspace);
    cluster.server.keep_deleted();
    let running = cluster.start(&EXPERIMENT);
    running.wait_for_stderr("Deleting the Job");
    running.signal(Signal::TERM);
    std::thread::sleep(std::time::Duration::from_millis(300));
    running.signal(Signal::TERM);
    let ended = running.end();
    ended
        .expect_code(1)
        .expect_stderr("may still run: SIGTERM came before its end was known\n");
    assert_eq!(stored(&ended.stderr).status, "FAILED");
}
