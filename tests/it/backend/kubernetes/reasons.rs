//! Why a run failed, reported in time.

use fake_kubernetes::{Options, Server};
use serde_json::{Value, json};

use super::cluster::{ClusterProject, Running, TEMPLATE};

/// What becomes of a Job, and what mlrun says to it.
struct Case {
    name: &'static str,
    /// Lines of the template below `spec:`.
    spec: &'static str,
    arguments: &'static [&'static str],
    happens: fn(&Server, &Running<'_>),
    says: &'static [&'static str],
}

/// Has a container wait for this reason, among those that the template names so.
fn waiting_among(kind: &str, index: usize, reason: &str) -> impl Fn(&mut Value) + use<> {
    let statuses = kind.replace("ontainers", "ontainerStatuses");
    let (kind, state) = (
        kind.to_owned(),
        json!({"waiting": {"reason": reason, "message": ""}}),
    );
    move |pod| {
        let container = &pod["spec"][&kind][index];
        let status = json!({
            "name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0, "ready": false,
            "state": state, "lastState": {},
        });
        match pod["status"][&statuses].as_array_mut() {
            Some(statuses) => statuses[index] = status,
            None => pod["status"][&statuses] = json!([status]),
        }
    }
}

fn waiting(reason: &str, message: &str) -> impl Fn(&mut Value) + use<> {
    let state = json!({"waiting": {"reason": reason, "message": message}});
    move |pod| {
        let container = &pod["spec"]["containers"][0];
        pod["status"]["containerStatuses"] = json!([{
            "name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0, "ready": false,
            "state": state, "lastState": {},
        }]);
    }
}

const BESIDE: &str =
    "template: {spec: {restartPolicy: Never, containers: [{}, {name: side, image: 'Side:1'}]}}";
const BEFORE: &str = "template: {spec: {restartPolicy: Never, containers: [{}], initContainers: [{name: first, image: 'First:1'}]}}";

const TIMEOUT: &[&str] = &["--start-timeout", "1s"];

/// Longer than any test takes, so nothing times out.
const AT_ONCE: &[&str] = &["--start-timeout", "1h"];

const NO_PROGRAM: &str = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create \
    failed: unable to start container process: exec: \"pyhton\": executable file not found in $PATH: unknown";

const CASES: &[Case] = &[
    Case {
        name: "unschedulable",
        spec: "",
        arguments: TIMEOUT,
        happens: |server, _| {
            server.change_pod(&server.pod(0), |pod| {
                pod["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                    "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}]);
            });
        },
        says: &[
            "warning: no node can run the pod: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.\n",
            "error: the entry point has not started within 1s: no node can run the pod: 0/3 nodes",
            "hint: request less in the template",
        ],
    },
    Case {
        name: "an image that cannot be pulled",
        spec: "",
        arguments: TIMEOUT,
        happens: |server, _| {
            let pod = server.pod(0);
            server.change_pod(&pod, waiting("ErrImagePull", "manifest unknown"));
            server.change_pod(&pod, waiting("ImagePullBackOff", "Back-off pulling image"));
        },
        says: &[
            "cannot pull the image 'registry.example.com/team/base:1' (ImagePullBackOff): Back-off pulling image\n",
            "hint: check that the cluster can reach the registry of repository-uri; a private registry needs imagePullSecrets in the template\n",
        ],
    },
    Case {
        name: "a missing secret",
        spec: "",
        arguments: TIMEOUT,
        happens: |server, _| {
            server.change_pod(
                &server.pod(0),
                waiting("CreateContainerConfigError", "secret \"s\" not found"),
            );
        },
        says: &[
            "error: the entry point has not started within 1s: the container 'my-project' has an invalid configuration (CreateContainerConfigError): secret \"s\" not found\n",
            "hint: create the Secret or ConfigMap",
        ],
    },
    Case {
        name: "an image's name that is not valid",
        spec: "",
        arguments: AT_ONCE,
        happens: |server, _| {
            let message = "Failed to apply default image tag \"A:1\": couldn't parse image name \"A:1\": invalid reference format";
            server.change_pod(&server.pod(0), waiting("InvalidImageName", message));
        },
        says: &[
            "error: the entry point cannot start: 'registry.example.com/team/base:1' is not a valid image name \
             (InvalidImageName): Failed to apply default image tag",
            "hint: correct the image name: repository-uri in the backend config",
        ],
    },
    Case {
        name: "an image's name that is not valid, of the container before",
        spec: BEFORE,
        arguments: AT_ONCE,
        happens: |server, _| {
            server.change_pod(
                &server.pod(0),
                waiting_among("initContainers", 0, "InvalidImageName"),
            );
        },
        says: &[
            "error: the entry point cannot start: 'First:1' is not a valid image name (InvalidImageName)\n",
        ],
    },
    Case {
        name: "an image's name that is not valid, of the container beside",
        spec: BESIDE,
        arguments: AT_ONCE,
        happens: |server, _| {
            let pod = server.pod(0);
            server.start_pod(&pod);
            server.change_pod(&pod, waiting_among("containers", 1, "InvalidImageName"));
        },
        says: &["'Side:1' is not a valid image name (InvalidImageName)\n"],
    },
    Case {
        name: "an image that must be on the node",
        spec: "",
        arguments: TIMEOUT,
        happens: |server, _| {
            let message = "Container image \"registry.example.com/team/base:1\" is not present with pull policy of Never";
            server.change_pod(&server.pod(0), waiting("ErrImageNeverPull", message));
        },
        says: &[
            "the image 'registry.example.com/team/base:1' is not on the node (ErrImageNeverPull)",
            "hint: load the image onto the node",
        ],
    },
    Case {
        name: "a user that the image does not have",
        spec: "",
        arguments: AT_ONCE,
        happens: |server, _| {
            let message =
                "container has runAsNonRoot and image will run as root (pod: \"x\", container: my-project)";
            server.change_pod(&server.pod(0), waiting("CreateContainerConfigError", message));
        },
        says: &[
            "error: the entry point cannot start: the container 'my-project' has an invalid configuration",
            "hint: set securityContext.runAsUser in the template",
        ],
    },
    Case {
        name: "a program that is not there, and the pod tries again",
        spec: "backoffLimit: 6",
        arguments: AT_ONCE,
        happens: |server, _| {
            let pod = server.pod(0);
            server.change_pod(&pod, waiting("RunContainerError", NO_PROGRAM));
        },
        says: &[
            "error: the entry point cannot start: cannot start the container 'my-project' (RunContainerError): failed to \
             create containerd task",
            "hint: the image does not have the command's program",
        ],
    },
    Case {
        name: "a program that is not there, and the pod has tried again",
        spec: "backoffLimit: 6",
        arguments: AT_ONCE,
        happens: |server, _| {
            let pod = server.pod(0);
            let wait = waiting("CrashLoopBackOff", "back-off 10s restarting failed container");
            server.change_pod(&pod, |pod| {
                wait(pod);
                let status = &mut pod["status"]["containerStatuses"][0];
                status["restartCount"] = 1.into();
                status["lastState"] =
                    json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": NO_PROGRAM}});
            });
        },
        says: &[
            "error: the entry point cannot start: cannot start the container 'my-project' (StartError): failed to create",
            "hint: the image does not have the command's program",
        ],
    },
    Case {
        name: "a program that is not there, and the Job tries again",
        spec: "backoffLimit: 6",
        arguments: AT_ONCE,
        happens: |server, _| {
            let pod = server.pod(0);
            server.change_pod(&pod, |pod| {
                pod["status"] = json!({"phase": "Failed", "containerStatuses": [{
                    "name": pod["spec"]["containers"][0]["name"], "image": "x", "imageID": "", "restartCount": 0, "ready": false,
                    "state": {"terminated": {"exitCode": 128, "reason": "StartError", "message": NO_PROGRAM}},
                }]});
            });
        },
        says: &[
            "error: the entry point cannot start: cannot start the entry point (StartError): failed to create",
            "hint: the image does not have the command's program",
        ],
    },
    Case {
        name: "a volume that cannot be mounted",
        spec: "",
        arguments: TIMEOUT,
        happens: |server, _| {
            server.event("Pod", &server.pod(0), "FailedMount", "configmap \"c\" not found");
        },
        says: &[
            "error: the entry point has not started within 1s: cannot mount a volume of the pod: configmap \"c\" not found\n",
        ],
    },
    Case {
        name: "no pod can be made",
        spec: "suspend: true",
        arguments: TIMEOUT,
        happens: |server, running| {
            let job = server.wait_for("there is a Job", |server| {
                Some(server.jobs().first()?["metadata"]["name"].as_str()?.to_owned())
            });
            running.wait_for_stderr("The Job is suspended");
            server.change_job(&job, |job| job["spec"]["suspend"] = false.into());
            server.event(
                "Job",
                &job,
                "FailedCreate",
                "pods \"x\" is forbidden: exceeded quota: q",
            );
        },
        says: &[
            "The Job is suspended; it starts when it is resumed\n",
            "warning: cannot create the Job's pod: pods \"x\" is forbidden: exceeded quota: q\n",
            "hint: wait until other workloads finish",
        ],
    },
    Case {
        name: "a start that takes long for no reason",
        spec: "",
        arguments: TIMEOUT,
        happens: |_, _| {},
        says: &[
            "error: the entry point has not started within 1s: the pod is Pending\n",
            "hint: allow more time with --start-timeout\n",
        ],
    },
    Case {
        name: "out of memory",
        spec: "",
        arguments: &[],
        happens: |server, _| server.fail(137, "OOMKilled"),
        says: &[
            "error: the entry point exceeded its memory limit and was killed (OOMKilled)\n",
            "hint: raise resources.limits.memory",
        ],
    },
    Case {
        name: "a Job's deadline",
        spec: "activeDeadlineSeconds: 5",
        arguments: &[],
        happens: |server, _| {
            let pod = server.pod(0);
            server.start_pod(&pod);
            server.log(&pod, "so far");
            server.end_job(Some((
                "DeadlineExceeded",
                "Job was active longer than specified deadline",
            )));
            server.end_pod(&pod, 143, "Error");
        },
        says: &[
            "error: the Job exceeded its activeDeadlineSeconds of 5s\n",
            "hint: raise activeDeadlineSeconds in the template\n",
        ],
    },
    Case {
        name: "evicted",
        spec: "",
        arguments: &[],
        happens: |server, _| {
            let pod = server.pod(0);
            server.start_pod(&pod);
            server.change_pod(&pod, |pod| {
                pod["status"] = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
            });
            server.end_job(Some((
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit",
            )));
        },
        says: &[
            "was evicted: The node was low on resource: memory.\n",
            "hint: request what the entry point needs",
        ],
    },
    Case {
        name: "a program that is not there",
        spec: "",
        arguments: &[],
        happens: |server, _| {
            let pod = server.pod(0);
            server.start_pod(&pod);
            server.end_pod(&pod, 128, "StartError");
            server.change_pod(&pod, |pod| {
                pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] =
                    "exec: \"python\": executable file not found in $PATH".into();
            });
            server.end_job(Some(("BackoffLimitExceeded", "")));
        },
        says: &[
            "error: cannot start the entry point (StartError): exec: \"python\": executable file not found in $PATH\n",
        ],
    },
    Case {
        name: "backoff limit",
        spec: "backoffLimit: 1",
        arguments: &[],
        happens: |server, running| {
            for number in 0..2 {
                if number > 0 {
                    server.another_pod();
                }
                let pod = server.pod(number);
                server.start_pod(&pod);
                server.log(&pod, &format!("attempt {number}"));
                server.end_pod(&pod, 7, "Error");
                running.wait_for_stdout(&format!("attempt {number}\n"));
                running.wait_for_stderr(&format!("Pod '{pod}': the entry point failed with exit code 7\n"));
            }
            server.end_job(Some((
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit",
            )));
        },
        says: &[
            "the entry point failed with exit code 7\n",
            "Job has reached the specified backoff limit\nThe entry point ended with exit code 7\n",
        ],
    },
];

#[test]
fn every_reason_is_told() {
    let failures: Vec<String> = std::thread::scope(|scope| {
        let cases: Vec<_> = CASES
            .iter()
            .map(|case| scope.spawn(|| failures_of(case)))
            .collect();
        cases.into_iter().flat_map(|case| case.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn failures_of(case: &Case) -> Vec<String> {
    let mut template = TEMPLATE.to_owned();
    if case.spec.starts_with("template:") {
        template = format!("spec:\n  backoffLimit: 0\n  {}\n", case.spec);
    } else if !case.spec.is_empty() {
        template = template.replace("backoffLimit: 0", case.spec);
        if !case.spec.contains("backoffLimit") {
            template = template.replace(case.spec, &format!("backoffLimit: 0\n  {}", case.spec));
        }
    }
    let cluster = ClusterProject::with(&template, Options::default());
    let running = cluster.start(case.arguments);
    (case.happens)(&cluster.server, &running);
    let ended = running.end();
    let mut failures = Vec::new();
    if ended.code != 1 {
        failures.push(format!(
            "{}: exit code {}\n{}",
            case.name, ended.code, ended.stderr
        ));
    }
    for text in case.says {
        if !ended.stderr.contains(text) {
            failures.push(format!("{}: {text:?} is missing in\n{}", case.name, ended.stderr));
        }
    }
    let status = cluster.run().status;
    if status != "FAILED" {
        failures.push(format!("{}: the run is {status}", case.name));
    }
    // A Job that did not start is taken away.
    if [TIMEOUT, AT_ONCE].contains(&case.arguments) {
        cluster.server.wait_for("the Job is deleted", |server| {
            server.jobs().is_empty().then_some(())
        });
    }
    failures
}
