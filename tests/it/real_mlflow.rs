//! Programs of a real MLflow, in an environment of their own.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// A command that sees nothing of the environment but its path.
pub(crate) fn clean_command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", directory)
        .env("NO_PROXY", "*")
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .env("MLFLOW_ALLOW_FILE_STORE", "true")
        .current_dir(directory)
        .stdin(Stdio::null());
    command
}

/// Runs Python code with a tracking store. Gives the last line that it prints, as JSON.
pub(crate) fn python(
    venv: &Path,
    directory: &Path,
    tracking_uri: &str,
    variables: &[(&str, &str)],
    code: &str,
    arguments: &[&str],
) -> Value {
    let output = clean_command(&venv.join("bin/python"), directory)
        .args(["-c", code])
        .args(arguments)
        .env("MLFLOW_TRACKING_URI", tracking_uri)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stdout}\n{stderr}");
    serde_json::from_str(stdout.lines().last().unwrap()).unwrap()
}
