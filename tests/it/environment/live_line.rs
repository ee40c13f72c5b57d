//! What a person at a terminal sees while an environment is built.

use std::path::Path;
use std::process::Output;

use serde_json::json;

use super::tiny_project;
use crate::harness::{Project, assert_contains, assert_lacks, require_program};

/// A package whose build waits for the file that GO names, and then is the wheel of the tests.
const WAITING: &str = "import os, shutil, time

WHEEL = 'tiny-1.0-py3-none-any.whl'

def build_wheel(directory, *arguments, **options):
    open(os.environ['MARKER'], 'w').close()
    while not os.path.exists(os.environ['GO']):
        time.sleep(0.01)
    if os.path.getsize(os.environ['GO']):
        raise SystemExit('no compiler')
    shutil.copy(os.environ['WHEELS'] + '/' + WHEEL, directory)
    return WHEEL
";
const PYPROJECT: &str = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n";

/// A project that needs the waiting package.
fn waiting_project() -> Option<Project> {
    let project = tiny_project()?;
    let work = project.sandbox().work();
    let path = |name: &str| work.join(name).to_str().unwrap().to_owned();
    Some(
        project
            .file("package/backend.py", WAITING)
            .file("package/pyproject.toml", PYPROJECT)
            .file("python_env.yaml", "dependencies:\n- ./package\n")
            .env("MARKER", &path("marker"))
            .env("GO", &path("go"))
            .env("WHEELS", &path("project/wheels")),
    )
}

/// Runs the project on a terminal of this width. The package is built once the text has been seen.
fn run(project: &Project, columns: u16, see: &str, arguments: &[&str]) -> Output {
    let sandbox = project.sandbox();
    let path = |name: &str| sandbox.work().join(name);
    let steps = json!([["file", path("marker")], ["see", see], ["make", path("go")]]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/harness/terminal.py");
    let stty = require_program("stty").unwrap();
    let mlrun = project.started(&["run", "project", "--color", "never"]);
    let mut command = sandbox.command(require_program("python3").unwrap());
    command.arg(script).arg(steps.to_string());
    command.args([
        "sh",
        "-c",
        &format!("{} rows 40 cols {columns} && exec \"$0\" \"$@\"", stty.display()),
    ]);
    command
        .arg(mlrun.get_program())
        .args(mlrun.get_args())
        .args(arguments);
    for (name, value) in mlrun.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.env("TERM", "xterm").output().unwrap()
}

/// What was drawn, state by state, without what moves the cursor.
fn states(shown: &str) -> Vec<String> {
    let lines = shown.split(['\r', '\n']);
    let plain = lines.map(|line| console::strip_ansi_codes(line).into_owned());
    plain.filter(|line| !line.is_empty()).collect()
}

#[test]
fn one_line_shows_the_build() {
    for (columns, manager, see) in [
        // The time goes on though the program says nothing.
        (80, "virtualenv", ", 1s"),
        (60, "uv", "mlflow-"),
        (40, "virtualenv", "mlflow-"),
    ] {
        let Some(project) = waiting_project() else { return };
        let output = run(&project, columns, see, &["--env-manager", manager]);
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{shown}");
        let (before, after) = shown
            .split_once("Built environment mlflow-")
            .unwrap_or_else(|| panic!("{shown:?}"));
        // The line is gone by then.
        assert!(before.ends_with("\x1b[2K"), "{before:?}");
        let packages = if manager == "uv" {
            "(1 package)"
        } else {
            " packages) in "
        };
        // A narrow terminal gets it on two lines.
        let words: Vec<&str> = after.split_whitespace().take(5).collect();
        assert_contains(&words.join(" "), packages);
        // Nothing is drawn again; what follows may have colours.
        assert_lacks(after, "\x1b[2K");
        let states = states(before);
        assert!(states.len() > 2, "{states:?}");
        for state in states {
            assert!(
                state.chars().count() < usize::from(columns),
                "{state:?} in {columns} columns"
            );
            assert!(
                state.starts_with("Building environment mlflow-") || state.starts_with("mlflow-"),
                "{state:?}"
            );
        }
        assert_lacks(&shown, "Activate with");
        assert_lacks(&shown, "Processing ");
    }
}

#[test]
fn a_failure_shows_the_output_once() {
    let Some(project) = waiting_project() else { return };
    // Already there when the build looks for it, and not empty.
    project.sandbox().write("go", "fail");
    let script = ["--env-manager", "virtualenv"];
    let finished = project
        .mlrun(&[&["run", "project", "-q"], &script[..]].concat())
        .with_code(1);
    let quiet = project.sandbox().anonymous(finished.stderr());
    let shown = project
        .mlrun(&[&["run", "project"], &script[..]].concat())
        .with_code(1);
    let normal = project.sandbox().anonymous(shown.stderr());
    for text in [&quiet, &normal] {
        assert_contains(
            text,
            "error: <sandbox>/work/project/python_env.yaml:2:3: cannot install './package'\n",
        );
        assert_eq!(text.matches("no compiler").count(), 1, "{text}");
        assert_contains(
            text,
            "\nhint: the whole output is in <sandbox>/home/.mlflow/envs/.mlrun/python/mlflow-",
        );
    }
    // What was shown line by line is not in the error too.
    let (_, error) = normal.split_once("\nerror: ").unwrap();
    assert_lacks(error, "no compiler");
    let (_, error) = quiet.split_once("error: ").unwrap();
    assert_contains(error, "no compiler");
}
