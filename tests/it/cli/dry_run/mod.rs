//! `--dry-run` and `--params-file`: what they show, and that a dry run leaves everything as it is.

mod projects;
mod stores;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::Value;

use crate::harness::{Project, Sandbox, StoreContents, assert_contains, assert_golden};

/// A project with parameters of every origin.
fn wine() -> Project {
    Project::new()
        .mlproject(
            r"name: wine
entry_points:
  main:
    parameters:
      data: path
      alpha: {type: float, default: 0.5}
      rate: {type: float, default: 0.1}
      note: {default: ''}
    command: python train.py {data} {alpha} {rate} {note}
",
        )
        .file("params.yaml", "rate: 0.000001\ndata: project\n")
        .file(
            "params.json",
            "{\"rate\": 2, \"data\": \"project/MLproject\", \"extra\": true}\n",
        )
}

/// Everything below a directory: kind, mode, length, time of change and content of every file.
fn everything(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let content = if metadata.is_file() {
                openssl::sha::sha1(&std::fs::read(&path).unwrap()).to_vec()
            } else {
                Vec::new()
            };
            found.push(format!(
                "{} {:?} {:o} {} {}.{} {content:?}",
                path.display(),
                metadata.file_type(),
                metadata.permissions().mode(),
                metadata.len(),
                metadata.mtime(),
                metadata.mtime_nsec(),
            ));
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Everything in the sandbox. The time of change of its directory for temporary files is left out: a
/// project that is fetched lies there for a while.
fn sandbox_state(sandbox: &Sandbox) -> Vec<String> {
    let temporary = format!("{}/tmp ", sandbox.root().display());
    let mut state = everything(sandbox.root());
    for line in &mut state {
        if line.starts_with(&temporary) {
            line.clone_from(&temporary);
        }
    }
    state
}

/// Runs mlrun as a dry run, as text and as JSON, and checks that the sandbox is the same afterwards.
/// Gives the JSON.
#[track_caller]
fn dry_run(project: &Project, arguments: &[&str]) -> Value {
    let before = sandbox_state(project.sandbox());
    let mut all = vec!["run"];
    all.extend(arguments);
    all.push("--dry-run");
    let text = project.mlrun(&all).with_code(0);
    assert!(
        text.stdout()
            .ends_with("\nNothing was created: this was a dry run.\n")
    );
    all.push("--json");
    let json = project.mlrun(&all).with_code(0);
    assert_eq!(
        sandbox_state(project.sandbox()),
        before,
        "mlrun {}",
        all.join(" ")
    );
    serde_json::from_str(json.stdout()).unwrap()
}

#[test]
fn texts_and_objects() {
    let mut text = String::new();
    let project = wine().file("python_env.yaml", "dependencies: []\n");
    let arguments = [
        "run",
        "project",
        "--params-file",
        "project/params.yaml",
        "-P",
        "alpha=0.7",
        "-P",
        "more=two words",
        "--experiment-name",
        "wine",
        "--run-name",
        "nightly",
        "--dry-run",
    ];
    for format in [&[][..], &["--json"]] {
        for manager in ["local", "conda"] {
            let project = if manager == "conda" {
                let project = wine().env("MLFLOW_CONDA_HOME", "<sandbox>/work/conda");
                project
                    .sandbox()
                    .write_executable("conda/bin/conda", "#!/bin/sh\necho '{\"envs\": []}'\n");
                project.file("conda.yaml", "name: x\n")
            } else {
                wine()
            };
            let mut all = arguments.to_vec();
            all.extend(["--env-manager", manager]);
            all.extend(format);
            text.push_str(&project.mlrun(&all).transcript());
            text.push('\n');
        }
    }
    for arguments in [
        &["--experiment-id", "42", "-P", "data=project", "--dry-run"][..],
        &[
            "--run-id",
            "0123456789abcdef0123456789abcdef",
            "-P",
            "data=project",
            "--dry-run",
        ],
        &["--json"],
    ] {
        let mut all = vec!["run", "project", "--env-manager", "local"];
        all.extend(arguments);
        text.push_str(&project.mlrun(&all).transcript());
        text.push('\n');
    }
    assert_golden("dry-run", &text);
}

#[test]
fn parameters_from_files() {
    let project = wine();
    for (file, data, rate, extra) in [
        ("project/params.yaml", "project", "1e-06", None),
        ("project/params.json", "project/MLproject", "2", Some("True")),
    ] {
        let planned = dry_run(
            &project,
            &["project", "--env-manager", "local", "--params-file", file],
        );
        let parameter = |name: &str| {
            let parameters = planned["parameters"].as_array().unwrap();
            let found = parameters.iter().find(|parameter| parameter["name"] == name);
            found.map(|found| {
                (
                    found["recorded"].as_str().unwrap(),
                    found["from"].as_str().unwrap(),
                )
            })
        };
        assert_eq!(parameter("data"), Some((data, "params file")));
        assert_eq!(parameter("rate"), Some((rate, "params file")));
        assert_eq!(parameter("alpha"), Some(("0.5", "default")));
        assert_eq!(parameter("extra"), extra.map(|extra| (extra, "params file")));
    }
    // The command line wins, and the run records what came of both.
    let project = project.executable("train.sh", "#!/bin/sh\n").mlproject(
        "entry_points:\n  main:\n    parameters: {a: float, b: float}\n    command: echo {a} {b}\n",
    );
    let project = project.file("ab.yml", "a: 1.5\nb: 0.00001\nc: no\n");
    let finished = project.run(["--params-file", "project/ab.yml", "-P", "a=2"]);
    assert_eq!(
        finished.expect_code(0).stdout(),
        "1e-05 2 --c False\n".replace("1e-05 2", "2 1e-05")
    );
    let params = finished.store().run().params.clone();
    assert_eq!(params["a"], "2");
    assert_eq!(params["b"], "1e-05");
    assert_eq!(params["c"], "False");

    let mut text = String::new();
    let project = project
        .file("nested.yaml", "a: 1\nb:\n  - 2\n")
        .file("nested.json", "{\"a\": {\"b\": 1}}\n")
        .file("twice.yaml", "a: 1\na: 2\n")
        .file("list.yaml", "- a\n")
        .file("broken.yaml", "a: 'x\n")
        .file("bad.yaml", "a: abc\nb: 1\n");
    for file in [
        "nested.yaml",
        "nested.json",
        "twice.yaml",
        "list.yaml",
        "broken.yaml",
        "missing.yaml",
        "bad.yaml",
    ] {
        let finished = project.run(["--params-file", &format!("project/{file}")]);
        finished.expect_code(1);
        text.push_str(&finished.transcript());
        text.push('\n');
    }
    assert_golden("errors-params-files", &text);
}

/// What was planned is what happens.
#[test]
fn the_plan_is_what_a_run_does() {
    let project = Project::new().mlproject(
        r"entry_points:
  main:
    parameters: {a: {default: 'x y'}}
    command: echo {a} $MLFLOW_EXPERIMENT_ID
",
    );
    let planned = dry_run(&project, &["project", "--env-manager", "local", "-P", "b=it's"]);
    let finished = project.run(["-P", "b=it's"]);
    let line = format!(
        "=== Running command '{}' in run",
        planned["command"].as_str().unwrap()
    );
    assert!(finished.stderr().contains(&line), "{line}\n{}", finished.stderr());
    let contents: StoreContents = finished.store();
    let recorded = &contents.run().params;
    for parameter in planned["parameters"].as_array().unwrap() {
        assert_eq!(
            recorded[parameter["name"].as_str().unwrap()],
            parameter["recorded"]
        );
    }
}

/// What is still to be downloaded has its path as its value, as in the command.
#[test]
fn the_value_of_a_download_is_its_path() {
    let project = wine();
    let uri = "https://host.test/a%20b/data.csv";
    let given = format!("data={uri}");
    for storage in [&[][..], &["--storage-dir", "storage"]] {
        let arguments = ["project", "--env-manager", "local", "-P", &given];
        let plan = dry_run(&project, &[&arguments, storage].concat());
        let data = &plan["parameters"][0];
        let path = data["value"].as_str().unwrap();
        assert!(path.starts_with('/') && path.contains("param_0"), "{data}");
        let command = plan["command"].as_str().unwrap();
        assert_contains(command, &format!("train.py {path} "));
        assert_eq!(data["recorded"], uri);
        assert_eq!(plan["downloads"][0]["uri"], uri);
    }
}
