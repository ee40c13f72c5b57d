//! Which environment manager a run gets.

use std::path::Path;

use super::docker::ContainerRequest;
use super::{EnvManager, EnvironmentError, conda, python};
use crate::project::ProjectEnvironment;

/// What decides about a run's environment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EnvironmentRequest<'a> {
    pub environment: &'a ProjectEnvironment,
    pub manager: Option<EnvManager>,
    /// The project's directory, which paths in environment files refer to.
    pub directory: &'a Path,
    /// The project's name, shown to other people who wait for its build.
    pub project: &'a str,
    /// A file with packages, for a project without an environment file.
    pub requirements: Option<&'a Path>,
    /// The directory that relative paths of the request refer to.
    pub current_directory: &'a Path,
    /// What else decides if the project asks for a container.
    pub container: ContainerRequest<'a>,
}

/// The environment manager, and why it is this one if neither the user nor the project says so.
pub(super) fn choose(
    request: &EnvironmentRequest<'_>,
) -> Result<(EnvManager, Option<String>), EnvironmentError> {
    if let Some(file) = request.requirements {
        return with_requirements(request, file);
    }
    let manager = match (request.environment, request.manager) {
        // The container is the environment, whatever manager is named.
        (ProjectEnvironment::Docker(_), _) => EnvManager::Local,
        (ProjectEnvironment::Python { file: Some(_) }, Some(EnvManager::Conda)) => {
            return Err(EnvironmentError::new(
                "--env-manager conda cannot be used: the project has a Python environment file (python_env)",
                "pass --env-manager virtualenv, uv or local",
            ));
        }
        (_, Some(manager)) => manager,
        (ProjectEnvironment::Conda { .. }, None) => EnvManager::Conda,
        (ProjectEnvironment::Python { file: Some(_) }, None) => EnvManager::Virtualenv,
        (ProjectEnvironment::Python { file: None }, None) => {
            let (manager, reason) = without_file(request.directory);
            return Ok((manager, Some(reason.to_owned())));
        }
    };
    Ok((manager, None))
}

/// The manager for a project that gets the packages of a file.
fn with_requirements(
    request: &EnvironmentRequest<'_>,
    file: &Path,
) -> Result<(EnvManager, Option<String>), EnvironmentError> {
    check_requirements(request.manager, None)?;
    match request.environment {
        ProjectEnvironment::Docker(_) => {
            return Err(EnvironmentError::new(
                "--requirements cannot be used: the project runs in a container (docker_env)",
                "install the packages in the image that docker_env names",
            ));
        }
        ProjectEnvironment::Python { file: Some(own) } | ProjectEnvironment::Conda { file: own } => {
            let name = own.file_name().unwrap_or_default().display();
            return Err(EnvironmentError::new(
                format!("--requirements cannot be used: the project has an environment file, {name}"),
                format!("add the packages to {name}, or leave out --requirements"),
            ));
        }
        ProjectEnvironment::Python { file: None } => {}
    }
    let manager = match request.manager {
        Some(manager) => manager,
        None if python::uv_is_installed() => EnvManager::Uv,
        None => EnvManager::Virtualenv,
    };
    let reason = format!("the environment holds the packages of {}", file.display());
    Ok((manager, Some(reason)))
}

/// Refuses what no file with packages goes with: a manager that installs none, and a backend, of this name, that
/// makes the environment elsewhere.
pub(crate) fn check_requirements(
    manager: Option<EnvManager>,
    remote_backend: Option<&str>,
) -> Result<(), EnvironmentError> {
    if let Some(backend) = remote_backend {
        return Err(EnvironmentError::new(
            format!(
                "--requirements cannot be used with the backend '{backend}': it does not build the environment here"
            ),
            "add the packages to the project's environment file or image",
        ));
    }
    match manager {
        Some(manager @ (EnvManager::Local | EnvManager::Conda)) => Err(EnvironmentError::new(
            format!("--requirements cannot be used with --env-manager {manager}"),
            "pass --env-manager uv or virtualenv, or leave it out",
        )),
        _ => Ok(()),
    }
}

fn without_file(directory: &Path) -> (EnvManager, &'static str) {
    if python::is_locked(directory) && python::uv_is_installed() {
        (
            EnvManager::Uv,
            "no environment file; uv builds the environment from uv.lock",
        )
    } else if conda::is_installed() {
        (
            EnvManager::Conda,
            "no environment file; conda builds an environment with only Python",
        )
    } else if python::uv_is_installed() {
        (
            EnvManager::Uv,
            "no environment file; uv builds an environment with only Python (conda is not installed)",
        )
    } else {
        (
            EnvManager::Virtualenv,
            "no environment file; venv builds an environment with only Python (neither conda nor uv is installed)",
        )
    }
}
