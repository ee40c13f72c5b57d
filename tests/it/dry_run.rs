//! `--dry-run` and `--params-file`: what they show, and that a dry run leaves everything as it is.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{
    MlflowServer, Project, Requirement, Sandbox, StoreContents, assert_golden, require, require_docker,
    require_program,
};

/// A project with parameters of every origin.
fn wine() -> Project {
    Project::new()
        .mlproject(
            "name: wine\nentry_points:\n  main:\n    parameters:\n      data: path\n      alpha: {type: float, default: 0.5}\n      \
             rate: {type: float, default: 0.1}\n      note: {default: ''}\n    command: python train.py {data} {alpha} {rate} {note}\n",
        )
        .file("params.yaml", "rate: 0.000001\ndata: project\n")
        .file("params.json", "{\"rate\": 2, \"data\": \"project/MLproject\", \"extra\": true}\n")
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
    let text = project.mlrun(&all);
    text.expect_code(0);
    assert!(
        text.stdout()
            .ends_with("\nNothing was created: this was a dry run.\n")
    );
    all.push("--json");
    let json = project.mlrun(&all);
    json.expect_code(0);
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

/// Every kind of local store, before it is there and when it holds a run.
#[test]
fn stores_stay_as_they_are() {
    for (uri, is_file) in [
        ("", false),
        ("sqlite:///stores/new/own.db", false),
        ("./mlruns", true),
        ("file:<sandbox>/work/runs", true),
    ] {
        let project = Project::new()
            .mlproject("entry_points: {main: {command: echo ran}}\n")
            .env("MLFLOW_TRACKING_URI", uri);
        let named = ["project", "--env-manager", "local", "--experiment-name", "wine"];
        let planned = dry_run(&project, &named);
        assert_eq!(planned["store_exists"], false, "{uri}");
        assert_eq!(planned["experiment"]["exists"], false, "{uri}");

        project.run(["--experiment-name", "wine"]).expect_code(0);
        let planned = dry_run(&project, &named);
        assert_eq!(planned["store_exists"], true, "{uri}");
        assert_eq!(planned["experiment"]["exists"], true, "{uri}");
        assert!(planned["experiment"]["experiment_id"].is_string(), "{uri}");
        let planned = dry_run(
            &project,
            &["project", "--env-manager", "local", "--experiment-name", "other"],
        );
        assert_eq!(planned["experiment"]["exists"], false, "{uri}");
        // The default experiment: the file store makes it with the first run in another one.
        let planned = dry_run(&project, &["project", "--env-manager", "local"]);
        assert_eq!(planned["experiment"]["exists"], true, "{uri} {is_file}");

        let refused = project.run(["--experiment-id", "4711", "--dry-run"]);
        refused.expect_code(1);
        assert!(
            refused.stderr().contains("'4711' does not exist"),
            "{}",
            refused.stderr()
        );
    }
}

/// A database with a write-ahead log would get files beside it from an ordinary reader.
#[test]
fn a_write_ahead_log_is_not_begun() {
    let Some(venv) = require(Requirement::Mlflow3) else {
        return;
    };
    let project = Project::new().mlproject("entry_points: {main: {command: echo ran}}\n");
    project.run([]).expect_code(0);
    let database = project.sandbox().work().join("mlflow.db");
    let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nprint(c.execute('PRAGMA journal_mode=WAL').fetchone())\nc.close()\n";
    let output = Command::new(venv.join("bin/python"))
        .args(["-c", script])
        .arg(&database)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "('wal',)\n");
    let planned = dry_run(&project, &["project", "--env-manager", "local"]);
    assert_eq!(planned["experiment"]["exists"], true);
    // One that another program has open has its log, which is read.
    let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.execute(\"INSERT INTO experiments (experiment_id, name, lifecycle_stage) \
                  VALUES (7, 'logged', 'active')\")\nc.commit()\nprint('ready', flush=True)\nsys.stdin.read()\n";
    let mut writer = Command::new(venv.join("bin/python"))
        .args(["-c", script])
        .arg(&database)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(writer.stdout.take().unwrap()),
        &mut line,
    )
    .unwrap();
    let names = || -> Vec<String> {
        let listed = std::fs::read_dir(project.sandbox().work()).unwrap();
        let mut names: Vec<_> = listed
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let before = names();
    let finished = project.run(["--experiment-name", "logged", "--dry-run", "--json"]);
    let planned: Value = serde_json::from_str(finished.expect_code(0).stdout()).unwrap();
    assert_eq!(planned["experiment"]["experiment_id"], "7");
    assert_eq!(names(), before);
    drop(writer.stdin.take());
    writer.wait().unwrap();
}

/// The real server is asked, and told nothing.
#[test]
fn a_server_is_only_asked() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    let project = Project::new()
        .mlproject("entry_points: {main: {command: echo ran}}\n")
        .env("MLFLOW_TRACKING_URI", server.url());
    let named = [
        "project",
        "--env-manager",
        "local",
        "--experiment-name",
        "of a dry run",
    ];
    for exists in [false, false] {
        let planned = dry_run(&project, &named);
        assert_eq!(planned["store_exists"], true);
        assert_eq!(planned["experiment"]["exists"], exists);
    }
    let planned = dry_run(&project, &["project", "--env-manager", "local"]);
    assert_eq!(planned["experiment"]["exists"], true);
    let refused = project.run(["--experiment-id", "987654321", "--dry-run"]);
    refused.expect_code(1);

    // One that is not there is no reason to fail.
    let project = project
        .env("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");
    let planned = dry_run(&project, &named);
    assert_eq!(planned["store_exists"], Value::Null);
    assert!(
        planned["problem"]
            .as_str()
            .unwrap()
            .contains("http://127.0.0.1:9")
    );
}

/// Projects of every kind and source.
#[test]
fn projects_of_every_kind() {
    let project = wine();
    let sandbox = project.sandbox();
    sandbox.shell("cp -r project repository && cd repository && git init -q && git add . && git commit -qm first && git tag v1");
    if let Some(python) = require_program("python3") {
        sandbox.link_program("python3", &python.canonicalize().unwrap());
        sandbox.shell("cd project && python3 -m zipfile -c ../project.zip . 2>/dev/null || python3 -m zipfile -c ../project.zip MLproject");
    }
    let uv = require(Requirement::Uv);
    if let Some(uv) = &uv {
        sandbox.link_program("uv", &uv.join("bin/uv"));
    }
    let mut cases = vec![
        vec!["project", "--env-manager", "local"],
        vec!["project", "--env-manager", "virtualenv"],
        vec!["project"],
        vec!["repository", "-v", "v1", "--env-manager", "local"],
        vec![
            "file://<sandbox>/work/repository",
            "-v",
            "v1",
            "--env-manager",
            "virtualenv",
        ],
        vec!["project.zip", "--env-manager", "local"],
        vec!["project", "-e", "train.sh", "--env-manager", "local"],
    ];
    if uv.is_some() {
        cases.push(vec!["project", "--env-manager", "uv"]);
    }
    sandbox.write("project/train.sh", "");
    for mut case in cases {
        let is_fetched = case[0] != "project";
        case.extend(["-P", "data=project"]);
        let planned = dry_run(&project, &case);
        assert_eq!(planned["directory"].is_null(), is_fetched, "{case:?}");
        let is_repository = case[0].ends_with("repository");
        assert_eq!(planned["source"]["commit"].is_string(), is_repository, "{case:?}");
    }
    // Data from elsewhere is not downloaded.
    let planned = dry_run(
        &project,
        &[
            "project",
            "--env-manager",
            "local",
            "-P",
            "data=https://host.test/data.csv",
            "--storage-dir",
            "downloads",
        ],
    );
    assert_eq!(planned["downloads"][0]["uri"], "https://host.test/data.csv");
}

/// With the real conda, whose environments are looked for but not made.
#[test]
fn a_conda_project() {
    let Some(conda) = require(Requirement::Conda) else {
        return;
    };
    let project = wine()
        .file("conda.yaml", "name: dry\ndependencies: [python]\n")
        .env("MLFLOW_CONDA_HOME", conda.to_str().unwrap())
        .env("CONDA_ENVS_DIRS", "<sandbox>/work/envs")
        .env("CONDA_PKGS_DIRS", "<sandbox>/work/pkgs");
    let planned = dry_run(&project, &["project", "-P", "data=project"]);
    assert_eq!(planned["environment"]["manager"], "conda");
    assert_eq!(planned["environment"]["exists"], false);
    let command = planned["command"].as_str().unwrap();
    let name = planned["environment"]["name"].as_str().unwrap();
    assert!(
        command.contains("activate") && command.contains(name),
        "{command}"
    );
}

/// The daemon is asked for the image, and for nothing else; no image and no container is made.
#[test]
fn a_docker_project() {
    let Some(docker) = require_docker() else { return };
    let project = Project::new().mlproject(
        "name: of-a-dry-run\ndocker_env: {image: 'mlrun-test/never-there:1', environment: [[TOKEN, s3cret]]}\nentry_points:\n  main: \
         {command: 'echo {{}} | cat'}\n",
    );
    let log = project.sandbox().root().join("bin/calls");
    std::fs::write(&log, "").unwrap();
    // What is called is what the daemon is asked.
    project.sandbox().write_executable(
        project.sandbox().root().join("bin/docker"),
        &format!(
            "#!/bin/sh\necho \"$@\" >>'{}'\nexec '{}' \"$@\"\n",
            log.display(),
            docker.display()
        ),
    );
    let images = || {
        let output = Command::new(&docker)
            .args(["images", "--all", "--format", "{{.Repository}}", "of-a-dry-run"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let arguments = ["run", "project", "--dry-run", "-A", "shm-size=1g"];
    let before = sandbox_state(project.sandbox());
    let text = project.mlrun(&arguments);
    text.expect_code(0);
    let mut all = arguments.to_vec();
    all.push("--json");
    let json = project.mlrun(&all);
    let planned: Value = serde_json::from_str(json.expect_code(0).stdout()).unwrap();
    let calls = std::fs::read_to_string(&log).unwrap();
    assert!(calls.lines().count() >= 2, "{calls}");
    assert!(
        calls.lines().all(|call| call.starts_with("image inspect ")),
        "{calls}"
    );
    std::fs::write(&log, "").unwrap();
    let without_log = |state: Vec<String>| -> Vec<String> {
        let is_log = |line: &String| line.contains("/bin/calls ");
        state.into_iter().filter(|line| !is_log(line)).collect()
    };
    assert_eq!(without_log(sandbox_state(project.sandbox())), without_log(before));
    assert_eq!(images(), "");
    assert_eq!(planned["environment"]["exists"], false);
    let words: Vec<&str> = planned["container"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!(words[..3], ["docker", "run", "--rm"]);
    assert!(
        words.windows(2).any(|pair| pair == ["--shm-size", "1g"]),
        "{words:?}"
    );
    assert_eq!(
        words[words.len() - 4..],
        ["of-a-dry-run", "sh", "-c", "echo {} | cat"]
    );
    assert!(!json.stdout().contains("s3cret") && !text.stdout().contains("s3cret"));
}

/// What was planned is what happens.
#[test]
fn the_plan_is_what_a_run_does() {
    let project = Project::new().mlproject(
        "entry_points:\n  main:\n    parameters: {a: {default: 'x y'}}\n    command: echo {a} $MLFLOW_EXPERIMENT_ID\n",
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
