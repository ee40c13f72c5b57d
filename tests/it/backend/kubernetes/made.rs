//! Templates: their values, their mistakes, and the names that mlrun sets.

use fake_kubernetes::{Options, Server};
use serde_json::{Value, json};

use super::cluster::{ClusterProject, Ended, IMAGE, TEMPLATE};
use crate::harness::assert_starts_with;

/// A project with this name and these lines below `docker_env`. Unknown fields of its Jobs are warned of.
fn project(template: &str, name: &str, environment: &str) -> ClusterProject {
    let options = Options {
        unknown_fields_are_warned_of: true,
        ..Options::default()
    };
    let cluster = ClusterProject::with(template, options);
    cluster.project.sandbox().write(
        "project/MLproject",
        format!(
            r"name: {}
docker_env:
  image: {IMAGE}
  {environment}
entry_points:
  main:
    command: id
",
            json!(name)
        ),
    );
    cluster
}

/// The Job that the cluster was asked to check, and what was said.
fn checked(cluster: &ClusterProject) -> (Value, Ended) {
    let ended = cluster.start(&["--dry-run"]).end().with_code(0);
    let requests = Server::requests(&cluster.server);
    let sent = requests.into_iter().rfind(|request| request.method == "POST");
    (sent.unwrap().body, ended)
}

#[test]
fn all_values_are_those_of_the_reference() {
    let template = format!(
        "metadata: {{namespace: mlflow, annotations: {{a: 'yes', b: \"0644\", 2: x, true: y}}}}\n\
         unknown: {{mode: 0644, on: off, size: 1e3, float: 1.5, day: 2024-01-02, none: ~, big: 18446744073709551615}}\n{TEMPLATE}"
    );
    let (mut job, ended) = checked(&project(&template, "p", ""));
    ended.expect_stderr("warning: the cluster reports: unknown field \"unknown\" (job.yaml:2:1)\n");
    assert_eq!(job["metadata"]["namespace"], "mlflow");
    assert_eq!(
        job["unknown"],
        json!({"mode": 420, "true": false, "size": "1e3", "float": 1.5, "day": "2024-01-02", "none": null, "big": u64::MAX})
    );
    let annotations = job["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.remove("mlflow.org/run").unwrap();
    assert_eq!(
        job["metadata"]["annotations"],
        json!({"a": "yes", "b": "0644", "2": "x", "true": "y"})
    );
}

#[test]
fn mistakes_are_pointed_at() {
    let cluster = ClusterProject::new();
    for (text, expected) in [
        ("a: [", "expected"),
        (
            "",
            "error: the template must be a Job, not nothing\n  --> job.yaml:1:1\n",
        ),
        (
            "- a",
            "error: the template must be a Job, not a list\n  --> job.yaml:1:1\n",
        ),
        (
            "kind: Pod",
            "error: kind must be Job, not Pod\n  --> job.yaml:1:7\n",
        ),
        (
            "apiVersion: batch/v1beta1",
            "error: apiVersion must be batch/v1, not batch/v1beta1\n  --> job.yaml:1:13\n",
        ),
        ("kind: Job", "error: spec is missing\n  --> job.yaml:1:1\n"),
        (
            "metadata: x\nspec: {}",
            "error: metadata must be a mapping\n  --> job.yaml:1:11\n",
        ),
        (
            "spec:\n  template:\n    x: y\n",
            "error: spec.template.spec is missing\n  --> job.yaml:3:5\n",
        ),
        (
            "spec: {template: {spec: {containers: []}}}",
            "error: containers is empty\n  --> job.yaml:1:38\n",
        ),
        (
            "spec: {template: {spec: {containers: [x]}}}",
            "error: a container must be a mapping, not text\n  --> job.yaml:1:39\n",
        ),
        (
            "spec: .inf",
            "error: a number must be finite\n  --> job.yaml:1:7\n",
        ),
        ("a: 1\n---\nb: 2\n", "  --> job.yaml:2:1\n"),
    ] {
        cluster.project.sandbox().write("job.yaml", text);
        cluster.start(&[]).end().expect_code(1).expect_stderr(expected);
    }
    let (_, ended) = checked(&project(&format!("a: 1\na: 2\n{TEMPLATE}"), "p", ""));
    ended.expect_stderr("warning: duplicate key 'a' in the template; the last one counts: job.yaml:2:1\n");
}

#[test]
fn names_and_labels_are_valid() {
    let long = "x".repeat(100);
    let dotted = format!("{}.", "x".repeat(62));
    let most = &long[..63];
    for (name, container, job_prefix, label) in [
        (
            "docker-example",
            "docker-example",
            "docker-example-20",
            Some("docker-example"),
        ),
        (
            "docker example",
            "docker-example",
            "docker-example-20",
            Some("docker-example"),
        ),
        (
            "My_Project.v2",
            "my-project-v2",
            "my-project-v2-20",
            Some("My_Project.v2"),
        ),
        ("_My Project_", "my-project", "my-project-20", Some("My-Project")),
        (
            "src/train.py",
            "src-train-py",
            "src-train-py-20",
            Some("src-train.py"),
        ),
        ("  Größe/№ 1!", "gr-e-1", "gr-e-1-20", Some("Gr--e---1")),
        ("№", "mlflow-project", "mlflow-project-20", None),
        // The name of a Job is followed by the time and 8 characters of its own.
        (
            "abcdefghijklmnopqrstuvwxyzabcdefgh-j",
            "abcdefghijklmnopqrstuvwxyzabcdefgh-j",
            "abcdefghijklmnopqrstuvwxyzabcdefgh-20",
            Some("abcdefghijklmnopqrstuvwxyzabcdefgh-j"),
        ),
        (
            &dotted,
            &dotted[..62],
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-20",
            Some(&dotted[..62]),
        ),
        (&long, most, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-20", Some(most)),
    ] {
        let (job, _) = checked(&project(TEMPLATE, name, ""));
        let pod = &job["spec"]["template"];
        assert_eq!(pod["spec"]["containers"][0]["name"], container, "{name}");
        let job_name = job["metadata"]["name"].as_str().unwrap();
        assert_starts_with(job_name, job_prefix);
        assert!(job_name.len() <= 63, "{job_name}");
        for metadata in [&job["metadata"], &pod["metadata"]] {
            let label_there = metadata["labels"].get("mlflow.org/project");
            assert_eq!(label_there.and_then(Value::as_str), label, "{name}");
            assert_eq!(metadata["labels"]["mlflow.org/entry-point"], "main");
        }
    }
    // Its pods have longer names.
    let indexed = TEMPLATE.replace(
        "spec:\n  backoff",
        "spec:\n  completionMode: Indexed\n  completions: 1\n  backoff",
    );
    let (job, _) = checked(&project(&indexed, &long, ""));
    assert_eq!(job["metadata"]["name"].as_str().unwrap().len(), 55);
}

#[test]
fn nothing_is_expanded_but_by_the_programs_shell() {
    let texts = [
        ("$", "$"),
        ("$HOME ${x}", "$HOME ${x}"),
        ("$(date)", "$$(date)"),
        ("$$", "$$$"),
        ("$$(date)", "$$$$(date)"),
        ("a$(b)$(c)$", "a$$(b)$$(c)$"),
    ];
    let variables: Vec<Value> = texts
        .iter()
        .map(|(text, _)| json!([format!("V{text}"), text]))
        .collect();
    let (job, _) = checked(&project(
        TEMPLATE,
        "p",
        &format!("environment: {}", json!(variables)),
    ));
    let sent = job["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array()
        .unwrap();
    for (text, expected) in texts {
        let expected = json!({"name": format!("V{text}"), "value": expected});
        assert!(sent.contains(&expected), "{expected} in {sent:?}");
    }
}
