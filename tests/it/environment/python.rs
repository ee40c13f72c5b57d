//! Python environments: their names, beside those that the reference gives, the Python that they get, and what
//! is installed.

use std::fmt::Write as _;
use std::fs;

use super::{only_environment, tiny_project};
use crate::harness::{Printed, Project, Requirement, assert_contains, assert_lacks, require};

/// Environment files, and the files that they name.
const FILES: &[(&str, &[(&str, &str)])] = &[
    ("python: '3.11'\n", &[]),
    ("python: \"3.8.15\"\ndependencies: [numpy]\n", &[]),
    ("python: 3.8.15\n", &[]),
    ("dependencies: [numpy]\n", &[]),
    ("python: ''\nbuild_dependencies: []\ndependencies: []\n", &[]),
    ("python: ~\nbuild_dependencies: ~\ndependencies: null\n", &[]),
    (
        "python: '3.9'\nbuild_dependencies: [pip, setuptools, wheel==0.37.1]\ndependencies: ['mlflow>=2', scikit-learn==1.0.2]\n",
        &[],
    ),
    ("dependencies: [b, a, c]\npython: '3.10'\n", &[]),
    ("python: '3.10'\ndependencies: [c, b, a, a, B, _x, 1a]\n", &[]),
    (
        "python: '3.10'\ndependencies:\n- numpy # a comment\n- 'scipy # another'\n- '# only a comment'\n- ''\n- '  spaced  '\n",
        &[],
    ),
    (
        "python: '3.10'\ndependencies: [\"it's\", 'say \"hi\"', \"it's \\\"both\\\"\"]\n",
        &[],
    ),
    (
        "python: '3.10'\ndependencies: [\"a\\\\b\", \"tab\\there\", \"nl\\nhere\", \"bell\\a\", \"nbsp\\u00a0x\", \"zero\\u200bwidth\"]\n",
        &[],
    ),
    (
        "python: '3.10'\ndependencies: [é, 日本, 😀, \"\\u2028\", \"\\U000E0001\"]\n",
        &[],
    ),
    (
        "python: '3.10'\ndependencies: ['a[x,y]>=1,<2; python_version < \"3.11\"', 'b @ https://host/b.whl#sha256=abc']\n",
        &[],
    ),
    (
        "python: '3.10'\ndependencies: ['--index-url https://user:pw@host/simple', '--extra-index-url https://host', numpy]\n",
        &[],
    ),
    (
        "python: '3.10'\ndependencies: ['-e .', '.', './wheels/x.whl', '-f wheels']\n",
        &[],
    ),
    (
        "python: '3.10'\ndependencies: ['-r requirements.txt']\n",
        &[("requirements.txt", "numpy\nscipy\n")],
    ),
    (
        "python: '3.10'\ndependencies: ['-r requirements.txt']\n",
        &[("requirements.txt", "scipy\n\n# c\nnumpy # why\n")],
    ),
    (
        "python: '3.10'\ndependencies: ['--requirement   requirements.txt', zlib]\n",
        &[("requirements.txt", "numpy\r\nscipy\rpandas")],
    ),
    (
        "python: '3.10'\ndependencies: ['-r requirements.txt', '-c constraints.txt']\n",
        &[("requirements.txt", "numpy\n"), ("constraints.txt", "numpy<2\n")],
    ),
    (
        "python: '3.10'\ndependencies: ['--constraint constraints.txt', numpy<2]\n",
        &[("constraints.txt", "numpy<2\n")],
    ),
    (
        "python: '3.10'\ndependencies: ['-r a/one.txt']\n",
        &[
            ("a/one.txt", "-r two.txt\n-c ../three.txt\none"),
            ("a/two.txt", "two\n"),
            ("three.txt", "three\n"),
        ],
    ),
    (
        "python: '3.10'\ndependencies: ['-c a.txt']\n",
        &[("a.txt", "-r b.txt\nx"), ("b.txt", "y")],
    ),
    (
        "python: '3.10'\ndependencies: ['-r a.txt']\n",
        &[("a.txt", "numpy \\\n  >=1 \\\n  ,<2\nscipy\\")],
    ),
    (
        "python: '3.10'\ndependencies: ['-r a.txt']\n",
        &[("a.txt", "a \\\n# not a comment\nb\\\\\nc\n")],
    ),
    (
        "python: '3.10'\ndependencies: ['-r a.txt']\n",
        &[("a.txt", "a\x0bb\x0cc\x1cd\u{85}e\u{2028}f\n\u{a0}g\u{3000}\n")],
    ),
    (
        "python: '3.10'\ndependencies: ['-r a.txt']\n",
        &[("a.txt", "pkg==1 --hash=sha256:abc \\\n    --hash=sha256:def\n")],
    ),
    ("python: '3.10'\ndependencies: ['-ra.txt', '-r', '-c']\n", &[]),
    (
        "python: '3.10'\nbuild_dependencies: ['-r missing.txt', '#', 'pip  ']\n",
        &[],
    ),
    (
        "python: &v '3.10'\nbuild_dependencies: &d [pip, *v]\ndependencies: *d\n",
        &[],
    ),
    (
        r"python: '3.10'
dependencies:
- |
  numpy
  scipy
- >-
  folded
  text
",
        &[],
    ),
    (
        "python: !!str 3.1\ndependencies: [!!str yes, 'no', '1e5', '~']\n",
        &[],
    ),
    ("%YAML 1.1\n---\npython: '3.10'\ndependencies: [x]\n...\n", &[]),
    ("{python: '3.10', dependencies: ['a#b', 'c  #d', 'e\t#f']}\n", &[]),
    ("python: '3.10'\npython: '3.12'\ndependencies: [x]\n", &[]),
    (
        "<<: {python: '3.12', dependencies: [merged]}\npython: '3.10'\n",
        &[],
    ),
];

const REFERENCE: &str = "
import sys
from pathlib import Path
from mlflow.utils.environment import _PythonEnv
from mlflow.utils.virtualenv import _get_virtualenv_name
for directory in map(Path, sys.argv[1:]):
    print(_get_virtualenv_name(_PythonEnv.from_yaml(directory / 'env.yaml'), directory))
";

#[test]
fn names_are_those_of_the_reference() {
    for requirement in [Requirement::Mlflow3, Requirement::Mlflow2, Requirement::Mlflow318] {
        let Some(venv) = require(requirement) else {
            continue;
        };
        compare(&venv);
    }
}

/// A uv that could install every Python: only then is there a plan with one that this machine lacks.
const ANY_PYTHON: &str = "#!/bin/sh\necho '<download available>'\n";

fn compare(venv: &std::path::Path) {
    let project = Project::new();
    let sandbox = project.sandbox();
    // A file without a version gets that of the reference's own Python.
    sandbox.link_program("python3", &venv.join("bin/python3").canonicalize().unwrap());
    sandbox.write_executable("../bin/uv", ANY_PYTHON);
    let mut directories = Vec::new();
    for (number, (text, files)) in FILES.iter().enumerate() {
        let directory = format!("p{number}");
        sandbox.write(format!("{directory}/env.yaml"), text);
        sandbox.write(
            format!("{directory}/MLproject"),
            "python_env: env.yaml\nentry_points: {main: {command: 'true'}}\n",
        );
        for (path, contents) in *files {
            sandbox.write(format!("{directory}/{path}"), contents);
        }
        directories.push(directory);
    }
    let expected = sandbox
        .command(venv.join("bin/python"))
        .args(["-c", REFERENCE])
        .args(&directories)
        .printed();
    let mut difference = String::new();
    for (directory, expected) in directories.iter().zip(expected.lines()) {
        let finished = project.mlrun(&["run", directory, "--env-manager", "virtualenv", "--dry-run"]);
        if !finished.stdout().contains(&format!("/{expected} (to be built)")) {
            let _ = writeln!(
                difference,
                "{directory}: expected {expected}: {}{}",
                finished.stdout(),
                finished.stderr()
            );
        }
    }
    assert_eq!(expected.lines().count(), FILES.len());
    assert!(difference.is_empty(), "{difference}");
}

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
    let finished = project.mlrun(&["run", "project"]).with_code(0);
    assert_eq!(finished.stdout(), "True\n");
    for version in ["<3.6", ">=3.6,<3.7", "~=3.6.0"] {
        project
            .sandbox()
            .write("project/python_env.yaml", format!("python: '{version}'\n"));
        let runs = project.mlrun(&["run", "project"]).with_code(1);
        let expected = format!("error: Python {version} not found");
        assert_contains(runs.stderr(), &expected);
        assert_lacks(runs.stderr(), "=== Run");
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
        assert_lacks(&text, "not be installed");
        assert_lacks(&text, "version specification");
        assert_eq!(text.contains(" not found\n"), expected == 1, "{text}");
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
        assert_contains(venv, "--python=/");
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

#[test]
fn requirements_files_are_found_from_the_project() {
    for manager in ["virtualenv", "uv"] {
        let Some(project) = tiny_project() else { return };
        let project = project
            .file(
                "python_env.yaml",
                "build_dependencies: [./wheels/tiny-1.0-py3-none-any.whl]\ndependencies: ['--no-index', '-r requirements/all.txt']\n",
            )
            .file("requirements/all.txt", "-r more.txt\n--find-links ../wheels\n-c ../constraints.txt\n")
            .file("requirements/more.txt", "tiny\n")
            .file("constraints.txt", "tiny<2\n");
        let finished = project.mlrun(&["run", "project", "--env-manager", manager]);
        finished.expect_code(0);
        let run = project.store();
        assert_eq!(run.run().tags["mlflow.project.env"], manager);
        // Nothing is left in the project or among the temporary files.
        assert_eq!(
            fs::read_dir(project.sandbox().root().join("tmp"))
                .unwrap()
                .count(),
            0
        );
        assert_eq!(
            fs::read_dir(project.sandbox().work().join("project"))
                .unwrap()
                .count(),
            5
        );
    }
}

#[test]
fn passwords_of_indexes_are_never_seen() {
    for manager in ["virtualenv", "uv"] {
        let Some(project) = tiny_project() else { return };
        let project = project.file(
            "python_env.yaml",
            "dependencies: ['--index-url http://user:hunter2@127.0.0.1:9/simple', no-such-package]\n",
        );
        let project = project.env("PIP_RETRIES", "0").env("UV_HTTP_RETRIES", "0");
        let finished = project.mlrun(&["run", "project", "--env-manager", manager, "--verbose"]);
        finished.expect_code(1);
        assert_contains(finished.stderr(), "pip install` failed with exit code ");
        if manager == "uv" {
            // pip says so only when it tries again.
            assert_contains(finished.stderr(), ": the package index cannot be reached\n");
        }
        let log = finished.stderr().split("the whole output is in ").nth(1).unwrap();
        assert_lacks(&fs::read_to_string(log.trim()).unwrap(), "hunter2");
        assert_contains(finished.stderr(), "no-such-package");
        assert_lacks(finished.stderr(), "hunter2");
        // A failed build leaves nothing.
        assert_eq!(fs::read_dir(super::root(&project)).unwrap().count(), 1);
    }
}

#[test]
fn a_lock_file_of_uv_decides() {
    let Some(project) = tiny_project() else { return };
    let project = project
        .file("MLproject", "name: tiny\nentry_points:\n  main:\n    command: \"python -c 'import sys, tiny; print(sys.prefix)'\"\n")
        .file(
            "pyproject.toml",
            "[project]\nname = 'own'\nversion = '1'\nrequires-python = '>=3.9'\ndependencies = ['tiny']\n\n[tool.uv.sources]\ntiny = { path = 'wheels/tiny-1.0-py3-none-any.whl' }\n",
        );
    fs::remove_file(project.sandbox().work().join("project/python_env.yaml")).unwrap();
    project.sandbox().shell("cd project && uv lock -q");
    // Nobody names the manager: uv has locked the packages.
    let finished = project.mlrun(&["run", "project"]).with_code(0);
    assert_contains(
        finished.stderr(),
        "no environment file; uv builds the environment from uv.lock",
    );
    let environment = only_environment(&project);
    project
        .mlrun(&["run", "project", "--env-manager", "uv"])
        .expect_code(0);
    assert_eq!(only_environment(&project), environment);

    // Another lock is another environment.
    project
        .sandbox()
        .shell("cd project && sed -i 's/>=3.9/>=3.8/' pyproject.toml && uv lock -q");
    project.mlrun(&["run", "project"]).expect_code(0);
    assert_eq!(fs::read_dir(super::root(&project)).unwrap().count(), 3);
}

#[test]
fn without_an_environment_file_there_is_only_python() {
    for (has_uv, manager, reason) in [
        (
            true,
            "uv",
            "no environment file; uv builds an environment with only Python (conda is not installed)",
        ),
        (
            false,
            "virtualenv",
            "no environment file; venv builds an environment with only Python (neither conda nor uv is installed)",
        ),
    ] {
        let Some(project) = tiny_project() else { return };
        let project = project.command(r#"python -c "import sys; print(sys.prefix)""#);
        fs::remove_file(project.sandbox().work().join("project/python_env.yaml")).unwrap();
        if !has_uv {
            fs::remove_file(project.sandbox().root().join("bin/uv")).unwrap();
        }
        let planned = project.mlrun(&["run", "project", "--dry-run"]);
        assert_contains(planned.stdout(), &format!("environment   {manager}: "));
        assert!(!super::root(&project).exists());
        let finished = project.mlrun(&["run", "project"]).with_code(0);
        assert_contains(finished.stderr(), reason);
        assert_eq!(
            finished.stdout().trim(),
            only_environment(&project).to_str().unwrap()
        );
    }
}
