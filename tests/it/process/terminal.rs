//! Commands that use the terminal, and a person's Ctrl-C and Ctrl-Z.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use super::driver::{LONG_GRACE, driver_call, kill_marked_processes};

/// What the person does.
#[derive(Clone, Copy)]
enum Step {
    See(&'static str),
    Type(&'static str),
    File(&'static str),
    /// Press a key until the text is shown.
    Press(&'static str, &'static str),
}
use Step::{File, Press, See, Type};

const CTRL_C: Step = Type("\x03");
const CTRL_Z: Step = Type("\x1a");

struct Session {
    shown: String,
    code: i32,
    /// What the driver told of its command's end.
    report: String,
}

/// Runs the driver with `command` on a terminal. With `shell`, a shell runs it there: `MLRUN` in
/// that text stands for the call.
fn play(command: &str, shell: &[&str], steps: &[Step]) -> Session {
    let directory = tempfile::tempdir().unwrap();
    let call = driver_call(command, LONG_GRACE, directory.path(), &[]);
    let words = |call: &Command| -> Vec<String> {
        std::iter::once(call.get_program())
            .chain(call.get_args())
            .map(|word| word.to_str().unwrap().to_owned())
            .collect()
    };
    let program: Vec<String> = match shell {
        [] => words(&call),
        shell => shell
            .iter()
            .map(|word| word.replace("MLRUN", &words(&call).join(" ")))
            .collect(),
    };
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let driver = words(&call).join(" ");
    let steps: Vec<Vec<String>> = steps
        .iter()
        .map(|step| match step {
            See(text) => vec!["see".to_owned(), (*text).to_owned()],
            Type(text) => vec!["type".to_owned(), text.replace("MLRUN", &driver)],
            File(name) => vec!["file".to_owned(), path(name)],
            Press(key, text) => vec!["press".to_owned(), (*key).to_owned(), (*text).to_owned()],
        })
        .collect();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/harness/terminal.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(serde_json::to_string(&steps).unwrap())
        .args(program)
        .envs(call.get_envs().map(|(name, value)| (name, value.unwrap())))
        .current_dir(directory.path())
        .output()
        .unwrap();
    kill_marked_processes(directory.path());
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.signal(), None, "{shown}");
    let code = output.status.code().unwrap();
    assert_ne!(code, 99, "{shown}");
    let report = fs::read_to_string(path("result")).unwrap_or_else(|_| "no report".to_owned());
    Session { shown, code, report }
}

const INTERACTIVE: &[&str] = &["bash", "--norc", "--noprofile", "-i"];
/// The shell shows its prompt in two pieces when it is typed.
const PROMPT: Step = Type("PS1='REA''DY> '\n");
/// Waits until the driver forwards signals, and so is ready for Ctrl-Z too.
const READY: &str =
    r#"{ trap up=1 USR1; until [ "$up" ]; do kill -USR1 $PPID; sleep 0.01; done; } 2> /dev/null; "#;
const FINISHED: &str = "exited: exit code 0, children: 0";

#[test]
fn a_command_can_ask() {
    for command in [
        "read -p 'name? ' name; echo hello $name",
        r#"python3 -c 'print("hello", input("name? "))'"#,
        // The password prompt opens the terminal itself and changes its modes.
        r#"python3 -c 'import getpass; print("hello", getpass.getpass("name? "))' < /dev/null"#,
        // Not the first program of the command, and not the last.
        r#"true; python3 -c 'print("hello", input("name? "))'; true"#,
    ] {
        let session = play(command, &[], &[See("name? "), Type("bob\n"), See("hello bob")]);
        assert_eq!(
            (session.code, session.report.as_str()),
            (0, FINISHED),
            "{}",
            session.shown
        );
    }
}

#[test]
fn a_debugger_works() {
    let session = play(
        "python3 -c 'value = 6\nbreakpoint()\nprint(value * 7)'",
        &[],
        &[
            See("(Pdb) "),
            Type("value = 3\n"),
            See("(Pdb) "),
            Type("continue\n"),
            See("21"),
        ],
    );
    assert_eq!(
        (session.code, session.report.as_str()),
        (0, FINISHED),
        "{}",
        session.shown
    );
}

#[test]
fn ctrl_c_ends_a_command_that_does_not_use_the_terminal() {
    let session = play(
        "sleep 1000 & (setsid sleep 1001 &); echo up > up; sleep 1002",
        &[],
        &[File("up"), CTRL_C],
    );
    assert_eq!(
        (session.code, session.report.as_str()),
        (130, "interrupted: SIGINT, children: 0")
    );
}

#[test]
fn ctrl_c_reaches_a_command_that_has_the_terminal() {
    // An answer shows that it has the terminal. It handles the first Ctrl-C itself and dies of the
    // second; what it started goes with it.
    let command = r#"sleep 1000 & setsid sleep 1001 & python3 -c '
import time
def wait(text):
    print(text, flush=True)
    while True:
        time.sleep(0.01)
input("zero? ")
try:
    wait("one")
except KeyboardInterrupt:
    print("not yet")
wait("two")
'"#;
    let session = play(
        command,
        &[],
        &[
            See("zero? "),
            Type("0\n"),
            See("one"),
            CTRL_C,
            See("not yet"),
            See("two"),
            CTRL_C,
        ],
    );
    assert_eq!(
        (session.code, session.report.as_str()),
        (130, "interrupted: SIGINT, children: 0"),
        "{}",
        session.shown
    );
}

#[test]
fn the_terminal_comes_back() {
    // A script's next command reads the terminal too.
    for (command, answer) in [("read name", "one\n"), ("read name; kill -KILL $$", "one\n")] {
        let session = play(
            command,
            &["bash", "-c", "MLRUN; read -p 'next? ' next; echo then $next"],
            &[Type(answer), See("next? "), Type("two\n"), See("then two")],
        );
        assert_eq!(session.code, 0, "{}", session.shown);
    }
}

#[test]
fn a_killed_command_leaves_the_terminal_as_it_was() {
    let session = play(
        "read name; stty -echo -icanon; kill -KILL $$",
        &[
            "bash",
            "-c",
            "MLRUN; echo modes: $(stty -a | grep -ow -e '-*echo' -e '-*icanon')",
        ],
        &[Type("one\n"), See("modes: icanon echo")],
    );
    assert_eq!(
        session.report, "exited: signal 9 (SIGKILL), children: 0",
        "{}",
        session.shown
    );
}

#[test]
fn ctrl_z_stops_and_fg_goes_on() {
    // Without the terminal: mlrun gets Ctrl-Z and stops the command with itself.
    let session = play(
        &format!("{READY} echo $$ > id; echo up > up; while [ ! -e go ]; do sleep 0.01; done"),
        INTERACTIVE,
        &[
            PROMPT,
            See("READY> "),
            Type("MLRUN\n"),
            File("up"),
            CTRL_Z,
            See("Stopped"),
            See("READY> "),
            Type("cd $(dirname $DRIVER_RESULT); echo state $(ps -o state= -p $(cat id))\n"),
            See("state T"),
            Type("bg; while [ $(ps -o state= -p $(cat id)) = T ]; do sleep 0.01; done; fg\n"),
            See("--exact"),
            See("--exact"),
            // The shell shows the job before it gives it the terminal.
            Press("\x1a", "Stopped"),
            Type("touch go; fg\n"),
            See("READY> "),
            Type("exit\n"),
        ],
    );
    assert_eq!(session.report, FINISHED, "{}", session.shown);
}

#[test]
fn ctrl_z_works_for_a_command_that_has_the_terminal() {
    let session = play(
        "echo $$ > id; read -p 'one? ' one; read -p 'two? ' two; echo got $one $two",
        INTERACTIVE,
        &[
            PROMPT,
            See("READY> "),
            Type("MLRUN\n"),
            See("one? "),
            Type("1\n"),
            See("two? "),
            CTRL_Z,
            See("Stopped"),
            See("READY> "),
            Type("echo state $(ps -o state= -p $(cat $(dirname $DRIVER_RESULT)/id))\n"),
            See("state T"),
            Type("fg\n"),
            See("--exact"),
            Type("2\n"),
            See("got 1 2"),
            See("READY> "),
            Type("exit\n"),
        ],
    );
    assert_eq!(session.report, FINISHED, "{}", session.shown);
}

#[test]
fn a_background_job_that_asks_is_stopped_until_it_is_in_the_foreground() {
    let session = play(
        "read -p 'name? ' name; echo hello $name",
        INTERACTIVE,
        &[
            PROMPT,
            See("READY> "),
            Type("MLRUN &\n"),
            See("READY> "),
            Type("while [ -z \"$(jobs -s)\" ]; do sleep 0.01; done; jobs; echo is sto''pped\n"),
            See("Stopped"),
            See("is stopped"),
            Type("bg; sleep 0.1; while [ -z \"$(jobs -s)\" ]; do sleep 0.01; done; echo is aga''in\n"),
            See("is again"),
            Type("fg\n"),
            See("--exact"),
            Type("bob\n"),
            See("hello bob"),
            See("READY> "),
            Type("exit\n"),
        ],
    );
    assert_eq!(session.report, FINISHED, "{}", session.shown);
}

#[test]
fn nothing_hangs_where_no_shell_could_let_it_go_on() {
    // The driver leads the session, as in a container: Ctrl-Z does nothing there, but it is seen.
    let session = play(
        &format!("{READY} echo up > up; sleep 1000"),
        &[],
        &[File("up"), CTRL_Z, See("^Z"), CTRL_C],
    );
    assert_eq!(
        (session.code, session.report.as_str()),
        (130, "interrupted: SIGINT, children: 0"),
        "{}",
        session.shown
    );
}

#[test]
fn a_background_group_without_a_shell_gets_no_terminal() {
    let session = play(
        "read name || exit 9",
        &[
            "bash",
            "-c",
            "(set -m; MLRUN < /dev/tty > /dev/null & ); while [ ! -e $DRIVER_RESULT ]; do sleep 0.01; done",
        ],
        &[],
    );
    assert_eq!(
        session.report, "exited: signal 1 (SIGHUP), children: 0",
        "{}",
        session.shown
    );
}
