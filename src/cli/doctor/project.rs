//! Whether a project can run here.

use std::path::Path;

use super::check::{Check, NEEDED_PATIENCE, bounded};
use crate::cli::escape;
use crate::environment::{self, ContainerRequest, EnvironmentPlan, EnvironmentRequest};
use crate::events::Silent;
use crate::fetch::{self, FetchOptions, WorkDir};
use crate::lint::{self, Finding, Severity};
use crate::project::{EntryPoint, Project, find_file};
use crate::project_uri::ProjectUri;
use crate::runner::{RunError, in_background};

/// What to say if a busy machine or a daemon needs more time.
const LATE: &str = "a run waits longer; `mlrun run URI --dry-run` shows what it would do";
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
    let work_dir = match work_dir(uri, &directory).await {
        Ok(work_dir) => work_dir,
        Err(check) => return vec![check.needed()],
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
        bounded("environment", NEEDED_PATIENCE, environment(&project, &work_dir))
            .await
            .if_late(LATE)
            .needed(),
    );
    checks
}

/// The project's directory, or why there is none.
async fn work_dir(uri: &str, current_directory: &Path) -> Result<WorkDir, Check> {
    let mut work_dir = None;
    let check = bounded("project", NEEDED_PATIENCE, async {
        match fetched(uri, current_directory).await {
            Ok(found) => {
                work_dir = Some(found);
                Check::ok("project", uri)
            }
            Err(error) => Check::failed("project", error),
        }
    });
    let check = check.await;
    let hint = format!("`mlrun lint {}` waits for it", escape::shell_word(uri));
    work_dir.ok_or_else(|| check.if_late(&hint))
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

/// How much of an environment's name tells it from others, as `mlrun env rm` takes it.
const SHORT_NAME: usize = "mlflow-".len() + 8;

/// The plan, with the environment's name in place of its long directory.
fn described(plan: &EnvironmentPlan) -> String {
    let text = plan.to_string();
    let Some(name) = plan.name().filter(|_| plan.environment_directory().is_some()) else {
        return text;
    };
    let state = if plan.is_there() {
        "there already"
    } else {
        "to be built"
    };
    let name = name.get(..SHORT_NAME).unwrap_or(&name);
    let rest = text
        .split_once('\n')
        .map_or_else(String::new, |(_, rest)| format!("\n{rest}"));
    format!("{}, {name} ({state}){rest}", plan.manager)
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
        Ok(plan) => Check::ok("environment", described(&plan)),
        Err(error) => Check::failed("environment", error),
    }
}
