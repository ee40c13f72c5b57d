//! Tools whose output is read.

use std::time::{Duration, Instant};

use mlrun::internals::process::{ProcessError, ProgramCall, ProgramExit};

use super::driver::{state_of, wait_until};
use crate::harness::block_on;

fn shell(command: &str) -> ProgramCall {
    ProgramCall::new("sh").argument("-c").argument(command)
}

#[test]
fn output_of_both_streams_is_read_at_once() {
    // Either stream alone fills its pipe.
    let call = shell("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; echo end");
    let captured = block_on(call.capture()).unwrap();
    assert_eq!(captured.stdout.len(), 1_000_004);
    assert!(captured.text().ends_with("end\n"));
}

#[test]
fn a_tool_gets_its_variables_directory_and_an_empty_input() {
    let call = shell("cat; pwd; echo \"$ONE-${HOME-none}-$LC_ALL\"")
        .variable("ONE", "0")
        .variable("ONE", "1")
        .variable("LC_ALL", "C")
        .without_variable("HOME")
        .directory("/");
    assert_eq!(block_on(call.capture()).unwrap().text(), "/\n1-none-C\n");
}

#[test]
fn a_failure_carries_the_call_the_exit_and_the_last_lines() {
    for (command, expected) in [
        (
            "seq 100 >&2; exit 3",
            format!(
                "`sh -c 'seq 100 >&2; exit 3'` failed with exit code 3{}",
                (81..=100).map(|line| format!("\n  {line}")).collect::<String>()
            ),
        ),
        ("echo told here; exit 1", "`sh -c 'echo told here; exit 1'` failed with exit code 1\n  told here".to_owned()),
        ("kill -9 $$", "`sh -c 'kill -9 $$'` failed with signal 9 (SIGKILL)".to_owned()),
        (
            "echo no access to https://me:token@host/x >&2; exit 1",
            "`sh -c 'echo no access to https://host/x >&2; exit 1'` failed with exit code 1\n  no access to https://host/x"
                .to_owned(),
        ),
    ] {
        let error = block_on(shell(command).capture()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let error = block_on(shell("exit 4").capture()).unwrap_err();
    assert!(
        matches!(
            error,
            ProcessError::Failed {
                exit: ProgramExit::Code(4),
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn lines_are_handed_over_as_they_come() {
    let mut lines = Vec::new();
    let call = shell("echo one; echo two >&2; printf 'three\\rfour'; exit 2");
    let error = block_on(call.stream(&mut |line| lines.push(line.to_owned()))).unwrap_err();
    lines.sort();
    assert_eq!(lines, ["four", "one", "two"]);
    assert!(matches!(error, ProcessError::Failed { last_lines, .. } if last_lines.len() == 3));
}

#[test]
fn a_daemon_that_keeps_the_pipe_open_is_not_waited_for() {
    let begun = Instant::now();
    let captured = block_on(shell("sleep 1000 & echo $!").capture()).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(100));
    let daemon: i32 = captured.text().trim().parse().unwrap();
    let daemon = rustix::process::Pid::from_raw(daemon).unwrap();
    rustix::process::kill_process(daemon, rustix::process::Signal::KILL).expect("it was left alone");
}

#[test]
fn a_dropped_call_kills_the_whole_group() {
    let directory = tempfile::tempdir().unwrap();
    let ids = directory.path().join("ids");
    block_on(async {
        let call =
            shell("sleep 1000 & echo $$ $! > ids.part; mv ids.part ids; wait").directory(directory.path());
        let mut capture = Box::pin(call.capture());
        while !ids.exists() {
            tokio::select! {
                result = &mut capture => panic!("{result:?}"),
                () = tokio::time::sleep(Duration::from_millis(2)) => {}
            }
        }
    });
    for id in std::fs::read_to_string(&ids).unwrap().split_whitespace() {
        wait_until("the end of the group", || {
            matches!(state_of(id.parse().unwrap()), None | Some('Z')).then_some(())
        });
    }
}

#[test]
fn calls_at_the_same_time_get_their_own_ends() {
    block_on(async {
        let [one, two, three] = ["sleep 0.05; echo 1", "exit 2", "echo 3"].map(shell);
        let (one, two, three) = tokio::join!(one.capture(), two.capture(), three.capture());
        assert_eq!(one.unwrap().text(), "1\n");
        assert!(matches!(
            two.unwrap_err(),
            ProcessError::Failed {
                exit: ProgramExit::Code(2),
                ..
            }
        ));
        assert_eq!(three.unwrap().text(), "3\n");
    });
}
