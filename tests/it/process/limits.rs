//! Limits that a shell or a batch queue sets (`ulimit`), and signals that end a program by default.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::{Command, Stdio};

use rustix::process::geteuid;

use crate::harness::running::{assert_nothing_lives, statuses, tree, wait_for_entry_point};
use crate::harness::{
    Project, assert_contains, assert_contains_all, assert_lacks, describe, missing, require_program,
};

/// Runs mlrun with these arguments in a shell that has set limits before.
struct Limited<'a> {
    project: &'a Project,
    limits: &'a str,
    variables: Vec<(&'a str, &'a str)>,
}

impl<'a> Limited<'a> {
    fn new(project: &'a Project, limits: &'a str) -> Self {
        Self {
            project,
            limits,
            variables: Vec::new(),
        }
    }

    fn variable(mut self, name: &'a str, value: &'a str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// The exit code, standard output and standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.project.sandbox().command("bash");
        let script = format!("{}; exec \"$@\"", self.limits);
        command.args(["-c", &script, "bash", env!("CARGO_BIN_EXE_mlrun")]);
        finish(command.args(arguments).envs(self.variables.iter().copied()))
    }
}

fn finish(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code();
    let code = code.unwrap_or_else(|| panic!("a signal ended mlrun: {}", describe(&output)));
    (code, text(&output.stdout), text(&output.stderr))
}

const RUN: [&str; 4] = ["run", "project", "--env-manager", "local"];

fn project(command: &str) -> Project {
    Project::new().mlproject(&format!("entry_points:\n  main:\n    command: \"{command}\"\n"))
}

#[test]
fn a_file_that_may_not_grow_is_an_error_and_no_end() {
    for uri in ["", "mlruns"] {
        for blocks in ["0", "1", "8"] {
            let project = project("true");
            let limits = format!("ulimit -f {blocks}");
            let limited = Limited::new(&project, &limits).variable("MLFLOW_TRACKING_URI", uri);
            let (code, _, told) = limited.run(&RUN);
            if code == 0 {
                // The files of a file store are small.
                assert_eq!((uri, statuses(&project)), ("mlruns", vec!["FINISHED".to_owned()]));
                continue;
            }
            assert_eq!(code, 1, "{told}");
            let limit = match blocks {
                "0" => "0 B",
                "1" => "1.0 KiB",
                _ => "8.0 KiB",
            };
            let hint =
                format!("hint: the limit on file size is {limit}; raise it with `ulimit -f unlimited`");
            assert_contains_all(&told, &["error: cannot ", &hint]);
        }
    }
}

#[test]
fn the_entry_point_has_the_signals_and_limits_that_mlrun_was_started_with() {
    let project = project(
        "grep -E '^Sig(Ign|Blk)' /proc/self/status; ulimit -Sn; ulimit -f; head -c 3000000 /dev/zero >big",
    );
    let (code, seen, told) = Limited::new(&project, "ulimit -Sn 20; ulimit -f 1024").run(&RUN);
    assert_eq!(code, 1, "{told}");
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines[2..], ["20", "1024"]);
    for (line, name) in lines[..2].iter().zip(["SigBlk:", "SigIgn:"]) {
        let mask = u64::from_str_radix(line.strip_prefix(name).unwrap().trim(), 16).unwrap();
        // The C library keeps signals from 32 on for itself.
        assert_eq!(mask & 0x7fff_ffff, 0, "{line}");
    }
    assert_contains_all(&told, &["The entry point ended with exit code 153"]);
    assert_eq!(statuses(&project), ["FAILED"]);
    assert_eq!(
        fs::metadata(project.sandbox().work().join("project/big"))
            .unwrap()
            .len(),
        1 << 20
    );
}

#[test]
fn a_log_that_may_not_grow_does_not_end_the_run() {
    let project = project("head -c 3000000 /dev/zero");
    let arguments = [&RUN[..], &["--log-output"]].concat();
    let (code, seen, told) = Limited::new(&project, "ulimit -f 1024").run(&arguments);
    assert_eq!((code, seen.len()), (0, 3_000_000), "{told}");
    assert_contains_all(
        &told,
        &["the entry point's logs are incomplete", "File too large"],
    );
    assert_eq!(statuses(&project), ["FINISHED"]);
}

#[test]
fn too_few_open_files_are_told_with_the_limit() {
    for limit in [5, 6, 8, 10, 12] {
        let project = project("true");
        let limits = format!("ulimit -n {limit}");
        let (code, _, told) = Limited::new(&project, &limits).run(&RUN);
        assert_eq!(code, 1, "{limit}: {told}");
        let cause = format!("error: the limit on open files is too low: {limit}\n");
        assert_contains_all(&told, &[&cause, "hint: raise it with `ulimit -n "]);
        assert!(statuses(&project).is_empty());
    }
    // One that holds files open itself.
    let project = project("true");
    let open = "ulimit -n 20; for fd in {3..19}; do eval \"exec $fd</dev/null\"; done; exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&- 10<&-";
    for more in ["", " 11<&-", " 11<&- 12<&-"] {
        let (code, _, told) = Limited::new(&project, &format!("{open}{more}")).run(&RUN);
        if code == 0 {
            continue;
        }
        assert_eq!(code, 1, "{told}");
        assert_contains_all(
            &told,
            &["hint: the limit on open files is 20; raise it with `ulimit -n 1024`"],
        );
        assert_lacks(&told, " bug ");
    }
    assert!(statuses(&project).iter().all(|status| status != "RUNNING"));
}

#[test]
fn a_low_limit_on_open_files_is_raised() {
    for limit in [4, 6, 10] {
        let project = project("ulimit -Sn");
        let limits = format!("ulimit -Sn {limit}");
        let (code, seen, told) = Limited::new(&project, &limits).run(&RUN);
        // The shell itself cannot start with less.
        if limit > 4 {
            assert_eq!((code, seen.trim()), (0, limit.to_string().as_str()), "{told}");
        }
        assert!(statuses(&project).iter().all(|status| status != "RUNNING"));
    }
}

#[test]
fn a_small_stack_is_enough() {
    for kib in ["64", "128", "256"] {
        let project = project("true");
        let limits = format!("ulimit -s {kib}");
        let limited = Limited::new(&project, &limits);
        for arguments in [
            &RUN[..],
            &["inspect", "project"],
            &["run", "--help"],
            &["lint", "project"],
        ] {
            let (code, _, told) = limited.run(arguments);
            assert_eq!(code, 0, "{kib} {arguments:?}: {told}");
        }
        assert_eq!(statuses(&project), ["FINISHED"]);
    }
}

#[test]
fn too_little_memory_is_told() {
    let project = project("true");
    let mut codes = Vec::new();
    for mib in (52..100).step_by(4) {
        let limits = format!("ulimit -v {}", mib * 1024);
        let mut command = project.sandbox().command("bash");
        let script = format!("{limits}; exec \"$@\"");
        command.args(["-c", &script, "bash", env!("CARGO_BIN_EXE_mlrun")]);
        let output = command.args(RUN).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains(" bug "), "{mib} MiB: {told}");
        // Where not even its code has room, mlrun does not start.
        if output.status.code() == Some(1) {
            assert_contains(&told, "error: ");
        }
        codes.push(output.status.code());
    }
    assert!(codes.contains(&Some(0)), "{codes:?}");
    // Who is aborted for lack of memory can record nothing.
    let aborted = codes.iter().filter(|code| !matches!(code, Some(0 | 1))).count();
    let statuses = statuses(&project);
    let running = statuses.iter().filter(|status| *status == "RUNNING").count();
    assert!(running <= aborted, "{codes:?} {statuses:?}");
}

/// Only for users who are not root processes are counted.
#[test]
fn too_few_processes_are_told() {
    // Nobody else's.
    let user = 1_000_000_000 + std::process::id();
    let Some(runner) = require_program("setpriv") else {
        return;
    };
    if !geteuid().is_root() {
        return missing("root, to become a user with no other processes");
    }
    let project = project("true");
    let program = project.sandbox().root().join("bin/mlrun");
    // By another program: a file that this one has open for writing cannot be run.
    let copy = format!("cp '{}' '{}'", env!("CARGO_BIN_EXE_mlrun"), program.display());
    project.sandbox().shell(&copy);
    let root = project.sandbox().root();
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    for directory in [root.join("work"), root.join("tmp"), root.join("home")] {
        chown(directory, Some(user), Some(user)).unwrap();
    }
    let mut codes = Vec::new();
    // How many it takes depends on what runs at the same time.
    for count in [1, 2, 3, 4, 5, 6, 64] {
        let mut command = project.sandbox().command(&runner);
        command.args([
            format!("--reuid={user}"),
            format!("--regid={user}"),
            "--clear-groups".to_owned(),
        ]);
        command.args(["bash", "-c", &format!("ulimit -u {count}; exec \"$@\""), "bash"]);
        let (code, _, told) = finish(command.arg(&program).args(RUN));
        codes.push(code);
        if code != 0 {
            assert_eq!(code, 1, "{count}: {told}");
            let hint =
                format!("hint: the limit on processes and threads is {count}; raise it with `ulimit -u ");
            assert_contains_all(&told, &["error: cannot ", &hint]);
        }
    }
    assert_eq!((codes[0], codes[6]), (1, 0), "{codes:?}");
    assert!(statuses(&project).iter().all(|status| status != "RUNNING"));
}

#[test]
fn the_log_may_lose_its_reader() {
    for redirection in [
        "2>&1 | head -n 1",
        "2>&-",
        "2>&1 | true",
        ">/dev/full 2>&1",
        "<&- >&- 2>&-",
    ] {
        let project = project("sleep 0.1");
        let script = format!("\"$@\" {redirection}; exit ${{PIPESTATUS[0]}}");
        let mut command = project.sandbox().command("bash");
        command.args(["-c", &script, "bash", env!("CARGO_BIN_EXE_mlrun")]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.args(RUN).status().unwrap();
        assert_eq!(status.code(), Some(0), "{redirection}");
        assert_eq!(statuses(&project), ["FINISHED"], "{redirection}");
    }
}

#[test]
fn every_signal_that_can_be_handled_ends_the_run() {
    // All that end a program by default but for SIGKILL, the signals of a program's own faults, those that
    // are handed on to the entry point, and SIGPIPE and SIGXFSZ, which tell of a write that failed.
    let named = [1, 2, 3, 5, 6, 14, 15, 16, 24, 26, 27, 29, 30, 31];
    for number in named.into_iter().chain([34, 50, 64]) {
        let project = tree();
        let mut child = project.started(&RUN).spawn().unwrap();
        wait_for_entry_point(&project, &mut child);
        send_number(child.id(), number);
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(128 + number), "{status}");
        assert_eq!(statuses(&project), ["KILLED"], "signal {number}");
        assert_nothing_lives(&project);
    }
}

/// Real-time signals have no names that a program could be asked to send.
fn send_number(process: u32, number: i32) {
    let status = Command::new("kill")
        .args([format!("-{number}"), process.to_string()])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn writes_that_fail_end_nothing() {
    for number in [13, 25] {
        let project = project("touch ready; until [ -e go ]; do sleep 0.01; done");
        let mut child = project.started(&RUN).spawn().unwrap();
        wait_for_entry_point(&project, &mut child);
        send_number(child.id(), number);
        project.sandbox().write("project/go", "");
        assert_eq!(child.wait().unwrap().code(), Some(0), "signal {number}");
        let contents = project.store();
        assert_eq!(contents.run().status, "FINISHED");
    }
}

#[test]
fn a_limit_on_cpu_time_is_the_entry_point_s_own() {
    let project = project("while :; do :; done");
    let (code, _, told) = Limited::new(&project, "ulimit -St 1").run(&RUN);
    assert_eq!(code, 1, "{told}");
    assert_contains_all(&told, &["The entry point ended with signal 24 (SIGXCPU)"]);
    assert_eq!(statuses(&project), ["FAILED"]);
}
