//! Python environments: virtual ones, made by Python's own `venv` and pip, or by uv.
//!
//! Names, places and contents are those of `mlflow run`; both managers use the same place for the same
//! description. Source: `mlflow.utils.virtualenv` of MLflow 3.

mod build;
mod interpreter;
mod probe;
mod python_env;
mod request;
mod requirements;
mod uv;
mod version;

use std::path::{Path, PathBuf};

pub(super) use python_env::PythonEnv;
pub(crate) use python_env::PythonEnvError;
pub(super) use uv::{LockedProject, is_installed as uv_is_installed};

use self::interpreter::FoundPython;
use self::probe::KnownVersion;
pub(super) use self::request::PythonRequest;
use super::cache::{self, Entry};
use super::{EnvManager, EnvironmentError};
use crate::project::quote;

/// A Python environment that a run shall get.
#[derive(Debug, Clone)]
pub(super) struct PythonPlan {
    python_env: PythonEnv,
    /// The asked version of Python; that of the Python on PATH where nothing is asked for.
    version: String,
    /// The same for those who look for it; nothing where a lock file says it.
    request: Option<PythonRequest>,
    /// The Python that the environment will be made with; nothing where it is there already, or where a
    /// lock file says what Python it is for.
    found: Option<FoundPython>,
    known_version: Option<KnownVersion>,
    entry: Entry,
    project: PathBuf,
    locked: Option<LockedProject>,
}

impl PythonPlan {
    /// Reads what a `python_env.yaml` asks for; without a file only Python is.
    pub(super) async fn of_file(
        file: Option<&Path>,
        manager: EnvManager,
        project: &Path,
    ) -> Result<Self, EnvironmentError> {
        let python_env = file.map(PythonEnv::read).transpose()?.unwrap_or_default();
        Self::new(python_env, manager, project).await
    }

    /// Finds out which environment is described. Paths in the description refer to the directory
    /// `project`.
    pub(super) async fn new(
        python_env: PythonEnv,
        manager: EnvManager,
        project: &Path,
    ) -> Result<Self, EnvironmentError> {
        let locked = match manager {
            EnvManager::Uv => LockedProject::find(project)?,
            _ => None,
        };
        let (version, known_version) = match (&python_env.python, &locked) {
            (Some(version), _) => (version.clone(), None),
            // The lock file says what Python it is for.
            (None, Some(_)) => (String::new(), None),
            (None, None) => interpreter::default_version().await?,
        };
        let mut text = python_env.python_str(&version);
        text.push_str(&requirements::text_for_name(&python_env.dependencies, project)?);
        if let Some(locked) = &locked {
            text.push_str(locked.identity());
        }
        let name = cache::name_of_text(&text);
        let entry = Entry::new(manager, &name, cache::root()?.join(&name))?;
        let mut plan = Self {
            request: PythonRequest::parse(&version),
            python_env,
            version,
            found: None,
            known_version,
            entry,
            project: project.to_owned(),
            locked,
        };
        if cache::is_whole(&plan.entry, &plan).await? {
            return Ok(plan);
        }
        if manager == EnvManager::Uv && !uv::is_installed() {
            return Err(EnvironmentError::NoUv);
        }
        plan.found = match (&plan.known_version, &plan.request) {
            (Some(known), _) if manager == EnvManager::Uv && !uv::wants_its_own_python() => {
                Some(FoundPython::Here(known.interpreter()))
            }
            (_, Some(request)) => Some(interpreter::find(request, manager).await?),
            (_, None) => None,
        };
        Ok(plan)
    }

    /// The environment in the cache.
    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The shell command that enters the environment.
    pub(super) fn activation(&self) -> String {
        let script = self.entry.directory.join("bin/activate");
        format!("source {}", quote(&script.to_string_lossy()))
    }
}
