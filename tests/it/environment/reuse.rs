//! What mlrun builds is used by the reference, and the other way round.

use std::fs;
use std::path::Path;

use super::{only_environment, records, tiny_project};
use crate::harness::{Project, Reference, Request, assert_contains, assert_lacks};

/// Does what `mlflow run project --env-manager MANAGER` does; returns all that it wrote.
fn reference_run(reference: &Reference, project: &Project, manager: &str) -> String {
    let sandbox = project.sandbox();
    let mut environment = sandbox.environment();
    environment.push(("MLFLOW_DISABLE_TELEMETRY".to_owned(), "true".to_owned()));
    // Its default was taken from the home that this reference was started with.
    let root = super::root(project).to_str().unwrap().to_owned();
    environment.push(("MLFLOW_ENV_ROOT".to_owned(), root));
    let work = sandbox.work();
    let output = work.join(format!("reference.{manager}"));
    let request = Request {
        directory: &work,
        environment: &environment,
        streams: [Path::new("/dev/null"), &output, &work.join("reference.stderr")],
    };
    let arguments = ["run", "project", "--env-manager", manager].map(str::to_owned);
    let code = reference.run(&request, &arguments);
    let text = fs::read_to_string(&output).unwrap();
    let errors = fs::read_to_string(work.join("reference.stderr")).unwrap();
    assert_eq!(code, 0, "{text}\n{errors}");
    text
}

/// Puts something into the environment that is gone when it is built anew.
fn mark(environment: &Path) -> std::path::PathBuf {
    let mark = environment.join("mark");
    fs::write(&mark, "").unwrap();
    mark
}

#[test]
fn the_reference_uses_what_mlrun_has_built() {
    let (Some(reference), true) = (Reference::shared(), tiny_project().is_some()) else {
        return;
    };
    for manager in ["virtualenv", "uv"] {
        let project = python_of(reference);
        let finished = project.mlrun(&["run", "project", "--env-manager", manager]);
        finished.expect_code(0);
        let environment = only_environment(&project);
        assert_eq!(Path::new(finished.stdout().trim()), environment);
        let mark = mark(&environment);
        for other in ["virtualenv", "uv"] {
            let output = reference_run(reference, &project, other);
            assert_contains(&output, environment.to_str().unwrap());
            assert_eq!(only_environment(&project), environment);
            assert!(mark.exists(), "{manager}, then {other} of the reference");
        }
    }
}

#[test]
fn mlrun_uses_what_the_reference_has_built() {
    let (Some(reference), true) = (Reference::shared(), tiny_project().is_some()) else {
        return;
    };
    for manager in ["virtualenv", "uv"] {
        let project = python_of(reference);
        stand_in_for_pyenv(&project, reference);
        reference_run(reference, &project, manager);
        let environment = only_environment(&project);
        let mark = mark(&environment);
        let listed = project.mlrun(&["env", "list"]);
        assert_contains(listed.stdout(), &format!("  {manager}  "));
        for other in ["virtualenv", "uv"] {
            let finished = project.mlrun(&["run", "project", "--env-manager", other]);
            finished.expect_code(0);
            assert_eq!(Path::new(finished.stdout().trim()), environment);
            assert!(mark.exists(), "{manager} of the reference, then {other}");
            assert_lacks(finished.stderr(), "Creating");
        }
        assert!(records(&environment).join("record.json").exists());
    }
}

/// The project whose environment file names the version of the reference's Python, which is on PATH.
fn python_of(reference: &Reference) -> Project {
    let project = tiny_project().unwrap();
    let sandbox = project.sandbox();
    fs::remove_file(sandbox.root().join("bin/python3")).unwrap();
    sandbox.link_program("python3", &python(reference));
    let version = sandbox.shell("python3 -c 'import sys; print(\"%d.%d.%d\" % sys.version_info[:3])'");
    project.file(
        "python_env.yaml",
        &format!("python: '{}'\n{}", version.trim(), super::PYTHON_ENV),
    )
}

fn python(reference: &Reference) -> std::path::PathBuf {
    reference.venv().join("bin/python3").canonicalize().unwrap()
}

/// The reference asks pyenv for every Python, and nothing else. This one has installed them all.
fn stand_in_for_pyenv(project: &Project, reference: &Reference) {
    let sandbox = project.sandbox();
    let version = sandbox.shell("python3 -c 'import sys; print(\"%d.%d.%d\" % sys.version_info[:3])'");
    sandbox.write_executable(
        "pyenv",
        "#!/bin/sh\ncase $1 in root) echo \"$HOME/pyenv\";; install) ;; *) exit 2;; esac\n",
    );
    sandbox.link_program("pyenv", &sandbox.work().join("pyenv"));
    let directory = sandbox
        .root()
        .join("home/pyenv/versions")
        .join(version.trim())
        .join("bin");
    fs::create_dir_all(&directory).unwrap();
    std::os::unix::fs::symlink(python(reference), directory.join("python")).unwrap();
}
