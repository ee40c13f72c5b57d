//! A job's run, which this process has submitted or another one: how it stands, its end, and where it is.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::error::unusable_workspace;
use super::follow::Follower;
use crate::backend::error::ServiceError;
use crate::backend::{AttachedRun, BackendError, RunElsewhere, RunState, SubmittedRun};
use crate::databricks::{Client, DatabricksProfile, JobRun, JobRunState, Session};
use crate::entities::{RunStatus, tag};
use crate::env_vars;
use crate::events::Progress;
use crate::process::{Ended, Signals};

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
    async fn end_after_signal(&mut self, progress: &dyn Progress) -> Result<(), ServiceError> {
        if let Some(job) = self.follower.ended_by_request(progress).await? {
            self.follower.relay_hastily(&job, progress).await;
        }
        Ok(())
    }
}

fn with_cause(error: &ServiceError) -> String {
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

/// A job's run that another process has submitted, found by its tags.
#[derive(Debug)]
pub(in crate::backend) struct AttachedJob {
    job_run_id: u64,
    /// The workspace's address, where a tag names it.
    webapp: Option<String>,
    follower: Option<Follower>,
}

impl AttachedJob {
    pub(in crate::backend) fn new(job_run_id: u64, webapp: Option<String>) -> Self {
        Self {
            job_run_id,
            webapp,
            follower: None,
        }
    }

    async fn follower(&mut self) -> Result<&mut Follower, ServiceError> {
        if self.follower.is_none() {
            let client = open(env_vars::non_empty(env_vars::MLFLOW_TRACKING_URI).as_deref()).await?;
            let found = client.address();
            if let Some(expected) = &self.webapp
                && expected.trim_end_matches('/') != found
            {
                return Err(ServiceError::setup(
                    format!(
                        "the run is in the Databricks workspace {expected}, but the credentials are for {found}"
                    ),
                    "set MLFLOW_TRACKING_URI=databricks://profile with the profile of that workspace",
                ));
            }
            self.follower = Some(Follower::new(client, self.job_run_id));
        }
        Ok(self.follower.as_mut().expect("it was just made"))
    }
}

/// A client of the workspace that the tracking URI names, or else of the usual one.
pub(super) async fn open(tracking_uri: Option<&str>) -> Result<Client, ServiceError> {
    let profile = match tracking_uri {
        Some(uri) if uri.starts_with("databricks") => {
            DatabricksProfile::from_uri(uri).map_err(unusable_workspace)?
        }
        _ => DatabricksProfile::default(),
    };
    let session = Session::open(&profile).await.map_err(unusable_workspace)?;
    Ok(session.client())
}

fn status(state: &JobRunState) -> RunStatus {
    match state.life_cycle_state.as_str() {
        _ if state.is_success() => RunStatus::Finished,
        _ if state.is_canceled() => RunStatus::Killed,
        _ if state.is_terminal() => RunStatus::Failed,
        "PENDING" | "QUEUED" | "BLOCKED" => RunStatus::Scheduled,
        _ => RunStatus::Running,
    }
}

#[async_trait]
impl AttachedRun for AttachedJob {
    async fn state(&mut self) -> Result<RunState, BackendError> {
        let job = self.follower().await?.ask().await?;
        let mut words = vec![job.state.life_cycle_state.clone()];
        words.extend(job.state.result_state.clone());
        let message = job.state.state_message.trim();
        if !message.is_empty() {
            words.push(format!("({message})"));
        }
        let mut details = vec![
            ("job run", self.job_run_id.to_string()),
            ("job state", words.join(" ")),
        ];
        details.extend(job.run_page_url.clone().map(|url| ("job page", url)));
        Ok(RunState {
            status: status(&job.state),
            details,
        })
    }

    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError> {
        let follower = tokio::select! {
            biased;
            signal = signals.next() => return Ok(Ended::Interrupted { signal }),
            follower = self.follower() => follower?,
        };
        match follower.wait(signals, progress).await? {
            Ok(ended) => Ok(ended),
            Err(signal) => Ok(Ended::Interrupted { signal }),
        }
    }

    async fn cancel(&mut self, progress: &dyn Progress) -> Result<bool, BackendError> {
        self.follower().await?.cancel(progress).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_jobs_are_statuses_of_runs() {
        for (life_cycle_state, result_state, expected) in [
            ("PENDING", None, RunStatus::Scheduled),
            ("QUEUED", None, RunStatus::Scheduled),
            ("RUNNING", None, RunStatus::Running),
            ("TERMINATING", None, RunStatus::Running),
            ("WAITING_FOR_RETRY", None, RunStatus::Running),
            ("TERMINATED", Some("SUCCESS"), RunStatus::Finished),
            ("TERMINATED", Some("FAILED"), RunStatus::Failed),
            ("TERMINATED", Some("TIMEDOUT"), RunStatus::Failed),
            ("TERMINATED", Some("CANCELED"), RunStatus::Killed),
            ("TERMINATED", Some("UPSTREAM_CANCELED"), RunStatus::Killed),
            ("INTERNAL_ERROR", Some("CANCELED"), RunStatus::Killed),
            ("CANCELED", None, RunStatus::Killed),
            ("TERMINATED", Some("SUCCESS_WITH_FAILURES"), RunStatus::Failed),
            ("INTERNAL_ERROR", None, RunStatus::Failed),
            ("SKIPPED", None, RunStatus::Failed),
        ] {
            let state = JobRunState {
                life_cycle_state: life_cycle_state.to_owned(),
                result_state: result_state.map(str::to_owned),
                state_message: String::new(),
            };
            assert_eq!(status(&state), expected, "{life_cycle_state} {result_state:?}");
            assert_eq!(
                state.is_terminal(),
                !matches!(expected, RunStatus::Scheduled | RunStatus::Running)
            );
        }
    }
}
