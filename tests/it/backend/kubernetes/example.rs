//! `examples/kubernetes` run by mlrun and by the reference: a real build, a real registry, and a node that runs
//! its images.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use fake_kubernetes::{Options, Server};
use serde_json::{Value, json};

use crate::backend::docker::registry::Registry;
use crate::harness::docker::{Docker, TestImage, unique_name};
use crate::harness::{Requirement, Sandbox, StoreContents, assert_starts_with, require};

/// The example in a sandbox, with the names of this machine's registry and cluster.
struct Example {
    sandbox: Sandbox,
    server: Server,
    repository: String,
}

impl Example {
    fn new(docker: &Docker, registry: &Registry, base: &str) -> Self {
        let server = Server::start(Options::default());
        let sandbox = Sandbox::new();
        let repository = format!("{}/{}", registry.address, unique_name());
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kubernetes");
        for name in [
            "MLproject",
            "estimate.sh",
            "kubernetes_config.json",
            "kubernetes_job_template.yaml",
        ] {
            let text = std::fs::read_to_string(example.join(name)).unwrap();
            let text = text
                .replace("image: busybox", &format!("image: {base}"))
                .replace("docker-desktop", "test")
                .replace("username/mlflow-kubernetes-example", &repository)
                .replace(
                    "\"kubernetes_job_template.yaml\"",
                    "\"examples/kubernetes/kubernetes_job_template.yaml\"",
                );
            sandbox.write(format!("examples/kubernetes/{name}"), text);
        }
        sandbox.write("kubeconfig", server.kubeconfig(json!({}), json!({}), None));
        sandbox.link_program("docker", &docker.program);
        Self {
            sandbox,
            server,
            repository,
        }
    }

    /// Runs a program with the arguments of the README while a node runs the Job. Gives the Job as it was
    /// sent, the program's output.
    fn run(&self, docker: &Docker, program: &Path, options: &[&str]) -> (Value, String) {
        let mut command = self.sandbox.command(program);
        command
            .args(["run", "examples/kubernetes", "-b", "kubernetes"])
            .args([
                "-c",
                "examples/kubernetes/kubernetes_config.json",
                "-P",
                "points=2000",
            ])
            .args(options)
            .env("KUBECONFIG", self.sandbox.work().join("kubeconfig"))
            .env(
                "MLFLOW_TRACKING_URI",
                if options.is_empty() {
                    "sqlite:///mlflow.db"
                } else {
                    "./mlruns"
                },
            )
            .env("MLFLOW_ALLOW_FILE_STORE", "true")
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("KUBE_MLFLOW_TRACKING_URI", "http://mlflow.example.com:5000")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let program = command.spawn().unwrap();
        let output = thread::scope(|scope| {
            scope.spawn(|| run_pod(&self.server, docker));
            program.wait_with_output().unwrap()
        });
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let requests = self.server.requests();
        let sent = requests
            .iter()
            .rev()
            .find(|request| request.method == "POST" && request.code == 201);
        let sent = sent.unwrap_or_else(|| panic!("no Job was created: {stderr}"));
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
        (sent.body.clone(), stdout + &stderr)
    }
}

#[test]
fn the_example_runs_from_its_image_in_the_registry() {
    let (Some(docker), Some(registry)) = (Docker::find(), Registry::start(false)) else {
        return;
    };
    let Some(base) = docker.busybox() else { return };
    let example = Example::new(docker, &registry, &base);
    let _image = TestImage(docker, example.repository.clone());
    let (job, output) = example.run(docker, Path::new(env!("CARGO_BIN_EXE_mlrun")), &[]);
    let run = StoreContents::of_sqlite(&example.sandbox.work().join("mlflow.db"))
        .run()
        .clone();
    let expected = format!("run {}\npi is about 3.1411\n", run.run_id);
    assert_starts_with(&output, &expected);
    assert_eq!(run.status, "FINISHED");
    let digest = &run.tags["mlflow.docker.image.id"];
    assert_starts_with(digest, "sha256:");
    assert_eq!(run.tags["mlflow.docker.image.uri"], example.repository);
    let image = &job["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(*image, format!("{}@{digest}", example.repository));
    for line in [
        "=== Building docker image ",
        "=== Pushing docker image ",
        "latest: digest: sha256:",
    ] {
        assert!(output.contains(line), "{line}\n{output}");
    }
}

/// What mlrun's Job has other than the reference's, and why.
const IMPROVEMENTS: &[(&str, &str)] = &[
    ("/metadata/name", "made valid, and unique in a second"),
    ("/metadata/labels", "the run can be found"),
    ("/metadata/annotations", "the run can be found"),
    ("/spec/template/metadata", "the run's pods can be found"),
    ("/spec/template/spec/containers/0/name", "made valid"),
    (
        "/spec/template/spec/containers/0/image",
        "the repository has no tag; the digest is the same",
    ),
    (
        "/spec/template/spec/containers/0/env",
        "another run; the store's variables",
    ),
];

#[test]
fn the_job_is_that_of_the_reference_but_for_the_improvements() {
    let (Some(docker), Some(registry)) = (Docker::find(), Registry::start(false)) else {
        return;
    };
    let (Some(base), Some(venv)) = (docker.busybox(), require(Requirement::Kubernetes)) else {
        return;
    };
    let own = Example::new(docker, &registry, &base);
    let reference = Example::new(docker, &registry, &base);
    let _images = [
        TestImage(docker, own.repository.clone()),
        TestImage(docker, reference.repository.clone()),
    ];
    // The reference takes only names that are valid already.
    for example in [&own, &reference] {
        let path = example.sandbox.work().join("examples/kubernetes/MLproject");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replace("kubernetes example", "kubernetes-example")).unwrap();
    }
    let (ours, _) = own.run(docker, Path::new(env!("CARGO_BIN_EXE_mlrun")), &[]);
    let (theirs, _) = reference.run(docker, &venv.join("bin/mlflow"), &["--build-image"]);
    let mut differences = Vec::new();
    compare(&ours, &theirs, "", &mut differences);
    differences.retain(|place| !IMPROVEMENTS.iter().any(|(known, _)| place.starts_with(known)));
    assert!(differences.is_empty(), "{differences:?}\n{ours:#}\n{theirs:#}");

    let container = |job: &Value| job["spec"]["template"]["spec"]["containers"][0].clone();
    let (ours, theirs) = (container(&ours), container(&theirs));
    assert_eq!(ours["name"], theirs["name"]);
    let digest = |image: &Value| image.as_str().unwrap().split_once('@').unwrap().1.to_owned();
    assert_eq!(digest(&ours["image"]).len(), digest(&theirs["image"]).len());
    let names = |container: &Value| -> Vec<Value> {
        let variables = container["env"].as_array().unwrap().iter();
        variables.map(|variable| variable["name"].clone()).collect()
    };
    let mut names_of_ours = names(&ours);
    names_of_ours.sort_by_key(Value::to_string);
    let mut names_of_theirs = names(&theirs);
    names_of_theirs.sort_by_key(Value::to_string);
    assert_eq!(names_of_ours, names_of_theirs);
}

/// The places at which two values differ.
fn compare(ours: &Value, theirs: &Value, place: &str, differences: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let (left, right) = (
                    left.get(key).unwrap_or(&Value::Null),
                    right.get(key).unwrap_or(&Value::Null),
                );
                compare(left, right, &format!("{place}/{key}"), differences);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                compare(left, right, &format!("{place}/{index}"), differences);
            }
        }
        _ if ours != theirs => differences.push(place.to_owned()),
        _ => {}
    }
}

/// Runs the first container of the next pod as a node would, and ends the Job as it ends. Gives the Job.
pub(super) fn run_pod(server: &Server, docker: &Docker) -> Value {
    let pod = server.pod(0);
    let job = server.jobs().remove(0);
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let image = container["image"].as_str().unwrap();
    // From the registry, not what this machine has by chance.
    docker.output(&["pull", "--quiet", image]);
    let words: Vec<String> = words(&container["command"]).map(|word| expanded(&word)).collect();
    let mut arguments = vec![
        "run".to_owned(),
        "--rm".to_owned(),
        "--network".to_owned(),
        "host".to_owned(),
    ];
    for variable in container["env"].as_array().into_iter().flatten() {
        let text = |key: &str| variable[key].as_str().unwrap_or_default().to_owned();
        arguments.extend([
            "-e".to_owned(),
            format!("{}={}", text("name"), expanded(&text("value"))),
        ]);
    }
    arguments.extend(["--entrypoint".to_owned(), words[0].clone(), image.to_owned()]);
    arguments.extend_from_slice(&words[1..]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut container = docker.call(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    server.start_pod(&pod);
    let mut output = BufReader::new(container.stdout.take().unwrap());
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).unwrap() > 0 {
        server.log_bytes(&pod, &line);
        line.clear();
    }
    let code = container.wait().unwrap().code().unwrap();
    server.end_pod(&pod, code.into(), if code == 0 { "Completed" } else { "Error" });
    let failure = (code != 0).then_some((
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    ));
    server.end_job(failure);
    job
}

fn words(value: &Value) -> impl Iterator<Item = String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|word| word.as_str().unwrap().to_owned())
}

/// As Kubernetes expands words, for words that name no variable.
fn expanded(text: &str) -> String {
    text.replace("$$", "$")
}
