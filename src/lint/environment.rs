//! The files that describe the environment.

use std::path::{Path, PathBuf};

use super::document::Document;
use super::{Code, Finding};
use crate::environment::{self, FileProblem, FileProblemKind};
use crate::project::{Project, ProjectEnvironment, ProjectError, ProjectProblem, near_file};

/// Files of environments that do not exist.
pub(super) fn missing_files(document: &Document, findings: &mut Vec<Finding>) {
    for key in ["python_env", "conda_env"] {
        let Some(node) = document.top().get(key) else {
            continue;
        };
        let file = node.as_str().unwrap_or_default();
        if !file.is_empty() && !document.directory().join(file).exists() {
            let problem = ProjectProblem::EnvironmentFileMissing {
                key,
                file: file.to_owned(),
                near: near_file(document.directory(), file),
            };
            findings.push(Finding::of_error(&ProjectError::at(
                document.location(node),
                problem,
            )));
        }
    }
}

/// Everything that is wrong with the environment's files, also if the MLproject file itself is.
pub(super) fn check(
    project: Option<&Project>,
    document: Option<&Document>,
    directory: &Path,
    findings: &mut Vec<Finding>,
) {
    let environment = match (project, document) {
        (Some(project), _) if project.databricks_spark_job.is_some() => return,
        (Some(project), _) => project.environment.clone(),
        (None, Some(document)) => match declared(document) {
            Some(environment) => environment,
            None => return,
        },
        (None, None) => return,
    };
    let problems = environment::problems(&environment, directory);
    let mut found: Vec<Finding> = problems.into_iter().map(of_problem).collect();
    // File by file, as they name each other.
    let mut files: Vec<PathBuf> = Vec::new();
    found.sort_by_cached_key(|finding| {
        let location = finding.location.as_ref()?;
        let path = location.file.path();
        let rank = files.iter().position(|file| file == path).unwrap_or_else(|| {
            files.push(path.to_owned());
            files.len() - 1
        });
        Some((rank, location.position))
    });
    findings.extend(found);
}

/// The environment's file.
pub(super) fn file(environment: &ProjectEnvironment) -> Option<&PathBuf> {
    match environment {
        ProjectEnvironment::Python { file } => file.as_ref(),
        ProjectEnvironment::Conda { file } => Some(file),
        ProjectEnvironment::Docker(_) => None,
    }
}

/// The environment that the keys name, if its file exists.
fn declared(document: &Document) -> Option<ProjectEnvironment> {
    let file = |key: &str| {
        let path = document
            .top()
            .get(key)?
            .as_str()
            .filter(|path| !path.is_empty())?;
        Some(document.directory().join(path)).filter(|path| path.is_file())
    };
    if let Some(file) = file("python_env") {
        return Some(ProjectEnvironment::Python { file: Some(file) });
    }
    Some(ProjectEnvironment::Conda {
        file: file("conda_env")?,
    })
}

fn of_problem(problem: FileProblem) -> Finding {
    let code = match problem.kind {
        FileProblemKind::Invalid | FileProblemKind::NotAMapping => Code::InvalidEnvironmentFile,
        FileProblemKind::RequirementsFile => Code::RequirementsFile,
        FileProblemKind::Requirement => Code::InvalidRequirement,
        FileProblemKind::UnknownKey => Code::UnknownKey,
        FileProblemKind::RepeatedKey => Code::DuplicateKey,
        FileProblemKind::CondaOnly => Code::CondaOnly,
    };
    let error = problem.error;
    let location = error.location().cloned();
    let mut message = error.to_string();
    // The place is shown apart.
    if let Some(place) = &location
        && let Some(rest) = message.strip_prefix(&format!("{place}: "))
    {
        message = rest.to_owned();
    }
    if let Some(cause) = std::error::Error::source(&error) {
        message.push_str(&format!(": {cause}"));
    }
    Finding {
        hint: error.hint(),
        ..Finding::new(code, location, message)
    }
}
