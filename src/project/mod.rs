//! Projects: the MLproject file or the conventions that replace it, and the shell command that an entry point becomes
//! with its parameters.
//!
//! ```text
//! directory -> Project -> EntryPoint -> ResolvedParameters -> command
//! ```
//!
//! Nothing here creates anything. Source: the published description of MLflow Projects, and `mlflow run` of MLflow 3.

mod conventions;
mod entry_point;
mod environment;
mod error;
mod format_spec;
mod hint;
mod location;
mod mlproject;
mod number;
mod parameter;
mod parameter_name;
mod quote;
mod reader;
mod template;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use mlproject::MlProject;

pub(crate) use conventions::Misplaced;
pub(crate) use conventions::{FILE_NAME, find_file};
pub(crate) use entry_point::EntryPoint;
pub(crate) use environment::{DockerEnvironment, near_file};
pub use environment::{EnvironmentEntry, ProjectEnvironment};
pub(crate) use error::MistypedKey;
pub use error::{ProjectError, ProjectProblem};

pub(crate) use location::{KeyPlace, Location, SourceFile, SourceLine, WrittenText};
pub(crate) use mlproject::DatabricksSparkJob;
pub(crate) use number::is_float;
pub use parameter::ParameterContext;
pub(crate) use parameter::{Parameter, ParameterType, ParameterValue, ResolvedParameters, local_path};
pub(crate) use parameter_name::{NameProblem, without_blanks};
pub(crate) use quote::quote;
pub(crate) use reader::keys;
pub(crate) use template::format_with;
pub use template::{TemplateError, format_template};

/// A project, as its directory declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The project's directory, as it was given.
    pub directory: PathBuf,
    /// The MLproject file, unless it is missing or empty.
    pub file: Option<PathBuf>,
    /// The name in the file; the directory's name if there is no file.
    pub name: Option<String>,
    /// The environment of the entry points. Not used for a Databricks Spark job.
    pub environment: ProjectEnvironment,
    /// The declared entry points, in the order of their declaration.
    pub entry_points: Vec<EntryPoint>,
    /// The Spark job, if the project is one.
    pub databricks_spark_job: Option<DatabricksSparkJob>,
    /// A key that may be meant for `entry_points`.
    pub mistyped_entry_points: Option<MistypedKey>,
    /// Keys of the file that MLflow does not know.
    pub unknown_keys: Vec<KeyPlace>,
    /// Repeated keys of the file, whose earlier values are lost.
    pub repeated_keys: Vec<KeyPlace>,
    /// A file that seems to be meant for the missing MLproject file.
    pub misnamed_file: Option<String>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

impl Project {
    /// Why no run can use the project, whatever entry point it names.
    pub(crate) fn nothing_to_run(&self) -> Option<ProjectError> {
        let may_have_scripts = match self.environment {
            ProjectEnvironment::Docker(_) => true,
            ProjectEnvironment::Python { .. } | ProjectEnvironment::Conda { .. } => {
                !self.scripts().is_empty()
            }
        };
        if may_have_scripts || !self.entry_points.is_empty() || self.databricks_spark_job.is_some() {
            return None;
        }
        // An empty file counts.
        let found = conventions::find_file(&self.directory).unwrap_or_default();
        Some(ProjectError::new(match found.file {
            Some(_) => ProjectProblem::NothingToRun {
                mistyped: self.mistyped_entry_points.clone(),
            },
            None => ProjectProblem::NoMlproject {
                directory: self.directory.clone(),
                misplaced: Misplaced::find(&self.directory, self.misnamed_file.as_deref()),
            },
        }))
    }

    /// Reads the project in a directory.
    ///
    /// # Errors
    /// A directory or file that cannot be read, and a file that declares what MLflow cannot use.
    pub fn load(directory: &Path) -> Result<Self, ProjectError> {
        let cannot_read = |path: &Path, source| {
            ProjectError::new(ProjectProblem::Read {
                path: path.to_owned(),
                source,
            })
        };
        let found = conventions::find_file(directory).map_err(|error| cannot_read(directory, error))?;
        let mut warnings = Vec::new();
        let mut declared = None;
        if let Some(file) = &found.file {
            let name = file.file_name().unwrap_or_default().display();
            let others = found.others.iter();
            warnings.extend(others.map(|other| format!("ignoring {other}: {name} is the project's file")));
            let text = std::fs::read(file).map_err(|error| cannot_read(file, error))?;
            declared = mlproject::read(text, file, directory)?;
            if declared.is_none() {
                warnings.push(format!("{name} is empty; ignoring it"));
            }
        } else if let Some(misnamed) = &found.misnamed {
            warnings.push(format!(
                "ignoring {misnamed}: the file's name must be {FILE_NAME}"
            ));
        }
        let (file, misnamed_file) = match declared {
            Some(_) => (found.file, None),
            None => (None, found.misnamed),
        };
        let declared = declared.unwrap_or_else(|| MlProject {
            name: conventions::project_name(directory),
            environment: environment::by_files(directory),
            entry_points: Vec::new(),
            mistyped_entry_points: None,
            databricks_spark_job: None,
            unknown_keys: Vec::new(),
            repeated_keys: Vec::new(),
        });
        Ok(Self {
            directory: directory.to_owned(),
            file,
            name: declared.name,
            environment: declared.environment,
            entry_points: declared.entry_points,
            mistyped_entry_points: declared.mistyped_entry_points,
            databricks_spark_job: declared.databricks_spark_job,
            unknown_keys: declared.unknown_keys,
            repeated_keys: declared.repeated_keys,
            misnamed_file,
            warnings,
        })
    }

    /// The entry point of a Spark job with a `python_file`.
    pub fn spark_entry_point(&self) -> Option<EntryPoint> {
        let file = self.databricks_spark_job.as_ref()?.python_file.as_deref()?;
        Some(EntryPoint::script("main", &format!("python {}", quote(file))))
    }

    /// The scripts that can be run without being declared, as paths below the project's directory. Sorted; without
    /// those of hidden directories and environments.
    pub fn scripts(&self) -> Vec<String> {
        match self.databricks_spark_job {
            Some(_) => Vec::new(),
            None => conventions::scripts(&self.directory),
        }
    }

    /// The entry point of this name, otherwise the script at this path.
    ///
    /// `shell` is the user's shell, which runs `.sh` scripts; `bash` if it is unknown or empty.
    ///
    /// # Errors
    /// Neither exists. A container may have scripts that the project does not have.
    pub fn entry_point(&self, name: &str, shell: Option<&str>) -> Result<EntryPoint, ProjectError> {
        if let Some(entry_point) = self
            .entry_points
            .iter()
            .find(|entry_point| entry_point.name == name)
        {
            return Ok(entry_point.clone());
        }
        if let Some(DatabricksSparkJob {
            python_file: Some(python_file),
            ..
        }) = &self.databricks_spark_job
        {
            let python_file = python_file.clone();
            return Err(ProjectError::new(ProjectProblem::NoEntryPointsInSparkJob {
                python_file,
            }));
        }
        let may_be_script = self.databricks_spark_job.is_none();
        let is_there = self.directory.join(name).is_file();
        let may_be_elsewhere = matches!(self.environment, ProjectEnvironment::Docker(_));
        if may_be_script
            && (is_there || may_be_elsewhere)
            && let Some(command) = conventions::script_command(name, shell)
        {
            return Ok(EntryPoint::script(name, &command));
        }
        let is_missing_script = conventions::is_script(name) && !is_there;
        Err(ProjectError::new(ProjectProblem::NoEntryPoint {
            name: name.to_owned(),
            missing_in: is_missing_script.then(|| self.directory.clone()),
            declared: self
                .entry_points
                .iter()
                .map(|entry_point| entry_point.name.clone())
                .collect(),
            scripts: if may_be_script {
                conventions::scripts_beside(&self.directory, name)
            } else {
                Vec::new()
            },
            mistyped: self.mistyped_entry_points.clone(),
            misplaced: match self.file {
                Some(_) => None,
                None => Misplaced::find(&self.directory, self.misnamed_file.as_deref()),
            },
        }))
    }
}
