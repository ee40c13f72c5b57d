//! What is installed, and what others can see of it.

use std::fs;

use super::{only_environment, tiny_project};
use crate::harness::StoreContents;

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
        let run = StoreContents::of_sqlite(&project.sandbox().work().join("mlflow.db"));
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
        // The error has the command line and the last lines that it wrote.
        assert!(
            finished.stderr().contains(" -r requirements."),
            "{}",
            finished.stderr()
        );
        assert!(
            finished.stderr().contains("no-such-package"),
            "{}",
            finished.stderr()
        );
        assert!(!finished.stderr().contains("hunter2"), "{}", finished.stderr());
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
    let finished = project.mlrun(&["run", "project"]);
    finished.expect_code(0);
    assert!(
        finished
            .stderr()
            .contains("the project has no environment file, but a lock file of uv"),
        "{}",
        finished.stderr()
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
        (true, "uv", "uv makes it, since conda is not installed"),
        (
            false,
            "virtualenv",
            "Python's own venv makes it, since neither conda nor uv is installed",
        ),
    ] {
        let Some(project) = tiny_project() else { return };
        let project = project
            .mlproject("entry_points: {main: {command: 'python -c \"import sys; print(sys.prefix)\"'}}\n");
        fs::remove_file(project.sandbox().work().join("project/python_env.yaml")).unwrap();
        if !has_uv {
            fs::remove_file(project.sandbox().root().join("bin/uv")).unwrap();
        }
        let planned = project.mlrun(&["run", "project", "--dry-run"]);
        assert!(
            planned.stdout().contains(&format!("environment   {manager}: ")),
            "{}",
            planned.stdout()
        );
        assert!(!super::root(&project).exists());
        let finished = project.mlrun(&["run", "project"]);
        finished.expect_code(0);
        assert!(finished.stderr().contains(reason), "{}", finished.stderr());
        assert_eq!(
            finished.stdout().trim(),
            only_environment(&project).to_str().unwrap()
        );
    }
}
