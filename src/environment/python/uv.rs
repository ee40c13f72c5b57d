//! Virtual environments by uv.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::interpreter::Found;
use super::{PythonPlan, install};
use crate::env_vars::{self, UV_MANAGED_PYTHON, UV_PYTHON_PREFERENCE};
use crate::environment::cache::BuildCalls;
use crate::environment::{EnvironmentError, name};
use crate::events::Progress;
use crate::process::{ProgramCall, program_on_path};

/// The file in which uv keeps the exact packages of a project.
const LOCK_FILE: &str = "uv.lock";
/// The file that uv's lock file belongs to.
const PROJECT_FILE: &str = "pyproject.toml";
/// The file in which uv finds the Python of a project.
const VERSION_FILE: &str = ".python-version";

/// Whether uv is on PATH.
pub(in crate::environment) fn is_installed() -> bool {
    program_on_path("uv").is_some()
}

/// Whether uv was told to take none but the Pythons that it has installed itself.
pub(super) fn wants_its_own_python() -> bool {
    let is_set = |name| env_vars::non_empty(name).filter(|value| value != "0" && value != "false");
    is_set(UV_MANAGED_PYTHON).is_some()
        || is_set(UV_PYTHON_PREFERENCE).is_some_and(|preference| preference == "only-managed")
}

/// A project whose packages uv has locked. As for `mlflow run`, the lock file decides then, and not
/// the dependencies of an environment file.
#[derive(Debug, Clone)]
pub(in crate::environment) struct LockedProject {
    identity: String,
}

impl LockedProject {
    /// Whether a project has a lock file and what it belongs to.
    pub(in crate::environment) fn is_in(project: &Path) -> bool {
        project.join(LOCK_FILE).is_file() && project.join(PROJECT_FILE).is_file()
    }

    /// The lock of a project, if it has one.
    pub(super) fn find(project: &Path) -> Result<Option<Self>, EnvironmentError> {
        if !Self::is_in(project) {
            return Ok(None);
        }
        let mut contents = Vec::new();
        for file in [LOCK_FILE, VERSION_FILE] {
            let path = project.join(file);
            match std::fs::read(&path) {
                Ok(content) => contents.extend(content),
                Err(error) if file == VERSION_FILE && error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(EnvironmentError::cache("read", path)(error)),
            }
        }
        Ok(Some(Self {
            identity: name::sha1(&contents),
        }))
    }

    /// What tells the environments of different locks apart. `mlflow run` does not: it goes on with
    /// the packages of an older lock.
    pub(super) fn identity(&self) -> &str {
        &self.identity
    }
}

/// Makes the environment where nothing is.
pub(super) async fn build(
    plan: &PythonPlan,
    calls: &BuildCalls<'_>,
    progress: &dyn Progress,
) -> Result<(), EnvironmentError> {
    let directory = &plan.entry.directory;
    if plan.locked.is_some() {
        return sync(plan, calls, progress).await;
    }
    progress.info(&format!(
        "Creating the environment {} with Python {} by uv",
        directory.display(),
        plan.version
    ));
    let venv = ProgramCall::new("uv").argument("venv").argument(directory);
    calls
        .prepare(with_python(venv, plan))
        .stream(&mut |line| progress.program_line(line))
        .await?;
    let installer = plan.inside(ProgramCall::new("uv").arguments(["pip", "install"]), calls);
    install::install(&installer, calls, &plan.python_env, &plan.project, progress).await
}

/// Installs what the lock file says. The project's own package is not installed: the environment
/// outlives the directory, which may be a temporary clone, and serves every copy of the project.
async fn sync(
    plan: &PythonPlan,
    calls: &BuildCalls<'_>,
    progress: &dyn Progress,
) -> Result<(), EnvironmentError> {
    progress.info(&format!(
        "Creating the environment {} from {LOCK_FILE} by uv",
        plan.entry.directory.display()
    ));
    let call = ProgramCall::new("uv")
        .arguments(["sync", "--frozen", "--no-dev", "--no-install-project"])
        .directory(&plan.project)
        .variable("UV_PROJECT_ENVIRONMENT", &plan.entry.directory)
        .without_variable("VIRTUAL_ENV");
    calls
        .prepare(with_python(call, plan))
        .stream(&mut |line| progress.program_line(line))
        .await?;
    Ok(())
}

/// The call with the Python that was found. By a version alone uv may look for another one, and for that
/// on the network. Where none was found the version is what uv installs; without a version the lock file
/// says it.
fn with_python(call: ProgramCall, plan: &PythonPlan) -> ProgramCall {
    let mut python = OsString::from("--python=");
    match (&plan.found, &plan.request) {
        (Some(Found::Here(interpreter)), _) => python.push(&interpreter.path),
        (_, Some(request)) => python.push(request.for_programs()),
        (_, None) => return call,
    }
    call.argument(python)
}
