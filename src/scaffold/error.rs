//! Why no project can be written.

/// Why no project can be written.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ScaffoldError {
    message: String,
    /// An empty one is none.
    hint: String,
    source: Option<std::io::Error>,
}

impl ScaffoldError {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
            source: None,
        }
    }

    pub(super) fn caused_by(self, cause: std::io::Error) -> Self {
        Self {
            source: Some(cause),
            ..self
        }
    }

    /// The message with what the system said, in one line.
    pub(super) fn with_cause(&self) -> String {
        match &self.source {
            Some(cause) => format!("{}: {cause}", self.message),
            None => self.message.clone(),
        }
    }

    /// What the person can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(self.hint.clone()).filter(|hint| !hint.is_empty())
    }
}
