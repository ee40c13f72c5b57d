//! The errors of tracking stores.

use std::error::Error;

use crate::entities::RunInfo;

/// Why an operation of a tracking store failed. `store` is its URI without credentials. For missing or deleted
/// entities, `what` is `run`, `experiment` or `model`.
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
    /// The store refused a value.
    #[error("the tracking store {store} refused {what}: {reason}")]
    Refused {
        /// The refused value, unless it is secret.
        what: String,
        reason: String,
        store: String,
    },
    /// The run was created, but its parameters or tags could not be stored.
    #[error("{cause}")]
    HalfCreated {
        /// The run: `FAILED`, or `RUNNING` if that failed too.
        info: Box<RunInfo>,
        cause: Box<TrackingError>,
    },
    /// The store cannot be opened, reached, read or written.
    #[error("cannot {action} the tracking store {store}")]
    Unusable {
        /// The attempted action, such as `open` or `write to`.
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

    /// Whether the store responded.
    pub(crate) fn is_of_store(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::Deleted { .. } | Self::Refused { .. }
        )
    }

    /// Whether a later attempt may succeed.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unusable { may_pass: true, .. })
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { what: "experiment", .. } => Some(
                "use an existing id, or --experiment-name NAME, which creates the experiment if it does not exist".to_owned(),
            ),
            Self::Deleted { what, .. } => Some(format!(
                "restore it with `mlflow {what}s restore --{what}-id ID`, or use another {what}"
            )),
            Self::HalfCreated { cause, .. } => cause.hint(),
            Self::Unusable { hint, .. } => hint.clone(),
            Self::Unsupported { .. } => Some(
                "set MLFLOW_TRACKING_URI to an http(s):// server, a postgresql:// or mysql:// database, a sqlite:/// file or a local directory".to_owned(),
            ),
            _ => None,
        }
    }
}

/// Why a store's files, server or database are unusable.
pub(super) trait StoreFault: Error + Send + Sync + 'static {
    /// What the user can do about it.
    fn hint(&self) -> Option<String>;

    /// Whether it may pass by itself, such as a server that is restarting.
    fn may_pass(&self) -> bool;
}
