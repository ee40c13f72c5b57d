//! The entry point's output, saved as artifacts of the run.

use std::pin::pin;
use std::time::Duration;

use tempfile::TempDir;

use super::error::with_causes;
use super::record::INTERRUPTED_PATIENCE;
use super::{CreatedRun, RunError, path_data};
use crate::artifact::upload;
use crate::backend::{BackendError, OutputLog};
use crate::events::Progress;
use crate::process::{Interruptible, Signals, until_signal};

/// The directory among a run's artifacts.
const DIRECTORY: &str = "logs";

/// The temporary files that are written while the entry point runs.
pub(super) struct KeptOutput {
    directory: TempDir,
}

impl KeptOutput {
    /// Creates the directory of the files if the request asks for them and the run is waited for.
    pub(super) fn begin(created: &CreatedRun) -> Result<Option<Self>, RunError> {
        if !created.plan.request.log_output || !created.plan.backend.waits() {
            return Ok(None);
        }
        let directory = tempfile::Builder::new()
            .prefix("mlrun-logs-")
            .tempdir()
            .map_err(|source| BackendError::Temporary { source })?;
        Ok(Some(Self { directory }))
    }

    pub(super) fn files(&self) -> OutputLog {
        OutputLog::in_directory(self.directory.path())
    }

    /// Saves the files as artifacts of the run, which does not fail if that fails.
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
        let given_up = async {
            match until_signal(signals, tokio::time::sleep(limit)).await {
                Interruptible::Done(()) => "it took too long".to_owned(),
                Interruptible::Interrupted(signal) => format!("{signal} came"),
            }
        };
        if let Err(reason) = self.upload_files(created, given_up).await {
            progress.warning(&format!(
                "the logs of run '{}' could not be saved as artifacts: {reason}",
                created.info.run_id
            ));
        }
    }

    async fn upload_files(
        &self,
        created: &CreatedRun,
        given_up: impl Future<Output = String>,
    ) -> Result<(), String> {
        let mut given_up = pin!(given_up);
        let context = path_data::context(&created.plan.tracking_uri).map_err(|error| with_causes(&error))?;
        let files = self.files();
        for file in [&files.stdout, &files.stderr, &files.both] {
            // An entry point that could not be started has written nothing.
            let Some(name) = file.file_name().filter(|_| file.exists()) else {
                continue;
            };
            let path = format!("{DIRECTORY}/{}", name.to_string_lossy());
            let uri = &created.info.artifact_uri;
            let uploaded = upload(uri, &path, file, &context, given_up.as_mut()).await?;
            uploaded.map_err(|error| with_causes(&error))?;
        }
        Ok(())
    }
}
