//! The errors of containers, as golden texts.

use crate::harness::docker::{Docker, DockerProject, TestImage, unique_name};
use crate::harness::{Project, assert_contains, assert_golden, assert_starts_with};

/// A project on an image with this name, with these lines below `docker_env:`.
fn project(name: &str, image: &str, docker_env: &str) -> Project {
    Project::new().mlproject(&format!(
        "{name}docker_env:\n  image: {image}\n{docker_env}entry_points:\n  main:\n    command: \"true\"\n"
    ))
}

/// A project whose docker answers every call as this script does.
fn with_docker(script: &str) -> Project {
    let project = project("name: test\n", "python:3.12", "");
    let sandbox = project.sandbox();
    sandbox.write_executable(
        sandbox.root().join("bin/docker"),
        &format!("#!/bin/bash\n{script}"),
    );
    project
}

/// What is found out before the run is created.
#[test]
fn before_the_run() {
    let mut text = String::new();
    let mut add = |project: &Project, arguments: &[&str]| {
        let all: Vec<&str> = ["run", "project"]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        let finished = project.mlrun(&all);
        assert_eq!(finished.store().runs.len(), 0, "{}", finished.stderr());
        text += &finished.transcript();
        text.push('\n');
    };
    let named = "name: test\n";
    add(&project(named, "x", ""), &[]);
    add(
        &project(named, "x", "").env("MLRUN_DOCKER_CMD", "no-such-docker"),
        &[],
    );
    add(&project("", "x", ""), &[]);
    add(&project(named, "\"two words\"", ""), &[]);
    add(&project(named, "x", "  environment: [ONE, HOME, TWO]\n"), &[]);
    add(&project(named, "x", "  environment: [ONE]\n"), &[]);
    add(&project(named, "x", "  environment: [[\"a=b\", c]]\n"), &[]);
    add(
        &project(
            named,
            "x",
            "  volumes: [\"$(git rev-parse --show-toplevel):/x\"]\n",
        ),
        &[],
    );
    add(&project(named, "x", "  volumes: [\"$DATA:/x\"]\n"), &[]);
    add(&project(named, "x", ""), &["-A", "v='/x:/y"]);
    add(
        &with_docker(
            "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2\nexit 1\n",
        ),
        &[],
    );
    add(
        &with_docker(
            "echo 'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \
             \"http://%2Fvar%2Frun%2Fdocker.sock/v1.41/info\": dial unix /var/run/docker.sock: connect: permission denied' >&2\nexit 1\n",
        ),
        &[],
    );
    assert_golden("errors-docker", text.trim_end());
}

/// What fails when the run is there already: it ends as failed.
#[test]
fn after_the_run_was_created() {
    let mut text = String::new();
    for answer in [
        "pull) echo 'latest: Pulling from x'; echo 'Error response from daemon: pull access denied for x, repository does not exist' >&2; exit 1;;",
        "pull) echo 'Error response from daemon: Get \"https://x/v2/\": dial tcp: lookup x: no such host' >&2; exit 1;;",
        "pull) exit 0;;",
    ] {
        let project = with_docker(&format!(
            "case $1 in image) echo 'Error: No such image: x' >&2; exit 1;;\n{answer}\nesac\n"
        ));
        let finished = project.mlrun(&["run", "project"]);
        assert_eq!(finished.store().run().status, "FAILED");
        text += &finished.transcript();
        text.push('\n');
    }
    assert_golden("errors-docker-pull", text.trim_end());
}

/// The texts of the real engine, which the texts above must not have invented.
#[test]
fn a_real_engine_says_so_too() {
    let Some(docker) = Docker::find() else { return };
    let Some(image) = docker.busybox() else { return };
    let nobody = DockerProject::on(docker, &image, "", "true").env("DOCKER_HOST", "unix:///no/such.sock");
    let finished = nobody.run(&[]).with_code(1);
    assert_starts_with(finished.stderr(), "error: docker cannot reach its daemon\n");
    assert_eq!(finished.store().runs.len(), 0);

    let bad_option = DockerProject::on(docker, &image, "", "true");
    let finished = bad_option.run(&["-A", "no-such-option=1"]).with_code(1);
    let error = "error: docker could not create the container (see its message above)\n";
    assert_contains(finished.stderr(), error);
    assert_eq!(finished.store().run().status, "FAILED");

    let TestImage(_, base) = &TestImage(docker, format!("{}-base", unique_name()));
    let failing = DockerProject::on(docker, base, "", "true");
    let sandbox = failing.project.sandbox();
    // A base image whose own instructions fail in every build on it.
    sandbox.write(
        "Dockerfile",
        format!("FROM {image}\nONBUILD RUN echo told why && false\n"),
    );
    let context = sandbox.work().join("empty");
    std::fs::create_dir(&context).unwrap();
    let paths = [sandbox.work().join("Dockerfile"), context].map(|path| path.to_str().unwrap().to_owned());
    docker.output(&["build", "-t", base, "-f", &paths[0], &paths[1]]);
    let finished = failing.run(&[]).with_code(1);
    let stderr = finished.stderr();
    let error = format!(
        "error: cannot build the image '{}' with the project's files\n",
        failing.name
    );
    assert!(stderr.contains(&error) && stderr.contains("told why"), "{stderr}");
}
