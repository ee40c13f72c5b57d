//! Tracking stores: where runs are recorded.

mod artifact_uri;
mod databricks;
mod file;
pub mod limits;
mod mistaken_uri;
mod models;
mod rest;
mod run_name;
mod search;
mod sql;
mod status_number;
mod tracking_uri;

use async_trait::async_trait;

pub use self::file::{FileStore, FileStoreError};
pub use self::models::ModelSelector;
pub use self::rest::{RestError, RestSettings, RestStore};
pub use self::run_name::random_run_name;
pub use self::search::FinishedRuns;
pub use self::tracking_uri::{TrackingUri, TrackingUriError};
pub(crate) use artifact_uri::append_to_uri_path;

use crate::databricks::WorkspaceAccess;
use crate::http::ServerAccess;
use crate::run::{ExperimentId, RunData, RunId, RunInfo, RunStatus, UnixMillis};

/// Which experiment a run shall belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExperimentSelector {
    /// The store's default experiment, `0` (`Default`).
    Default,
    /// An existing experiment.
    Id(ExperimentId),
    /// The experiment with this name; made when there is none.
    Name(String),
}

/// A run that shall be created.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The experiment that the run belongs to.
    pub experiment_id: ExperimentId,
    /// The person who starts the run.
    pub user: String,
    /// The display name; the store makes one up where it is `None`.
    pub name: Option<String>,
    /// When the run began.
    pub start_time: UnixMillis,
    /// Tags in the order of their setting; every key once. Does not hold the run's name.
    pub tags: Vec<(String, String)>,
    /// Parameters to log; every key once.
    pub params: Vec<(String, String)>,
}

/// How a run ended, and whether a verdict of the entry point itself is to be respected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunEnd {
    /// The status to record.
    pub status: RunStatus,
    /// When the run ended.
    pub end_time: UnixMillis,
    /// Keep `FAILED` or `KILLED` where the entry point has already ended its run so.
    pub keep_failure: bool,
}

/// A place where runs are recorded. Every call is one whole step: it happens wholly or not at all.
#[async_trait]
pub trait TrackingStore: Send + Sync {
    /// Finds the experiment, and makes it where it is selected by a name that does not exist.
    ///
    /// # Errors
    /// A selected id that does not exist, a deleted experiment, or a store that cannot be used.
    async fn experiment(&self, selector: &ExperimentSelector) -> Result<ExperimentId, TrackingError>;

    /// Looks whether the experiment is there, and makes none. `None` where it would be made.
    ///
    /// # Errors
    /// As of [`TrackingStore::experiment`].
    async fn look_for_experiment(
        &self,
        selector: &ExperimentSelector,
    ) -> Result<Option<ExperimentId>, TrackingError>;

    /// Where an experiment keeps its artifacts: a path or URI below which every run has a directory.
    ///
    /// # Errors
    /// An experiment that does not exist or is deleted, or a store that cannot be used.
    async fn artifact_location(&self, experiment_id: &ExperimentId) -> Result<String, TrackingError>;

    /// Creates a run with its tags and parameters in state `RUNNING`. A store that cannot do all of
    /// it in one step ends the run as `FAILED` before it returns an error.
    ///
    /// # Errors
    /// [`TrackingError::HalfCreated`] if the run is there, and the store refused what belongs to it.
    async fn create_run(&self, new_run: NewRun) -> Result<RunInfo, TrackingError>;

    /// Whether the answer to a creation may be lost, so that the run is looked for by its tags: one of
    /// them must be of this run alone.
    fn loses_answers(&self) -> bool {
        false
    }

    /// Looks a run up.
    async fn run(&self, run_id: &RunId) -> Result<RunInfo, TrackingError>;

    /// Reads all of a run but its metrics. A deleted one too, as MLflow's own clients do.
    async fn run_data(&self, run_id: &RunId) -> Result<RunData, TrackingError>;

    /// Looks for runs that ended well; the newest come first.
    async fn finished_runs(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError>;

    /// Sets tags on a run; a tag that is there already gets the new value. A value for
    /// [`RUN_NAME`](crate::run::tag::RUN_NAME) renames the run, where the store keeps names apart
    /// from tags too.
    async fn set_tags(&self, run_id: &RunId, tags: &[(String, String)]) -> Result<(), TrackingError>;

    /// Records the end of a run and returns the status that the store holds now: the entry point's
    /// own where [`RunEnd::keep_failure`] kept it, `FAILED` where the store cannot take `KILLED`.
    async fn end_run(&self, run_id: &RunId, end: RunEnd) -> Result<RunStatus, TrackingError>;

    /// Where a model's artifacts are: an artifact URI, or a `models:` URI that leads on.
    async fn model_location(&self, selector: &ModelSelector) -> Result<String, TrackingError>;

    /// The Databricks workspace that the store is in, for a process that is to reach it too.
    ///
    /// # Errors
    /// Credentials for it cannot be got.
    async fn workspace_access(&self) -> Result<Option<WorkspaceAccess>, TrackingError> {
        Ok(None)
    }

    /// The address of the run's page for a person, where the store serves one.
    fn run_url(&self, _info: &RunInfo) -> Option<String> {
        None
    }

    /// The address of the experiment's page for a person, where the store serves one.
    fn experiment_url(&self, _experiment_id: &ExperimentId) -> Option<String> {
        None
    }
}

/// Opens the store, and makes it where it is a database file that does not exist yet.
///
/// # Errors
/// A store that cannot be opened, or of a kind that is not available.
pub async fn open(uri: &TrackingUri) -> Result<Box<dyn TrackingStore>, TrackingError> {
    match uri {
        TrackingUri::Sqlite {
            path, artifact_root, ..
        } => {
            let store = sql::SqlStore::open_sqlite(path, uri.to_string(), artifact_root.clone()).await?;
            Ok(Box::new(store))
        }
        TrackingUri::File {
            path, artifact_root, ..
        } => Ok(Box::new(FileStore::open(path, artifact_root))),
        TrackingUri::Rest { url } => Ok(Box::new(RestStore::open(url.expose())?)),
        TrackingUri::Databricks { uri } => Ok(Box::new(databricks::open(uri).await?)),
        TrackingUri::Database {
            kind,
            uri: secret,
            artifact_root,
        } => match sql::ServerKind::from_dialect(kind) {
            Some(kind) => {
                let store =
                    sql::SqlStore::open_server(kind, secret, uri.to_string(), artifact_root.clone()).await?;
                Ok(Box::new(store))
            }
            None => Err(TrackingError::Unsupported { kind: kind.clone() }),
        },
    }
}

/// Opens the store to read from it, and changes nothing: `None` where it is a file, a directory or an
/// empty database that a run would make a store of.
///
/// # Errors
/// A store that cannot be opened, or of a kind that is not available.
pub async fn open_existing(uri: &TrackingUri) -> Result<Option<Box<dyn TrackingStore>>, TrackingError> {
    match uri {
        TrackingUri::Sqlite { path, .. } | TrackingUri::File { path, .. } if !path.exists() => Ok(None),
        TrackingUri::Sqlite {
            path, artifact_root, ..
        } => {
            let opened =
                sql::SqlStore::open_sqlite_to_read(path, uri.to_string(), artifact_root.clone()).await?;
            Ok(opened.map(|store| Box::new(store) as Box<dyn TrackingStore>))
        }
        _ => open(uri).await.map(Some),
    }
}

/// How the server behind this URI is reached by who gets and puts its artifacts; nothing where no
/// server keeps the store.
///
/// # Errors
/// A URL that is no server's address, or settings that mean nothing.
pub fn server_access(uri: &TrackingUri) -> Result<Option<ServerAccess>, TrackingError> {
    match uri {
        TrackingUri::Rest { url } => rest::server_access(url.expose())
            .map(Some)
            .map_err(|error| rest::unusable("open", url.expose(), error)),
        _ => Ok(None),
    }
}

/// Why a tracking store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TrackingError {
    /// The store answered that something is not there.
    #[error("{what} '{id}' does not exist in the tracking store {store}")]
    NotFound {
        /// `run` or `experiment`.
        what: &'static str,
        /// What was asked for.
        id: String,
        /// The store's URI without credentials.
        store: String,
    },
    /// The experiment or run is there, but deleted.
    #[error("{what} '{id}' is deleted in the tracking store {store}")]
    Deleted {
        /// `run` or `experiment`.
        what: &'static str,
        /// What was asked for.
        id: String,
        /// The store's URI without credentials.
        store: String,
    },
    /// The store refuses a value.
    #[error("the tracking store {store} refused {what}: {reason}")]
    Refused {
        /// What was refused, with its value where that is no secret.
        what: String,
        /// Why.
        reason: String,
        /// The store's URI without credentials.
        store: String,
    },
    /// The run was created, but what belongs to it could not be stored.
    #[error("{cause}")]
    HalfCreated {
        /// The run: `FAILED`, or `RUNNING` if it could not be ended either.
        info: Box<RunInfo>,
        /// The store's answer to what followed.
        cause: Box<TrackingError>,
    },
    /// The store cannot be opened, reached, read or written.
    #[error("cannot {action} the tracking store {store}")]
    Unusable {
        /// What was tried, such as `open` or `write to`.
        action: &'static str,
        /// The store's URI without credentials.
        store: String,
        /// What the person can do about it, where that is known.
        hint: Option<String>,
        /// Whether it may pass by itself, such as a server that starts anew.
        may_pass: bool,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store's kind is not supported.
    #[error("tracking stores of the kind '{kind}' are not supported")]
    Unsupported {
        /// The scheme of the tracking URI.
        kind: String,
    },
}

impl TrackingError {
    /// Whether a store that is there gave this answer.
    pub(crate) fn is_of_store(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::Deleted { .. } | Self::Refused { .. }
        )
    }

    /// Whether the same may succeed a little later.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unusable { may_pass: true, .. })
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { what: "experiment", .. } => Some(
                "give an existing id, or --experiment-name NAME, which makes the experiment when it is missing".to_owned(),
            ),
            Self::Deleted { what, .. } => Some(format!("restore the {what} (`mlflow gc` removes it for good), or choose another one")),
            Self::HalfCreated { cause, .. } => cause.hint(),
            Self::Unusable { hint, .. } => hint.clone(),
            Self::Unsupported { .. } => Some(
                "set MLFLOW_TRACKING_URI to an http(s):// server, a postgresql:// or mysql:// database, a sqlite:/// file or a local directory".to_owned(),
            ),
            _ => None,
        }
    }
}
