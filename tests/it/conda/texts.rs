//! What people read where conda or its file is the trouble.

use crate::harness::Project;

const MLPROJECT: &str = "conda_env: conda.yaml\nentry_points: {main: {command: echo ran}}\n";

/// The standard error of a run that fails before it is created.
#[track_caller]
fn refusal(project: &Project, arguments: &[&str]) -> String {
    let mut all = vec!["run", "project"];
    all.extend(arguments);
    let finished = project.mlrun(&all);
    finished.expect_code(1);
    assert!(
        !project.sandbox().work().join("mlflow.db").exists(),
        "{}",
        finished.stderr()
    );
    project.sandbox().anonymous(finished.stderr())
}

#[test]
fn no_conda() {
    let not_set = "error: there is no conda: MLFLOW_CONDA_HOME and CONDA_EXE are not set, and no directory of PATH holds conda, mamba or micromamba\nhint: install conda or micromamba, or set MLFLOW_CONDA_HOME to the directory of its installation, or add its bin directory to PATH";
    let pip_only = "; or pass --env-manager uv or --env-manager virtualenv, since the environment holds only Python and packages of pip\n";
    for (text, way_out) in [
        ("dependencies: [python=3.11, pip, {pip: [mlflow]}]\n", pip_only),
        ("name: x\n", pip_only),
        (
            "dependencies: [python=3.11, numpy, 'scipy >=1', {pip: [mlflow]}]\n",
            "; or pass --env-manager uv or --env-manager virtualenv, which leave out what only conda has: numpy, scipy >=1\n",
        ),
        ("dependencies: [python]\n", "\n"),
        ("dependencies: [unclosed\n", "\n"),
    ] {
        let project = Project::new().mlproject(MLPROJECT).file("conda.yaml", text);
        assert_eq!(refusal(&project, &[]), format!("{not_set}{way_out}"), "{text}");
    }
    let project = Project::new().mlproject("name: x\nentry_points: {main: {command: echo ran}}\n");
    assert_eq!(
        refusal(&project, &["--env-manager", "conda"]),
        format!("{not_set}{pip_only}")
    );
}

#[test]
fn a_conda_that_is_not_there() {
    for (name, value, expected) in [
        (
            "MLFLOW_CONDA_HOME",
            "<sandbox>/no conda",
            "error: there is no conda: by MLFLOW_CONDA_HOME it is <sandbox>/no conda/bin/conda, which does not exist\nhint: set MLFLOW_CONDA_HOME to the directory of a conda installation, the one that has bin/conda in it; or pass --env-manager uv or --env-manager virtualenv, since the environment holds only Python and packages of pip\n",
        ),
        (
            "CONDA_EXE",
            "<sandbox>/gone/bin/conda",
            "error: there is no conda: by CONDA_EXE it is <sandbox>/gone/bin/conda, which does not exist\nhint: set MLFLOW_CONDA_HOME to the directory of a conda installation, or correct CONDA_EXE; or pass --env-manager uv or --env-manager virtualenv, since the environment holds only Python and packages of pip\n",
        ),
    ] {
        let project = Project::new()
            .mlproject(MLPROJECT)
            .file("conda.yaml", "dependencies: [python=3.11]\n")
            .env(name, value);
        assert_eq!(refusal(&project, &[]), expected);
    }
}

#[test]
fn a_create_program_that_is_not_there() {
    let project = super::project_with_empty_conda()
        .mlproject(MLPROJECT)
        .file("conda.yaml", "name: x\n")
        .env("MLFLOW_CONDA_CREATE_ENV_CMD", "mamba");
    assert_eq!(
        refusal(&project, &[]),
        "error: MLFLOW_CONDA_CREATE_ENV_CMD names the program '<sandbox>/work/conda/bin/mamba', which does not exist\nhint: it must stand beside the conda program; install it there, or unset MLFLOW_CONDA_CREATE_ENV_CMD to use conda itself\n"
    );
}

#[test]
fn files_that_cannot_be_used() {
    for (text, expected) in [
        (
            "dependencies: [python=3.11, 3.8]\n",
            "error: <sandbox>/work/project/conda.yaml:1:29: a dependency must be a package, or `pip:` with a list, but it is a number\n   |\n 1 | dependencies: [python=3.11, 3.8]\n   |                             ^^^\n",
        ),
        (
            "dependencies:\n  - python\n",
            "error: <sandbox>/work/project/conda.yaml:2:5: the dependency 'python' names no version of Python\n   |\n 2 |   - python\n   |     ^^^^^^\nhint: pin it, as in python=3.11, or let conda choose it with --env-manager conda\n",
        ),
        (
            "dependencies:\n  - python>3.8\n",
            "error: <sandbox>/work/project/conda.yaml:2:5: the dependency 'python>3.8' only excludes versions of Python\n   |\n 2 |   - python>3.8\n   |     ^^^^^^\nhint: pin it, as in python=3.11, or let conda choose it with --env-manager conda\n",
        ),
        (
            "dependencies:\n  - python=3.11\n  - pip: mlflow\n",
            "error: <sandbox>/work/project/conda.yaml:3:10: 'pip' must be a list, but it is text\n   |\n 3 |   - pip: mlflow\n   |          ^^^^^^\n",
        ),
        (
            "dependencies:\n\t- python\n",
            "error: <sandbox>/work/project/conda.yaml:2:1: a tab cannot separate or indent anything\n   |\n 2 |     - python\n   | ^^^^\nhint: use spaces\n",
        ),
        (
            "",
            "error: <sandbox>/work/project/conda.yaml:1:1: a conda environment file must be a mapping, but it is empty\n",
        ),
    ] {
        let project = Project::new().mlproject(MLPROJECT).file("conda.yaml", text);
        assert_eq!(refusal(&project, &["--env-manager", "uv"]), expected, "{text}");
    }
    let broken = super::project_with_empty_conda()
        .mlproject(MLPROJECT)
        .file("conda.yaml", "dependencies: [unclosed\n");
    assert_eq!(
        refusal(&broken, &[]),
        "error: <sandbox>/work/project/conda.yaml:2:1: expected ',' or ']' in what begins at line 1, column 15, found the end of the text\n   |\n 1 | dependencies: [unclosed\n   |                        ^\nhint: put text that holds ',', '?' or brackets in quotes, and close every bracket\n"
    );
}

#[test]
fn a_file_that_is_no_text() {
    let project = super::project_with_empty_conda().mlproject(MLPROJECT);
    project.sandbox().write("project/conda.yaml", b"name: \xff\n");
    assert_eq!(
        refusal(&project, &[]),
        "error: cannot read the conda environment file <sandbox>/work/project/conda.yaml\n  caused by: line 1 is not valid UTF-8\nhint: save the file as UTF-8, for example with `iconv -f LATIN1 -t UTF-8 conda.yaml > new-conda.yaml`\n"
    );
}
