//! Runs of jobs. Source: the reference of the Jobs API.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Result;
use super::session::Client;

/// A run of a job as the workspace tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct JobRun {
    pub(crate) run_id: u64,
    /// The job's id; older workspaces do not tell it.
    #[serde(default)]
    pub(crate) job_id: Option<u64>,
    #[serde(default)]
    pub(crate) run_page_url: Option<String>,
    #[serde(default)]
    pub(crate) state: JobRunState,
    /// The parts of a run that has several.
    #[serde(default)]
    pub(crate) tasks: Vec<JobTask>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct JobTask {
    /// The id by which its output is asked for.
    pub(crate) run_id: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct JobRunState {
    /// Where in its life it is, such as `PENDING` or `TERMINATED`.
    pub(crate) life_cycle_state: String,
    pub(crate) result_state: Option<String>,
    pub(crate) state_message: String,
}

impl JobRunState {
    /// Whether the run has ended. Not every end has a result.
    pub(crate) fn is_terminal(&self) -> bool {
        self.result_state.is_some()
            || matches!(
                self.life_cycle_state.as_str(),
                "TERMINATED" | "SKIPPED" | "INTERNAL_ERROR"
            )
            || self.is_canceled()
    }

    pub(crate) fn is_success(&self) -> bool {
        self.result_state.as_deref() == Some("SUCCESS")
    }

    /// Whether somebody ended it. That is a result; a state of its own only for lack of one.
    pub(crate) fn is_canceled(&self) -> bool {
        matches!(self.name(), "CANCELED" | "CANCELLED" | "UPSTREAM_CANCELED")
    }

    /// The result where there is one, else the place in its life.
    pub(crate) fn name(&self) -> &str {
        match &self.result_state {
            Some(result) => result,
            None => &self.life_cycle_state,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct JobRunOutput {
    /// What it wrote to its standard output and error, where the workspace keeps that.
    pub(crate) logs: Option<String>,
    /// Whether `logs` is only a part.
    pub(crate) logs_truncated: bool,
    pub(crate) error: Option<String>,
    pub(crate) error_trace: Option<String>,
}

impl Client {
    /// Has a job run once, and gives the run's id. The body needs an `idempotency_token`, so that a
    /// lost answer does not make a second run.
    pub(crate) async fn submit_job(&self, body: &Value) -> Result<u64> {
        #[derive(Deserialize)]
        struct Submitted {
            run_id: u64,
        }
        let submitted: Submitted = self.post("/api/2.0/jobs/runs/submit", body).await?;
        Ok(submitted.run_id)
    }

    pub(crate) async fn job_run(&self, run_id: u64) -> Result<JobRun> {
        let query = [("run_id", &*run_id.to_string())];
        self.get("/api/2.0/jobs/runs/get", &query).await
    }

    /// What a run left. `run_id` is that of the run, or of its only task.
    pub(crate) async fn job_run_output(&self, run_id: u64) -> Result<JobRunOutput> {
        let query = [("run_id", &*run_id.to_string())];
        self.get("/api/2.0/jobs/runs/get-output", &query).await
    }

    /// Asks for the end of a run, which comes later. A run that has ended stays as it is.
    pub(crate) async fn cancel_job_run(&self, run_id: u64) -> Result<()> {
        let body = json!({ "run_id": run_id });
        self.done("/api/2.0/jobs/runs/cancel", &body).await
    }
}
