//! What is wrong with the files that describe an environment, without preparing it.

use std::path::Path;

use super::conda;
use super::docker::{self, DockerError};
use super::environment_file::{FileProblem, FileProblems};
use super::python::{self, PythonEnv};
use crate::project::{EnvironmentEntry, ProjectEnvironment};

/// Everything that is wrong with the environment's files, for the env manager that a run takes by default. Paths in
/// them refer to the project's directory.
pub(crate) fn problems(environment: &ProjectEnvironment, directory: &Path) -> Vec<FileProblem> {
    let mut problems = FileProblems::default();
    match environment {
        ProjectEnvironment::Python { file: Some(file) } => {
            let python_env = PythonEnv::read_all(file, &mut problems);
            python::add_problems(&python_env, directory, &mut problems);
        }
        ProjectEnvironment::Conda { file } => conda::add_problems(file, &mut problems),
        ProjectEnvironment::Python { file: None } | ProjectEnvironment::Docker(_) => {}
    }
    problems.into_vec()
}

/// What is wrong with a part of `docker_env`, whatever this machine has.
pub(crate) fn docker_problem(part: DockerPart<'_>) -> Option<DockerError> {
    match part {
        DockerPart::Image(image) => docker::check_image(image).err(),
        DockerPart::Variable(entry) => docker::check_variable(entry).err(),
        DockerPart::Volume { volume, directory } => docker::check_volume(volume, directory).err(),
        DockerPart::Name(name) => name.is_none().then(docker::no_name),
    }
}

/// A part of a Docker project.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DockerPart<'a> {
    Image(&'a str),
    Variable(&'a EnvironmentEntry),
    /// Its path on this machine may be relative to the project's directory.
    Volume {
        volume: &'a str,
        directory: &'a Path,
    },
    /// The project's name.
    Name(Option<&'a str>),
}
