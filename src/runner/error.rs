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

/// Why a run could not be carried out, or its end not be recorded. An entry point that fails is no
/// error: its exit code is part of the run's [`RunEnding`](super::RunEnding).
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The project URI cannot be understood.
    #[error(transparent)]
    ProjectUri(#[from] ProjectUriError),
    /// The project could not be brought onto this machine.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The project, its entry point or a parameter is not as it must be.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The backend cannot run the entry point.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The environment cannot be prepared.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The data of a parameter cannot be had.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The tracking URI cannot be understood.
    #[error(transparent)]
    TrackingUri(#[from] TrackingUriError),
    /// The tracking store refuses something, or cannot be used.
    #[error(transparent)]
    Tracking(#[from] TrackingError),
    /// A name or a value is too long for tracking stores.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A program could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A variable has a value that means nothing.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// This process's current directory cannot be had.
    #[error("cannot determine the current directory")]
    NoCurrentDirectory {
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// Both the name and the id of an experiment are given.
    #[error("both an experiment name and an experiment id are given")]
    TwoExperiments,
    /// The run is in the store, which refused what belongs to it, so that its entry point was not started.
    #[error("run '{}' was {} but could not be prepared; {}", .info.run_id, if *.is_new { "created" } else { "found" }, unprepared_end(.recorded))]
    NotPrepared {
        /// Whether the run was created for this; else it is the one that was asked for.
        is_new: bool,
        /// The run as it was created.
        info: Box<RunInfo>,
        /// The status that the store holds now, or why the run could not be ended.
        recorded: Result<RunStatus, Box<TrackingError>>,
        /// The store's first answer.
        #[source]
        source: Box<TrackingError>,
    },
    /// The run has ended, but the store does not know.
    #[error("the end of run '{run_id}' ({status}) could not be recorded{}", if source.is_none() { " in time" } else { "" })]
    EndNotRecorded {
        /// The run.
        run_id: RunId,
        /// How it ended.
        status: RunStatus,
        /// The store's answer; `None` where there was none before this program had to end.
        #[source]
        source: Option<TrackingError>,
    },
    /// The entry point had been handed over, and the store could not be told where it runs.
    #[error("the tags that lead from run '{run_id}' to {place} could not be stored; {}", cancellation(.not_canceled.as_deref()))]
    PlaceNotRecorded {
        /// The run.
        run_id: RunId,
        /// What it is where it runs, such as `the Databricks job run 17`.
        place: String,
        /// Why that could not be canceled; `None` where it was.
        not_canceled: Option<String>,
        /// How a person ends it.
        by_hand: String,
        /// The store's answer.
        #[source]
        source: Box<TrackingError>,
    },
    /// A signal came before there was a run.
    #[error("Interrupted by {signal}; no run was started")]
    Interrupted {
        /// The signal.
        signal: TerminationSignal,
    },
    /// A signal came, and nobody can say whether there is a run: the store gave no answer in time.
    #[error(
        "Interrupted by {signal} before the tracking store had created the run; if it shows one as RUNNING, end that with `mlrun cancel RUN_ID`"
    )]
    InterruptedInCreation {
        /// The signal.
        signal: TerminationSignal,
    },
    /// A panic.
    #[error("mlrun met a bug in itself")]
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
            } => Some(format!("nothing but this message leads to it: {by_hand}")),
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

    /// The status of a run that ends by this error: `RUNNING` if it may go on without this program,
    /// `KILLED` if somebody else ended it where it runs.
    pub fn run_status(&self) -> RunStatus {
        match self {
            Self::Backend(error) => error.run_status(),
            _ => RunStatus::Failed,
        }
    }

    /// The place in the project's files that the error is about: file, line and column.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Project(error) => error.location(),
            Self::Backend(error) => error.location(),
            Self::Environment(error) => error.location(),
            _ => None,
        }
    }
}

/// How an end can be recorded that could not be.
fn later(run_id: &RunId, status: RunStatus, hint: Option<String>) -> String {
    let first = hint.map_or_else(String::new, |hint| format!("{hint}; "));
    format!(
        "{first}the store still says RUNNING: once it can be used, `mlrun cancel {run_id}` ends the run as KILLED, \
         and MLflow's MlflowClient().set_terminated('{run_id}', '{status}') as it ended"
    )
}

fn unprepared_end(recorded: &Result<RunStatus, Box<TrackingError>>) -> String {
    match recorded {
        Ok(status) => format!("it is {status}"),
        Err(error) => format!(
            "it is still RUNNING, since its end was refused too: {}",
            with_causes(error.as_ref())
        ),
    }
}

fn cancellation(not_canceled: Option<&str>) -> String {
    match not_canceled {
        None => "it was canceled".to_owned(),
        Some(reason) => format!("it could not be canceled and may go on: {reason}"),
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
