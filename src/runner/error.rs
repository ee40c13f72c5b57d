//! Why a run could not be carried out.

use crate::artifact::DataError;
use crate::backend::BackendError;
use crate::entities::{RunId, RunInfo, RunStatus};
use crate::env_vars::VariableError;
use crate::environment::EnvironmentError;
use crate::fetch::FetchError;
use crate::process::{ProcessError, TerminationSignal};
use crate::project::{Location, ProjectError};
use crate::project_uri::ProjectUriError;
use crate::tracking::limits::LimitError;
use crate::tracking::{TrackingError, TrackingUriError};

/// Why a run could not be carried out, or its end not be recorded. An entry point that fails is not an error: its
/// exit code is part of the [`RunEnding`](super::RunEnding).
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The project URI is invalid.
    #[error(transparent)]
    ProjectUri(#[from] ProjectUriError),
    /// The project could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The project, its entry point or a parameter is invalid.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The backend cannot run the entry point.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The environment cannot be prepared.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The data of a parameter cannot be downloaded.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The tracking URI is invalid.
    #[error(transparent)]
    TrackingUri(#[from] TrackingUriError),
    /// The tracking store refuses a request or is not available.
    #[error(transparent)]
    Tracking(#[from] TrackingError),
    /// A name or a value is too long for tracking stores.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A program could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// An environment variable has an invalid value.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// This process's current directory is unknown.
    #[error("cannot determine the current directory")]
    NoCurrentDirectory {
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// Both the name and the id of an experiment are given.
    #[error("both an experiment name and an experiment id are given")]
    TwoExperiments,
    /// The run exists, but the store refused its tags or parameters; the entry point was not started.
    #[error("run '{}' was {}, but its tags and parameters could not be stored; {}", .info.run_id, if *.is_new { "created" } else { "found" }, unprepared_end(.recorded))]
    NotPrepared {
        /// Whether the run is new, not the one that was asked for.
        is_new: bool,
        /// The run as it was created.
        info: Box<RunInfo>,
        /// The status in the store, or why the end could not be recorded.
        recorded: Result<RunStatus, Box<TrackingError>>,
        /// The store's first answer.
        #[source]
        source: Box<TrackingError>,
    },
    /// The run has ended, but its end is not recorded.
    #[error("the end of run '{run_id}' ({status}) could not be recorded{}", if source.is_none() { " in time" } else { "" })]
    EndNotRecorded {
        /// The run.
        run_id: RunId,
        /// How it ended.
        status: RunStatus,
        /// The store's answer; `None` if it did not answer in time.
        #[source]
        source: Option<TrackingError>,
    },
    /// The backend has accepted the entry point, but the link to it could not be recorded.
    #[error("the link from run '{run_id}' to {place} could not be stored; {}", cancellation(.not_canceled.as_deref()))]
    PlaceNotRecorded {
        /// The run.
        run_id: RunId,
        /// Its name at the backend, such as `the Databricks job run 17`.
        place: String,
        /// Why it could not be canceled; `None` if it was.
        not_canceled: Option<String>,
        /// How to stop it by hand.
        by_hand: String,
        /// The store's answer.
        #[source]
        source: Box<TrackingError>,
    },
    /// A signal came before the run was created.
    #[error("Interrupted by {signal}; no run was started")]
    Interrupted {
        /// The signal.
        signal: TerminationSignal,
    },
    /// A signal came while the run was being created, and the store did not answer in time.
    #[error(
        "Interrupted by {signal} before the tracking store confirmed the run; if the store shows it as RUNNING, end it with `mlrun cancel RUN_ID`"
    )]
    InterruptedInCreation {
        /// The signal.
        signal: TerminationSignal,
    },
    /// A panic.
    #[error("internal error; this is a bug in mlrun")]
    Bug,
}

impl From<TerminationSignal> for RunError {
    fn from(signal: TerminationSignal) -> Self {
        Self::Interrupted { signal }
    }
}

impl RunError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ProjectUri(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::Project(error) => error.hint(),
            Self::Backend(error) => error.hint(),
            Self::Environment(error) => error.hint(),
            Self::Data(error) => error.hint(),
            Self::TrackingUri(error) => error.hint(),
            Self::Tracking(error) => error.hint(),
            Self::NotPrepared { recorded: Ok(_), source, .. } => source.hint(),
            Self::NotPrepared { info, source, .. } => Some(later(&info.run_id, RunStatus::Failed, source.hint())),
            Self::EndNotRecorded { run_id, status, source } => {
                Some(later(run_id, *status, source.as_ref().and_then(TrackingError::hint)))
            }
            Self::PlaceNotRecorded {
                not_canceled: Some(_),
                by_hand,
                ..
            } => Some(format!("this message is the only link to it: {by_hand}")),
            Self::PlaceNotRecorded { source, .. } => source.hint(),
            Self::Variable(error) => Some(error.hint()),
            Self::Limit(error) => error.hint(),
            Self::Process(error) => error.hint(),
            Self::TwoExperiments => Some(
                "give only one of --experiment-name and --experiment-id; MLFLOW_EXPERIMENT_NAME and MLFLOW_EXPERIMENT_ID count as these options"
                    .to_owned(),
            ),
            Self::NoCurrentDirectory { .. } => {
                Some("it may have been removed: change to a directory that exists".to_owned())
            }
            Self::Interrupted { .. } | Self::InterruptedInCreation { .. } | Self::Bug => None,
        }
    }

    /// The status of a run that ends with this error: `RUNNING` if it may continue without this program, `KILLED` if
    /// it was stopped at its backend.
    pub fn run_status(&self) -> RunStatus {
        match self {
            Self::Backend(error) => error.run_status(),
            _ => RunStatus::Failed,
        }
    }

    /// The file, line and column in the project that the error is about.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Project(error) => error.location(),
            Self::Backend(error) => error.location(),
            Self::Environment(error) => error.location(),
            _ => None,
        }
    }
}

/// How to record an end later.
fn later(run_id: &RunId, status: RunStatus, hint: Option<String>) -> String {
    let first = hint.map_or_else(String::new, |hint| format!("{hint}; "));
    format!(
        "{first}the store still shows the run as RUNNING; when the store is back, end it with `mlrun cancel {run_id}` \
         (as KILLED) or with MLflow's MlflowClient().set_terminated('{run_id}', '{status}')"
    )
}

fn unprepared_end(recorded: &Result<RunStatus, Box<TrackingError>>) -> String {
    match recorded {
        Ok(status) => format!("it is {status}"),
        Err(error) => format!(
            "it is still RUNNING because its end could not be stored either: {}",
            with_causes(error.as_ref())
        ),
    }
}

fn cancellation(not_canceled: Option<&str>) -> String {
    match not_canceled {
        None => "it was canceled".to_owned(),
        Some(reason) => format!("it could not be canceled and may still run: {reason}"),
    }
}

/// The error with its causes, in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
