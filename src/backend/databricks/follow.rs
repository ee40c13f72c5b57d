//! Follows a job run until it finishes.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::timeout;

use crate::backend::error::ServiceError;
use crate::backend::output_log::RelayedOutput;
use crate::databricks::{Client, JobRun, JobRunOutput, JobRunState};
use crate::entities::RunStatus;
use crate::events::Progress;
use crate::process::ProgramExit;

/// Short pauses between the first requests, longer ones later.
const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_factor(1.5)
    .with_min_delay(Duration::from_millis(500))
    .with_max_delay(Duration::from_secs(15))
    .without_max_times();

/// How long a job run may take to stop after its cancellation.
const CANCEL_PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait for the output of a job run that a signal canceled: batch systems kill soon.
const HASTY_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Follower {
    pub(super) client: Client,
    pub(super) job_run_id: u64,
    pub(super) output: RelayedOutput,
    pub(super) start_timeout: Option<Duration>,
    told: Option<JobRunState>,
}

impl Follower {
    pub(super) fn new(client: Client, job_run_id: u64) -> Self {
        Self {
            client,
            job_run_id,
            output: RelayedOutput::shown(),
            start_timeout: None,
            told: None,
        }
    }

    pub(super) async fn ask(&self) -> Result<JobRun, ServiceError> {
        let job = self.client.job_run(self.job_run_id).await;
        job.map_err(|source| {
            let id = self.job_run_id;
            let problem = format!("cannot get the state of Databricks job run {id}; it may still be running");
            ServiceError::of_databricks(problem, source, Some("try again later: `mlrun wait RUN_ID`"))
                .with_status(RunStatus::Running)
        })
    }

    /// Waits until the job run finishes, and relays its output.
    pub(super) async fn wait(&mut self, progress: &dyn Progress) -> Result<ProgramExit, ServiceError> {
        let job = self.ended(progress).await?;
        let output = self.output_of(&job).await;
        self.relay(&output, progress);
        if job.state.is_success() {
            return Ok(ProgramExit::Code(0));
        }
        if let Some(trace) = output.error_trace.as_deref().filter(|trace| !trace.is_empty()) {
            progress.info(&format!("Traceback of the job:\n{}", trace.trim_end()));
        }
        let state = job.state;
        let mut problem = format!(
            "Databricks job run {} ended with state {}",
            self.job_run_id,
            state.name()
        );
        if !state.state_message.is_empty() {
            problem.push_str(&format!(": {}", state.state_message));
        }
        if let Some(error) = output.error.filter(|error| *error != state.state_message) {
            problem.push_str(&format!("\n  {}", error.trim_end().replace('\n', "\n  ")));
        }
        let hint = job.run_page_url.map(|page| format!("see {page}"));
        let status = if state.is_canceled() {
            RunStatus::Killed
        } else {
            RunStatus::Failed
        };
        Err(ServiceError::failed(problem, hint, None).with_status(status))
    }

    /// Polls until the job run finishes and reports every change. Cancels one that does not start in time.
    async fn ended(&mut self, progress: &dyn Progress) -> Result<JobRun, ServiceError> {
        let begun = Instant::now();
        let limit = self.start_timeout;
        let is_late = |state: &JobRunState| {
            let is_waiting = matches!(
                state.life_cycle_state.as_str(),
                "PENDING" | "QUEUED" | "BLOCKED" | ""
            );
            is_waiting && limit.is_some_and(|limit| begun.elapsed() > limit)
        };
        let job = self.asked_until(is_late, progress).await?;
        if job.state.is_terminal() {
            return Ok(job);
        }
        self.cancel(progress).await?;
        let (id, state) = (self.job_run_id, job.state.life_cycle_state);
        Err(ServiceError::setup(
            format!("Databricks job run {id} did not start in time (state {state}), so mlrun canceled it"),
            "allow more time with --start-timeout, or use a smaller cluster",
        ))
    }

    /// Polls until the job run finishes or `is_enough`, and reports every change.
    async fn asked_until(
        &mut self,
        is_enough: impl Fn(&JobRunState) -> bool,
        progress: &dyn Progress,
    ) -> Result<JobRun, ServiceError> {
        let mut pauses = PAUSES.build();
        loop {
            let job = self.ask().await?;
            self.tell(&job.state, progress);
            if job.state.is_terminal() || is_enough(&job.state) {
                return Ok(job);
            }
            tokio::time::sleep(pauses.next().expect("there is always another pause")).await;
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

    /// The job run's output. A failure to get it matters less than how the job run ended.
    async fn output_of(&self, job: &JobRun) -> JobRunOutput {
        let id = match job.tasks.as_slice() {
            [task] => task.run_id,
            _ => self.job_run_id,
        };
        match self.client.job_run_output(id).await {
            Ok(output) => output,
            Err(error) => {
                tracing::info!("cannot get the output of the Databricks job run: {error}");
                JobRunOutput::default()
            }
        }
    }

    /// Shows and keeps the job run's output.
    fn relay(&mut self, output: &JobRunOutput, progress: &dyn Progress) {
        match output.logs.as_deref() {
            Some(logs) => {
                self.output.take(logs.as_bytes(), progress);
                if output.logs_truncated && self.output.is_wanted() {
                    progress.warning("Databricks truncated the job's output");
                }
            }
            None if self.output.is_kept() => {
                progress.warning("Databricks returned no output of the job; its log is empty");
            }
            None => {}
        }
    }

    /// Shows and keeps the output of a job run that a signal canceled, if the workspace returns it soon.
    pub(super) async fn relay_hastily(&mut self, job: &JobRun, progress: &dyn Progress) {
        let output = timeout(HASTY_PATIENCE, self.output_of(job)).await;
        self.relay(&output.unwrap_or_default(), progress);
    }

    /// Cancels the job run and waits until it stops, for a minute at most.
    pub(super) async fn cancel(&mut self, progress: &dyn Progress) -> Result<(), ServiceError> {
        self.ask_to_end().await?;
        self.ended_by_request(progress).await?;
        Ok(())
    }

    /// Requests the cancellation of the job run without waiting.
    pub(super) async fn ask_to_end(&self) -> Result<(), ServiceError> {
        let asked = self.client.cancel_job_run(self.job_run_id).await;
        asked.map_err(|source| {
            let problem = format!("cannot cancel Databricks job run {}", self.job_run_id);
            ServiceError::of_databricks(problem, source, None).with_status(RunStatus::Running)
        })
    }

    /// Waits a minute at most until the canceled job run stops; `None` if it does not.
    pub(super) async fn ended_by_request(
        &mut self,
        progress: &dyn Progress,
    ) -> Result<Option<JobRun>, ServiceError> {
        let job_run_id = self.job_run_id;
        let ended = timeout(CANCEL_PATIENCE, self.asked_until(|_| false, progress));
        match ended.await {
            Ok(ended) => ended.map(Some),
            Err(_) => {
                progress.warning(&format!(
                    "Databricks was asked to cancel job run {job_run_id}, but it is still running"
                ));
                Ok(None)
            }
        }
    }
}
