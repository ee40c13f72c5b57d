//! Why a tracking store could not do what was asked.

use std::error::Error;

use crate::entities::RunInfo;

/// Why a tracking store could not do what was asked. `store` is its URI without credentials; `what` is `run`,
/// `experiment` or `model` if it is missing or deleted.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum TrackingError {
    #[error("{what} '{id}' does not exist in the tracking store {store}")]
    NotFound {
        what: &'static str,
        id: String,
        store: String,
    },
    #[error("{what} '{id}' is deleted in the tracking store {store}")]
    Deleted {
        what: &'static str,
        id: String,
        store: String,
    },
    /// The store refuses a value.
    #[error("the tracking store {store} refused {what}: {reason}")]
    Refused {
        /// What was refused, with its value where that is no secret.
        what: String,
        reason: String,
        store: String,
    },
    /// The run was created, but what belongs to it could not be stored.
    #[error("{cause}")]
    HalfCreated {
        /// The run: `FAILED`, or `RUNNING` if it could not be ended either.
        info: Box<RunInfo>,
        cause: Box<TrackingError>,
    },
    /// The store cannot be opened, reached, read or written.
    #[error("cannot {action} the tracking store {store}")]
    Unusable {
        /// What was tried, such as `open` or `write to`.
        action: &'static str,
        store: String,
        hint: Option<String>,
        may_pass: bool,
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("tracking stores of the kind '{kind}' are not supported")]
    Unsupported {
        /// The scheme of the tracking URI.
        kind: String,
    },
}

impl TrackingError {
    pub(super) fn unusable(action: &'static str, store: String, fault: impl StoreFault) -> Self {
        Self::Unusable {
            action,
            store,
            hint: fault.hint(),
            may_pass: fault.may_pass(),
            source: Box::new(fault),
        }
    }

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

/// Why a store's files, server or database cannot be used.
pub(super) trait StoreFault: Error + Send + Sync + 'static {
    /// What the person can do about it.
    fn hint(&self) -> Option<String>;

    /// Whether it may pass by itself, such as a server that starts anew.
    fn may_pass(&self) -> bool;
}
