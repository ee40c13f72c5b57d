//! What people read: the whole output of runs that succeed and of every kind of error, as golden
//! texts.

use std::path::Path;

use crate::harness::{Finished, Project, assert_golden, rust_files};

/// The transcripts of one topic, one after another.
#[derive(Default)]
struct Topic(String);

impl Topic {
    fn add(&mut self, finished: &Finished<'_>) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(&without_times(&finished.transcript()));
    }

    #[track_caller]
    fn compare(self, name: &str) {
        assert_golden(name, &self.0);
    }
}

/// The text with the time stamps of JSON lines replaced.
fn without_times(text: &str) -> String {
    let mut parts = text.split("\"time\":");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(part.len());
        result.push_str(&format!("\"time\":<time>{}", &part[end..]));
    }
    result
}

/// A project with one entry point of every kind of parameter.
fn typed() -> Project {
    Project::new().mlproject(
        r#"name: typed

entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
      data: path
      note:
        type: string
        default: none
    command: "cat {data}; echo {alpha} {note}"
  train:
    parameters:
      rate: float
      epochs: {type: int}
    command: "echo {rate} {epochs}"
"#,
    )
}

#[test]
fn runs() {
    let mut topic = Topic::default();
    let project = typed().file("data.txt", "from the file\n");
    topic.add(&project.run([
        "-P",
        "data=project/data.txt",
        "-P",
        "note=two words",
        "-P",
        "more=1",
    ]));
    topic.compare("runs-first");

    let mut topic = Topic::default();
    let project = Project::new()
        .mlproject("entry_points:\n  main:\n    command: ./run.sh\n")
        .executable(
            "run.sh",
            "#!/bin/sh\necho out\necho err >&2\nexit \"${CODE:-0}\"\n",
        );
    topic.add(&project.run(["--experiment-name", "own", "--run-name", "named"]));
    let failing = project.env("CODE", "3");
    topic.add(&failing.run([]));
    let reading = Project::new()
        .mlproject("entry_points:\n  main:\n    command: tr a-z A-Z\n")
        .stdin("input\n");
    topic.add(&reading.run([]));
    topic.compare("runs");
}

#[test]
fn parameters() {
    let mut topic = Topic::default();
    let project = typed();
    topic.add(&project.run([]));
    topic.add(&project.run(["-e", "train"]));
    topic.add(&project.run(["-P", "data=project", "-P", "alpha=abc"]));
    topic.add(&project.run(["-P", "data=missing.csv"]));
    topic.add(&project.run(["-P", "data="]));
    topic.add(&project.run(["-P", "data=project", "-P", "a;b=1"]));
    topic.add(&project.run(["-P", "data=project", "-P", "alfa=1", "--strict-params"]));
    topic.add(&project.run(["-P", "data=project", "-P", "alfa=1", "--dry-run"]));
    topic.compare("errors-parameters");
}

#[test]
fn data() {
    let mut topic = Topic::default();
    for uri in [
        "s3://",
        "sftp://anna:geheim@host/data.csv",
        "mlflow-artifacts:/data.csv",
        "gopher://host/data.csv",
        "file://host/data.csv",
        "https://anna:geheim@host:port/data.csv",
        "http://127.0.0.1:9/data.csv?signature=geheim",
    ] {
        topic.add(&typed().run(["-P", &format!("data={uri}")]));
    }
    let uri = "data=https://host.test/data.csv";
    topic.add(
        &typed()
            .file("file", "")
            .run(["-P", uri, "--storage-dir", "project/file"]),
    );
    topic.add(&typed().run(["-P", uri, "--storage-dir", "storage", "--dry-run"]));
    topic.compare("data");
}

#[test]
fn entry_points() {
    let mut topic = Topic::default();
    let project = typed();
    topic.add(&project.run(["-e", "trian"]));
    topic.add(&project.run(["-e", "train.jl"]));
    topic.add(&Project::new().run([]));
    topic.add(&Project::new().file("MLproject.yaml", "name: x\n").run([]));
    topic.add(
        &Project::new()
            .file("train.py", "")
            .file("src/evaluate.py", "")
            .run([]),
    );
    topic.compare("errors-entry-points");
}

#[test]
fn commands() {
    let mut topic = Topic::default();
    for command in [
        "echo {nmae}",
        "echo {}",
        "echo ${HOME}",
        "echo {",
        "echo {name!x}",
        "echo {name:d}",
        "echo {name.upper}",
    ] {
        let project = Project::new().mlproject(&format!(
            "entry_points:\n  main:\n    parameters:\n      name: {{default: x}}\n    command: \"{command}\"\n"
        ));
        topic.add(&project.run([]));
    }
    topic.compare("errors-commands");
}

#[test]
fn files() {
    let mut topic = Topic::default();
    for text in [
        "entry_points: [unclosed\n",
        "entry_points:\n\tmain:\n",
        "name: !custom x\n",
        "- a list\n",
        "name: x\nentry_points:\n  main: echo\n",
        "name: x\nentry_points:\n  main:\n    parameters: [a]\n    command: echo\n",
        "name: x\nentry_points:\n  main:\n    command: [echo]\n",
        "name: x\nentry_points:\n  main:\n",
        "name: x\nentry_points:\n  main:\n    parameters: {a: {default: 1}}\n",
        "name: x\npython_env: missing.yaml\nentry_points:\n  main: {command: echo}\n",
        "conda_env: a.yaml\ndocker_env: {image: b}\nentry_points:\n  main: {command: echo}\n",
        "docker_env: {volumes: []}\nentry_points:\n  main: {command: echo}\n",
        "name: x\n---\nname: y\n",
        "",
    ] {
        topic.add(&Project::new().mlproject(text).run([]));
    }
    topic.compare("errors-files");
}

#[test]
fn sources() {
    let mut topic = Topic::default();
    let project = typed();
    project.sandbox().write("file.txt", "");
    project.sandbox().write("bad.zip", "no zip");
    for uri in [
        "missing",
        "file:///missing/project",
        "file.txt",
        "bad.zip",
        "missing.zip",
        "project#missing",
        "project#a.b",
        "project#../project",
        "gopher://host/x",
    ] {
        topic.add(&project.mlrun(&["run", uri, "--env-manager", "local"]));
    }
    topic.add(&project.run(["-v", "main"]));
    topic.compare("errors-sources");
}

#[test]
fn stores() {
    let mut topic = Topic::default();
    let project = Project::new().mlproject("entry_points:\n  main:\n    command: echo ran\n");
    topic.add(&project.run(["--experiment-id", "42"]));
    topic.add(&project.run(["--experiment-id", "abc"]));
    topic.add(&project.run(["--run-id", "0123456789abcdef0123456789abcdef"]));
    for uri in [
        "gopher://host/x",
        "http://127.0.0.1:9",
        "sqlite:////proc/no/such/place.db",
        "postgresql://user:secret@host/db",
    ] {
        let project = Project::new()
            .mlproject("entry_points:\n  main:\n    command: echo ran\n")
            .env("MLFLOW_TRACKING_URI", uri)
            .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");
        topic.add(&project.run([]));
    }
    let project = Project::new()
        .mlproject("entry_points:\n  main:\n    command: echo ran\n")
        .env("MLFLOW_TRACKING_URI", "sqlite:///<sandbox>/work/text.db");
    project
        .sandbox()
        .write("text.db", "this is no SQLite database, whatever its name says");
    topic.add(&project.run([]));
    topic.compare("errors-stores");
}

#[test]
fn usage() {
    let mut topic = Topic::default();
    let project = typed();
    for arguments in [
        &["-P", "a"][..],
        &["-P", "a=1", "-P", "a=2"],
        &["--experiment-name", "a", "--experiment-id", "0"],
        &["-c", "{x"],
        &["-c", "missing.json"],
        &["-b", "kubernetes"],
        &["-b", "nope"],
        &["--nope"],
        &["-A", "t", "-A", "t"],
    ] {
        let mut all = vec!["run", "project", "--env-manager", "local"];
        all.extend(arguments);
        topic.add(&project.mlrun(&all));
    }
    for arguments in [
        &["run"][..],
        &["run", "project", "--env-manager", "nope"],
        &["rum"],
        &[],
        &["run", "project", "alpha=0.5", "note=two words"],
        &["run", "project", "--alpha", "0.5"],
        &["run", "project", "--token=s3cret"],
        &["run", "train.py", "-P", "alpha=0.5"],
        &["run", "project/train.py"],
        &["run", "project/MLproject"],
        &["run", "project", "train"],
        &["project", "-P", "alpha=0.5"],
        &["-P", "alpha=0.5", "run", "project"],
        &["run", "project", "--mode", "databricks"],
        &["run", "project", "--cluster-spec", "cluster.json"],
        &["run", "project", "--use-conda"],
        &["run", "project", "--git-username", "ada"],
        &["run", "project", "--experiment", "wine"],
        &["run", "project", "--tracking-uri", "http://host.test"],
        &["run", "project", "-P", "alpha"],
        &["run", "project", "-Palpha:0.5"],
        &["run", "project", "--env-manager", "vritualenv"],
        &["run", "project", "-b", "kubernets"],
        &["run", "project", "--timeout", "5"],
        &["run", "project", "-e"],
        &["run", "project", "--json"],
        &["run", "project", "-q", "--verbose"],
        &["completion", "bash"],
        &["completions"],
        &["status"],
        &["env", "ls"],
        &["stop", "0123456789abcdef0123456789abcdef"],
        &["ui"],
        &["help", "wait"],
        &["-h", "wait"],
    ] {
        topic.add(&project.mlrun(arguments));
    }
    topic.compare("errors-usage");
}

#[test]
fn plans() {
    let mut topic = Topic::default();
    topic.add(&typed().run(["-P", "data=project", "-P", "more=two words", "--dry-run"]));
    let project = Project::new()
        .file("train.py", "")
        .file("conda.yaml", "name: x\n");
    topic.add(&project.mlrun(&["run", "project", "-e", "train.py", "--dry-run"]));
    let project = Project::new()
        .mlproject(
            r#"name: My project
docker_env:
  image: python:3.11
  volumes: ["$(pwd)/data:/data"]
  environment: [[TOKEN, s3cret], [LD_PRELOAD, x]]
entry_points:
  main: {command: "python train.py"}
  piped: {command: "cat x | wc"}
"#,
        )
        .env("MLFLOW_TRACKING_URI", "http://localhost:1")
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");
    let docker = project.sandbox().root().join("bin/docker");
    // It has every image.
    project
        .sandbox()
        .write_executable(docker, "#!/bin/sh\necho sha256:0123\n");
    topic.add(&project.mlrun(&[
        "run",
        "project",
        "--dry-run",
        "-A",
        "gpus=all",
        "-A",
        "e=MORE=s3cret",
    ]));
    let project = project.env("MLFLOW_TRACKING_URI", "");
    topic.add(&project.mlrun(&["run", "project", "-e", "piped", "--dry-run", "--no-build-image"]));
    topic.compare("plans");
}

#[test]
fn json_lines() {
    let mut topic = Topic::default();
    topic.add(&typed().run(["-P", "data=project", "--log-format", "json", "--dry-run"]));
    topic.add(&typed().run(["--log-format", "json"]));
    topic.compare("json");
}

#[test]
fn help() {
    let mut topic = Topic::default();
    let project = Project::new();
    topic.add(&project.mlrun(&["--help"]));
    topic.add(&project.mlrun(&["-h"]));
    topic.add(&project.mlrun(&["run", "-h"]));
    topic.add(&project.mlrun(&["run", "--help"]));
    for command in ["status", "wait", "cancel"] {
        topic.add(&project.mlrun(&[command, "--help"]));
    }
    topic.add(&project.mlrun(&["env", "--help"]));
    for command in ["list", "prune", "rm"] {
        topic.add(&project.mlrun(&["env", command, "--help"]));
    }
    topic.add(&project.mlrun(&["inspect", "--help"]));
    topic.add(&project.mlrun(&["lint", "--help"]));
    topic.add(&project.mlrun(&["completions", "--help"]));
    topic.add(&project.mlrun(&["man", "--help"]));
    topic.compare("help");
}

/// A golden text that no test compares any more says nothing.
#[test]
fn no_golden_text_is_forgotten() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files = rust_files(&tests.join("it"));
    let sources: String = files
        .iter()
        .map(|file| std::fs::read_to_string(tests.join("it").join(file)).unwrap())
        .collect();
    for entry in std::fs::read_dir(tests.join("golden")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_used =
            ["compare", "assert_golden"].map(|call| sources.contains(&format!("{call}(\"{name}\"")));
        assert!(is_used.contains(&true), "{} is not used", path.display());
    }
}
