//! Runs that nobody waits for, found by their tags (`mlrun status`, `wait`, `cancel`), and runs that somebody
//! else stops (`mlrun cancel`, `kubectl delete job`).

use std::collections::BTreeMap;

use fake_kubernetes::Options;
use mlrun::internals::entities::{RunId, RunStatus, UnixMillis};
use mlrun::internals::tracking::{self, RunEnd, TrackingUri};
use rustix::process::Signal;
use serde_json::json;

use super::cluster::{ClusterProject, Ended, Running, TEMPLATE};
use crate::harness::{StoredRun, assert_contains, assert_lacks, block_on};

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
    assert_contains(&shown.stdout, &text);
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
    let ended = waiting.end().with_code(0);
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
        .expect_stderr("has already ended: FINISHED\n");
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
    let text = format!("the Job '{job}' no longer exists in the namespace 'default'");
    cluster
        .start_mlrun(&["wait", &run.run_id])
        .end()
        .expect_code(1)
        .expect_stderr(&text);
    let shown = cluster.start_mlrun(&["status", &run.run_id]).end();
    assert_contains(&shown.stdout, &text);
    cluster.start_mlrun(&["cancel", &run.run_id]).end().expect_code(0);
    assert_eq!(cluster.run().status, "KILLED");
}

/// A run whose entry point has written a line, and who follows it here.
fn followed(cluster: &ClusterProject) -> Running<'_> {
    let running = cluster.start(&[]);
    let pod = cluster.server.pod(0);
    cluster.server.start_pod(&pod);
    cluster.server.log(&pod, "begun");
    running.wait_for_stdout("begun\n");
    running
}

fn job(cluster: &ClusterProject) -> String {
    let jobs = cluster.server.jobs();
    jobs[0]["metadata"]["name"].as_str().unwrap().to_owned()
}

fn wait_for_deletion(cluster: &ClusterProject) {
    cluster.server.wait_for("the Job is being deleted", |server| {
        server.jobs()[0]["metadata"]["deletionTimestamp"]
            .as_str()
            .map(|_| ())
    });
}

/// The deleted Job's pod ends by its SIGTERM, which fails the Job before it is gone.
fn end_deleted(cluster: &ClusterProject) {
    let pod = cluster.server.pod(0);
    cluster.server.log(&pod, "ending");
    cluster.server.end_pod(&pod, 143, "Error");
    cluster.server.end_job(Some((
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    )));
    cluster.server.delete_job(&job(cluster));
}

/// The output of `mlrun run` for a run that somebody else stopped.
#[track_caller]
fn expect_cancelled(cluster: &ClusterProject, ended: &Ended) {
    let run_id = cluster.run().run_id;
    ended
        .expect_code(137)
        .expect_stderr(&format!("=== Run (ID '{run_id}') was cancelled ===\n"))
        .expect_stderr("in the namespace 'default' was deleted before it finished\n");
    assert_lacks(&ended.stderr, "failed ===");
    assert_eq!(cluster.run().status, "KILLED");
}

#[test]
fn whoever_follows_a_cancelled_run_says_that_it_was_killed() {
    for ends_slowly in [false, true] {
        let cluster = ClusterProject::new();
        if ends_slowly {
            cluster.server.keep_deleted();
        }
        let running = followed(&cluster);
        let run_id = cluster.run().run_id;
        let waiting = cluster.start_mlrun(&["wait", &run_id]);
        waiting.wait_for_stdout("begun\n");
        let cancelling = cluster.start_mlrun(&["cancel", &run_id]);
        if ends_slowly {
            wait_for_deletion(&cluster);
            running.wait_for_stderr("was deleted by someone else; waiting for its pods to stop\n");
            end_deleted(&cluster);
        }
        let ended = running.end();
        expect_cancelled(&cluster, &ended);
        if ends_slowly {
            assert_eq!(ended.stdout, "begun\nending\n");
        }
        cancelling
            .end()
            .expect_code(0)
            .expect_stderr("was cancelled: KILLED\n");
        waiting
            .end()
            .expect_code(137)
            .expect_stderr("has ended: KILLED\n");
        cluster.start_mlrun(&["wait", &run_id]).end().expect_code(137);
        let shown = cluster.start_mlrun(&["status", &run_id]).end();
        assert_contains(&shown.stdout, "status       KILLED\n");
        assert_eq!(cluster.run().status, "KILLED");
    }
}

#[test]
fn a_job_that_others_delete_was_killed() {
    let ways: [fn(&ClusterProject); 2] = [
        |cluster| cluster.server.delete_job(&job(cluster)),
        // While nobody looked.
        |cluster| {
            cluster.server.lose_job(&job(cluster));
            cluster.server.compact();
        },
    ];
    for delete in ways {
        let cluster = ClusterProject::new();
        let running = followed(&cluster);
        let run_id = cluster.run().run_id;
        let waiting = cluster.start_mlrun(&["wait", &run_id]);
        waiting.wait_for_stdout("begun\n");
        delete(&cluster);
        expect_cancelled(&cluster, &running.end());
        waiting
            .end()
            .expect_code(137)
            .expect_stderr("was deleted before it finished\n")
            .expect_stderr("has ended: KILLED\n");
    }
}

#[test]
fn what_the_pods_make_of_a_deletion_does_not_count() {
    // Neither for who asks,
    let cluster = ClusterProject::new();
    cluster.server.keep_deleted();
    cluster.start(&["--no-wait"]).end().expect_code(0);
    let pod = cluster.server.pod(0);
    cluster.server.start_pod(&pod);
    let run_id = cluster.run().run_id;
    let cancelling = cluster.start_mlrun(&["cancel", &run_id]);
    wait_for_deletion(&cluster);
    cluster.server.end_pod(&pod, 143, "Error");
    cluster.server.end_job(Some(("BackoffLimitExceeded", "too many")));
    let shown = cluster.start_mlrun(&["status", &run_id]).end();
    shown.expect_code(0).expect_stderr("its status is now KILLED\n");
    assert_contains(&shown.stdout, "status       KILLED\n");
    cluster.server.delete_job(&job(&cluster));
    cancelling.end().expect_code(0);
    assert_eq!(cluster.run().status, "KILLED");

    // nor for who has deleted it after a signal.
    let cluster = ClusterProject::new();
    cluster.server.keep_deleted();
    let running = followed(&cluster);
    running.signal(Signal::INT);
    wait_for_deletion(&cluster);
    end_deleted(&cluster);
    running
        .end()
        .expect_code(130)
        .expect_stderr("interrupted by SIGINT ===\n");
    assert_eq!(cluster.run().status, "KILLED");
}

#[test]
fn a_deletion_before_the_end_is_a_cancellation() {
    const EARLY: &str = "2026-01-02T03:04:05Z";
    const LATE: &str = "2026-01-02T03:04:06Z";
    std::thread::scope(|scope| {
        for (deleted, end, goes_by_itself, expected) in [
            (EARLY, None, false, "KILLED"),
            (EARLY, None, true, "KILLED"),
            (EARLY, Some(("Failed", Some(LATE))), false, "KILLED"),
            // The entry point handled the signal and succeeded.
            (EARLY, Some(("Complete", Some(LATE))), false, "KILLED"),
            (LATE, Some(("Failed", Some(EARLY))), false, "FAILED"),
            (LATE, Some(("Complete", Some(EARLY))), false, "FINISHED"),
            (EARLY, Some(("Failed", Some(EARLY))), false, "KILLED"),
            (EARLY, Some(("Failed", None)), false, "KILLED"),
            (EARLY, Some(("Failed", Some(EARLY))), true, "FAILED"),
            (EARLY, Some(("Complete", Some(EARLY))), true, "FINISHED"),
            (EARLY, Some(("Complete", None)), false, "FINISHED"),
        ] {
            scope.spawn(move || {
                let cluster = ClusterProject::new();
                cluster.start(&["--no-wait"]).end().expect_code(0);
                cluster.server.change_job(&job(&cluster), |job| {
                    job["metadata"]["deletionTimestamp"] = deleted.into();
                    if goes_by_itself {
                        job["spec"]["ttlSecondsAfterFinished"] = 0.into();
                    }
                    if let Some((kind, time)) = end {
                        let end = json!({"type": kind, "status": "True", "lastTransitionTime": time});
                        job["status"]["conditions"] = json!([end]);
                    }
                });
                let run_id = cluster.run().run_id;
                cluster.start_mlrun(&["status", &run_id]).end().expect_code(0);
                let status = cluster.run().status;
                assert_eq!(
                    status, expected,
                    "deleted {deleted}, end {end:?}, by itself {goes_by_itself}"
                );
            });
        }
    });
}

#[test]
fn a_job_that_goes_by_itself_after_its_end_has_its_own_end() {
    let template = TEMPLATE.replace("backoffLimit: 0", "backoffLimit: 0\n  ttlSecondsAfterFinished: 0");
    for (code, expected, status) in [(0, 0, "FINISHED"), (3, 1, "FAILED")] {
        let cluster = ClusterProject::with(&template, Options::default());
        let running = followed(&cluster);
        let pod = cluster.server.pod(0);
        cluster.server.end_pod(&pod, code, "Error");
        let failure = (code != 0).then_some(("BackoffLimitExceeded", "too many"));
        cluster.server.end_job(failure);
        cluster.server.delete_job(&job(&cluster));
        running.end().expect_code(expected);
        assert_eq!(cluster.run().status, status);
    }
}

#[test]
fn a_failure_that_the_dying_entry_point_records_is_overruled() {
    for command in ["cancel", "wait"] {
        let cluster = ClusterProject::new();
        cluster.server.keep_deleted();
        cluster.start(&["--no-wait"]).end().expect_code(0);
        let pod = cluster.server.pod(0);
        cluster.server.start_pod(&pod);
        cluster.server.log(&pod, "begun");
        let run_id = cluster.run().run_id;
        let following = cluster.start_mlrun(&[command, &run_id]);
        if command == "wait" {
            following.wait_for_stdout("begun\n");
            // As `kubectl delete job --cascade=foreground` does.
            cluster.server.change_job(&job(&cluster), |job| {
                job["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z".into();
            });
            following.wait_for_stderr("was deleted by someone else");
        }
        wait_for_deletion(&cluster);
        set_status(&cluster, RunStatus::Failed);
        end_deleted(&cluster);
        let (code, says) = match command {
            "wait" => (137, "has ended: KILLED\n"),
            _ => (0, "was cancelled: KILLED\n"),
        };
        following.end().expect_code(code).expect_stderr(says);
        assert_eq!(cluster.run().status, "KILLED");
    }
}

#[test]
fn a_job_that_was_deleted_while_nobody_followed_it_is_remembered() {
    for (events, code, status) in [
        (&["SuccessfulCreate"][..], 137, "KILLED"),
        (&["SuccessfulCreate", "Completed"], 0, "FINISHED"),
        (&["BackoffLimitExceeded"], 1, "FAILED"),
    ] {
        for command in ["wait", "status"] {
            let cluster = ClusterProject::new();
            cluster.start(&["--no-wait"]).end().expect_code(0);
            cluster.server.start_pod(&cluster.server.pod(0));
            let job = job(&cluster);
            for reason in events {
                cluster.server.event("Job", &job, reason, "its words");
            }
            cluster.server.delete_job(&job);
            let run_id = cluster.run().run_id;
            let expected = if command == "wait" { code } else { 0 };
            cluster
                .start_mlrun(&[command, &run_id])
                .end()
                .expect_code(expected);
            assert_eq!(cluster.run().status, status, "{command} {events:?}");
        }
    }
}

/// Sets the run's status as an entry point in the pod may do.
fn set_status(cluster: &ClusterProject, status: RunStatus) {
    let run_id = RunId::new(cluster.run().run_id);
    block_on(async {
        let work = cluster.project.sandbox().work();
        let uri = TrackingUri::resolve(Some("sqlite:///mlflow.db"), &work).unwrap();
        let store = tracking::open(&uri).await.unwrap();
        let end = RunEnd {
            status,
            end_time: UnixMillis::now(),
            keep_failure: false,
        };
        store.end_run(&run_id, end).await.unwrap();
    });
}

#[test]
fn a_script_learns_that_the_run_was_killed() {
    let cluster = ClusterProject::new();
    let running = cluster.start(&["--run-info", "info.json", "--exit-code", "entry-point"]);
    let pod = cluster.server.pod(0);
    cluster.server.start_pod(&pod);
    running.wait_for_stderr("Job started.\n");
    cluster.server.delete_job(&job(&cluster));
    running.end().expect_code(137);
    let info = cluster.project.sandbox().work().join("info.json");
    let info: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(info).unwrap()).unwrap();
    assert_eq!(info["status"], "KILLED");
    assert_eq!(info["exit_code"], 137);
    let error = info["error"].as_str().unwrap();
    assert_contains(error, "was deleted before it finished");
}
