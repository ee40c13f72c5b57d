//! What an entry point wrote, kept among the artifacts of its run.

use std::pin::pin;
use std::time::Duration;

use tempfile::TempDir;

use super::error::with_causes;
use super::interruption::until_signal;
use super::{CreatedRun, RunError, path_data};
use crate::artifact::upload;
use crate::backend::{BackendError, OutputLog};
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
    /// Makes the files' directory, where the request asks for them and somebody is there to fill them.
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
        let given_up = async {
            match until_signal(signals, tokio::time::sleep(limit)).await {
                Ok(()) => "it took too long".to_owned(),
                Err(signal) => format!("{signal} came"),
            }
        };
        let reason = match self.upload_files(created, given_up).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => with_causes(&error),
            Err(reason) => reason,
        };
        progress.warning(&format!(
            "the logs of run '{}' could not be put among its artifacts: {reason}",
            created.info.run_id
        ));
    }

    async fn upload_files(
        &self,
        created: &CreatedRun,
        given_up: impl Future<Output = String>,
    ) -> Result<Result<(), RunError>, String> {
        let mut given_up = pin!(given_up);
        let context = match path_data::context(&created.plan.tracking_uri) {
            Ok(context) => context,
            Err(error) => return Ok(Err(error)),
        };
        let files = self.files();
        for file in [&files.stdout, &files.stderr, &files.both] {
            // An entry point that could not be started has written nothing.
            let Some(name) = file.file_name().filter(|_| file.exists()) else {
                continue;
            };
            let path = format!("{DIRECTORY}/{}", name.to_string_lossy());
            let uri = &created.info.artifact_uri;
            if let Err(error) = upload(uri, &path, file, &context, given_up.as_mut()).await? {
                return Ok(Err(error.into()));
            }
        }
        Ok(Ok(()))
    }
}
