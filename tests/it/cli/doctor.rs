//! `mlrun doctor`: what it finds with programs, stores and projects that are there, missing or hanging.

use serde_json::Value;

use crate::harness::{Project, assert_contains, assert_lacks, require_program};

/// The check of this name in what `--json` wrote.
fn check<'a>(found: &'a Value, name: &str) -> &'a Value {
    let checks = found["checks"].as_array().unwrap();
    let mut checks = checks.iter().filter(|check| check["name"] == name);
    checks.next().unwrap_or_else(|| panic!("no {name} in {found:#}"))
}

/// What is found. A check that a busy machine did not let end in its time is made again.
fn json(project: &Project, arguments: &[&str], code: i32) -> Value {
    for _ in 0..20 {
        let finished = project.mlrun(&[&["doctor", "--json"], arguments].concat());
        let found: Value = serde_json::from_str(finished.stdout()).unwrap();
        if !["project", "environment", "tracking store"]
            .iter()
            .any(|name| is_late(&found, name))
        {
            finished.expect_code(code);
            return found;
        }
    }
    panic!("the machine is too busy for `mlrun doctor`");
}

fn is_late(found: &Value, name: &str) -> bool {
    let mut checks = found["checks"].as_array().unwrap().iter();
    checks.any(|check| check["name"] == name && check["detail"] == "no answer within 2s")
}

/// The sandbox has Git and nothing else: that is no problem before there is a project.
#[test]
fn what_is_missing_is_told_and_nothing_is_made() {
    let project = Project::new();
    let before = project.sandbox().files();
    let finished = project.mlrun(&["doctor"]).with_code(0);
    for line in [
        "missing  uv ",
        "missing  conda ",
        "missing  docker ",
        "missing  kubernetes ",
        "ok       git ",
    ] {
        assert_contains(finished.stdout(), line);
    }
    assert_contains(finished.stdout(), "hint: install Python 3, or uv");
    assert_contains(
        finished.stdout(),
        "it does not exist yet; the first run creates it",
    );
    assert_eq!(finished.stderr(), "");
    assert_eq!(project.sandbox().files(), before);
    assert!(!project.sandbox().root().join("home/.mlflow").exists());
}

#[test]
fn a_project_that_lacks_its_environment_manager_cannot_run() {
    let project = Project::new()
        .mlproject("name: wine\nconda_env: conda.yaml\nentry_points:\n  main:\n    parameters: {data: path}\n    command: cat {data}\n")
        .file("conda.yaml", "dependencies: [python]\n");
    let found = json(&project, &["project"], 1);
    assert_eq!(found["can_run"], false);
    assert_eq!(check(&found, "environment")["state"], "problem");
    assert_contains(
        check(&found, "environment")["detail"].as_str().unwrap(),
        "conda not found",
    );
    assert_eq!(check(&found, "project")["state"], "ok");
    assert_eq!(check(&found, "-e main")["detail"], "needs -P data=…");
    let text = project.mlrun(&["doctor", "project"]).with_code(1);
    // The same for a person.
    assert_contains(
        text.stdout(),
        "The project cannot run here: see environment above.\n",
    );
}

#[test]
fn a_project_that_can_run_is_told_so() {
    let Some(python) = require_program("python3") else {
        return;
    };
    let project = Project::new()
        .mlproject("name: wine\npython_env: python_env.yaml\nentry_points:\n  main: {command: 'true'}\n")
        .file("python_env.yaml", "dependencies: []\n");
    project.sandbox().link_program("python3", &python);
    let found = json(&project, &["project"], 0);
    assert_eq!(
        (&found["can_run"], &found["project"]),
        (&true.into(), &true.into())
    );
    assert_contains(
        check(&found, "environment")["detail"].as_str().unwrap(),
        "virtualenv, mlflow-",
    );
    // A busy machine may give it no time to answer.
    assert_contains(check(&found, "python")["detail"].as_str().unwrap(), "bin/python3");
    // The project of the current directory needs no name.
    project.sandbox().shell("cp project/* .");
    assert_eq!(json(&project, &[], 0)["project"], true);
}

#[test]
fn mistakes_of_the_project_are_found() {
    let project = Project::new().mlproject("entry_points: [main]\n");
    let found = json(&project, &["project"], 1);
    assert_contains(
        check(&found, "project")["detail"].as_str().unwrap(),
        "project/MLproject:1:15: ",
    );
    assert_eq!(
        check(&found, "project")["hint"],
        "`mlrun lint project` shows all that is wrong"
    );
    let found = json(&project, &["elsewhere"], 1);
    assert_eq!(check(&found, "project")["state"], "problem");
}

/// Programs that never answer take two seconds, all together.
#[test]
fn nothing_is_waited_for_long() {
    let project = Project::new()
        .env("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
        .env("KUBECONFIG", "<sandbox>/work/kubeconfig");
    let hanging = "#!/bin/sh\nexec sleep 600\n";
    for name in ["uv", "pyenv", "conda", "docker", "sbatch", "git-lfs", "python3"] {
        project
            .sandbox()
            .write_executable(format!("../bin/{name}"), hanging);
    }
    project.sandbox().write(
        "kubeconfig",
        "current-context: x\ncontexts: [{name: x, context: {cluster: x, user: x}}]\n\
         clusters: [{name: x, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: x, user: {}}]\n",
    );
    let found = json(&project, &[], 1);
    for name in ["uv", "pyenv", "conda", "docker", "slurm", "git-lfs"] {
        assert_eq!(check(&found, name)["state"], "problem", "{name}");
        assert_eq!(check(&found, name)["detail"], "no answer within 2s", "{name}");
    }
    assert_contains(
        check(&found, "python")["detail"].as_str().unwrap(),
        "bin/python3: no answer",
    );
    assert_contains(
        check(&found, "kubernetes")["detail"].as_str().unwrap(),
        "context 'x' (http://127.0.0.1:1",
    );
    assert_contains(
        check(&found, "tracking store")["detail"].as_str().unwrap(),
        "connection refused",
    );
    assert_eq!(found["can_run"], false);
}

#[test]
fn secrets_are_not_shown() {
    let project = Project::new()
        .env("MLFLOW_TRACKING_URI", "http://me:geheim@127.0.0.1:1")
        .env("MLFLOW_TRACKING_TOKEN", "geheim")
        .env("https_proxy", "http://me:geheim@proxy:3128")
        .env("REQUESTS_CA_BUNDLE", "/no/such/file");
    for arguments in [&["doctor"][..], &["doctor", "--json"]] {
        let finished = project.mlrun(arguments).with_code(1);
        assert_lacks(finished.stdout(), "geheim");
        assert_lacks(finished.stderr(), "geheim");
        assert_contains(finished.stdout(), "http://proxy:3128");
        assert_contains(finished.stdout(), "'/no/such/file' does not exist");
        assert_contains(finished.stdout(), "from ");
    }
}

#[test]
fn stores_tell_their_version() {
    let project = Project::new().command("true");
    project.run([]).expect_code(0);
    let found = json(&project, &[], 0);
    let store = check(&found, "tracking store");
    assert_eq!(store["state"], "ok", "{store}");
    assert_eq!(
        store["detail"],
        "the oldest schema, which every MLflow upgrades, default experiment 0"
    );
    project
        .sandbox()
        .shell("printf 'not a database, whatever its name' >broken.db");
    let project = project.env("MLFLOW_TRACKING_URI", "sqlite:///broken.db");
    let found = json(&project, &[], 1);
    assert_eq!(check(&found, "tracking store")["state"], "problem");
}

#[test]
fn a_link_called_mlflow_is_known() {
    let project = Project::new();
    let found = json(&project, &[], 0);
    assert_eq!(check(&found, "mlflow")["state"], "missing");
    project
        .sandbox()
        .link_program("mlflow", std::path::Path::new(env!("CARGO_BIN_EXE_mlrun")));
    let found = json(&project, &[], 0);
    assert_contains(
        check(&found, "mlflow")["detail"].as_str().unwrap(),
        "(a link to mlrun)",
    );
    assert_contains(
        check(&found, "mlrun")["detail"].as_str().unwrap(),
        env!("CARGO_PKG_VERSION"),
    );
}
