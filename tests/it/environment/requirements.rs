//! `--requirements FILE`: the packages for a project without an environment file.

use super::{only_environment, tiny_project};
use crate::harness::{Project, Requirement, assert_contains, assert_golden, assert_lacks, require};

const WHEEL: &str = "./wheels/tiny-1.0-py3-none-any.whl";

/// The project of [`tiny_project`] without its environment file. Its wheel is beside the project, too.
fn plain_project() -> Option<Project> {
    let project = tiny_project()?.mlproject(
        "name: tiny\nentry_points:\n  main:\n    command: \"python -c 'import sys, tiny; print(sys.prefix)'\"\n",
    );
    let sandbox = project.sandbox();
    sandbox.shell("rm project/python_env.yaml && mv project/wheels .");
    Some(project)
}

#[test]
fn packages_come_from_a_requirements_file() {
    let Some(project) = plain_project() else { return };
    let sandbox = project.sandbox();
    // Paths of files begin at the file that names them, those of packages where mlrun was started.
    sandbox.write("lists/all.txt", "--no-index\n-r more.txt\n-c constraints.txt\n");
    sandbox.write("lists/more.txt", format!("{WHEEL}\n"));
    sandbox.write("lists/constraints.txt", "tiny<2\n");
    let arguments = ["run", "project", "--requirements", "lists/all.txt"];
    let planned = project
        .mlrun(&[&arguments[..], &["--dry-run"]].concat())
        .with_code(0);
    assert_contains(planned.stdout(), "environment   uv: ");
    assert_contains(
        planned.stdout(),
        "(to be built)\n              the environment holds the packages of lists/all.txt\n",
    );
    let finished = project.mlrun(&arguments).with_code(0);
    assert_contains(finished.stderr(), "\nBuilt environment mlflow-");
    assert_contains(finished.stderr(), " (1 package) in ");
    let environment = only_environment(&project);
    assert_eq!(finished.stdout().trim(), environment.to_str().unwrap());
    assert_eq!(finished.store().run().tags["mlflow.project.env"], "uv");

    // The same packages are the same environment, whoever installs them and whatever the file is called.
    sandbox.shell("mv lists/all.txt lists/some.in");
    let arguments = [
        "run",
        "project",
        "--requirements",
        "lists/some.in",
        "--env-manager",
        "virtualenv",
    ];
    let finished = project.mlrun(&arguments).with_code(0);
    assert_lacks(finished.stderr(), "Built environment");
    assert_eq!(only_environment(&project), environment);
    // Others are another one.
    sandbox.write("lists/constraints.txt", "tiny<3\n");
    let finished = project.mlrun(&arguments).with_code(0);
    assert_contains(finished.stderr(), "\nBuilt environment mlflow-");
    assert_ne!(finished.stdout().trim(), environment.to_str().unwrap());
}

/// The name is that of a project which names the same packages itself, so that the two share the environment.
#[test]
fn a_python_env_file_with_the_same_packages_has_the_same_environment() {
    let Some(project) = tiny_project() else { return };
    let project = project
        .file("python_env.yaml", "dependencies: [-r requirements.txt]\n")
        .file("requirements.txt", "numpy\n");
    let named = project.mlrun(&["run", "project", "--dry-run"]).with_code(0);
    let named = environment_in(named.stdout());
    let project = project.mlproject("entry_points: {main: {command: 'true'}}\n");
    project
        .sandbox()
        .shell("mv project/python_env.yaml project/requirements.txt .");
    let given = project.mlrun(&[
        "run",
        "project",
        "--dry-run",
        "--requirements",
        "requirements.txt",
    ]);
    assert_eq!(environment_in(given.stdout()), named);
}

fn environment_in(plan: &str) -> String {
    let line = plan
        .lines()
        .find(|line| line.starts_with("environment "))
        .unwrap();
    let name = line.rsplit('/').next().unwrap();
    name.split(' ').next().unwrap().to_owned()
}

#[test]
fn packages_come_from_a_pyproject_file() {
    for manager in ["uv", "virtualenv"] {
        let Some(project) = plain_project() else { return };
        let wheel = project.sandbox().work().join(WHEEL);
        let text = |dependency: &str| {
            format!("[project]\nname = 'own'\nversion = '1'\ndependencies = [\n  \"{dependency}\",\n]\n")
        };
        let sandbox = project.sandbox();
        sandbox.write(
            "pyproject.toml",
            text(&format!("tiny @ file://{}", wheel.display())),
        );
        let arguments = [
            "run",
            "project",
            "--requirements",
            "pyproject.toml",
            "--env-manager",
            manager,
            "-q",
        ];
        let finished = project.mlrun(&arguments).with_code(0);
        assert_eq!(
            finished.stdout().trim(),
            only_environment(&project).to_str().unwrap()
        );

        sandbox.write(
            "pyproject.toml",
            text("tiny @ file:///no/such/tiny-2.0-py3-none-any.whl"),
        );
        let failed = project.mlrun(&arguments).with_code(1);
        assert_contains(
            &sandbox.anonymous(failed.stderr()),
            "error: <sandbox>/work/pyproject.toml:5:3: cannot install 'tiny @ file:///no/such/tiny-2.0-py3-none-any.whl'\n   |\n 5 |   \"tiny",
        );
    }
}

#[test]
fn where_it_cannot_be_used() {
    let Some(uv) = require(Requirement::Uv) else {
        return;
    };
    let mut topic = String::new();
    let project = Project::new().command("true");
    let sandbox = project.sandbox();
    sandbox.link_program("python3", &uv.join("bin/python3").canonicalize().unwrap());
    for (file, text) in [
        ("requirements.txt", "numpy\n-r more.txt\n"),
        ("conda.yaml", "dependencies: [numpy]\n"),
        ("setup.py", ""),
        ("uv.lock", ""),
        ("bare/pyproject.toml", "[tool.poetry]\nname = 'x'\n"),
    ] {
        sandbox.write(file, text);
    }
    let mut show = |project: &Project, arguments: &[&str], code: i32| {
        let finished = project.mlrun(&[&["run", "project", "--requirements"], arguments].concat());
        finished.expect_code(code);
        topic.push_str(&finished.transcript());
        topic.push('\n');
    };
    show(&project, &["requirements.txt", "--env-manager", "conda"], 2);
    show(&project, &["requirements.txt", "--no-conda"], 2);
    show(&project, &["requirements.txt", "-b", "databricks", "-c", "{}"], 2);
    for file in [
        "requirements.txt",
        "missing.txt",
        "project",
        "conda.yaml",
        "setup.py",
        "uv.lock",
    ] {
        show(&project, &[file], 1);
    }
    show(
        &project,
        &["bare/pyproject.toml", "--env-manager", "virtualenv", "-q"],
        1,
    );
    for environment in [
        "python_env: environment.yaml",
        "conda_env: environment.yaml",
        "docker_env: {image: busybox}",
    ] {
        let project = Project::new()
            .mlproject(&format!(
                "name: x\n{environment}\nentry_points: {{main: {{command: 'true'}}}}\n"
            ))
            .file("environment.yaml", "dependencies: [numpy]\n");
        project.sandbox().write("requirements.txt", "numpy\n");
        show(&project, &["requirements.txt"], 1);
    }
    assert_golden("errors-environment-requirements", &topic);
}
