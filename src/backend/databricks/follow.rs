//! A job's run, followed to its end.

use std::time::{Duration, Instant};

use super::error::DatabricksBackendError;
use crate::databricks::{Client, JobRun, JobRunOutput, JobRunState};
use crate::events::Progress;
use crate::process::{Ended, ProgramExit, Signals, TerminationSignal};

/// The first pauses between two questions are short, later ones long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How long a job's run may take to end after it was asked to.
const CANCEL_PATIENCE: Duration = Duration::from_secs(60);

/// Asks how a job's run stands.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) client: Client,
    pub(super) job_run_id: u64,
    pub(super) no_logs: bool,
    pub(super) start_timeout: Option<Duration>,
    /// What was told last.
    told: Option<JobRunState>,
}

impl Follower {
    pub(super) fn new(client: Client, job_run_id: u64) -> Self {
        Self {
            client,
            job_run_id,
            no_logs: false,
            start_timeout: None,
            told: None,
        }
    }

    /// How the run stands.
    pub(super) async fn ask(&self) -> Result<JobRun, DatabricksBackendError> {
        self.client
            .job_run(self.job_run_id)
            .await
            .map_err(|source| DatabricksBackendError::Lost {
                job_run_id: self.job_run_id,
                source: Box::new(source),
            })
    }

    /// Waits for the end. The signal that comes first ends the waiting.
    pub(super) async fn wait(
        &mut self,
        signals: &mut Signals,
        progress: &dyn Progress,
    ) -> Result<Result<Ended, TerminationSignal>, DatabricksBackendError> {
        let job = tokio::select! {
            biased;
            signal = signals.next() => return Ok(Err(signal)),
            job = self.end(progress) => job?,
        };
        let output = tokio::select! {
            biased;
            signal = signals.next() => return Ok(Err(signal)),
            output = self.output(&job) => output,
        };
        if let Some(logs) = output.logs.as_deref().filter(|_| !self.no_logs) {
            progress.output(logs.as_bytes());
            if output.logs_truncated {
                progress.warning("Databricks keeps only a part of what the job wrote");
            }
        }
        if job.state.is_success() {
            return Ok(Ok(Ended::Exited(ProgramExit::Code(0))));
        }
        if let Some(trace) = output.error_trace.as_deref().filter(|trace| !trace.is_empty()) {
            progress.info(&format!("The traceback of the job:\n{}", trace.trim_end()));
        }
        let state = job.state;
        Err(DatabricksBackendError::Ended {
            job_run_id: self.job_run_id,
            state: state.name().to_owned(),
            is_canceled: state.is_canceled(),
            error: output.error.filter(|error| *error != state.state_message),
            message: Some(state.state_message).filter(|message| !message.is_empty()),
            page: job.run_page_url,
        })
    }

    /// Asks until the run has ended, and tells of every change.
    async fn end(&mut self, progress: &dyn Progress) -> Result<JobRun, DatabricksBackendError> {
        let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let job = self.ask().await?;
            self.tell(&job.state, progress);
            if job.state.is_terminal() {
                return Ok(job);
            }
            let has_started = !matches!(
                job.state.life_cycle_state.as_str(),
                "PENDING" | "QUEUED" | "BLOCKED" | ""
            );
            if self.start_timeout.is_some_and(|limit| begun.elapsed() > limit) && !has_started {
                self.cancel(progress).await?;
                return Err(DatabricksBackendError::NotStarted {
                    job_run_id: self.job_run_id,
                    state: job.state.life_cycle_state,
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }

    fn tell(&mut self, state: &JobRunState, progress: &dyn Progress) {
        if self.told.as_ref() == Some(state) {
            return;
        }
        let mut line = format!(
            "=== Databricks job run {}: {}",
            self.job_run_id, state.life_cycle_state
        );
        if let Some(result) = &state.result_state {
            line.push_str(&format!(" {result}"));
        }
        if !state.state_message.is_empty() {
            line.push_str(&format!(" ({})", state.state_message.trim()));
        }
        progress.info(&format!("{line} ==="));
        self.told = Some(state.clone());
    }

    /// What the run left. That it cannot be had weighs less than how the run ended.
    async fn output(&self, job: &JobRun) -> JobRunOutput {
        let id = match job.tasks.as_slice() {
            [task] => task.run_id,
            _ => self.job_run_id,
        };
        match self.client.job_run_output(id).await {
            Ok(output) => output,
            Err(error) => {
                tracing::info!("the output of the Databricks job run cannot be had: {error}");
                JobRunOutput::default()
            }
        }
    }

    /// Asks for the run's end and waits until it has come, for a minute at most.
    pub(super) async fn cancel(&mut self, progress: &dyn Progress) -> Result<(), DatabricksBackendError> {
        let lost = |source| DatabricksBackendError::Lost {
            job_run_id: self.job_run_id,
            source: Box::new(source),
        };
        self.client.cancel_job_run(self.job_run_id).await.map_err(lost)?;
        let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let job = self.ask().await?;
            self.tell(&job.state, progress);
            if job.state.is_terminal() {
                return Ok(());
            }
            if begun.elapsed() > CANCEL_PATIENCE {
                progress.warning(&format!(
                    "the Databricks job run {} was asked to end, but goes on",
                    self.job_run_id
                ));
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }
}
