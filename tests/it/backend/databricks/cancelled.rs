//! Runs that nobody waits for, found by their tags (`mlrun status`, `wait`, `cancel`), and canceled jobs: also
//! in the workspace, and by a signal that the workspace does not answer.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use fake_databricks::{Action, FakeDatabricks, Fault, JobState, Settings};
use rustix::process::Signal;

use super::{project, recorded, run, run_id_of_job, start, stored, workspace};
use crate::harness::running::{send, wait_until};
use crate::harness::{Project, assert_contains};

/// A run whose job goes through these states, and which mlrun has left: its project and its id.
fn submitted(job: Vec<JobState>) -> Option<(FakeDatabricks, Project, String)> {
    let fake = workspace(Settings {
        job,
        ..Settings::default()
    })?;
    let project = project(&fake);
    let run_id = {
        let finished = run(&project, &[]).with_code(0);
        recorded(&finished).run_id
    };
    assert_eq!(stored(&run_id).status, "RUNNING");
    Some((fake, project, run_id))
}

fn ends_as(result: &str) -> Vec<JobState> {
    vec![
        JobState::on("RUNNING", "In run"),
        JobState::end("TERMINATED", Some(result), "the job's own words"),
    ]
}

#[test]
fn a_running_job_is_shown_and_cancelled() {
    let Some((fake, project, run_id)) = submitted(vec![JobState::on("RUNNING", "In run"); 2]) else {
        return;
    };
    let shown = project.mlrun(&["status", &run_id]).with_code(0);
    assert_contains(shown.stdout(), "RUNNING");
    let cancelled = project.mlrun(&["cancel", &run_id]).with_code(0);
    assert_contains(cancelled.stderr(), "was cancelled: KILLED\n");
    assert_eq!(fake.job_states()[0].result_state.as_deref(), Some("CANCELED"));
    assert_eq!(stored(&run_id).status, "KILLED");
}

#[test]
fn a_job_is_waited_for_and_its_end_recorded() {
    for (result, code, status) in [("SUCCESS", 0, "FINISHED"), ("FAILED", 1, "FAILED")] {
        let Some((_fake, project, run_id)) = submitted(ends_as(result)) else {
            return;
        };
        project.mlrun(&["wait", &run_id]).expect_code(code);
        assert_eq!(stored(&run_id).status, status, "{result}");
    }
}

#[test]
fn what_has_ended_is_recorded_and_not_cancelled() {
    let Some((fake, project, run_id)) = submitted(ends_as("SUCCESS")) else {
        return;
    };
    let cancelled = project.mlrun(&["cancel", &run_id]).with_code(0);
    assert_contains(cancelled.stderr(), "has already ended: FINISHED\n");
    assert_eq!(fake.job_states()[0].result_state.as_deref(), Some("SUCCESS"));
    assert_eq!(stored(&run_id).status, "FINISHED");
}

const CANCEL: &str = "POST /jobs/runs/cancel";

fn endless() -> Option<FakeDatabricks> {
    workspace(Settings {
        job: vec![JobState::on("RUNNING", "In run"); 2],
        ..Settings::default()
    })
}

/// Waits until the workspace has had so many requests whose paths end so.
fn wait_for_requests(fake: &FakeDatabricks, path: &str, count: usize) {
    wait_until(path, || {
        let requests = fake.all_requests();
        let asked = requests.iter().filter(|request| request.path.ends_with(path));
        asked.count() >= count
    });
}

/// A run that is waited for, whose job is known to run.
fn followed(fake: &FakeDatabricks, project: &Project) -> Child {
    let child = start(project, &["--wait"], Stdio::piped());
    wait_for_requests(fake, "jobs/runs/get", 2);
    child
}

/// Another process that waits for the run.
fn waiting(project: &Project, run_id: &str) -> Child {
    let mut command = project.started(&["wait", run_id]);
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// The exit code, and what was said.
fn end_of(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn whoever_follows_a_cancelled_run_says_that_it_was_killed() {
    let Some(fake) = endless() else { return };
    let project = project(&fake);
    let child = followed(&fake, &project);
    let run_id = run_id_of_job(&fake);
    let waiting = waiting(&project, &run_id);
    wait_for_requests(&fake, "mlflow/runs/get", 1);
    let cancelled = project.mlrun(&["cancel", &run_id]).with_code(0);
    assert_contains(cancelled.stderr(), "was cancelled: KILLED\n");
    let (code, said) = end_of(child);
    assert_eq!(code, Some(137), "{said}");
    let line = format!("=== Run (ID '{run_id}') was cancelled ===\n");
    assert!(said.contains(&line) && !said.contains("failed ==="), "{said}");
    let error = "error: Databricks job run 9000000001 ended with state CANCELED";
    assert_contains(&said, error);
    let (code, said) = end_of(waiting);
    assert_eq!(code, Some(137), "{said}");
    assert_contains(&said, "has ended: KILLED\n");
    assert_eq!(stored(&run_id).status, "KILLED");
}

#[test]
fn a_job_that_is_canceled_in_the_workspace_was_killed() {
    for (life_cycle_state, result_state) in [
        ("TERMINATED", "CANCELED"),
        ("INTERNAL_ERROR", "CANCELED"),
        ("TERMINATED", "UPSTREAM_CANCELED"),
    ] {
        let end = JobState::end(life_cycle_state, Some(result_state), "Run cancelled by admin");
        let Some(fake) = workspace(Settings {
            job: vec![JobState::on("RUNNING", "In run"), end],
            ..Settings::default()
        }) else {
            return;
        };
        let project = project(&fake);
        let finished = run(&project, &["--wait"]).with_code(137);
        assert_eq!(recorded(&finished).status, "KILLED");
        // Runs that nobody has followed to their ends.
        for command in ["wait", "status"] {
            let run_id = recorded(&run(&project, &[])).run_id;
            let code = if command == "wait" { 137 } else { 0 };
            project.mlrun(&[command, &run_id]).expect_code(code);
            assert_eq!(stored(&run_id).status, "KILLED");
        }
    }
}

fn interrupt(child: &Child) {
    send(child, Signal::TERM);
}

#[track_caller]
fn expect_unanswered(fake: &FakeDatabricks, child: Child, begun: Instant, limit: u64) {
    let (code, said) = end_of(child);
    assert_eq!(code, Some(143), "{said}");
    let warning = format!(
        "warning: the workspace {0} did not confirm the cancellation of Databricks job run 9000000001; it may still be running: cancel it on its page {0}/",
        fake.url()
    );
    assert_contains(&said, &warning);
    assert!(
        begun.elapsed() < Duration::from_secs(limit),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(stored(&run_id_of_job(fake)).status, "KILLED");
    assert_eq!(fake.job_states()[0].result_state, None);
}

#[test]
fn a_cancellation_without_an_answer_is_not_waited_for() {
    let Some(fake) = endless() else { return };
    let project = project(&fake);
    let child = followed(&fake, &project);
    fake.fail(Fault::new(CANCEL, 99, Action::Hang));
    let begun = Instant::now();
    interrupt(&child);
    expect_unanswered(&fake, child, begun, 15);
}

#[test]
fn a_second_signal_does_not_wait_for_an_answer() {
    let Some(fake) = endless() else { return };
    let project = project(&fake);
    let child = followed(&fake, &project);
    fake.fail(Fault::new(CANCEL, 99, Action::Hang));
    interrupt(&child);
    wait_for_requests(&fake, "jobs/runs/cancel", 1);
    // Signals that come at once are one request.
    std::thread::sleep(Duration::from_millis(600));
    let begun = Instant::now();
    interrupt(&child);
    expect_unanswered(&fake, child, begun, 4);
}

#[test]
fn a_cancellation_that_is_refused_is_said() {
    let Some(fake) = endless() else { return };
    let project = project(&fake);
    let child = followed(&fake, &project);
    fake.fail(Fault::answer(
        CANCEL,
        99,
        403,
        "PERMISSION_DENIED",
        "No manage permission",
    ));
    interrupt(&child);
    let (code, said) = end_of(child);
    assert_eq!(code, Some(143), "{said}");
    for text in [
        "warning: cannot cancel Databricks job run 9000000001: ",
        "No manage permission",
        "; it may still be running: cancel it on its page ",
    ] {
        assert_contains(&said, text);
    }
}

#[test]
fn a_store_that_hangs_at_the_end_is_not_waited_for_after_a_second_signal() {
    let Some(fake) = endless() else { return };
    let project = project(&fake);
    let child = followed(&fake, &project);
    fake.fail(Fault::new("POST /mlflow/runs/update", 99, Action::Hang));
    interrupt(&child);
    // The tag of the cancellation, and the end itself.
    wait_for_requests(&fake, "mlflow/runs/update", 2);
    // Signals that come at once are one request.
    std::thread::sleep(Duration::from_millis(600));
    let begun = Instant::now();
    interrupt(&child);
    let (code, said) = end_of(child);
    assert_eq!(code, Some(143), "{said}");
    assert_contains(&said, "(KILLED) could not be recorded in time");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}
