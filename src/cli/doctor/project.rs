//! Whether a project can run here.

use std::path::Path;

use super::check::{Check, bounded};
use crate::cli::escape;
use crate::environment::{self, ContainerRequest, EnvironmentRequest};
use crate::events::Silent;
use crate::fetch::{self, FetchOptions, WorkDir};
use crate::lint::{self, Finding, Severity};
use crate::project::{EntryPoint, Project, find_file};
use crate::project_uri::ProjectUri;
use crate::runner::{RunError, in_background};

/// The entry points whose parameters are shown.
const MOST_ENTRY_POINTS: usize = 5;

/// Checks the project at this URI; without one that of the current directory, if it has an MLproject file.
pub(super) async fn checks(uri: Option<&str>) -> Vec<Check> {
    let directory = match std::env::current_dir() {
        Ok(directory) => directory,
        Err(source) => {
            return vec![Check::failed("project", RunError::NoCurrentDirectory { source }).needed()];
        }
    };
    if uri.is_none() && !find_file(&directory).is_ok_and(|found| found.file.is_some()) {
        return Vec::new();
    }
    let uri = uri.unwrap_or(".");
    let mut work_dir = None;
    let fetched = bounded("project", async {
        match fetched(uri, &directory).await {
            Ok(found) => {
                work_dir = Some(found);
                Check::ok("project", escape::one_line(uri))
            }
            Err(error) => Check::failed("project", error),
        }
    });
    let check = fetched.await;
    let Some(work_dir) = work_dir else {
        let hint = check
            .hint
            .clone()
            .unwrap_or_else(|| format!("`mlrun lint {}` waits for it", escape::shell_word(uri)));
        return vec![check.with_hint(hint).needed()];
    };
    let directory = work_dir.path().to_owned();
    let loaded = in_background(move || loaded(&directory)).await;
    let project = match loaded.and_then(|loaded| loaded) {
        Ok(Loaded {
            project: Ok(project),
            findings,
        }) if !findings.iter().any(is_error) => project,
        Ok(Loaded { project, findings }) => {
            let first = findings.iter().find(|finding| is_error(finding)).map(problem);
            let check = first.or_else(|| Some(Check::failed("project", project.err()?)));
            let hint = format!("`mlrun lint {}` shows all that is wrong", escape::shell_word(uri));
            return check
                .map(|check| check.with_hint(hint).needed())
                .into_iter()
                .collect();
        }
        Err(error) => return vec![Check::failed("project", error).needed()],
    };
    let mut checks = vec![file_check(&project)];
    checks.extend(
        project
            .entry_points
            .iter()
            .take(MOST_ENTRY_POINTS)
            .map(entry_point),
    );
    checks.push(
        bounded("environment", environment(&project, &work_dir))
            .await
            .needed(),
    );
    checks
}

async fn fetched(uri: &str, current_directory: &Path) -> Result<WorkDir, RunError> {
    let uri = ProjectUri::parse(uri, current_directory)?;
    let options = FetchOptions {
        version: None,
        keep: false,
    };
    Ok(fetch::fetch(&uri, &options, &Silent).await?)
}

/// A project as far as its files can be read, and what is wrong with them.
struct Loaded {
    project: Result<Project, RunError>,
    findings: Vec<Finding>,
}

fn loaded(directory: &Path) -> Result<Loaded, RunError> {
    Ok(Loaded {
        findings: lint::check(directory)?,
        project: Project::load(directory).map_err(RunError::from),
    })
}

fn is_error(finding: &Finding) -> bool {
    finding.code.severity() == Severity::Error
}

fn problem(finding: &Finding) -> Check {
    let place = finding
        .location
        .as_ref()
        .map_or_else(String::new, |location| format!("{location}: "));
    Check::problem("project", format!("{place}{}", finding.message))
}

fn file_check(project: &Project) -> Check {
    let name = project.name.as_deref().unwrap_or("without a name");
    let detail = match &project.file {
        Some(file) => format!("{name}, {}", file.display()),
        None => format!("{name}, without an MLproject file; `mlrun init` writes one"),
    };
    Check::ok("project", detail)
}

fn entry_point(entry_point: &EntryPoint) -> Check {
    let required = entry_point
        .parameters
        .iter()
        .filter(|parameter| parameter.default.is_none());
    let required: Vec<String> = required
        .map(|parameter| format!("-P {}=…", parameter.name))
        .collect();
    let detail = if required.is_empty() {
        "needs no parameter".to_owned()
    } else {
        format!("needs {}", required.join(" "))
    };
    Check::ok(format!("-e {}", entry_point.name), detail)
}

/// The environment that a run would get.
async fn environment(project: &Project, work_dir: &WorkDir) -> Check {
    let planned = environment::plan(EnvironmentRequest {
        environment: &project.environment,
        manager: None,
        directory: work_dir.path(),
        requirements: None,
        current_directory: work_dir.path(),
        project: project.name.as_deref().unwrap_or("without a name"),
        container: ContainerRequest {
            project_name: project.name.as_deref(),
            commit: work_dir.source().commit.as_deref(),
            fetched: work_dir.fetched(),
            docker_args: &[],
            as_it_is: false,
            repository: None,
        },
    });
    match planned.await {
        Ok(plan) => Check::ok("environment", plan.to_string()),
        Err(error) => Check::failed("environment", error),
    }
}
