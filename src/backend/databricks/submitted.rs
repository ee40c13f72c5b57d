//! A job's run that this process has submitted: its end, and where it is.

use async_trait::async_trait;

use super::follow::Follower;
use crate::backend::{BackendError, RunElsewhere, SubmittedRun};
use crate::databricks::JobRun;
use crate::events::Progress;
use crate::process::{Ended, Signals};
use crate::run::tag;

/// A job's run that this process has submitted.
#[derive(Debug)]
pub(super) struct DatabricksRun {
    pub(super) follower: Follower,
    /// As it was right after it was submitted.
    pub(super) job: Option<JobRun>,
}

#[async_trait]
impl SubmittedRun for DatabricksRun {
    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError> {
        let signal = match self.follower.wait(signals, progress).await? {
            Ok(ended) => return Ok(ended),
            Err(signal) => signal,
        };
        let job_run_id = self.follower.job_run_id;
        progress.warning(&format!(
            "Interrupted by {signal}: canceling the Databricks job run {job_run_id}"
        ));
        let canceled = tokio::select! {
            canceled = self.follower.cancel(progress) => canceled,
            _ = signals.further() => {
                progress.warning(&format!("the Databricks job run {job_run_id} may go on"));
                Ok(())
            }
        };
        if let Err(error) = canceled {
            progress.warning(&format!(
                "the Databricks job run {job_run_id} could not be canceled: {error}"
            ));
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
            self.follower.client.session().address().to_owned(),
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
                self.follower.client.session().address(),
                self.follower.job_run_id
            ),
        }
    }

    async fn cancel(&mut self, progress: &dyn Progress) -> Result<(), BackendError> {
        Ok(self.follower.cancel(progress).await?)
    }
}
