//! `--log-output`: the job's output becomes artifacts of the run.

use std::process::Stdio;

use fake_databricks::{FakeDatabricks, JobState, Output, Settings};
use rustix::process::Signal;

use super::{project, recorded, run, run_id_of_job, start, stored, workspace};
use crate::harness::running::{send, wait_until};
use crate::harness::{MlflowServer, Project, StoredRun, assert_contains};

const WRITTEN: &str = "epoch 1\nepoch 2\n";

/// A workspace whose jobs go through these states, and a project whose runs are in the store of a server
/// that takes artifacts.
fn writing(job: Vec<JobState>, logs: Option<&str>) -> Option<(FakeDatabricks, Project)> {
    let fake = workspace(Settings {
        job,
        output: Output {
            logs: logs.map(str::to_owned),
            ..Output::default()
        },
        ..Settings::default()
    })?;
    let project = project(&fake).env("MLFLOW_TRACKING_URI", MlflowServer::shared()?.url());
    Some((fake, project))
}

fn ends_as(result: &str) -> Vec<JobState> {
    vec![
        JobState::on("RUNNING", "In run"),
        JobState::end("TERMINATED", Some(result), "its words"),
    ]
}

fn kept(run: &StoredRun) -> String {
    let server = MlflowServer::shared().unwrap();
    server.artifact(run, "logs/stdout-stderr.txt")
}

#[test]
fn output_is_kept_however_the_job_ends() {
    for (result, code) in [("SUCCESS", 0), ("FAILED", 1), ("CANCELED", 137)] {
        let Some((_fake, project)) = writing(ends_as(result), Some(WRITTEN)) else {
            return;
        };
        for (arguments, shown) in [
            (&["--wait", "--log-output"][..], WRITTEN),
            (&["--wait", "--log-output", "--no-logs"], ""),
        ] {
            let finished = run(&project, arguments).with_code(code);
            assert_eq!(finished.stdout(), shown);
            assert_eq!(kept(&recorded(&finished)), WRITTEN, "{result}");
        }
    }
}

#[test]
fn output_of_a_job_that_a_signal_ends_is_kept() {
    let endless = vec![JobState::on("RUNNING", "In run"); 2];
    let Some((fake, project)) = writing(endless, Some(WRITTEN)) else {
        return;
    };
    let mut child = start(&project, &["--wait", "--log-output"], Stdio::null());
    wait_until("questions about the job", || {
        let requests = fake.requests();
        let asked = requests
            .iter()
            .filter(|request| request.path.ends_with("runs/get"));
        asked.count() >= 2
    });
    send(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let run = stored(&run_id_of_job(&fake));
    assert_eq!(run.status, "KILLED");
    assert_eq!(kept(&run), WRITTEN);
}

#[test]
fn output_that_the_workspace_does_not_give_is_told() {
    let Some((_fake, project)) = writing(ends_as("SUCCESS"), None) else {
        return;
    };
    let finished = run(&project, &["--wait", "--log-output"]).with_code(0);
    let warning = "warning: Databricks returned no output of the job; its log is empty\n";
    assert_contains(finished.stderr(), warning);
    assert_eq!(kept(&recorded(&finished)), "");
}

#[test]
fn options_without_effect_are_told() {
    let Some((_fake, project)) = writing(ends_as("SUCCESS"), None) else {
        return;
    };
    let finished = run(&project, &["--log-output", "--storage-dir", "downloads"]);
    finished.expect_code(0);
    for warning in [
        "warning: ignoring --log-output: mlrun does not wait for this run, so it cannot keep the output; add --wait\n",
        "warning: ignoring --storage-dir: the backend downloads no data to this machine\n",
    ] {
        assert_contains(finished.stderr(), warning);
    }
}
