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
