//! The created Job, and what the run records about it.

use fake_kubernetes::Options;
use serde_json::{Value, json};

use super::cluster::{ClusterProject, IMAGE, TEMPLATE};
use crate::harness::{assert_lacks, assert_starts_with};

#[test]
fn a_job_is_created_followed_and_recorded() {
    let cluster = ClusterProject::new();
    let running = cluster.start(&["--experiment-name", "x"]);
    let pod = cluster.server.pod(0);
    cluster.server.start_pod(&pod);
    cluster.server.log(&pod, "first");
    running.wait_for_stdout("first\n");
    cluster.server.log(&pod, "second");
    cluster.server.log_bytes(&pod, b"no end");
    cluster.server.end_pod(&pod, 0, "Completed");
    cluster.server.end_job(None);
    let ended = running.end().with_code(0);
    assert_eq!(ended.stdout, "first\nsecond\nno end");
    let run = cluster.run();
    let job = cluster.server.jobs().remove(0);
    let name = job["metadata"]["name"].as_str().unwrap().to_owned();
    assert_starts_with(&name, "my-project-20");
    for line in [
        format!("=== Creating Job {name} ===\nWaiting for Job to start\nJob started.\n"),
        format!("=== Run (ID '{}') succeeded ===\n", run.run_id),
    ] {
        ended.expect_stderr(&line);
    }
    assert_eq!(run.status, "FINISHED");
    for (tag, value) in [
        ("mlflow.project.backend", "kubernetes"),
        ("mlflow.project.env", "docker"),
        ("mlflow.docker.image.uri", IMAGE),
        ("mlrun.kubernetes.context", "test"),
        ("mlrun.kubernetes.namespace", "default"),
        ("mlrun.kubernetes.job", &name),
    ] {
        assert_eq!(run.tags.get(tag).map(String::as_str), Some(value), "{tag}");
    }
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["name"], "my-project");
    assert_eq!(container["image"], IMAGE);
    assert_eq!(
        container["command"],
        json!(["python", "train.py", "a b", "--x", "1"])
    );
    assert_eq!(
        container["env"][0],
        json!({"name": "MLFLOW_RUN_ID", "value": run.run_id})
    );
    let annotation = job["metadata"]["annotations"]["mlflow.org/run"].as_str().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(annotation).unwrap(),
        json!({"run_id": run.run_id, "project": "My Project", "entry_point": "main"})
    );
    assert_eq!(job["metadata"]["labels"]["mlflow.org/run-id"], run.run_id);
}

#[test]
fn a_failed_entry_point_fails_the_run() {
    let cluster = ClusterProject::new();
    let running = cluster.start(&[]);
    cluster.server.fail(3, "Error");
    let ended = running.end();
    ended
        .expect_code(1)
        .expect_stderr("The entry point ended with exit code 3\n");
    assert_eq!(cluster.run().status, "FAILED");
}

#[test]
fn the_template_is_kept_and_variables_reach_the_container() {
    let template = r"apiVersion: batch/v1
kind: Job
metadata: {namespace: mlflow, labels: {team: a}}
spec:
  template:
    spec:
      restartPolicy: Never
      volumes:
      - {name: v, configMap: {name: c, defaultMode: 0644}}
      containers:
      - resources: {limits: {cpu: 2}}
        env: [{name: MLFLOW_TRACKING_URI, value: replaced}, {name: KEPT, value: 'yes'}]
      - {name: side, image: side:1}
";
    let cluster = ClusterProject::with(template, Options::default())
        .env("KUBE_MLFLOW_TRACKING_URI", "http://mlflow.mlflow.svc:5000")
        .env("COPIED", "of this machine");
    cluster.project.sandbox().write(
        "project/MLproject",
        format!(
            r#"name: p
docker_env:
  image: {IMAGE}
  environment: ["COPIED", ["SET", "$(x)"], ["KEPT", "no"]]
entry_points:
  main:
    command: echo $HOME && echo $(date)
"#
        ),
    );
    let running = cluster.start(&["--no-logs"]);
    cluster.server.succeed(&["not shown"]);
    let ended = running.end().with_code(0);
    assert_eq!(ended.stdout, "");
    let job = cluster.server.jobs().remove(0);
    assert_eq!(job["metadata"]["namespace"], "mlflow");
    assert_eq!(job["metadata"]["labels"]["team"], "a");
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"][0]["configMap"]["defaultMode"], 420);
    assert_eq!(pod["containers"][1], json!({"name": "side", "image": "side:1"}));
    let container = &pod["containers"][0];
    assert_eq!(container["resources"]["limits"]["cpu"], "2");
    assert_eq!(
        container["command"],
        json!(["sh", "-c", "echo $HOME && echo $$(date)"])
    );
    let variables: Vec<(String, String)> = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| {
            let text = |key: &str| variable[key].as_str().unwrap().to_owned();
            (text("name"), text("value"))
        })
        .filter(|(name, _)| name != "MLFLOW_RUN_ID")
        .collect();
    let expected = [
        ("KEPT", "yes"),
        ("MLFLOW_EXPERIMENT_ID", "0"),
        ("MLFLOW_TRACKING_URI", "http://mlflow.mlflow.svc:5000"),
        ("COPIED", "of this machine"),
        ("SET", "$$(x)"),
    ];
    let expected: Vec<(String, String)> = expected
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(variables, expected);
}

#[test]
fn what_else_the_template_has_stays_as_it_is() {
    let template = "metadata: {name: replaced, generateName: replaced-, annotations: {b: c}}\nspec:\n  backoffLimit: 0\n  template:\n    \
        metadata: {labels: {d: e}}\n    spec:\n      restartPolicy: Never\n      containers:\n      - name: replaced\n        args: [kept]\n        \
        env:\n        - {name: FIRST, value: '1'}\n        - {name: MLFLOW_RUN_ID, value: replaced}\n        \
        - {name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: k}}}\n      - {name: p, image: side}\n";
    let cluster = ClusterProject::with(template, Options::default());
    let sandbox = cluster.project.sandbox();
    sandbox.write(
        "project/MLproject",
        format!(
            r#"name: p
docker_env:
  image: {IMAGE}
  environment: [["TOKEN", "of docker_env"]]
entry_points:
  main:
    command: id
"#
        ),
    );
    sandbox.write(
        "config.json",
        r#"{"repository-uri": "a/b", "kube-job-template-path": "job.yaml", "kube_context": "typo"}"#,
    );
    let running = cluster.start(&[]);
    cluster.server.succeed(&[]);
    running.end().expect_code(0).expect_stderr(
        "ignoring unknown key 'kube_context' in the backend config; did you mean 'kube-context'?\n",
    );
    let run_id = cluster.run().run_id;
    let job = cluster.server.jobs().remove(0);
    let name = job["metadata"]["name"].as_str().unwrap();
    assert_starts_with(name, "p-20");
    assert!(job["metadata"].get("generateName").is_none());
    assert_eq!(job["metadata"]["annotations"]["b"], "c");
    assert_eq!(job["spec"]["template"]["metadata"]["labels"]["d"], "e");
    let containers = &job["spec"]["template"]["spec"]["containers"];
    assert_eq!(
        containers[0]["name"], "p-2",
        "no pod takes two containers of one name"
    );
    assert_eq!(containers[1], json!({"name": "p", "image": "side"}));
    assert_eq!(containers[0]["args"], json!(["kept"]));
    let variables = containers[0]["env"].as_array().unwrap();
    assert_eq!(
        variables[..3],
        [
            json!({"name": "FIRST", "value": "1"}),
            json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
            json!({"name": "MLFLOW_RUN_ID", "value": run_id}),
        ]
    );
    assert!(!variables.contains(&json!({"name": "TOKEN", "value": "of docker_env"})));
}

#[test]
fn a_dry_run_shows_the_job_and_creates_nothing() {
    let cluster = ClusterProject::new().env("TOKEN", "s3cret");
    cluster.project.sandbox().write(
        "project/MLproject",
        format!(
            r#"name: p
docker_env:
  image: {IMAGE}
  environment: ["TOKEN"]
entry_points:
  main:
    command: id
"#
        ),
    );
    let ended = cluster.start(&["--dry-run"]).end().with_code(0);
    assert!(cluster.server.jobs().is_empty());
    assert!(!cluster.project.sandbox().work().join("mlflow.db").exists());
    let lines: Vec<&str> = ended.stdout.lines().map(str::trim).collect();
    let shown = lines.join("\n");
    for text in [
        "image registry.example.com/team/base:1 (pulled by the machine that runs it)\n",
        "the cluster of context 'test' (http://127.0.0.1:",
        "namespace\ndefault\n",
        "job\napiVersion: batch/v1\nkind: Job\nmetadata:\nname: p-20",
        "- name: p\nimage: registry.example.com/team/base:1\n",
        "- name: TOKEN\nvalue: <the value of TOKEN on this machine>\n",
    ] {
        assert!(shown.contains(text), "{text}\n{}", ended.stdout);
    }
    assert_lacks(&ended.stdout, "s3cret");
}

#[test]
fn what_the_cluster_does_not_take_is_pointed_at() {
    let strict = || Options::default();
    let warning = || Options {
        unknown_fields_are_warned_of: true,
        ..Options::default()
    };
    let template = TEMPLATE.replace("restartPolicy: Never", "restartPolicy: Always");
    let ended = ClusterProject::with(&template, strict()).start(&[]).end();
    ended
        .expect_code(1)
        .expect_stderr("error: the cluster rejected the Job: Job.batch \"my-project-");
    ended.expect_stderr("Required value: valid values: \"OnFailure\", \"Never\"\n  --> job.yaml:5:7\n");

    let template = format!("{TEMPLATE}        imagePulPolicy: Always\n").replace("- {}", "- image: x");
    let cluster = ClusterProject::with(&template, warning());
    let running = cluster.start(&[]);
    cluster.server.succeed(&[]);
    let ended = running.end();
    ended.expect_code(0).expect_stderr(
        "warning: the cluster reports: unknown field \"spec.template.spec.containers[0].imagePulPolicy\" (job.yaml:8:9)\n",
    );

    let template = TEMPLATE.replace("- {}", "- env: [{name: A, value: 1}]");
    let cluster = ClusterProject::with(&template, strict());
    let ended = cluster.start(&[]).end();
    ended
        .expect_code(1)
        .expect_stderr("error: the cluster rejected the Job: ");
    assert!(
        !cluster.project.sandbox().work().join("mlflow.db").exists(),
        "no run is created"
    );
}

#[test]
fn wrong_configurations_and_templates_are_said_before_anything_is_done() {
    let cluster = ClusterProject::new();
    let sandbox = cluster.project.sandbox();
    sandbox.write("bad.yaml", "spec:\n  template: [\n");
    sandbox.write("sub/beside.yaml", TEMPLATE.replace("- {}", "- x"));
    sandbox.write(
        "sub/config.json",
        r#"{"repository-uri": "a/b", "kube-job-template-path": "beside.yaml"}"#,
    );
    for (config, expected) in [
        (
            "{}",
            "error: missing 'repository-uri' and 'kube-job-template-path' in the backend config\n",
        ),
        (
            r#"{"repository-url": "a/b", "kube-job-template-path": "job.yaml"}"#,
            "hint: did you mean 'repository-uri' instead of 'repository-url'?\n",
        ),
        (
            r#"{"repository-uri": 1, "kube-job-template-path": "job.yaml"}"#,
            "error: 'repository-uri' in the backend config must be text, not 1\n",
        ),
        (
            r#"{"repository-uri": "a/b:tag", "kube-job-template-path": "job.yaml"}"#,
            "error: 'a/b:tag' is not a valid image repository (repository-uri)\n",
        ),
        (
            r#"{"repository-uri": "a/b", "kube-job-template-path": "no.yaml"}"#,
            "error: cannot read the Job template 'no.yaml' (kube-job-template-path)\n",
        ),
        (
            r#"{"repository-uri": "a/b", "kube-job-template-path": "bad.yaml"}"#,
            "  --> bad.yaml:3:1\n",
        ),
        (
            "sub/config.json",
            "error: a container must be a mapping, not text\n  --> ",
        ),
        (
            r#"{"repository-uri": "a/b", "kube-job-template-path": "job.yaml", "kube-context": "tset"}"#,
            "hint: did you mean 'test'?\n",
        ),
    ] {
        let ended = cluster
            .start_mlrun(&[
                "run",
                "project",
                "-b",
                "kubernetes",
                "-c",
                config,
                "--no-build-image",
            ])
            .end();
        ended.expect_code(1).expect_stderr(expected);
    }
    sandbox.write(
        "project/MLproject",
        "name: p\nentry_points:\n  main:\n    command: id\n",
    );
    let ended = cluster.start(&[]).end();
    ended
        .expect_code(1)
        .expect_stderr("error: only projects with docker_env can run on Kubernetes\n");
    assert!(cluster.server.requests().is_empty());
}

#[test]
fn data_that_no_pod_would_see_is_an_error() {
    let cluster = ClusterProject::new();
    cluster.project.sandbox().write(
        "project/MLproject",
        format!(
            r"name: p
docker_env:
  image: {IMAGE}
entry_points:
  main:
    parameters: {{data: path}}
    command: id {{data}}
"
        ),
    );
    let ended = cluster.start(&["-P", "data=http://127.0.0.1:1/x.csv"]).end();
    ended
        .expect_code(1)
        .expect_stderr("error: a parameter of type path would be downloaded to this machine")
        .expect_stderr("hint: declare the parameter as `type: uri`");
    let running = cluster.start(&["-P", "data=project/MLproject"]);
    cluster.server.succeed(&[]);
    running
        .end()
        .expect_code(0)
        .expect_stderr("warning: pods cannot reach the tracking store");
}
