//! Signals in every moment of a run: nothing that was started lives on, no run stays RUNNING.

use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::harness::Project;
use crate::harness::running::{
    assert_nothing_lives, send, start, statuses, tree, wait_for_entry_point, wait_until,
};

#[test]
fn a_signal_in_mid_run_ends_the_tree_and_the_run() {
    let signals = [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)];
    for (count, (signal, code)) in signals.into_iter().cycle().take(50).enumerate() {
        let uri = ["", "mlruns"][count % 2];
        let project = tree();
        let mut child = start(&project, uri);
        wait_for_entry_point(&project, &mut child);
        send(&child, signal);
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(code), "{signal:?}: {status}");
        assert_eq!(statuses(&project), ["KILLED"], "{signal:?} {uri}");
        assert_nothing_lives(&project);
    }
}

#[test]
fn a_signal_in_any_moment_leaves_no_run_running() {
    for step in 0..60u64 {
        let project = tree();
        let mut child = start(&project, "");
        // The moment is the point here: the signal shall fall into each step of the program once.
        std::thread::sleep(Duration::from_micros(step * 300));
        send(&child, Signal::TERM);
        let status = child.wait().unwrap();
        let statuses = statuses(&project);
        let is_ended = statuses.iter().all(|status| status == "KILLED");
        assert!(is_ended, "after {} µs ({status}): {statuses:?}", step * 300);
        assert_nothing_lives(&project);
    }
}

#[test]
fn an_entry_point_that_ends_well_on_a_signal_is_killed_nonetheless() {
    let project = Project::new().command("trap 'exit 0' TERM; touch ready; while :; do sleep 0.01; done");
    let mut child = start(&project, "mlruns");
    wait_for_entry_point(&project, &mut child);
    send(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(statuses(&project), ["KILLED"]);
    assert_nothing_lives(&project);
}

/// Batch systems kill what has not ended soon after they have asked for it, mlrun included.
#[test]
fn a_run_is_marked_while_its_processes_are_given_time() {
    for uri in ["", "mlruns"] {
        let project =
            Project::new().command("trap '' TERM; echo $$ >pid; mv pid ready; while :; do sleep 0.01; done");
        let mut child = start(&project, uri);
        wait_for_entry_point(&project, &mut child);
        send(&child, Signal::TERM);
        wait_until("the mark", || statuses(&project) == ["KILLED"]);
        assert!(
            child.try_wait().unwrap().is_none(),
            "mlrun waits for the entry point"
        );
        send(&child, Signal::KILL);
        child.wait().unwrap();
        let ready = std::fs::read_to_string(project.sandbox().work().join("project/ready")).unwrap();
        let group = Pid::from_raw(ready.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process_group(group, Signal::KILL).unwrap();
        assert_eq!(statuses(&project), ["KILLED"], "{uri}");
        assert_nothing_lives(&project);
    }
}

/// Batch systems signal the processes of a job one after the other: mlrun may be told when the entry
/// point, which ends well on a signal, is gone already.
#[test]
fn the_exit_code_and_the_run_agree_when_a_signal_comes_at_the_end() {
    let mut codes = std::collections::BTreeSet::new();
    // On a busy machine the signal may come late every time; then all moments are tried again.
    for number in 0..400 {
        let delay = number % 40;
        if delay == 0 && codes.contains(&143) {
            break;
        }
        let project = Project::new().mlproject(&format!(
            "entry_points:\n  main:\n    command: \"(sleep 0.0{delay:02}; kill -TERM $PPID) >/dev/null 2>&1 & exit 0\"\n",
        ));
        let code = start(&project, "").wait().unwrap().code().unwrap();
        let status = match code {
            0 => "FINISHED",
            143 => "KILLED",
            code => panic!("exit code {code} after {delay} ms"),
        };
        assert_eq!(statuses(&project), [status], "after {delay} ms");
        codes.insert(code);
    }
    assert!(codes.contains(&143), "no signal came before the end was recorded");
}
