//! `mlrun status`, `wait` and `cancel`: runs that another process started, found again by their tags.

mod cancel;
mod status;
mod wait;

pub(super) use self::cancel::cancel;
pub(super) use self::status::status;
pub(super) use self::wait::wait;

use crate::backend::{self, BackendError, SubmittedRun};
use crate::cli::report::Failure;
use crate::entities::{RunData, RunId, RunStatus, UnixMillis, tag};
use crate::env_vars;
use crate::process::{ProcessIdentity, Whereabouts};
use crate::tracking::{self, RunEnd, TrackingStore, TrackingUri};

/// A run in its tracking store, and where it runs.
pub(super) struct FoundRun {
    tracking_uri: TrackingUri,
    store: Box<dyn TrackingStore>,
    data: RunData,
    place: RunPlace,
}

/// Where a run's entry point runs.
enum RunPlace {
    /// As a child of an mlrun process, on this machine or another.
    Process(ProcessIdentity),
    /// On a backend.
    Backend(Box<dyn SubmittedRun>),
    /// Unknown.
    Unknown(BackendError),
}

impl FoundRun {
    /// Looks up the run in the store of `MLFLOW_TRACKING_URI`.
    pub(super) async fn find(run_id: &str) -> Result<Self, Failure> {
        let current_directory = std::env::current_dir().map_err(|error| {
            Failure::new(anyhow::Error::new(error).context("cannot determine the current directory"))
        })?;
        let named = env_vars::non_empty(env_vars::MLFLOW_TRACKING_URI);
        let tracking_uri = TrackingUri::resolve(named.as_deref(), &current_directory)?;
        check_that_it_exists(&tracking_uri)?;
        let store = tracking::open(&tracking_uri).await?;
        let data = store.run_data(&RunId::new(run_id)).await.map_err(|error| {
            let is_missing = matches!(error, tracking::TrackingError::NotFound { .. });
            let failure = Failure::from(error);
            if is_missing {
                failure.with_hint(WHICH_STORE)
            } else {
                failure
            }
        })?;
        let place = RunPlace::of(&data);
        Ok(Self {
            tracking_uri,
            store,
            data,
            place,
        })
    }

    fn run_id(&self) -> &RunId {
        &self.data.info.run_id
    }

    fn status(&self) -> RunStatus {
        self.data.info.status
    }

    /// Reads the run again.
    async fn refresh(&mut self) -> Result<(), Failure> {
        self.data = self.store.run_data(&self.data.info.run_id).await?;
        Ok(())
    }

    /// Records the end that the backend reports for a run that had none. If it was `KILLED`, a failure that the
    /// entry point has recorded meanwhile is a consequence, and is overwritten.
    async fn record_end_elsewhere(&mut self, status: RunStatus) -> Result<RunStatus, Failure> {
        if status == RunStatus::Killed {
            self.refresh().await?;
            if self.status() == RunStatus::Failed {
                return self.end(status).await;
            }
        }
        self.record_end(status).await
    }

    /// Records an end, unless the run has one. Returns the status in the store.
    async fn record_end(&mut self, status: RunStatus) -> Result<RunStatus, Failure> {
        self.refresh().await?;
        if self.status().is_terminated() {
            return Ok(self.status());
        }
        self.end(status).await
    }

    async fn end(&mut self, status: RunStatus) -> Result<RunStatus, Failure> {
        let end = RunEnd {
            status,
            end_time: UnixMillis::now(),
            keep_failure: status != RunStatus::Killed,
        };
        let run_id = self.data.info.run_id.clone();
        self.data.info.status = self.store.end_run(&run_id, end).await?;
        self.data.end_time = Some(end.end_time);
        Ok(self.status())
    }
}

impl RunPlace {
    fn of(data: &RunData) -> Self {
        let is_local = data.tag(tag::PROJECT_BACKEND).is_some_and(backend::runs_here);
        let process = data.tag(tag::PROJECT_PROCESS).and_then(ProcessIdentity::parse);
        // The tag of an earlier attempt with another backend says nothing.
        if let Some(process) = process.filter(|_| is_local) {
            return Self::Process(process);
        }
        match backend::attach(&data.info.run_id, &data.tags) {
            Ok(run) => Self::Backend(run),
            Err(error) => Self::Unknown(error),
        }
    }
}

/// The hint if the store does not have the run.
const WHICH_STORE: &str = "set MLFLOW_TRACKING_URI to the run's store; for a store in a project's directory, go to the directory where the run was started";

/// A command that only reads must not create a store.
fn check_that_it_exists(uri: &TrackingUri) -> Result<(), Failure> {
    let path = match uri {
        TrackingUri::Sqlite { path, .. } | TrackingUri::File { path, .. } => path,
        _ => return Ok(()),
    };
    if path.exists() {
        return Ok(());
    }
    Err(Failure::message(format!("there is no tracking store at {}", path.display())).with_hint(WHICH_STORE))
}

/// The other processes whose `MLFLOW_RUN_ID` is the run's id. They may belong to the run, or to a shell with that
/// variable.
fn with_run_id(run_id: &RunId) -> Vec<i32> {
    let mut found = crate::process::processes_with_variable(env_vars::MLFLOW_RUN_ID, run_id.as_str());
    found.retain(|process| u32::try_from(*process) != Ok(std::process::id()));
    found
}

/// Process ids as a person types them.
fn ids(processes: &[i32]) -> String {
    let words: Vec<String> = processes.iter().map(i32::to_string).collect();
    words.join(" ")
}

/// Says that a process is gone.
fn gone(process: &ProcessIdentity) -> String {
    format!("its process {} on host {} is gone", process.pid(), process.host())
}

/// Says that a process runs on another host, with a hint.
fn elsewhere(process: &ProcessIdentity, command: &str, run: &FoundRun) -> (String, String) {
    let text = format!("it runs on host {} (process {})", process.host(), process.pid());
    let uri = run.tracking_uri.to_string();
    let uri = shlex::try_quote(&uri).map_or_else(|_| uri.clone(), std::borrow::Cow::into_owned);
    let hint = format!(
        "run mlrun on that host, or in its container: `ssh {} MLFLOW_TRACKING_URI={uri} mlrun {command} {}`",
        process.host(),
        run.run_id()
    );
    (text, hint)
}

/// Whether the run's process is alive on this machine.
fn is_here(process: &ProcessIdentity) -> bool {
    process.whereabouts() == Whereabouts::Here
}
