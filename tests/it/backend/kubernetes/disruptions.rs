//! Disruptions by the cluster: deleted pods, Jobs that are removed as soon as they finish, and Jobs held back
//! by a queue.

use std::time::Duration;

use fake_kubernetes::{Action, Options, Server, Target};
use serde_json::json;

use super::cluster::{ClusterProject, Ended, TEMPLATE};
use crate::harness::assert_lacks;

/// What happens to a running pod, and the expected messages.
struct Case {
    name: &'static str,
    happens: fn(&Server, &str),
    says: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "preempted by the scheduler",
        happens: |server, pod| {
            let message = "default-scheduler: preempting to accommodate a higher priority pod";
            server.disrupt_pod(pod, "PreemptionByScheduler", message);
            server.end_pod(pod, 143, "Error");
        },
        says: &[
            "was preempted by a pod of higher priority (PreemptionByScheduler): default-scheduler: preempting",
        ],
    },
    Case {
        name: "preempted, and counted as failed before its container has ended",
        happens: |server, pod| server.disrupt_pod(pod, "PreemptionByScheduler", ""),
        says: &["was preempted by a pod of higher priority (PreemptionByScheduler)\n"],
    },
    Case {
        name: "drained",
        happens: |server, pod| {
            server.disrupt_pod(pod, "EvictionByEvictionAPI", "Eviction API: evicting");
            server.remove_pod(pod);
        },
        says: &["was evicted, probably to drain its node (EvictionByEvictionAPI): Eviction API: evicting\n"],
    },
    Case {
        name: "a taint",
        happens: |server, pod| {
            let message = "Taint manager: deleting due to NoExecute taint";
            server.disrupt_pod(pod, "DeletionByTaintManager", message);
        },
        says: &[
            "because its node got a taint that it does not tolerate (DeletionByTaintManager): Taint manager",
        ],
    },
    Case {
        name: "a node that is gone",
        happens: |server, pod| {
            server.disrupt_pod(pod, "DeletionByPodGC", "PodGC: node no longer exists");
            server.remove_pod(pod);
        },
        says: &["was lost with its node (DeletionByPodGC): PodGC: node no longer exists\n"],
    },
    Case {
        name: "evicted by the kubelet",
        happens: |server, pod| {
            let message = "The node was low on resource: memory.";
            server.change_pod(pod, |pod| {
                pod["status"] = json!({"phase": "Failed", "reason": "Evicted", "message": message, "conditions": [{
                    "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message,
                }]});
            });
        },
        says: &["was evicted: The node was low on resource: memory.\n"],
    },
    Case {
        name: "preempted by the kubelet",
        happens: |server, pod| {
            server.change_pod(pod, |pod| {
                pod["status"] = json!({"phase": "Failed", "reason": "Preempting",
                    "message": "Preempted in order to admit critical pod"});
            });
        },
        says: &["was preempted by a critical pod of its node (Preempting): Preempted in order to"],
    },
    Case {
        name: "a node that is shut down",
        happens: |server, pod| {
            server.change_pod(pod, |pod| {
                pod["status"] = json!({"phase": "Failed", "reason": "Terminated",
                    "message": "Pod was terminated in response to imminent node shutdown."});
            });
        },
        says: &[
            "was stopped by the shutdown of its node (Terminated): Pod was terminated in response to imminent",
        ],
    },
    Case {
        name: "a node that does not answer",
        happens: |server, pod| {
            server.delete_pod(pod);
            server.change_pod(pod, |pod| {
                pod["status"]["reason"] = "NodeLost".into();
                pod["status"]["message"] = "Node node-1 which was running pod is unresponsive".into();
            });
        },
        says: &["was lost with its node (NodeLost): Node node-1"],
    },
    Case {
        name: "deleted by a person",
        happens: |server, pod| {
            server.delete_pod(pod);
            server.end_pod(pod, 143, "Error");
        },
        says: &["was deleted while the entry point ran\n"],
    },
    Case {
        name: "deleted by force",
        happens: Server::remove_pod,
        says: &["was deleted while the entry point ran\n"],
    },
];

const POLICY: &str = "podFailurePolicy: {rules: [{action: Ignore, onPodConditions: [{type: DisruptionTarget, status: 'True'}]}]}";

/// The template with this instead of no second try.
fn template(again: &str) -> String {
    TEMPLATE.replace("backoffLimit: 0", again)
}

#[test]
fn a_pod_that_is_taken_away_is_told_where_the_job_ends_with_it() {
    each(|case| {
        let cluster = ClusterProject::new();
        let running = cluster.start(&[]);
        let pod = cluster.server.pod(0);
        cluster.server.start_pod(&pod);
        running.wait_for_stderr("Job started.\n");
        (case.happens)(&cluster.server, &pod);
        cluster.server.end_job(Some((
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        )));
        cluster.server.remove_pod(&pod);
        let ended = running.end();
        ended
            .expect_code(1)
            .expect_stderr(&format!("error: the pod '{pod}' was "))
            .expect_stderr("\nhint: ");
        for text in case.says {
            ended.expect_stderr(text);
        }
        assert_eq!(cluster.run().status, "FAILED");
    });
}

#[test]
fn a_pod_that_is_taken_away_is_told_where_the_job_goes_on() {
    let policy = format!("backoffLimit: 0\n  {POLICY}");
    for again in ["backoffLimit: 1", policy.as_str()] {
        each(|case| {
            let cluster = ClusterProject::with(&template(again), Options::default());
            let server = &cluster.server;
            let running = cluster.start(&[]);
            let pod = server.pod(0);
            server.start_pod(&pod);
            running.wait_for_stderr("Job started.\n");
            (case.happens)(server, &pod);
            server.another_pod();
            // A deleted pod is no longer counted.
            let another = server.wait_for("there is another pod", |server| {
                let pods = server.pods();
                let mut names = pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str());
                names.find(|name| *name != pod).map(str::to_owned)
            });
            server.start_pod(&another);
            server.remove_pod(&pod);
            server.end_pod(&another, 0, "Completed");
            server.end_job(None);
            let ended = running.end();
            ended
                .expect_code(0)
                .expect_stderr(&format!("Pod '{pod}': the pod '{pod}' was "));
            for text in case.says {
                ended.expect_stderr(text);
            }
            let told = ended.stderr.matches(&format!("Pod '{pod}': ")).count();
            assert_eq!(told, 1, "{}: {}", case.name, ended.stderr);
        });
    }
}

fn each(test: impl Fn(&Case) + Sync) {
    std::thread::scope(|scope| {
        for case in CASES {
            scope.spawn(|| test(case));
        }
    });
}

#[test]
fn a_pod_that_is_lost_while_the_api_is_away_is_told_when_there_is_another() {
    let cluster = ClusterProject::with(&template("backoffLimit: 1"), Options::default());
    let server = &cluster.server;
    let running = cluster.start(&[]);
    let pod = server.pod(0);
    server.start_pod(&pod);
    running.wait_for_stderr("Job started.\n");
    cluster.while_away(std::time::Duration::from_millis(300), || {
        server.remove_pod(&pod);
        server.compact();
        server.another_pod();
    });
    let another = server.pod(0);
    server.start_pod(&another);
    server.end_pod(&another, 0, "Completed");
    server.end_job(None);
    running.end().expect_code(0).expect_stderr(&format!(
        "Pod '{pod}': the pod '{pod}' was deleted while the entry point ran\n"
    ));
}

#[test]
fn pods_that_a_failed_job_takes_away_are_not_its_reason() {
    let template = template("backoffLimit: 0\n  parallelism: 2\n  completions: 2");
    let cluster = ClusterProject::with(&template, Options::default());
    let server = &cluster.server;
    let running = cluster.start(&[]);
    let first = server.pod(0);
    server.another_pod();
    let second = server.pod(1);
    server.start_pod(&first);
    server.start_pod(&second);
    running.wait_for_stderr("Job started.\n");
    server.end_pod(&first, 7, "Error");
    server.change_job(server.jobs()[0]["metadata"]["name"].as_str().unwrap(), |job| {
        job["status"]["conditions"] = json!([{"type": "FailureTarget", "status": "True",
            "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}]);
    });
    server.delete_pod(&second);
    server.end_pod(&second, 143, "Error");
    server.end_job(Some((
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    )));
    let ended = running.end();
    ended
        .expect_code(1)
        .expect_stderr("The entry point ended with exit code 7\n");
    assert_lacks(&ended.stderr, "was deleted");
}

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
    ended.expect_code(0).expect_stderr("The Job was resumed\n");
    assert_eq!(ended.stdout, "done\n");
    assert_lacks(&ended.stderr, "has not started");
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
        .expect_stderr("The Job was resumed\n")
        .expect_stderr("error: the entry point has not started within 1s: the pod is Pending\n");
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
    running.wait_for_stderr("The Job is suspended again, and its pods are stopped");
    server.suspend_job(false);
    server.succeed(&["done"]);
    let ended = running.end().with_code(0);
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
    running.wait_for_stderr("The pod waits until its scheduling gates are removed");
    std::thread::sleep(LONG);
    assert_eq!(server.jobs().len(), 1, "{}", running.stderr());
    server.succeed(&["done"]);
    running.end().expect_code(0);
}
