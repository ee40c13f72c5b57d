//! Fetches that a signal ends, at every moment.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::forms::{Access, runner};
use super::servers::Servers;
use crate::harness::StoreContents;

/// How many fetches are interrupted; `MLRUN_TEST_INTERRUPTIONS` asks for more.
const INTERRUPTIONS: u64 = 12;

#[test]
fn an_interrupted_fetch_leaves_nothing() {
    let Some(servers) = Servers::shared() else { return };
    let asked = std::env::var("MLRUN_TEST_INTERRUPTIONS")
        .ok()
        .and_then(|count| count.parse().ok());
    let count: u64 = asked.unwrap_or(INTERRUPTIONS);
    let mut interrupted = 0;
    for number in 0..count {
        let (uri, access) = [
            ("http://<http>/open/super.git", Access::Open),
            ("gitserver:<repositories>/super.git", Access::Ssh),
            ("git://<daemon>/super.git", Access::Open),
            ("<repositories>/super.git", Access::Open),
        ][usize::try_from(number % 4).unwrap()];
        let with_program = if number / 4 % 2 == 0 { "false" } else { "true" };
        let project = runner(servers, access).env("MLRUN_GIT_FETCH_WITH_CLI", with_program);
        let mut command = project.sandbox().interruptible_mlrun();
        command.args(["run", &servers.expand(uri), "--env-manager", "local"]);
        command
            .envs(project.environment())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // The moments are spread over a fetch; which of its steps one meets is left to chance.
        std::thread::sleep(Duration::from_millis(5 + number * 7919 % 190));
        let signal = [Signal::INT, Signal::TERM][usize::try_from(number % 2).unwrap()];
        // It may have ended by itself already.
        let _ = kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal);
        let status = child.wait().unwrap();
        interrupted += u64::from(status.code() == Some(128 + signal.as_raw()));
        let left: Vec<_> = fs::read_dir(project.sandbox().root().join("tmp"))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{uri}: {status} leaves {left:?}");
        let store = StoreContents::of_sqlite(&project.sandbox().work().join("mlflow.db"));
        for run in &store.runs {
            assert!(
                run.status != "RUNNING" && run.status != "SCHEDULED",
                "{uri}: {status} leaves {run:?}"
            );
        }
    }
    assert!(interrupted > 0, "none of {count} signals met a fetch");
}
