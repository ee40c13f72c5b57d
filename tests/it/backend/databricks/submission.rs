//! Signals while the job is being submitted, and a submitted job that the store does not record.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use fake_databricks::{Action, FakeDatabricks, Fault, JobState, Settings};
use rustix::process::Signal;

use super::{RUN, project, recorded, recorded_in, run, run_id_of_job, start, stored, workspace};
use crate::harness::running::{send, wait_until};
use crate::harness::terminal::run_on_terminal;
use crate::harness::{Project, assert_contains};

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
    send(&child, signal);
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
            "warning: Interrupted by {} before the workspace {} confirmed the job; if the job exists, cancel the \
            newest job run named 'MLflow Run for ",
            if signal == Signal::TERM {
                "SIGTERM"
            } else {
                "SIGINT"
            },
            fake.url()
        );
        assert_contains(&said, &warning);
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

/// The request that stores tags; the first is for the run's params.
const TAGS: &str = "POST /mlflow/runs/log-batch";

/// A workspace whose jobs continue, and a project with little patience for the store.
fn endless_project() -> Option<(FakeDatabricks, Project)> {
    let fake = endless()?;
    let project = project(&fake)
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        .env("MLRUN_RECORD_TIMEOUT", "2");
    Some((fake, project))
}

fn refusal(times: u32) -> Fault {
    Fault::answer(TAGS, times, 403, "PERMISSION_DENIED", "No edit permission").after(1)
}

fn outage(times: u32) -> Fault {
    Fault::answer(TAGS, times, 503, "TEMPORARILY_UNAVAILABLE", "down").after(1)
}

fn page(fake: &FakeDatabricks) -> String {
    format!("{}/?o=0#job/701/run/9000000001", fake.url())
}

fn state(fake: &FakeDatabricks) -> Option<String> {
    fake.job_states()[0].result_state.clone()
}

#[test]
fn a_job_that_the_store_cannot_know_of_is_canceled() {
    for (fault, arguments, tries) in [
        (refusal(99), &[][..], false),
        (refusal(99), &["--wait"], false),
        (outage(99), &[], true),
    ] {
        let Some((fake, project)) = endless_project() else {
            return;
        };
        fake.fail(fault);
        let finished = run(&project, arguments).with_code(1);
        let text = finished.stderr();
        assert_eq!(state(&fake).as_deref(), Some("CANCELED"), "{text}");
        let stored = recorded(&finished);
        assert_eq!(stored.status, "FAILED");
        let error = format!(
            "error: the link from run '{}' to Databricks job run 9000000001 could not be stored; it was canceled\n",
            stored.run_id
        );
        assert_contains(text, &error);
        let waiting = format!(
            "warning: the link from run '{}' to Databricks job run 9000000001 is not recorded yet (",
            stored.run_id
        );
        assert_eq!(text.contains(&waiting), tries, "{text}");
        let why = if tries {
            "TEMPORARILY_UNAVAILABLE"
        } else {
            "No edit permission"
        };
        assert!(text[text.find(&error).unwrap()..].contains(why), "{text}");
    }
}

#[test]
fn a_store_that_comes_back_is_told() {
    let Some((fake, project)) = endless_project() else {
        return;
    };
    // Patience enough for a slow machine: the third try ends it.
    let project = project.env("MLRUN_RECORD_TIMEOUT", "300");
    // Two tries of two requests each fail.
    fake.fail(outage(4));
    let finished = run(&project, &[]).with_code(0);
    assert_contains(finished.stderr(), "is not recorded yet (");
    let stored = recorded(&finished);
    assert_eq!(stored.status, "RUNNING");
    assert_eq!(stored.tags["mlflow.databricks.shellJobRunID"], "9000000001");
    assert_eq!(stored.tags["mlflow.databricks.runURL"], page(&fake));
    assert_eq!(state(&fake), None);
}

#[test]
fn a_job_that_cannot_be_canceled_is_named() {
    for (knows_page, by_hand) in [
        (true, "cancel it on its page "),
        (false, "databricks jobs cancel-run 9000000001"),
    ] {
        let Some((fake, project)) = endless_project() else {
            return;
        };
        fake.fail(refusal(99));
        fake.fail(Fault::answer(
            "POST /jobs/runs/cancel",
            99,
            403,
            "PERMISSION_DENIED",
            "No manage permission",
        ));
        if !knows_page {
            fake.fail(Fault::answer(
                "GET /jobs/runs/get",
                99,
                403,
                "PERMISSION_DENIED",
                "No view permission",
            ));
        }
        let finished = run(&project, &[]).with_code(1);
        let text = finished.stderr();
        assert_eq!(state(&fake), None, "{text}");
        assert_eq!(recorded(&finished).status, "FAILED");
        assert!(
            text.contains("to Databricks job run 9000000001 could not be stored; it could not be canceled and may still run: ")
                && text.contains("No manage permission")
                && text.contains("hint: this message is the only link to it: ")
                && text.contains(by_hand)
                && text.contains(&page(&fake)) == knows_page,
            "{text}"
        );
    }
}

#[test]
fn a_signal_meanwhile_cancels_the_job() {
    for (arguments, signal, code) in [(&["--wait"][..], Signal::TERM, 143), (&[], Signal::INT, 130)] {
        let Some((fake, project)) = endless_project() else {
            return;
        };
        fake.fail(Fault::new(TAGS, 99, Action::Hang).after(1));
        let mut child = start(&project, arguments, Stdio::null());
        wait_until("the request with the tags", || {
            let requests = fake.all_requests();
            let of_tags = requests
                .iter()
                .filter(|request| request.path.ends_with("runs/log-batch"));
            of_tags.count() == 2
        });
        let begun = Instant::now();
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{arguments:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(state(&fake).as_deref(), Some("CANCELED"), "{arguments:?}");
        assert_eq!(stored(&run_id_of_job(&fake)).status, "KILLED", "{arguments:?}");
    }
}

#[test]
fn a_person_at_a_terminal_is_shown_the_job_s_page() {
    let Some((fake, project)) = endless_project() else {
        return;
    };
    let Some(session) = run_on_terminal(&project, 120, &RUN[2..], &[]) else {
        return;
    };
    assert_eq!(session.code, 0, "{}", session.shown);
    assert_contains(&session.shown, "\nstatus     RUNNING (submitted to databricks)\n");
    assert_contains(&session.shown, &format!("\njob page   {}\n", page(&fake)));
    assert_contains(
        &session.shown,
        &format!("\nview       {}/#mlflow/experiments/1/runs/", fake.url()),
    );
}
