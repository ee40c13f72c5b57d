//! The tracking store of a workspace.

use fake_databricks::{CLIENT, Settings, TOKEN, USER};

use super::{EXPERIMENT, anonymous_project, project, recorded, run_id, workspace};
use crate::harness::{Project, Requirement, assert_contains, require};

/// A project that runs here and prints its tracking URI.
fn local(project: Project) -> Project {
    project.mlproject(
        r#"name: x
entry_points:
  main:
    parameters:
      a: {default: 1}
    command: echo "$MLFLOW_TRACKING_URI $MLFLOW_RUN_ID"
"#,
    )
}

const READ: &str = "import sys
from mlflow import MlflowClient
run = MlflowClient().get_run(sys.argv[1])
print(run.info.status, run.info.run_name, run.data.params, run.data.tags['mlflow.source.type'], run.info.experiment_id)
print(MlflowClient().get_experiment(run.info.experiment_id).name)
";

#[test]
fn the_real_client_reads_a_run_back() {
    let (Some(venv), Some(fake)) = (require(Requirement::Mlflow3), workspace(Settings::default())) else {
        return;
    };
    let project = local(project(&fake));
    let finished = project.run([
        "-P",
        "a=x y",
        "--experiment-name",
        EXPERIMENT,
        "--run-name",
        "mine",
    ]);
    finished.expect_code(0);
    let run_id = run_id(finished.stderr());
    assert_eq!(finished.stdout(), format!("databricks {run_id}\n"));
    let experiment = recorded(&finished).experiment_id;
    let page = format!(
        "View run mine at: {}/#mlflow/experiments/{experiment}/runs/{run_id}\n",
        fake.url()
    );
    assert_contains(finished.stderr(), &page);

    let output = project
        .sandbox()
        .command(venv.join("bin/python"))
        .args(["-W", "ignore", "-c", READ, &run_id])
        .envs(project.environment())
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("FINISHED mine {{'a': 'x y'}} PROJECT {experiment}\n{EXPERIMENT}\n"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_kind_of_credentials_is_let_in() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    fake.put_secret("scope", "key-host", fake.url());
    fake.put_secret("scope", "key-token", TOKEN);
    let url = fake.url();
    let profiles = format!(
        "[DEFAULT]\nhost = {url}/\ntoken = {TOKEN}\n[basic]\nhost = {url}\nusername = {}\npassword = {}\n\
         [m2m]\nhost = {url}\nclient_id = {}\nclient_secret = {}\n[cli]\nhost = {url}\nauth_type = databricks-cli\n",
        USER.0, USER.1, CLIENT.0, CLIENT.1
    );
    let host = ("DATABRICKS_HOST", url);
    for (uri, variables, expected) in [
        ("databricks", &[][..], "Bearer"),
        ("databricks://basic", &[], "Basic"),
        ("databricks://m2m", &[], "Bearer"),
        ("databricks://cli", &[], "Bearer"),
        ("databricks://scope:key", &[], "Bearer"),
        ("databricks://m2m:scope:key", &[], "Bearer"),
        ("databricks", &[("DATABRICKS_CONFIG_PROFILE", "basic")], "Basic"),
        // Not whole: the file counts.
        ("databricks", &[host], "Bearer"),
        (
            "databricks",
            &[
                host,
                ("DATABRICKS_USERNAME", USER.0),
                ("DATABRICKS_PASSWORD", USER.1),
            ],
            "Basic",
        ),
        (
            "databricks",
            &[
                host,
                ("DATABRICKS_CLIENT_ID", CLIENT.0),
                ("DATABRICKS_CLIENT_SECRET", CLIENT.1),
            ],
            "Bearer",
        ),
    ] {
        let mut project = local(anonymous_project(&fake)).env("MLFLOW_TRACKING_URI", uri);
        for (name, value) in variables {
            project = project.env(name, value);
        }
        let sandbox = project.sandbox();
        sandbox.write("../home/.databrickscfg", &profiles);
        sandbox.write_executable(
            "../bin/databricks",
            &format!(
                "#!/bin/sh\n[ \"$*\" = 'auth token --host {url}' ] && echo '{{\"access_token\": \"{TOKEN}\", \"token_type\": \"Bearer\"}}'\n"
            ),
        );
        fake.forget_requests();
        project.run(["--experiment-name", EXPERIMENT]).expect_code(0);
        let requests = fake.all_requests();
        let of_store: Vec<_> = requests
            .iter()
            .filter(|request| request.path.contains("/mlflow/"))
            .collect();
        assert!(
            of_store.len() >= 3 && of_store.iter().all(|request| request.credentials == expected),
            "{uri} {variables:?}: {of_store:?}"
        );
    }
}

#[test]
fn an_experiment_is_named_by_its_path() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    let project = local(project(&fake));
    let finished = project.run(["--experiment-name", "tests"]).with_code(1);
    assert!(
        finished.stderr().contains(
            "error: the tracking store http://127.0.0.1:"
        ) && finished.stderr().contains(
            "refused the experiment name 'tests': on Databricks it must be an absolute workspace path, such as /Users/you@example.com/name"
        ),
        "{}",
        finished.stderr()
    );
    let finished = project.run([]).with_code(1);
    assert!(
        finished.stderr().contains("experiment '0' does not exist")
            && finished.stderr().contains("--experiment-name"),
        "{}",
        finished.stderr()
    );
}
