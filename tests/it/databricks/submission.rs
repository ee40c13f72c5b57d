//! Signals while the job is being submitted: the run ends at once, and no job is left unseen.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use fake_databricks::{Action, FakeDatabricks, Fault, JobState, Settings};
use rustix::process::{Pid, Signal, kill_process};

use super::{project, recorded_in, start, wait_until, workspace};
use crate::harness::Project;

const SUBMIT: &str = "POST /jobs/runs/submit";

/// A run that has sent so many requests to submit its job.
fn submitting(project: &Project, fake: &FakeDatabricks, requests: usize, arguments: &[&str]) -> Child {
    let child = start(project, arguments, Stdio::piped());
    wait_until("the job is being submitted", || {
        let seen = fake.requests();
        let submissions = seen
            .iter()
            .filter(|request| request.path.ends_with("runs/submit"));
        submissions.count() == requests
    });
    child
}

/// Sends the signal; what was said until the end.
#[track_caller]
fn interrupt(child: Child, signal: Signal) -> String {
    let begun = Instant::now();
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(128 + signal.as_raw()), "{said}");
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}\n{said}",
        begun.elapsed()
    );
    assert_eq!(recorded_in(&said).status, "KILLED", "{said}");
    said
}

fn endless() -> Option<FakeDatabricks> {
    workspace(Settings {
        job: vec![JobState::on("RUNNING", "In run"); 2],
        ..Settings::default()
    })
}

#[test]
fn a_workspace_that_does_not_answer_is_not_waited_for() {
    for (signal, arguments) in [(Signal::TERM, &["--wait"][..]), (Signal::INT, &[])] {
        let Some(fake) = endless() else { return };
        fake.fail(Fault::new(SUBMIT, 99, Action::Hang));
        let project = project(&fake);
        let said = interrupt(submitting(&project, &fake, 1, arguments), signal);
        let warning = format!(
            "warning: Interrupted by {} before the workspace {} had answered whether it took the job: if it did, cancel there the newest job run that is named 'MLflow Run for ",
            if signal == Signal::TERM {
                "SIGTERM"
            } else {
                "SIGINT"
            },
            fake.url()
        );
        assert!(said.contains(&warning), "{said}");
    }
}

#[test]
fn a_job_whose_submission_was_not_answered_is_found_and_canceled() {
    for arguments in [&["--wait"][..], &[]] {
        let Some(fake) = endless() else { return };
        fake.fail(Fault::new(SUBMIT, 1, Action::BreakAfter));
        let busy = Fault::answer(
            SUBMIT,
            1,
            429,
            "REQUEST_LIMIT_EXCEEDED",
            "Current qps is too high",
        );
        fake.fail(busy.retry_after(1));
        let project = project(&fake);
        let said = interrupt(submitting(&project, &fake, 2, arguments), Signal::TERM);
        assert_eq!(fake.submitted().len(), 1, "{said}");
        assert_eq!(
            fake.job_states()[0].result_state.as_deref(),
            Some("CANCELED"),
            "{said}"
        );
    }
}

#[test]
fn a_job_that_cannot_be_asked_for_is_canceled() {
    let Some(fake) = endless() else { return };
    fake.fail(Fault::new("GET /jobs/runs/get", 1, Action::Hang));
    let project = project(&fake);
    let child = submitting(&project, &fake, 1, &[]);
    wait_until("the question about the job", || {
        fake.requests()
            .iter()
            .any(|request| request.path.ends_with("runs/get"))
    });
    let said = interrupt(child, Signal::TERM);
    assert_eq!(
        fake.job_states()[0].result_state.as_deref(),
        Some("CANCELED"),
        "{said}"
    );
}
