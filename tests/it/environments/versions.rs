//! The Python that an environment gets, and requirements in UTF-16.

use std::fs;

use super::tiny_project;
use crate::harness::Project;

/// Prints the version and how uv was called, if it was.
const COMMAND: &str =
    "entry_points:\n  main:\n    command: \"python -c 'import sys; print(sys.version_info[:2] > (3, 5))'\"\n";

/// A project with a Python on PATH and without uv.
fn without_uv() -> Option<Project> {
    let project = tiny_project()?.mlproject(&format!("python_env: python_env.yaml\n{COMMAND}"));
    fs::remove_file(project.sandbox().root().join("bin/uv")).unwrap();
    Some(project)
}

/// The first two numbers of the Python on the sandbox's PATH.
fn version(project: &Project) -> String {
    let python = project.sandbox().root().join("bin/python3");
    let text = "import sys; print('%d.%d' % sys.version_info[:2], end='')";
    let output = project
        .sandbox()
        .command(python)
        .args(["-c", text])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn ranges_of_versions() {
    let Some(project) = without_uv() else { return };
    let here = version(&project);
    for version in [
        ">=3.6",
        ">=3.6,<4",
        "~=3.6",
        "!=3.5.*",
        &format!("{here}.*"),
        &format!("=={here}.*"),
        &format!("=={here}"),
    ] {
        project
            .sandbox()
            .write("project/python_env.yaml", format!("python: '{version}'\n"));
        project.mlrun(&["run", "project", "--dry-run"]).expect_code(0);
    }
    let finished = project.mlrun(&["run", "project"]);
    finished.expect_code(0);
    assert_eq!(finished.stdout(), "True\n");
    for version in ["<3.6", ">=3.6,<3.7", "~=3.6.0"] {
        project
            .sandbox()
            .write("project/python_env.yaml", format!("python: '{version}'\n"));
        let runs = project.mlrun(&["run", "project"]);
        runs.expect_code(1);
        let expected = format!("error: there is no Python {version} to make an environment with");
        assert!(runs.stderr().contains(&expected), "{}", runs.stderr());
        assert!(!runs.stderr().contains("=== Run"), "{}", runs.stderr());
    }
}

#[test]
fn a_conda_file_without_conda_gets_the_range_that_it_asks_for() {
    let Some(project) = without_uv() else { return };
    let here = version(&project);
    project
        .sandbox()
        .write("project/MLproject", format!("conda_env: conda.yaml\n{COMMAND}"));
    for (dependency, expected) in [
        ("python >=3.6,<4", 0),
        (&format!("python={here}.*"), 0),
        (&format!("python={here}.*=*_cpython"), 0),
        ("python >=3.2,<3.6", 1),
        ("python=3.2.*", 1),
    ] {
        project
            .sandbox()
            .write("project/conda.yaml", format!("dependencies: ['{dependency}']\n"));
        let finished = project.mlrun(&["run", "project", "--env-manager", "virtualenv", "--dry-run"]);
        finished.expect_code(expected);
        let text = format!("{}{}", finished.stdout(), finished.stderr());
        assert!(!text.contains("not be installed"), "{text}");
        assert!(!text.contains("version specification"), "{text}");
        assert_eq!(text.contains("there is no Python "), expected == 1, "{text}");
    }
}

/// By a version alone uv may prefer one that it has to download.
#[test]
fn uv_gets_the_interpreter_that_was_found() {
    let Some(project) = tiny_project() else { return };
    let sandbox = project.sandbox();
    let bin = sandbox.root().join("bin");
    let uv = fs::canonicalize(bin.join("uv")).unwrap();
    fs::remove_file(bin.join("uv")).unwrap();
    let text = format!(
        "#!/bin/sh\necho \"$@\" >> <sandbox>/work/calls\nexec {} \"$@\"\n",
        uv.display()
    );
    sandbox.write_executable("../bin/uv", &sandbox.expand(&text));
    for python in ["", "python: '3'\n"] {
        let wheel = "dependencies: [./wheels/tiny-1.0-py3-none-any.whl]\n";
        sandbox.write("project/python_env.yaml", format!("{python}{wheel}"));
        let finished = project.mlrun(&["run", "project", "--env-manager", "uv"]);
        finished.expect_code(0);
        let calls = fs::read_to_string(sandbox.work().join("calls")).unwrap();
        let venv = calls.lines().find(|call| call.starts_with("venv ")).unwrap();
        assert!(venv.contains("--python=/"), "{venv}");
        fs::remove_file(sandbox.work().join("calls")).unwrap();
    }
}

#[test]
fn requirements_in_utf16() {
    for manager in ["virtualenv", "uv"] {
        let Some(project) = tiny_project() else { return };
        let project = project.file("python_env.yaml", "dependencies: [-r requirements.txt]\n");
        for order in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            let text = "\u{feff}./wheels/tiny-1.0-py3-none-any.whl\r\n";
            let bytes: Vec<u8> = text.encode_utf16().flat_map(order).collect();
            project.sandbox().write("project/requirements.txt", bytes);
            let finished = project.mlrun(&["run", "project", "--env-manager", manager]);
            finished.expect_code(0);
        }
    }
}
