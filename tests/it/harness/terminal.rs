//! Programs on a terminal, and a person who types; see `terminal.py` beside this file.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use super::{Project, require_program};

/// What the person does.
#[derive(Clone, Copy)]
pub(crate) enum Step<'a> {
    /// Wait until this is shown.
    See(&'a str),
    /// Wait until this file is there.
    File(&'a str),
    /// Type this.
    Type(&'a str),
}

/// Ctrl-C.
pub(crate) const CTRL_C: Step<'static> = Step::Type("\x03");

/// What was shown on the terminal, and the exit code.
pub(crate) struct Session {
    pub(crate) shown: String,
    pub(crate) code: i32,
}

/// Runs `mlrun run project --env-manager local` with these arguments on a terminal of so many columns.
///
/// # Panics
/// When a step takes too long.
#[track_caller]
pub(crate) fn run_on_terminal(
    project: &Project,
    columns: u32,
    arguments: &[&str],
    steps: &[Step<'_>],
) -> Option<Session> {
    let python = require_program("python3")?;
    let stty = require_program("stty")?;
    let steps: Vec<[&str; 2]> = steps
        .iter()
        .map(|step| match step {
            Step::See(text) => ["see", text],
            Step::File(path) => ["file", path],
            Step::Type(text) => ["type", text],
        })
        .collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/harness/terminal.py");
    let sandbox = project.sandbox();
    let set_size = format!("{} cols {columns} rows 40; exec \"$@\"", stty.display());
    let output = sandbox
        .command(python)
        .arg(script)
        .arg(serde_json::to_string(&steps).unwrap())
        .args(["bash", "-c", &set_size, "bash"])
        .args(["env", "--default-signal"])
        .arg(sandbox.mlrun().get_program())
        .args(["run", "project", "--env-manager", "local"])
        .args(arguments)
        .envs(project.environment())
        .envs([("TERM", "xterm"), ("NO_COLOR", "1")])
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
    assert_eq!(output.status.signal(), None, "{shown}");
    let code = output.status.code().unwrap();
    assert_ne!(code, 99, "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
    Some(Session { shown, code })
}
