//! `--run-info FILE`: the result of a run as JSON, for scripts.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::cli::report::{Failure, Outcome};
use crate::entities::{RunInfo, RunStatus, tag};
use crate::process::ProgramExit;
use crate::runner::{CreatedRun, Launched, RunDetails, RunEnding, RunPlan};

/// The `--run-info` file and its content: written when the run starts, and again when more is known. Readers
/// see the old or the new content, never a part.
#[derive(Debug, Default)]
pub(crate) struct RunReport {
    path: Option<PathBuf>,
    content: Content,
}

/// The file's content. Unknown values are null.
#[derive(Debug, Default, Serialize)]
struct Content {
    run_id: Option<String>,
    experiment_id: Option<String>,
    run_name: Option<String>,
    tracking_uri: Option<String>,
    artifact_uri: Option<String>,
    /// The run's status in the store.
    status: Option<&'static str>,
    /// The exit code of mlrun.
    exit_code: Option<u8>,
    /// Whether an earlier run was reused.
    reused: bool,
    /// Why the run was not possible.
    error: Option<String>,
    entry_point: EntryPointReport,
    source: SourceReport,
    environment: EnvironmentReport,
    backend: BackendReport,
    /// In seconds.
    timings: TimingsReport,
    mlrun_version: &'static str,
}

/// The entry point and how it ended: by itself, by a signal, or by an interruption of the run.
#[derive(Debug, Default, Serialize)]
struct EntryPointReport {
    name: Option<String>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    interrupted_by: Option<&'static str>,
}

#[derive(Debug, Default, Serialize)]
struct SourceReport {
    uri: Option<String>,
    commit: Option<String>,
    repository: Option<String>,
    branch: Option<String>,
    dirty: Option<bool>,
}

#[derive(Debug, Default, Serialize)]
struct EnvironmentReport {
    manager: Option<&'static str>,
    name: Option<String>,
    directory: Option<PathBuf>,
    image_id: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct BackendReport {
    name: Option<&'static str>,
    /// The run's identity on the backend, as tags of the run.
    ids: BTreeMap<String, String>,
}

#[derive(Debug, Default, Serialize)]
struct TimingsReport {
    fetch: Option<f64>,
    environment: Option<f64>,
    data: Option<f64>,
    run: Option<f64>,
}

impl RunReport {
    /// An empty report. Without a path, nothing is ever written.
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        Self {
            path,
            content: Content {
                mlrun_version: env!("CARGO_PKG_VERSION"),
                ..Content::default()
            },
        }
    }

    /// Checks that the file can be written, before the run is created.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        self.try_to(|path, _| {
            if path.is_dir() {
                return Err(std::io::ErrorKind::IsADirectory.into());
            }
            temporary_file(path).map(drop)
        })
    }

    /// Adds the plan.
    pub(crate) fn planned(&mut self, plan: &RunPlan) {
        let source = plan.work_dir.source();
        let is_container = plan.environment.container().is_some();
        let content = &mut self.content;
        content.tracking_uri = Some(plan.tracking_uri.to_string());
        content.entry_point.name = Some(plan.entry_point.name.clone());
        content.source = SourceReport {
            uri: Some(source.name.clone()),
            commit: source.commit.clone(),
            repository: source.repo_url.clone(),
            branch: source.branch.clone(),
            dirty: None,
        };
        content.environment = EnvironmentReport {
            manager: Some(if is_container {
                "docker"
            } else {
                plan.environment.manager.as_str()
            }),
            name: plan.environment.name(),
            directory: plan.environment.environment_directory().map(Path::to_owned),
            image_id: None,
        };
        content.backend.name = Some(plan.backend.name());
    }

    /// Adds the created run.
    pub(crate) fn created(&mut self, created: &CreatedRun) {
        self.run(&created.info, RunStatus::Running);
        let tags = &created.plan.request.tags;
        self.content.backend.ids.extend(tags.iter().cloned());
        self.details(&created.details);
    }

    /// Adds an earlier run that is reused.
    pub(crate) fn reused(&mut self, info: &RunInfo) {
        self.run(info, info.status);
        self.content.reused = true;
    }

    /// Adds the run and its status.
    pub(crate) fn run(&mut self, info: &RunInfo, status: RunStatus) {
        let content = &mut self.content;
        content.run_id = Some(info.run_id.to_string());
        content.experiment_id = Some(info.experiment_id.to_string());
        content.run_name = Some(info.run_name.clone());
        content.artifact_uri = Some(info.artifact_uri.clone());
        content.status = Some(status.as_str());
    }

    /// Adds new details. Returns whether a script may be waiting for them.
    pub(crate) fn details(&mut self, details: &RunDetails) -> bool {
        let known_ids = self.content.backend.ids.len();
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        self.content.timings = TimingsReport {
            fetch: seconds(details.timings.fetch),
            environment: seconds(details.timings.environment),
            data: seconds(details.timings.data),
            run: seconds(details.timings.run),
        };
        self.content.source.dirty = details.is_dirty;
        for (name, value) in &details.environment_tags {
            match name.as_str() {
                tag::DOCKER_IMAGE_URI => self.content.environment.name = Some(value.clone()),
                tag::DOCKER_IMAGE_ID => self.content.environment.image_id = Some(value.clone()),
                _ => {}
            }
        }
        self.content
            .backend
            .ids
            .extend(details.backend_tags.iter().cloned());
        self.content.backend.ids.len() > known_ids
    }

    /// Adds how the run ended.
    pub(crate) fn ended(&mut self, ending: &RunEnding) {
        self.content.status = Some(ending.status().as_str());
        let entry_point = &mut self.content.entry_point;
        match &ending.launched {
            Ok(Launched::Exited(ProgramExit::Code(code))) => entry_point.exit_code = Some(*code),
            Ok(Launched::Exited(ProgramExit::Signal(number))) => {
                entry_point.signal = Some(*number);
            }
            Ok(Launched::Interrupted { signal }) => {
                entry_point.interrupted_by = Some(signal.name());
            }
            Ok(Launched::Submitted | Launched::Reused) | Err(_) => {}
        }
    }

    /// Writes the file for the last time, with mlrun's exit code. A failure to write it fails a successful run;
    /// otherwise it goes to `tell`.
    pub(crate) fn conclude(
        &mut self,
        outcome: Result<Outcome, Failure>,
        tell: impl FnOnce(Failure),
    ) -> Result<Outcome, Failure> {
        self.content.exit_code = Some(match &outcome {
            Ok(outcome) => outcome.code(),
            Err(failure) => failure.code(),
        });
        self.content.error = outcome.as_ref().err().map(|failure| {
            let text = failure.text();
            text.strip_prefix("error: ").map_or(text.clone(), str::to_owned)
        });
        match (outcome, self.write()) {
            (Ok(Outcome::Succeeded), Err(failure)) => Err(failure),
            (outcome, written) => {
                if let Err(failure) = written {
                    tell(failure);
                }
                outcome
            }
        }
    }

    /// Writes the file.
    pub(crate) fn write(&mut self) -> Result<(), Failure> {
        self.try_to(|path, content| {
            let mut file = temporary_file(path)?;
            serde_json::to_writer_pretty(&mut file, content)?;
            file.write_all(b"\n")?;
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                file.as_file()
                    .set_permissions(std::fs::Permissions::from_mode(0o644))?;
            }
            file.persist(path)?;
            Ok(())
        })
    }

    /// Does something with the file. After a failure, which is reported, the file is not written again.
    fn try_to(&mut self, action: impl FnOnce(&Path, &Content) -> std::io::Result<()>) -> Result<(), Failure> {
        let Some(path) = self.path.take() else {
            return Ok(());
        };
        match action(&path, &self.content) {
            Ok(()) => {
                self.path = Some(path);
                Ok(())
            }
            Err(error) => Err(not_written(error, &path)),
        }
    }
}

/// A file beside `path`, to be renamed to it. Its name begins with that of `path`, which shows that it is not
/// part of a project.
fn temporary_file(path: &Path) -> std::io::Result<NamedTempFile> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut prefix = path.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    tempfile::Builder::new().prefix(&prefix).tempfile_in(directory)
}

fn not_written(error: std::io::Error, path: &Path) -> Failure {
    // Without the error's number and the name of the temporary file.
    let text = error.to_string();
    let cause = text.split(" (os error").next().unwrap_or(&text).to_owned();
    Failure::new(
        anyhow::Error::msg(cause).context(format!("cannot write the run info to '{}'", path.display())),
    )
    .with_hint("use a file in an existing directory that you can write to: --run-info FILE")
}
