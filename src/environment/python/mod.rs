//! Python environments: virtual ones, made by Python's own `venv` and pip, or by uv.
//!
//! Names, places and contents are those of `mlflow run`; both managers use the same place for the same
//! description. Source: `mlflow.utils.virtualenv` of MLflow 3.

mod build;
mod interpreter;
mod probe;
mod python_env;
mod requirement_line;
mod requirements;
mod requirements_file;
mod version;

use std::path::{Path, PathBuf};

pub(crate) use interpreter::PythonOnPath;
pub(super) use interpreter::{default_version, on_path, uv_is_installed};
pub(super) use python_env::PythonEnv;
pub(super) use requirement_line::check as check_requirement;
pub(super) use requirements::{add_problems, is_locked};
pub(super) use requirements_file::RequirementsFile;
pub(super) use version::PythonRequest;

use super::cache::{self, Entry};
use super::environment_file::RequirementLine;
use super::{EnvManager, EnvironmentError};
use interpreter::FoundPython;
use probe::KnownVersion;

/// A Python environment that a run gets.
#[derive(Debug)]
pub(super) struct PythonPlan {
    python_env: PythonEnv,
    /// Its dependencies with those of the files that they name.
    requirements: Vec<RequirementLine>,
    /// The requested version of Python; that of the Python on PATH if none is requested.
    version: String,
    /// The same for those who look for it; nothing if a lock file says it.
    request: Option<PythonRequest>,
    /// The Python that the environment will be built with; nothing if the environment exists, or if a lock file
    /// names the Python.
    found: Option<FoundPython>,
    known_version: Option<KnownVersion>,
    entry: Entry,
    project: PathBuf,
    /// What is installed beside the description.
    listed: Option<RequirementsFile>,
    /// What tells uv's lock file from others, if uv makes the environment and the project has one. As for
    /// `mlflow run`, the lock file decides then, and not the dependencies of an environment file.
    lock: Option<String>,
}

impl PythonPlan {
    /// Finds out which environment is described. Paths in the description refer to the directory
    /// `project`.
    pub(super) async fn new(
        mut python_env: PythonEnv,
        listed: Option<RequirementsFile>,
        manager: EnvManager,
        project: &Path,
    ) -> Result<Self, EnvironmentError> {
        let is_by_uv = manager == EnvManager::Uv;
        let lock = (is_by_uv && listed.is_none() && requirements::is_locked(project))
            .then(|| requirements::lock_identity(project))
            .transpose()?;
        let (version, known_version) = match (&python_env.python, &lock) {
            (Some(version), _) => (version.clone(), None),
            // The lock file says what Python it is for.
            (None, Some(_)) => (String::new(), None),
            (None, None) => interpreter::default_version().await?,
        };
        let requirements = requirements::read_all(&python_env.dependencies, project)?;
        let mut text = match &listed {
            Some(listed) => {
                python_env.dependencies = vec![listed.line_for_name()];
                let text = python_env.python_str(&version) + listed.identity();
                python_env.dependencies.clear();
                text
            }
            None => python_env.python_str(&version) + &requirements::text_for_name(&requirements),
        };
        text.push_str(lock.as_deref().unwrap_or_default());
        let name = cache::name_of_text(&text);
        let entry = Entry::new(manager, &name, cache::root()?.join(&name))?;
        let mut plan = Self {
            request: PythonRequest::parse(&version),
            python_env,
            requirements: requirements
                .into_iter()
                .map(|requirement| requirement.line)
                .collect(),
            version,
            found: None,
            known_version,
            entry,
            project: project.to_owned(),
            listed,
            lock,
        };
        if cache::is_whole(&plan).await? {
            return Ok(plan);
        }
        if is_by_uv && !interpreter::uv_is_installed() {
            return Err(EnvironmentError::new(
                "uv is not installed, but the environment manager is 'uv'",
                "install uv (https://docs.astral.sh/uv), or pass --env-manager virtualenv",
            ));
        }
        plan.found = match (&plan.known_version, &plan.request) {
            (Some(known), _) if is_by_uv && !interpreter::uv_wants_its_own() => {
                Some(FoundPython::Here(known.interpreter()))
            }
            (_, Some(request)) => Some(interpreter::find(request, manager).await?),
            (_, None) => None,
        };
        Ok(plan)
    }
}
