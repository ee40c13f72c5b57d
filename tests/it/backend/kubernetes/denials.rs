//! Rules of a cluster that deny a Job or its pods, each with its own message.

use fake_kubernetes::{Action, Options, Target};

use super::cluster::{ClusterProject, Ended, TEMPLATE};
use crate::harness::assert_lacks;

/// The hint for a missing role.
const ROLES: &str = "needs a role";

/// A rule: the answer of the API server, and the expected message.
struct Rule {
    answer: Action,
    says: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        answer: Action::Refuse(
            403,
            "Forbidden",
            "jobs.batch \"x\" is forbidden: exceeded quota: team, requested: count/jobs.batch=1, used: count/jobs.batch=5, limited: count/jobs.batch=5",
        ),
        says: &[
            "error: cannot create the Job in the namespace 'default': a resource quota of the namespace is used up\n",
            "  caused by: jobs.batch \"x\" is forbidden: exceeded quota: team, requested: count/jobs.batch=1",
            "hint: wait until other workloads finish (`kubectl describe resourcequota` shows the usage)",
        ],
    },
    Rule {
        answer: Action::Refuse(
            403,
            "Forbidden",
            "jobs.batch \"x\" is forbidden: failed quota: team: must specify limits.cpu for: my-project",
        ),
        says: &["hint: set resources.requests and resources.limits of every container"],
    },
    Rule {
        answer: Action::Refuse(
            403,
            "Forbidden",
            "jobs.batch \"x\" is forbidden: unable to create new content in namespace default because it is being terminated",
        ),
        says: &[
            "error: cannot create the Job in the namespace 'default': the namespace is being deleted\n",
            "hint: use another namespace (metadata.namespace in the template)",
        ],
    },
    // Webhooks choose the status code and the reason.
    Rule {
        answer: Action::Refuse(
            403,
            "Forbidden",
            "admission webhook \"validation.gatekeeper.sh\" denied the request: [owner-label] you must provide labels: {\"owner\"}",
        ),
        says: &[
            "error: cannot create the Job in the namespace 'default': an admission webhook of the cluster denied it\n",
            "denied the request: [owner-label] you must provide labels",
            "hint: change the template as the message says",
        ],
    },
    Rule {
        answer: Action::Refuse(
            400,
            "",
            "admission webhook \"validate.kyverno.svc-fail\" denied the request: the image registry is not allowed",
        ),
        says: &["an admission webhook of the cluster denied it\n"],
    },
    Rule {
        answer: Action::Refuse(
            401,
            "Unauthorized",
            "admission webhook \"w\" denied the request without explanation",
        ),
        says: &["an admission webhook of the cluster denied it\n"],
    },
    // Their authors' own words may be those of another rule.
    Rule {
        answer: Action::Refuse(
            403,
            "Forbidden",
            "admission webhook \"w\" denied the request: exceeded quota: none",
        ),
        says: &["an admission webhook of the cluster denied it\n"],
    },
    Rule {
        answer: Action::Refuse(
            403,
            "Forbidden",
            "jobs.batch \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: minimum usage per team",
        ),
        says: &["an admission policy of the cluster denied it\n"],
    },
    Rule {
        answer: Action::Refuse(
            422,
            "Invalid",
            "jobs.batch \"x\" is forbidden: ValidatingAdmissionPolicy 'cost' with binding 'all' denied request: set the label cost-center",
        ),
        says: &[
            "an admission policy of the cluster denied it\n",
            "denied request: set the label cost-center\n",
            "hint: change the template as the message says",
        ],
    },
    Rule {
        answer: Action::Refuse(
            403,
            "Forbidden",
            "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false",
        ),
        says: &["hint: set the securityContext in the template as the message says"],
    },
    Rule {
        answer: Action::Refuse(
            403,
            "Forbidden",
            "jobs.batch \"x\" is forbidden: a rule of our own",
        ),
        says: &["a rule of our own\n", "hint: a policy of the cluster forbids it"],
    },
];

#[track_caller]
fn expect(rule: &Rule, ended: &Ended) {
    ended.expect_code(1);
    for text in rule.says {
        ended.expect_stderr(text);
    }
    assert_lacks(&ended.stderr, ROLES);
    assert_lacks(&ended.stderr, "log in");
}

#[test]
fn a_rule_that_forbids_the_check_keeps_the_run_from_being_created() {
    std::thread::scope(|scope| {
        for rule in RULES {
            scope.spawn(move || {
                let cluster = ClusterProject::new();
                cluster.server.fault(Target::Check, rule.answer, 1);
                expect(rule, &cluster.start(&[]).end());
                assert!(!cluster.project.sandbox().work().join("mlflow.db").exists());
                assert!(cluster.server.jobs().is_empty());
            });
        }
    });
}

#[test]
fn a_rule_that_comes_between_check_and_creation_is_told_too() {
    for rule in &RULES[..4] {
        let cluster = ClusterProject::new();
        cluster.server.fault(Target::Create, rule.answer, 1);
        expect(rule, &cluster.start(&[]).end());
        assert_eq!(cluster.run().status, "FAILED");
    }
}

#[test]
fn a_namespace_that_is_being_deleted_takes_no_run() {
    let cluster = ClusterProject::new();
    cluster.server.terminate_namespace("default");
    let ended = cluster.start(&[]).end();
    ended
        .expect_code(1)
        .expect_stderr("the namespace is being deleted\n")
        .expect_stderr("because it is being terminated\n");
    assert_lacks(&ended.stderr, ROLES);
    assert!(!cluster.project.sandbox().work().join("mlflow.db").exists());
}

#[test]
fn what_is_only_in_the_way_does_not_stop_the_run() {
    for (target, answer, says) in [
        (
            Target::Check,
            Action::Refuse(
                400,
                "BadRequest",
                "admission webhook \"w\" does not support dry run",
            ),
            "warning: the cluster could not validate the Job before the run: admission webhook \"w\" does not support dry run\n",
        ),
        // The quota's bookkeeping conflicted with another request.
        (
            Target::Create,
            Action::Refuse(
                409,
                "Conflict",
                "Operation cannot be fulfilled on resourcequotas \"q\": the object has been modified; please apply your changes to the latest version and try again",
            ),
            "succeeded ===",
        ),
    ] {
        let cluster = ClusterProject::new();
        cluster.server.fault(target, answer, 1);
        let running = cluster.start(&[]);
        cluster.server.succeed(&["done"]);
        running.end().expect_code(0).expect_stderr(says);
    }
}

#[test]
fn what_a_webhook_says_of_an_image_counts_once_the_image_is_there() {
    for (message, stops) in [
        (
            "admission webhook \"mutate.kyverno.svc-fail\" denied the request: failed to verify image registry.example.com/team/project:latest: manifest unknown",
            false,
        ),
        (
            "admission webhook \"validation.gatekeeper.sh\" denied the request: [owner-label] you must provide labels",
            true,
        ),
    ] {
        let cluster = ClusterProject::new().env("MLRUN_DOCKER_CMD", "<sandbox>/work/docker");
        let sandbox = cluster.project.sandbox();
        // The image cannot be built here, which is how it shows that it was tried.
        sandbox.write_executable("docker", "#!/bin/sh\necho 'Error: No such image' >&2\nexit 1\n");
        let answer = Action::Refuse(403, "Forbidden", message);
        cluster.server.fault(Target::Check, answer, 1);
        let ended = cluster
            .start_mlrun(&["run", "project", "-b", "kubernetes", "-c", "config.json"])
            .end();
        ended.expect_code(1).expect_stderr(message);
        let warns = "warning: the cluster could not validate the Job before the run: admission webhook";
        assert_eq!(ended.stderr.contains(warns), !stops, "{}", ended.stderr);
        assert_eq!(sandbox.work().join("mlflow.db").exists(), !stops);
    }
}

#[test]
fn a_webhook_that_does_not_answer_is_no_denial() {
    let cluster = ClusterProject::new();
    let message = "Internal error occurred: failed calling webhook \"w\": failed to call webhook: Post \"https://w.kyverno.svc:443/validate?timeout=10s\": context deadline exceeded";
    let answer = Action::Refuse(500, "InternalError", message);
    cluster.server.fault(Target::Check, answer, 1);
    cluster
        .start(&[])
        .end()
        .expect_code(1)
        .expect_stderr(message)
        .expect_stderr("hint: a webhook of the cluster does not answer");
    assert!(!cluster.project.sandbox().work().join("mlflow.db").exists());
}

/// Pods that the namespace rejects: the answer, when the run ends, and the expected message.
const PODS: &[(&str, &[&str], &str, &str)] = &[
    (
        "exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3",
        &["--start-timeout", "1s"],
        "error: the entry point has not started within 1s: cannot create the Job's pod: pods \"my-project-",
        "hint: wait until other workloads finish",
    ),
    (
        "exceeded quota: team, requested: requests.nvidia.com/gpu=8, used: requests.nvidia.com/gpu=0, limited: requests.nvidia.com/gpu=4",
        &[],
        "error: the entry point cannot start: cannot create the Job's pod: pods \"my-project-",
        "hint: request less in the template (resources), or ask for a larger quota",
    ),
    (
        "failed quota: team: must specify limits.memory for: my-project",
        &[],
        "must specify limits.memory for: my-project\n",
        "hint: set resources.requests and resources.limits",
    ),
    (
        "violates PodSecurity \"restricted:latest\": runAsNonRoot != true (pod or container \"my-project\" must set securityContext.runAsNonRoot=true)",
        &[],
        "error: the entry point cannot start: cannot create the Job's pod: pods \"my-project-",
        "hint: set the securityContext in the template as the message says",
    ),
    (
        "maximum memory usage per Container is 1Gi, but limit is 2Gi",
        &[],
        "maximum memory usage per Container is 1Gi, but limit is 2Gi\n",
        "hint: change the resources in the template: `kubectl describe limitrange`",
    ),
    (
        "error looking up service account default/train: serviceaccount \"train\" not found",
        &["--start-timeout", "1s"],
        "error: the entry point has not started within 1s: cannot create the Job's pod: pods \"my-project-",
        "hint: create the service account in the Job's namespace",
    ),
    (
        "unable to validate against any security context constraint: []",
        &[],
        "error: the entry point cannot start: cannot create the Job's pod: pods \"my-project-",
        "hint: change the securityContext in the template, or use a service account that is allowed to have it",
    ),
    (
        "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
        &[],
        "but provided ratio is 4.000000\n",
        "hint: change the resources in the template: `kubectl describe limitrange`",
    ),
    (
        "no PriorityClass with name high was found",
        &["--start-timeout", "1s"],
        "error: the entry point has not started within 1s: cannot create the Job's pod: pods \"my-project-",
        "hint: name another priorityClassName in the template",
    ),
];

#[test]
fn pods_that_cannot_be_made_end_the_run_in_time() {
    std::thread::scope(|scope| {
        for (denial, arguments, says, hint) in PODS {
            scope.spawn(move || {
                let cluster = ClusterProject::new();
                cluster.server.deny_pods(Some(denial));
                let ended = cluster.start(arguments).end();
                ended
                    .expect_code(1)
                    .expect_stderr(denial)
                    .expect_stderr(says)
                    .expect_stderr(hint);
                assert_eq!(cluster.run().status, "FAILED");
                cluster.server.wait_for("the Job is deleted", |server| {
                    server.jobs().is_empty().then_some(())
                });
            });
        }
    });
}

#[test]
fn a_quota_that_is_freed_in_time_is_told_once_and_waited_for() {
    let cluster = ClusterProject::with(TEMPLATE, Options::default());
    let server = &cluster.server;
    server.deny_pods(Some(
        "exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3",
    ));
    let running = cluster.start(&[]);
    running.wait_for_stderr("warning: cannot create the Job's pod: ");
    // The controller tries again, with another name for the pod each time.
    server.deny_pods(Some(
        "exceeded quota: team, requested: pods=1, used: pods=4, limited: pods=3",
    ));
    server.another_pod();
    server.deny_pods(None);
    server.another_pod();
    server.succeed(&["done"]);
    let ended = running.end().with_code(0);
    let told = ended.stderr.matches("cannot create the Job's pod").count();
    assert_eq!(told, 1, "{}", ended.stderr);
}
