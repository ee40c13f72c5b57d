//! Why a tracking store could not do what was asked.

use crate::entities::RunInfo;

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
