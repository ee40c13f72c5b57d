//! mlrun under the name `mlflow`: what it lacks is done by MLflow itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::{Project, Sandbox, assert_contains, mlflow3, require_program};

fn project() -> Project {
    Project::new().command("echo ran")
}

/// Makes `mlflow` in this directory of the sandbox a link to the binary under test.
fn link(sandbox: &Sandbox, directory: &str) -> PathBuf {
    let link = sandbox.root().join(directory).join("mlflow");
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mlrun"), &link).unwrap();
    link
}

/// A program called `mlflow` that tells how it was called.
fn stand_in(sandbox: &Sandbox, directory: &str) {
    let file = sandbox.root().join(directory).join("mlflow");
    sandbox.write_executable(file, &format!("#!/bin/sh\necho {directory} \"$@\"\nexit 7\n"));
}

/// `mlflow ARGUMENTS`, looked for in these directories of the sandbox after its own.
fn mlflow(sandbox: &Sandbox, path: &[&Path], arguments: &[&str]) -> Output {
    let mut command = Command::new("env");
    let own = sandbox.root().join("bin");
    let directories = [own.as_path()].into_iter().chain(path.iter().copied());
    let shells = require_program("sh").unwrap();
    let path = std::env::join_paths(directories.chain([shells.parent().unwrap()])).unwrap();
    command
        .env_clear()
        .envs(sandbox.environment())
        .env("PATH", path)
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .current_dir(sandbox.work())
        .arg("mlflow")
        .args(arguments);
    command.output().unwrap()
}

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_mlrun_lacks_is_handed_over() {
    let project = project();
    let sandbox = project.sandbox();
    link(sandbox, "bin");
    link(sandbox, "again");
    stand_in(sandbox, "other");
    let path = [sandbox.root().join("again"), sandbox.root().join("other")];
    let path = path.each_ref().map(PathBuf::as_path);
    for line in [
        &["ui", "--port", "5001"][..],
        &["server"],
        &["experiments", "create", "-n", "two words"],
        &["models", "serve", "-m", "x"],
        &["--env-file", "/dev/null", "ui"],
        &["--env-file=/dev/null", "runs", "list"],
        &["--version"],
        &["--help"],
        &["-h"],
        &["--new-option", "run", "."],
        &["brand-new-command"],
        &[],
    ] {
        let (code, stdout, stderr) = text(&mlflow(sandbox, &path, line));
        let expected = format!("{}\n", [&["other"], line].concat().join(" "));
        assert_eq!((code, stdout), (Some(7), expected), "{line:?}: {stderr}");
    }
    for line in [
        &["run", "project", "--env-manager", "local"][..],
        &[
            "--env-file",
            "/dev/null",
            "run",
            "--env-manager",
            "local",
            "project",
        ],
    ] {
        let (code, stdout, stderr) = text(&mlflow(sandbox, &path, line));
        assert_eq!((code, stdout.as_str()), (Some(0), "ran\n"), "{line:?}: {stderr}");
    }
    let (code, stdout, _) = text(&mlflow(sandbox, &path, &["inspect", "project"]));
    assert!(code == Some(0) && stdout.contains("entry point main"), "{stdout}");
}

#[test]
fn without_mlflow_the_error_says_how_to_install_it() {
    let project = project();
    let sandbox = project.sandbox();
    link(sandbox, "bin");
    for command in ["ui", "server", "experiments", "brand-new-command"] {
        let (code, _, stderr) = text(&mlflow(sandbox, &[], &[command]));
        assert_eq!(code, Some(2), "{stderr}");
        let expected = format!("error: cannot find MLflow for `mlflow {command}`");
        assert!(
            stderr.contains(&expected) && stderr.contains("only `run`"),
            "{stderr}"
        );
        assert_contains(&stderr, "pip install mlflow");
    }
    let (code, stdout, _) = text(&mlflow(sandbox, &[], &["--version"]));
    assert!(code == Some(0) && stdout.starts_with("mlrun "), "{stdout}");
    let (code, stdout, _) = text(&mlflow(sandbox, &[], &["--help"]));
    assert!(code == Some(0) && stdout.contains("inspect"), "{stdout}");
}

#[test]
fn wrappers_that_lead_back_are_passed_over() {
    let project = project();
    let sandbox = project.sandbox();
    let link = link(sandbox, "bin");
    let wrapper = |directory: &str, command: &str| {
        let file = sandbox.root().join(directory).join("mlflow");
        sandbox.write_executable(file, &format!("#!/bin/sh\n{command}\n"));
    };
    // By `exec`, in a process of its own, with a copy of the program, and with more words each time.
    wrapper("a", &format!("exec '{}' \"$@\"", link.display()));
    wrapper("b", &format!("'{}' \"$@\"", link.display()));
    std::fs::create_dir(sandbox.root().join("c")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_mlrun"), sandbox.root().join("c/mlflow")).unwrap();
    wrapper(
        "d",
        &format!("exec '{}' --env-file /dev/null \"$@\"", link.display()),
    );
    stand_in(sandbox, "other");
    let directory = |name: &str| sandbox.root().join(name);
    let [a, b, c, d, other] = ["a", "b", "c", "d", "other"].map(directory);
    let (code, stdout, stderr) = text(&mlflow(sandbox, &[&a, &b, &c, &other], &["ui"]));
    assert_eq!((code, stdout.as_str()), (Some(7), "other ui\n"), "{stderr}");
    for path in [&[&a as &Path, &b, &c][..], &[&d]] {
        let (code, _, stderr) = text(&mlflow(sandbox, path, &["ui"]));
        assert_eq!(code, Some(2), "{stderr}");
        assert_contains(&stderr, "pip install mlflow");
    }
}

/// A program that MLflow starts finds MLflow again.
#[test]
fn a_command_inside_a_command_is_handed_over_too() {
    let project = project();
    let sandbox = project.sandbox();
    link(sandbox, "bin");
    let file = sandbox.root().join("other/mlflow");
    sandbox.write_executable(
        file,
        "#!/bin/sh\ncase $1 in server) mlflow models serve;; *) echo $1;; esac\n",
    );
    let (code, stdout, stderr) = text(&mlflow(sandbox, &[&sandbox.root().join("other")], &["server"]));
    assert_eq!((code, stdout.as_str()), (Some(0), "models\n"), "{stderr}");
}

#[test]
fn the_real_mlflow_does_the_rest() {
    let Some(venv) = mlflow3() else { return };
    let project = project();
    let sandbox = project.sandbox();
    link(sandbox, "bin");
    let path = [&venv.join("bin") as &Path];
    let (code, stdout, stderr) = text(&mlflow(sandbox, &path, &["--version"]));
    assert!(
        code == Some(0) && stdout.starts_with("mlflow, version "),
        "{stdout}{stderr}"
    );
    let run = [
        "run",
        "project",
        "--env-manager",
        "local",
        "--experiment-name",
        "wine",
    ];
    let (code, stdout, stderr) = text(&mlflow(sandbox, &path, &run));
    assert_eq!((code, stdout.as_str()), (Some(0), "ran\n"), "{stderr}");
    let (code, stdout, stderr) = text(&mlflow(sandbox, &path, &["experiments", "search"]));
    assert!(code == Some(0) && stdout.contains("wine"), "{stdout}{stderr}");
}
