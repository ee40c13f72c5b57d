//! `--run-info FILE`: what became of a run, for a script.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::cli::report::{Failure, Outcome};
use crate::cli::settings::RunSettings;
use crate::run::RunStatus;
use crate::runner::CreatedRun;

/// The file's content: written when the run has begun, and again when it has ended.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    run_id: String,
    experiment_id: String,
    run_name: String,
    tracking_uri: String,
    artifact_uri: String,
    status: &'static str,
    exit_code: Option<u8>,
}

impl RunReport {
    /// The report of a run that has begun.
    pub(crate) fn new(created: &CreatedRun) -> Self {
        let info = created.info();
        Self {
            run_id: info.run_id.to_string(),
            experiment_id: info.experiment_id.to_string(),
            run_name: info.run_name.clone(),
            tracking_uri: created.plan().tracking_uri.to_string(),
            artifact_uri: info.artifact_uri.clone(),
            status: RunStatus::Running.as_str(),
            exit_code: None,
        }
    }

    /// Takes over how the run ended.
    pub(crate) fn end(&mut self, status: RunStatus, outcome: &Result<Outcome, Failure>) {
        self.status = status.as_str();
        self.exit_code = Some(match outcome {
            Ok(outcome) => outcome.code(),
            Err(failure) => failure.code(),
        });
    }

    /// Makes sure that the file that `--run-info` names can be written, before there is a run.
    pub(crate) fn check(settings: &RunSettings) -> Result<(), Failure> {
        let Some(path) = &settings.run_info_file else {
            return Ok(());
        };
        let checked = if path.is_dir() {
            Err(std::io::ErrorKind::IsADirectory.into())
        } else {
            temporary_file(path).map(drop)
        };
        checked.map_err(|error| not_written(error, path))
    }

    /// Writes the file that `--run-info` names, if it does. A reader sees the old content or the new
    /// one, never a part.
    pub(crate) fn write(&self, settings: &RunSettings) -> Result<(), Failure> {
        let Some(path) = &settings.run_info_file else {
            return Ok(());
        };
        self.write_to(path).map_err(|error| not_written(error, path))
    }

    fn write_to(&self, path: &Path) -> std::io::Result<()> {
        let mut file = temporary_file(path)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            file.as_file()
                .set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(path)?;
        Ok(())
    }
}

/// A file beside `path`, to be renamed to it.
fn temporary_file(path: &Path) -> std::io::Result<NamedTempFile> {
    let directory = path.parent().unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".run-info-")
        .tempfile_in(directory)
}

fn not_written(error: std::io::Error, path: &Path) -> Failure {
    let cause = anyhow::anyhow!("{}", error.kind());
    Failure::new(cause.context(format!("cannot write the run info to {}", path.display())))
        .with_hint("name a file in a directory that exists and can be written: --run-info FILE")
}
