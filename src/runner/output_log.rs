//! What an entry point wrote, kept among the artifacts of its run.

use std::time::Duration;

use tempfile::TempDir;

use super::error::one_line;
use super::interruption::until_signal;
use super::{CreatedRun, RunError, data};
use crate::backend::{self, BackendError, OutputLog};
use crate::data::upload;
use crate::events::Progress;
use crate::process::Signals;

/// The directory among a run's artifacts.
const DIRECTORY: &str = "logs";

/// How long the upload may take after a signal has ended the run: batch systems kill soon.
const INTERRUPTED_PATIENCE: Duration = Duration::from_secs(10);

/// The temporary files that are written while the entry point runs.
pub(super) struct KeptOutput {
    directory: TempDir,
}

impl KeptOutput {
    /// Makes the files' directory, where the request asks for them and the entry point runs here.
    pub(super) fn begin(created: &CreatedRun) -> Result<Option<Self>, RunError> {
        if !created.plan.request.log_output || created.plan.backend_name() != backend::LOCAL {
            return Ok(None);
        }
        let directory = tempfile::Builder::new()
            .prefix("mlrun-logs-")
            .tempdir()
            .map_err(|source| BackendError::Temporary { source })?;
        Ok(Some(Self { directory }))
    }

    /// The files.
    pub(super) fn files(&self) -> OutputLog {
        OutputLog::in_directory(self.directory.path())
    }

    /// Puts the files among the run's artifacts. That this fails is no failure of the run.
    pub(super) async fn upload(
        self,
        created: &CreatedRun,
        was_interrupted: bool,
        signals: &mut Signals,
        progress: &dyn Progress,
    ) {
        let limit = if was_interrupted {
            INTERRUPTED_PATIENCE
        } else {
            Duration::MAX
        };
        let uploaded = tokio::time::timeout(limit, self.upload_files(created));
        let reason = match until_signal(signals, uploaded).await {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(error))) => one_line(&error),
            Ok(Err(_)) => "it took too long".to_owned(),
            Err(signal) => format!("{signal} came"),
        };
        progress.warning(&format!(
            "the logs of run '{}' could not be put among its artifacts: {reason}",
            created.info.run_id
        ));
    }

    async fn upload_files(&self, created: &CreatedRun) -> Result<(), RunError> {
        let context = data::context(&created.plan.tracking_uri)?;
        let files = self.files();
        for file in [&files.stdout, &files.stderr] {
            // An entry point that could not be started has written nothing.
            let Some(name) = file.file_name().filter(|_| file.exists()) else {
                continue;
            };
            let path = format!("{DIRECTORY}/{}", name.to_string_lossy());
            upload(&created.info.artifact_uri, &path, file, &context).await?;
        }
        Ok(())
    }
}
