//! Jobs that are taken away as soon as they have ended: the end counts, and nobody is alarmed.

use std::time::Duration;

use fake_kubernetes::{Action, Options, Target};

use super::cluster::{ClusterProject, Ended, TEMPLATE};

#[track_caller]
fn expect_peace(ended: &Ended, code: i64) {
    if code == 0 {
        ended.expect_code(0);
    } else {
        let says = format!("The entry point ended with exit code {code}\n");
        ended.expect_code(1).expect_stderr(&says);
    }
    assert_eq!(ended.stdout, "a line\n");
    for text in ["cannot be read", "not found", "may be missing", "removed before"] {
        assert!(!ended.stderr.contains(text), "{text}\n{}", ended.stderr);
    }
}

#[test]
fn a_log_that_is_gone_after_it_was_read_is_not_missed() {
    let cluster = ClusterProject::new();
    let server = &cluster.server;
    let running = cluster.start(&[]);
    let pod = server.pod(0);
    server.start_pod(&pod);
    server.log(&pod, "a line");
    running.wait_for_stdout("a line\n");
    // The pod is taken away between its end and the last look at its log.
    server.fault(Target::Log, Action::Status(404), 1);
    server.end_pod(&pod, 0, "Completed");
    server.wait_for("the log is asked for", |server| {
        (server.faults_left() == 0).then_some(())
    });
    server.end_job(None);
    expect_peace(&running.end(), 0);
}

#[test]
fn a_job_that_goes_by_itself_ends_as_its_pod_did() {
    let template = TEMPLATE.replace("backoffLimit: 0", "backoffLimit: 0\n  ttlSecondsAfterFinished: 0");
    for code in [0, 3] {
        let cluster = ClusterProject::with(&template, Options::default());
        let server = &cluster.server;
        let running = cluster.start(&[]);
        let pod = server.pod(0);
        server.start_pod(&pod);
        server.log(&pod, "a line");
        running.wait_for_stdout("a line\n");
        let job = server.jobs()[0]["metadata"]["name"].as_str().unwrap().to_owned();
        let failure = (
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        );
        server.end_pod(&pod, code, if code == 0 { "Completed" } else { "Error" });
        server.end_job((code != 0).then_some(failure));
        server.delete_job(&job);
        expect_peace(&running.end(), code);
        let status = if code == 0 { "FINISHED" } else { "FAILED" };
        assert_eq!(cluster.run().status, status);
    }
}

#[test]
fn a_job_that_is_deleted_after_its_pod_has_ended_ends_as_its_pod_did() {
    for code in [0, 3] {
        let cluster = ClusterProject::new();
        let server = &cluster.server;
        let running = cluster.start(&[]);
        let pod = server.pod(0);
        server.start_pod(&pod);
        server.log(&pod, "a line");
        running.wait_for_stdout("a line\n");
        server.end_pod(&pod, code, if code == 0 { "Completed" } else { "Error" });
        // Its end has been seen when the log is read once more, and not followed.
        server.wait_for("the log is read to its end", |server| {
            let requests = server.requests();
            let mut logs = requests.iter().filter(|request| request.path.ends_with("/log"));
            logs.any(|request| !request.query.contains("follow=true"))
                .then_some(())
        });
        // The Job's own end is never seen.
        cluster.while_away(Duration::from_millis(300), || {
            let job = server.jobs()[0]["metadata"]["name"].as_str().unwrap().to_owned();
            server.lose_job(&job);
        });
        expect_peace(&running.end(), code);
    }
}
