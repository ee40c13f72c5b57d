//! A service that is overloaded, rejects requests, or goes away.

use std::time::{Duration, Instant};

use fake_databricks::{Action, Fault, Settings};

use super::{CLUSTER, project, recorded, run, workspace};
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{Project, assert_contains};

#[test]
fn a_storm_of_429_is_waited_out() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    // Every request is told to wait a second, and is repeated after that.
    for call in [
        "GET /dbfs/get-status",
        "POST /dbfs/",
        "POST /jobs/runs/submit",
        "GET /jobs/runs/get",
        "POST /mlflow/runs/create",
    ] {
        let storm = Fault::answer(call, 1, 429, "REQUEST_LIMIT_EXCEEDED", "Current qps is too high");
        fake.fail(storm.retry_after(1));
    }
    fake.fail(Fault::answer("GET /jobs/runs/get", 4, 429, "REQUEST_LIMIT_EXCEEDED", "again").after(2));
    let project = project(&fake);
    let begun = Instant::now();
    let finished = run(&project, &["--wait"]).with_code(0);
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(recorded(&finished).status, "FINISHED");
    assert_eq!(fake.submitted().len(), 1);
}

#[test]
fn a_service_that_stays_away_is_an_error_before_the_run_where_it_can_be() {
    for (fault, expected, has_run) in [
        (
            Fault::answer("GET /dbfs/get-status", 99, 503, "TEMPORARILY_UNAVAILABLE", "down"),
            "/api/2.0/dbfs/get-status returned TEMPORARILY_UNAVAILABLE: down (after 8 attempts)",
            false,
        ),
        (
            Fault::new("GET /dbfs/get-status", 99, Action::Break),
            "to /api/2.0/dbfs/get-status: ",
            false,
        ),
        (
            Fault::answer("POST /jobs/runs/submit", 99, 500, "INTERNAL_ERROR", "oops"),
            "/api/2.0/jobs/runs/submit returned INTERNAL_ERROR: oops (after 8 attempts)",
            true,
        ),
    ] {
        let Some(fake) = workspace(Settings::default()) else {
            return;
        };
        fake.fail(fault);
        let project = project(&fake);
        let finished = run(&project, &["--wait"]).with_code(1);
        let text = finished.stderr();
        assert_contains(text, expected);
        assert_eq!(text.contains("Run (ID"), has_run, "{text}");
        if has_run {
            assert_eq!(recorded(&finished).status, "FAILED");
        }
    }
}

#[test]
fn the_person_learns_of_a_retry_when_it_begins() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    let (code, message) = ("TEMPORARILY_UNAVAILABLE", "down");
    fake.fail(Fault::answer("GET /dbfs/get-status", 1, 503, code, message));
    let project = project(&fake);
    let finished = run(&project, &[]).with_code(0);
    let expected = format!(
        "the Databricks workspace {} is not available (it returned 503 Service Unavailable); retrying ",
        fake.url()
    );
    let text = finished.stderr();
    assert_eq!(text.matches(&expected).count(), 1, "{text}");
}

#[test]
fn a_redirect_is_told_and_no_credentials_follow_it() {
    let elsewhere = ScriptedServer::start(vec![]);
    let login = format!("{}/login", elsewhere.url());
    let server = ScriptedServer::start(vec![Step::redirect(302, &login)]);
    let project = Project::new()
        .command("python train.py")
        .env("DATABRICKS_HOST", &server.url())
        .env("DATABRICKS_TOKEN", "dapi0geheim")
        .env("MLFLOW_TRACKING_URI", "databricks");
    let finished = project.mlrun(&["run", "project", "-b", "databricks", "-c", CLUSTER]);
    finished.expect_code(1);
    let expected = format!(
        "the server redirects /api/2.0/dbfs/get-status to '{login}', which mlrun does not follow\n\
         hint: check the workspace's address; its API does not redirect"
    );
    let text = finished.stderr();
    assert_contains(text, &expected);
    assert!(elsewhere.lines().is_empty());
}

#[test]
fn a_cluster_that_is_refused_is_told_in_the_service_s_words() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    for (config, expected) in [
        (
            r#"{"new_cluster": {"spark_version": "15.4.x", "num_workers": 1, "node_type_id": "no-such-type"}}"#,
            "INVALID_PARAMETER_VALUE: Node type no-such-type is not supported. Supported node types: m5.large, i3.xlarge",
        ),
        (
            r#"{"new_cluster": {"num_workers": 1}}"#,
            "INVALID_PARAMETER_VALUE: Missing required field: settings.cluster_spec.new_cluster.spark_version",
        ),
        (
            r#"{"new_cluster": {"spark_version": "15.4.x", "num_workers": 1, "wrokers": 2}}"#,
            "MALFORMED_REQUEST: Could not parse request object: unknown field new_cluster.wrokers",
        ),
    ] {
        let project = project(&fake);
        let finished = run(&project, &["-c", config]).with_code(1);
        let text = finished.stderr();
        assert_contains(text, "error: Databricks rejected the job\n");
        assert_contains(text, expected);
        assert_contains(text, "hint: check the cluster in the backend config");
        assert_eq!(recorded(&finished).status, "FAILED");
    }
}

#[test]
fn what_cannot_run_there_is_an_error_before_anything_is_asked() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    let sqlite = project(&fake).env("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db");
    let docker = project(&fake)
        .mlproject("name: x\ndocker_env: {image: busybox}\nentry_points:\n  main: {command: ls}\n");
    let plain = project(&fake);
    for (project, config, expected) in [
        (
            &plain,
            Some(r#"{"existing_cluster_id": "0923"}"#),
            "error: the backend config names an existing cluster, but projects run on new clusters\nhint: replace existing_cluster_id with new_cluster\n",
        ),
        (
            &plain,
            None,
            "error: the databricks backend needs --backend-config\nhint: pass a JSON file with the new cluster: -c \
            cluster.json",
        ),
        (
            &sqlite,
            Some(CLUSTER),
            "error: the cluster cannot reach the tracking store sqlite:///",
        ),
        (
            &docker,
            Some(CLUSTER),
            "error: projects with docker_env cannot run on Databricks\nhint: use python_env or conda_env in the \
            MLproject file",
        ),
    ] {
        let mut arguments = vec!["run", "project", "-b", "databricks"];
        arguments.extend(config.iter().flat_map(|config| ["-c", config]));
        let finished = project.mlrun(&arguments).with_code(1);
        assert_contains(finished.stderr(), expected);
    }
    assert!(fake.all_requests().is_empty());
}
