//! A job's run that this process has submitted: its end, and where it is.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::error::DatabricksBackendError;
use super::follow::Follower;
use crate::backend::{BackendError, RunElsewhere, SubmittedRun};
use crate::databricks::JobRun;
use crate::events::Progress;
use crate::process::{Ended, Signals};
use crate::run::tag;

/// How long the workspace may take to answer a cancellation that a signal asked for: batch systems kill
/// soon.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// A job's run that this process has submitted.
#[derive(Debug)]
pub(super) struct DatabricksRun {
    pub(super) follower: Follower,
    /// As it was right after it was submitted.
    pub(super) job: Option<JobRun>,
}

impl DatabricksRun {
    /// Asks for the run's end after a signal. Where the workspace refuses or does not answer, the person is
    /// told how to end it.
    async fn is_asked_to_end(&self, signals: &mut Signals, progress: &dyn Progress) -> bool {
        let asked = tokio::select! {
            biased;
            _ = signals.further() => None,
            asked = timeout(ANSWER_PATIENCE, self.follower.ask_to_end()) => asked.ok(),
        };
        let job_run_id = self.follower.job_run_id;
        let why = match asked {
            Some(Ok(())) => return true,
            Some(Err(error)) => with_cause(&error),
            None => format!(
                "the workspace {} has not answered whether it cancels the Databricks job run {job_run_id}",
                self.follower.client.address()
            ),
        };
        progress.warning(&format!("{why}; it may go on: {}", self.by_hand()));
        false
    }

    /// Waits for the end that was asked for, and takes what the run wrote.
    async fn end_after_signal(&mut self, progress: &dyn Progress) -> Result<(), DatabricksBackendError> {
        if let Some(job) = self.follower.ended_by_request(progress).await? {
            self.follower.relay_hastily(&job, progress).await;
        }
        Ok(())
    }
}

fn with_cause(error: &DatabricksBackendError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[async_trait]
impl SubmittedRun for DatabricksRun {
    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError> {
        let signal = match self.follower.wait(signals, progress).await? {
            Ok(ended) => return Ok(ended),
            Err(signal) => signal,
        };
        progress.warning(&format!(
            "Interrupted by {signal}: canceling the Databricks job run {}",
            self.follower.job_run_id
        ));
        if self.is_asked_to_end(signals, progress).await {
            tokio::select! {
                biased;
                _ = signals.further() => progress.warning(&format!(
                    "the Databricks job run {} was asked to end; its end is not waited for",
                    self.follower.job_run_id
                )),
                ended = self.end_after_signal(progress) => if let Err(error) = ended {
                    progress.warning(&with_cause(&error));
                },
            }
        }
        Ok(Ended::Interrupted { signal })
    }

    fn elsewhere(&mut self) -> Option<&mut dyn RunElsewhere> {
        Some(self)
    }
}

#[async_trait]
impl RunElsewhere for DatabricksRun {
    fn tags(&self) -> Vec<(String, String)> {
        let job = self.job.as_ref();
        let mut tags = Vec::new();
        if let Some(url) = job.and_then(|job| job.run_page_url.clone()) {
            tags.push((tag::DATABRICKS_RUN_URL.to_owned(), url));
        }
        tags.push((
            tag::DATABRICKS_JOB_RUN_ID.to_owned(),
            self.follower.job_run_id.to_string(),
        ));
        tags.push((
            tag::DATABRICKS_WEBAPP_URL.to_owned(),
            self.follower.client.address().to_owned(),
        ));
        if let Some(id) = job.and_then(|job| job.job_id) {
            tags.push((tag::DATABRICKS_JOB_ID.to_owned(), id.to_string()));
        }
        tags
    }

    fn place(&self) -> String {
        format!("the Databricks job run {}", self.follower.job_run_id)
    }

    fn by_hand(&self) -> String {
        let page = self.job.as_ref().and_then(|job| job.run_page_url.as_deref());
        match page {
            Some(page) => format!("cancel it on its page {page}"),
            None => format!(
                "cancel it in the workspace {}, or with `databricks jobs cancel-run {}`",
                self.follower.client.address(),
                self.follower.job_run_id
            ),
        }
    }

    async fn cancel(&mut self, progress: &dyn Progress) -> Result<(), BackendError> {
        Ok(self.follower.cancel(progress).await?)
    }
}
