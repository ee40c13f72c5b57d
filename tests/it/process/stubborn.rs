//! Entry points that do not end when they are asked to: a person is told, and a second signal kills them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr};

use rustix::process::Signal;

use crate::harness::running::{assert_nothing_lives, send, start_with, statuses, wait_for_entry_point};
use crate::harness::terminal::{CTRL_C, Step, run_on_terminal};
use crate::harness::{Project, assert_contains};

fn stubborn() -> Project {
    Project::new().command("trap '' TERM; touch ready; while :; do sleep 0.01; done")
}

/// Reads what mlrun says until a line holds this.
fn read_until(said: &mut BufReader<ChildStderr>, part: &str) -> String {
    loop {
        let mut line = String::new();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "never said: {part}");
        if line.contains(part) {
            return line;
        }
    }
}

fn begun(project: &Project) -> (Child, BufReader<ChildStderr>) {
    let mut child = start_with(project, "", &[]);
    wait_for_entry_point(project, &mut child);
    let said = BufReader::new(child.stderr.take().unwrap());
    (child, said)
}

#[test]
fn a_second_signal_kills_at_once() {
    let project = stubborn();
    let (mut child, mut said) = begun(&project);
    send(&child, Signal::TERM);
    let line = read_until(&mut said, "still running");
    assert_contains(&line, "still running; mlrun will kill ");
    assert_contains(&line, " in 9s");
    send(&child, Signal::TERM);
    read_until(&mut said, "warning: killing '");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(statuses(&project), ["KILLED"]);
    assert_nothing_lives(&project);
}

#[test]
fn what_ends_soon_needs_no_words() {
    let project = Project::new().command("touch ready; sleep 1000");
    let (mut child, mut said) = begun(&project);
    send(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("killing"), "{rest}");
}

#[test]
fn a_person_is_told_to_press_ctrl_c_again() {
    let project = stubborn();
    let ready = project.sandbox().work().join("project/ready");
    let steps = [
        Step::File(ready.to_str().unwrap()),
        CTRL_C,
        Step::See("still running; press Ctrl-C again to kill "),
        CTRL_C,
        Step::See("warning: killing '"),
    ];
    let Some(session) = run_on_terminal(&project, 120, &[], &steps) else {
        return;
    };
    assert_eq!(session.code, 130, "{}", session.shown);
    assert_eq!(statuses(&project), ["KILLED"]);
    assert_nothing_lives(&project);
}
