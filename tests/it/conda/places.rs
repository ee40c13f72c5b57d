//! Where conda is found, and which program creates environments, with programs that only log how
//! they were called.

use std::fs;

use super::EMPTY_CONDA;
use crate::harness::Project;

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
        let finished = project.mlrun(&["run", "project"]);
        finished.expect_code(0);
        let environment = "mlflow-ac44edccaf1276baa513cc835c60d99f9d6601b2";
        assert_eq!(finished.stdout(), "ran\n", "{}", finished.stderr());
        assert!(
            finished.stderr().contains(&format!("\nactivate {environment}\n")),
            "{}",
            finished.stderr()
        );
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
            let finished = project.mlrun(&["run", "project"]);
            finished.expect_code(0);
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
    let project = Project::new().mlproject("entry_points: {main: {command: echo \"$CONDA_PREFIX\"}}\n");
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
    let finished = project.mlrun(&["run", "project", "--dry-run"]);
    finished.expect_code(0);
    assert!(
        finished.stdout().contains("/work/conda/bin/activate mlflow-"),
        "{}",
        finished.stdout()
    );
}
