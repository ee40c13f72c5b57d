//! Job runs. Source: the reference of the Jobs API.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Result;
use super::session::Client;

/// A job run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct JobRun {
    pub(crate) run_id: u64,
    /// The job's id, which older workspaces omit.
    #[serde(default)]
    pub(crate) job_id: Option<u64>,
    #[serde(default)]
    pub(crate) run_page_url: Option<String>,
    #[serde(default)]
    pub(crate) state: JobRunState,
    /// The tasks of a run that has several.
    #[serde(default)]
    pub(crate) tasks: Vec<JobTask>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct JobTask {
    /// The id for requesting its output.
    pub(crate) run_id: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct JobRunState {
    /// The life cycle state, such as `PENDING` or `TERMINATED`.
    pub(crate) life_cycle_state: String,
    pub(crate) result_state: Option<String>,
    pub(crate) state_message: String,
}

impl JobRunState {
    /// Whether the run has finished. Not every finished run has a result.
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

    /// Whether it was canceled, by the result or, if there is none, by the life cycle state.
    pub(crate) fn is_canceled(&self) -> bool {
        matches!(self.name(), "CANCELED" | "CANCELLED" | "UPSTREAM_CANCELED")
    }

    /// The result, otherwise the life cycle state.
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
    /// The standard output and error, if the workspace keeps them.
    pub(crate) logs: Option<String>,
    /// Whether `logs` is incomplete.
    pub(crate) logs_truncated: bool,
    pub(crate) error: Option<String>,
    pub(crate) error_trace: Option<String>,
}

impl Client {
    /// Submits a one-time run and gives its id. The body needs an `idempotency_token`, so that a retry after a lost
    /// response does not start a second run.
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

    /// The output of a run. `run_id` is that of the run, or of its only task.
    pub(crate) async fn job_run_output(&self, run_id: u64) -> Result<JobRunOutput> {
        let query = [("run_id", &*run_id.to_string())];
        self.get("/api/2.0/jobs/runs/get-output", &query).await
    }

    /// Requests that a run is canceled, which happens later. A finished run does not change.
    pub(crate) async fn cancel_job_run(&self, run_id: u64) -> Result<()> {
        let body = json!({ "run_id": run_id });
        self.done("/api/2.0/jobs/runs/cancel", &body).await
    }
}
