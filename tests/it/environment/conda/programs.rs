//! Where conda is found, which program creates environments, and what people read if conda or its file is the
//! trouble. The programs only log how they were called.

use std::fs;

use super::EMPTY_CONDA;
use crate::harness::{Project, assert_contains};

const CREATE: &str = "#!/bin/sh\necho \"$@\" >> <sandbox>/work/calls\nmkdir -p \"<sandbox>/work/conda/envs/$4/conda-meta\"\ntouch \"<sandbox>/work/conda/envs/$4/conda-meta/history\"\n";

#[test]
fn by_every_variable_and_the_path() {
    for (name, value) in [
        ("MLFLOW_CONDA_HOME", "<sandbox>/work/conda"),
        ("MLFLOW_CONDA_HOME", "conda"),
        ("CONDA_EXE", "<sandbox>/work/conda/bin/conda"),
        ("LINKED", "on PATH"),
    ] {
        let project = Project::new()
            .mlproject("conda_env: conda.yaml\nentry_points: {main: {command: echo ran}}\n")
            .file("conda.yaml", "name: x\n")
            .env(name, value)
            .env("MLFLOW_CONDA_CREATE_ENV_CMD", "mamba");
        let sandbox = project.sandbox();
        sandbox.write_executable("conda/bin/conda", EMPTY_CONDA);
        sandbox.write_executable("conda/bin/mamba", &sandbox.expand(CREATE));
        sandbox.write("conda/etc/profile.d/conda.sh", "conda() { echo \"$@\"; }\n");
        if name == "LINKED" {
            for program in ["conda", "mamba"] {
                sandbox.link_program(program, &sandbox.work().join("conda/bin").join(program));
            }
        }
        let finished = project.mlrun(&["run", "project"]).with_code(0);
        let environment = "mlflow-ac44edccaf1276baa513cc835c60d99f9d6601b2";
        assert_eq!(finished.stdout(), "ran\n", "{}", finished.stderr());
        assert_contains(finished.stderr(), &format!("\nactivate {environment}\n"));
        let calls = fs::read_to_string(sandbox.work().join("calls")).unwrap();
        assert_eq!(
            sandbox.anonymous(&calls),
            format!("env create -n {environment} --file <sandbox>/work/project/conda.yaml\n"),
            "{name}={value}"
        );
    }
}

/// A micromamba: the calls of its documentation, and an error for every other, also for those of conda.
const MICROMAMBA: &str = r#"#!/bin/bash
root=${MAMBA_ROOT_PREFIX:-$HOME/.local/share/mamba}
echo "$*" >> <sandbox>/work/calls
make() { mkdir -p "$root/envs/$1/conda-meta" && touch "$root/envs/$1/conda-meta/history"; }
case "$*" in
"create --yes -n mlflow-"*" --file "*.yaml) make "$4" ;;
"create --channel conda-forge --yes --override-channels -n mlflow-"*" python") make "$7" ;;
"env list --json") printf '{"envs": ["%s"]}
' "$root"/envs/* ;;
"shell hook --shell bash")
    echo '<name>() { test "$1" = activate && test -d "$2/conda-meta" && export CONDA_PREFIX=$2; }' ;;
*) echo "The following arguments were not expected: $*" >&2; exit 109 ;;
esac
"#;

#[test]
fn mamba_and_micromamba_stand_in_for_conda() {
    for (name, variable, value) in [
        ("micromamba", "PATH_HAS", "it"),
        ("mamba", "PATH_HAS", "it"),
        (
            "micromamba",
            "MAMBA_EXE",
            "<sandbox>/work/programs/bin/micromamba",
        ),
        ("mamba", "MLFLOW_CONDA_HOME", "<sandbox>/work/programs"),
        ("micromamba", "MAMBA_ROOT_PREFIX", "<sandbox>/work/the root"),
    ] {
        let project = Project::new()
            .mlproject("conda_env: conda.yaml\nentry_points: {main: {command: echo \"$CONDA_PREFIX\"}}\n")
            .file("conda.yaml", "dependencies: [numpy]\n")
            .env(variable, value);
        let sandbox = project.sandbox();
        let program = format!("programs/bin/{name}");
        sandbox.write_executable(&program, &sandbox.expand(MICROMAMBA).replace("<name>", name));
        if variable == "PATH_HAS" || variable == "MAMBA_ROOT_PREFIX" {
            // Whatever the link is called, the program goes by its own name.
            sandbox.link_program("mamba", &sandbox.work().join(program));
        }
        let root = match variable {
            "MAMBA_ROOT_PREFIX" => sandbox.expand(value),
            _ => sandbox.expand("<sandbox>/home/.local/share/mamba"),
        };
        for attempt in ["first", "second"] {
            let finished = project.mlrun(&["run", "project"]).with_code(0);
            assert!(
                finished.stdout().starts_with(&format!("{root}/envs/mlflow-")),
                "{name} by {variable}: {}",
                finished.stderr()
            );
            let creations = finished.stderr().matches("Creating conda environment").count();
            assert_eq!(creations, usize::from(attempt == "first"));
        }
        let calls = fs::read_to_string(sandbox.work().join("calls")).unwrap();
        assert_eq!(calls.matches("create ").count(), 1, "{calls}");
    }
    // Without an environment file too.
    let project = Project::new().command(r#"echo "$CONDA_PREFIX""#);
    let sandbox = project.sandbox();
    sandbox.write_executable(
        "../bin/micromamba",
        &sandbox.expand(MICROMAMBA).replace("<name>", "micromamba"),
    );
    let finished = project.mlrun(&["run", "project", "--env-manager", "conda"]);
    finished.expect_code(0);
    assert!(
        finished.stdout().contains("/envs/mlflow-"),
        "{}",
        finished.stderr()
    );
}

/// The first mamba was a part of conda: a link to it leads to that.
#[test]
fn a_mamba_beside_a_conda_is_that_conda() {
    let project = Project::new()
        .mlproject("conda_env: conda.yaml\nentry_points: {main: {command: echo ran}}\n")
        .file("conda.yaml", "name: x\n");
    let sandbox = project.sandbox();
    for program in ["conda", "mamba"] {
        sandbox.write_executable(format!("conda/bin/{program}"), EMPTY_CONDA);
    }
    sandbox.link_program("mamba", &sandbox.work().join("conda/bin/mamba"));
    let finished = project.mlrun(&["run", "project", "--dry-run"]).with_code(0);
    assert_contains(finished.stdout(), "/work/conda/bin/activate mlflow-");
}

const MLPROJECT: &str = "conda_env: conda.yaml\nentry_points: {main: {command: echo ran}}\n";

/// The standard error of a run that fails before it is created.
#[track_caller]
fn refusal(project: &Project, arguments: &[&str]) -> String {
    let mut all = vec!["run", "project"];
    all.extend(arguments);
    let finished = project.mlrun(&all).with_code(1);
    assert!(
        !project.sandbox().work().join("mlflow.db").exists(),
        "{}",
        finished.stderr()
    );
    project.sandbox().anonymous(finished.stderr())
}

#[test]
fn no_conda() {
    let not_set = "error: conda not found: MLFLOW_CONDA_HOME and CONDA_EXE are not set, and PATH has no conda, mamba or micromamba\nhint: install conda or micromamba, set MLFLOW_CONDA_HOME to its directory, or add its bin directory to PATH";
    let pip_only = "; or pass --env-manager uv or --env-manager virtualenv (the environment has only Python and pip packages)\n";
    for (text, way_out) in [
        ("dependencies: [python=3.11, pip, {pip: [mlflow]}]\n", pip_only),
        ("name: x\n", pip_only),
        (
            "dependencies: [python=3.11, numpy, 'scipy >=1', {pip: [mlflow]}]\n",
            "; or pass --env-manager uv or --env-manager virtualenv (without the conda packages numpy, scipy >=1)\n",
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
            "error: conda not found: MLFLOW_CONDA_HOME points to <sandbox>/no conda/bin/conda, which does not exist\nhint: set MLFLOW_CONDA_HOME to the directory of a conda installation (the one that contains bin/conda); or pass --env-manager uv or --env-manager virtualenv (the environment has only Python and pip packages)\n",
        ),
        (
            "CONDA_EXE",
            "<sandbox>/gone/bin/conda",
            "error: conda not found: CONDA_EXE points to <sandbox>/gone/bin/conda, which does not exist\nhint: set MLFLOW_CONDA_HOME to the directory of a conda installation, or correct CONDA_EXE; or pass --env-manager uv or --env-manager virtualenv (the environment has only Python and pip packages)\n",
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
        "error: MLFLOW_CONDA_CREATE_ENV_CMD names the program '<sandbox>/work/conda/bin/mamba', which does not exist\nhint: install it beside the conda program, or unset MLFLOW_CONDA_CREATE_ENV_CMD to use conda itself\n"
    );
}

#[test]
fn files_that_cannot_be_used() {
    for (text, expected) in [
        (
            "dependencies: [python=3.11, 3.8]\n",
            r"error: <sandbox>/work/project/conda.yaml:1:29: a dependency must be a package, or `pip:` with a list, but it is a number
   |
 1 | dependencies: [python=3.11, 3.8]
   |                             ^^^
",
        ),
        (
            "dependencies:\n  - python\n",
            "error: <sandbox>/work/project/conda.yaml:2:5: the dependency 'python' does not pin a version of Python\n   |\n 2 |   - python\n   |     ^^^^^^\nhint: pin it, as in python=3.11, or let conda choose it with --env-manager conda\n",
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
        r"error: <sandbox>/work/project/conda.yaml:2:1: expected ',' or ']' to close the bracket at line 1, column 15, found the end of the text
   |
 1 | dependencies: [unclosed
   |                        ^
hint: put text that contains ',', '?' or brackets in quotes, and close every bracket
"
    );
}

#[test]
fn a_file_that_is_no_text() {
    let project = super::project_with_empty_conda().mlproject(MLPROJECT);
    project.sandbox().write("project/conda.yaml", b"name: \xff\n");
    assert_eq!(
        refusal(&project, &[]),
        "error: <sandbox>/work/project/conda.yaml:1:1: cannot read the conda environment file\n  caused by: line 1 is not valid UTF-8\nhint: save the file as UTF-8, for example with `iconv -f LATIN1 -t UTF-8 conda.yaml > new-conda.yaml`\n"
    );
}
