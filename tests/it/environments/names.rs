//! Names of environments, beside those that the reference gives.

use std::fmt::Write as _;

use crate::harness::{Project, Requirement, require};

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
        "python: '3.10'\ndependencies:\n- |\n  numpy\n  scipy\n- >-\n  folded\n  text\n",
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
    let output = sandbox
        .command(venv.join("bin/python"))
        .args(["-c", REFERENCE])
        .args(&directories)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let expected = String::from_utf8(output.stdout).unwrap();
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
