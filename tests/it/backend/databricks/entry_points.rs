//! How entry points reach the workspace: the credentials in use, as in the reference.

use std::path::Path;

use fake_databricks::{CLIENT, FakeDatabricks, Settings, TOKEN, USER};
use fake_kubernetes::Options;

use super::{EXPERIMENT, anonymous_project, workspace};
use crate::backend::kubernetes::cluster::{ClusterProject, TEMPLATE};
use crate::harness::docker::DockerProject;
use crate::harness::{Printed, Project, Requirement, assert_contains, assert_lacks, require};

/// Tells what it has, without the rest of its environment.
const TELL: &str = "env | grep -e ^DATABRICKS_ -e ^MLFLOW_TRACKING_URI | sort";

/// The secrets of the profiles.
const SECRETS: [&str; 3] = [TOKEN, USER.1, CLIENT.1];

fn telling(fake: &FakeDatabricks) -> Project {
    let command = format!("entry_points:\n  main:\n    command: {TELL}\n");
    let project = anonymous_project(fake).mlproject(&command);
    write_profiles(&project, fake);
    project
}

/// Profiles of every kind, and a login by the `databricks` program.
fn write_profiles(project: &Project, fake: &FakeDatabricks) {
    let url = fake.url();
    let profiles = format!(
        "[DEFAULT]\nhost = {url}\ntoken = {TOKEN}\n[basic]\nhost = {url}\nusername = {}\npassword = {}\ninsecure = True\n\
         [m2m]\nhost = {url}\nclient_id = {}\nclient_secret = {}\n[cli]\nhost = {url}\nauth_type = databricks-cli\n",
        USER.0, USER.1, CLIENT.0, CLIENT.1
    );
    let sandbox = project.sandbox();
    sandbox.write("../home/.databrickscfg", profiles);
    sandbox.write_executable(
        "../bin/databricks",
        &format!("#!/bin/sh\necho '{{\"access_token\": \"{TOKEN}\", \"token_type\": \"Bearer\"}}'\n"),
    );
}

/// What the profile's entry point must report.
fn of_profile(fake: &FakeDatabricks, variables: &[(&str, &str)]) -> Vec<String> {
    let mut lines = vec![
        format!("DATABRICKS_HOST={}", fake.url()),
        "MLFLOW_TRACKING_URI=databricks".to_owned(),
    ];
    lines.extend(
        variables
            .iter()
            .map(|(name, value)| format!("DATABRICKS_{name}={value}")),
    );
    lines.sort();
    lines
}

fn told(stdout: &str) -> Vec<String> {
    let lines = stdout.lines().map(str::to_owned);
    let mut told: Vec<String> = lines
        .filter(|line| line.starts_with("DATABRICKS_") || line.starts_with("MLFLOW_TRACKING_URI"))
        .collect();
    told.sort();
    told
}

/// What the reference gives a container. Its whole run goes wrong for a workspace whose artifacts are
/// those of a tracking server, as the tests' is.
const OF_CONTAINER: &str = "import os
from mlflow.projects.docker import get_docker_tracking_cmd_and_envs
arguments, variables = get_docker_tracking_cmd_and_envs(os.environ['MLFLOW_TRACKING_URI'])
assert arguments == []
for name, value in variables.items():
    print(f'{name}={value}')
";

/// The same of the reference.
fn by_reference(venv: &Path, project: &Project, program: &str, arguments: &[&str]) -> Vec<String> {
    let output = project
        .sandbox()
        .command(venv.join("bin").join(program))
        .args(arguments)
        .envs(project.environment())
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .printed();
    told(&output)
}

#[track_caller]
fn assert_no_secret(text: &str) {
    assert!(!SECRETS.iter().any(|secret| text.contains(secret)), "{text}");
}

const BASIC: [(&str, &str); 3] = [("USERNAME", USER.0), ("PASSWORD", USER.1), ("INSECURE", "True")];
const M2M: [(&str, &str); 2] = [("CLIENT_ID", CLIENT.0), ("CLIENT_SECRET", CLIENT.1)];

#[test]
fn processes_get_what_the_reference_gives_them() {
    let (Some(venv), Some(fake)) = (require(Requirement::Mlflow3), workspace(Settings::default())) else {
        return;
    };
    for (uri, variables) in [
        ("databricks", &[("TOKEN", TOKEN)][..]),
        ("databricks://basic", &BASIC),
        ("databricks://m2m", &M2M),
    ] {
        let project = telling(&fake).env("MLFLOW_TRACKING_URI", uri);
        let finished = project.run(["--experiment-name", EXPERIMENT]).with_code(0);
        assert_eq!(told(finished.stdout()), of_profile(&fake, variables), "{uri}");
        assert_no_secret(finished.stderr());
        let expected = by_reference(
            &venv,
            &project,
            "mlflow",
            &[
                "run",
                "project",
                "--env-manager",
                "local",
                "--experiment-name",
                EXPERIMENT,
            ],
        );
        assert_eq!(told(finished.stdout()), expected, "{uri}");
    }
}

#[test]
fn other_credentials_do_not_mix_with_a_profile_s() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    fake.put_secret("scope", "key-host", fake.url());
    fake.put_secret("scope", "key-token", TOKEN);
    let url = fake.url();
    let login = |extra: &[String]| {
        let mut lines = vec!["MLFLOW_TRACKING_URI=databricks://cli".to_owned()];
        lines.extend_from_slice(extra);
        lines
    };
    for (uri, variables, expected) in [
        // Another workspace's, which the reference would mix in.
        (
            "databricks://basic",
            &[
                ("DATABRICKS_TOKEN", "of another"),
                ("DATABRICKS_CONFIG_PROFILE", "m2m"),
            ][..],
            of_profile(&fake, &BASIC),
        ),
        // The profile that is in use may be asked for other things.
        (
            "databricks",
            &[("DATABRICKS_CONFIG_PROFILE", "basic")],
            of_profile(&fake, &[&BASIC[..], &[("CONFIG_PROFILE", "basic")]].concat()),
        ),
        // Those of the environment stay as they are.
        (
            "databricks",
            &[
                ("DATABRICKS_HOST", url),
                ("DATABRICKS_TOKEN", TOKEN),
                ("DATABRICKS_CLUSTER_ID", "7"),
            ],
            of_profile(&fake, &[("TOKEN", TOKEN), ("CLUSTER_ID", "7")]),
        ),
        // What only mlrun can look up.
        (
            "databricks://scope:key",
            &[],
            of_profile(&fake, &[("TOKEN", TOKEN)]),
        ),
        // Whoever has logged in gets new tokens as long as the program runs.
        ("databricks://cli", &[], login(&[])),
    ] {
        let mut project = telling(&fake).env("MLFLOW_TRACKING_URI", uri);
        for (name, value) in variables {
            project = project.env(name, value);
        }
        let finished = project.run(["--experiment-name", EXPERIMENT]).with_code(0);
        assert_eq!(told(finished.stdout()), expected, "{uri} {variables:?}");
    }
}

#[test]
fn containers_get_what_the_reference_gives_them() {
    let (Some(venv), Some(fake)) = (require(Requirement::Mlflow3), workspace(Settings::default())) else {
        return;
    };
    for (uri, variables) in [
        ("databricks", &[("TOKEN", TOKEN)][..]),
        ("databricks://basic", &BASIC),
        ("databricks://m2m", &M2M),
        ("databricks://cli", &[("TOKEN", TOKEN)]),
    ] {
        let Some(docker) = DockerProject::new("", "env") else {
            return;
        };
        let docker = docker.env("MLFLOW_TRACKING_URI", uri);
        write_profiles(&docker.project, &fake);
        let run = ["--experiment-name", EXPERIMENT, "--no-build-image"];
        let finished = docker.run(&run).with_code(0);
        assert_eq!(told(finished.stdout()), of_profile(&fake, variables), "{uri}");
        assert_no_secret(finished.stderr());
        for (name, _) in variables {
            let argument = format!(" -e DATABRICKS_{name} ");
            assert_contains(finished.stderr(), &argument);
        }
        assert_eq!(
            finished
                .stderr()
                .contains("warning: the container gets an access token of your `databricks` login"),
            uri == "databricks://cli",
            "{}",
            finished.stderr()
        );
        let planned = docker.run(&[&run[..], &["--dry-run"]].concat());
        planned.expect_code(0);
        assert!(
            planned.stdout().contains("-e MLFLOW_TRACKING_URI")
                && planned.stdout().contains("-e DATABRICKS_HOST"),
            "{}",
            planned.stdout()
        );
        assert_no_secret(planned.stdout());
        // It refuses a login by the program.
        if uri != "databricks://cli" {
            let expected = by_reference(&venv, &docker.project, "python", &["-c", OF_CONTAINER]);
            assert_eq!(told(finished.stdout()), expected, "{uri}");
        }
    }
}

#[test]
fn a_container_s_own_settings_win() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    let Some(docker) = DockerProject::new("environment: [[DATABRICKS_TOKEN, its own]]", "env") else {
        return;
    };
    let docker = docker.env("MLFLOW_TRACKING_URI", "databricks");
    write_profiles(&docker.project, &fake);
    let finished = docker.run(&["--experiment-name", EXPERIMENT, "--no-build-image"]);
    finished.expect_code(0);
    assert_eq!(
        told(finished.stdout()),
        of_profile(&fake, &[("TOKEN", "its own")])
    );
}

#[test]
fn jobs_on_kubernetes_get_no_credentials_and_that_is_said() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    let by_secret = TEMPLATE.replace("- {}", "- {envFrom: [{secretRef: {name: databricks}}]}");
    for (template, uri, kube_uri, says) in [
        (TEMPLATE, "databricks", None, Some("envFrom)\n")),
        (
            TEMPLATE,
            "databricks://basic",
            None,
            Some(
                "envFrom); also set KUBE_MLFLOW_TRACKING_URI=databricks, because pods do not have your profile\n",
            ),
        ),
        (&by_secret, "databricks://basic", Some("databricks"), None),
    ] {
        let mut cluster = ClusterProject::with(template, Options::default()).env("MLFLOW_TRACKING_URI", uri);
        if let Some(kube_uri) = kube_uri {
            cluster = cluster.env("KUBE_MLFLOW_TRACKING_URI", kube_uri);
        }
        write_profiles(&cluster.project, &fake);
        let running = cluster.start(&["--experiment-name", EXPERIMENT]);
        cluster.server.succeed(&["done"]);
        let ended = running.end().with_code(0);
        let job = cluster.server.jobs()[0].to_string();
        assert_lacks(&job, "DATABRICKS_");
        assert_no_secret(&job);
        let warning = "warning: the pod gets no credentials for the Databricks workspace";
        assert_eq!(ended.stderr.contains(warning), says.is_some(), "{}", ended.stderr);
        ended.expect_stderr(says.unwrap_or_default());
    }
}
