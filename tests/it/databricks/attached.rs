//! Runs that nobody waits for, found again by their tags: `mlrun status`, `wait` and `cancel`.

use fake_databricks::{FakeDatabricks, JobState, Settings};

use super::{project, recorded, run, stored, workspace};
use crate::harness::Project;

/// A run whose job goes through these states, and which mlrun has left: its project and its id.
fn submitted(job: Vec<JobState>) -> Option<(FakeDatabricks, Project, String)> {
    let fake = workspace(Settings {
        job,
        ..Settings::default()
    })?;
    let project = project(&fake);
    let run_id = {
        let finished = run(&project, &[]);
        finished.expect_code(0);
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
    let shown = project.mlrun(&["status", &run_id]);
    shown.expect_code(0);
    assert!(shown.stdout().contains("RUNNING"), "{}", shown.stdout());
    let cancelled = project.mlrun(&["cancel", &run_id]);
    cancelled.expect_code(0);
    assert!(
        cancelled.stderr().contains("was cancelled: KILLED\n"),
        "{}",
        cancelled.stderr()
    );
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
    let cancelled = project.mlrun(&["cancel", &run_id]);
    cancelled.expect_code(0);
    assert!(
        cancelled.stderr().contains("has ended already: FINISHED\n"),
        "{}",
        cancelled.stderr()
    );
    assert_eq!(fake.job_states()[0].result_state.as_deref(), Some("SUCCESS"));
    assert_eq!(stored(&run_id).status, "FINISHED");
}
