//! Errors for a person, and exit codes: made here and nowhere else.

use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::styling::Style;

use crate::cli::escape;
use crate::cli::excerpt::Excerpts;
use crate::cli::terminal::{Stream, style};
use crate::cli::text_table::labelled;
use crate::entities::RunStatus;
use crate::process::limit_hint;
use crate::project::Location;
use crate::runner::RunError;

/// The exit code of a usage error, as click and clap both have it.
const USAGE: u8 = 2;

/// The exit code for a run that is `KILLED`, of whoever follows it: 128 and the number of `SIGKILL`. No
/// signal that ends the following itself makes it.
const KILLED: u8 = 137;

/// The exit code of a run that took longer than `--timeout`, as that of `timeout`.
const TIMED_OUT: u8 = 124;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All that was asked for was done.
    Succeeded,
    /// The run took place and failed; this has been said already.
    RunFailed,
    /// The run failed, and the entry point's own exit code counts.
    EntryPointFailed(u8),
    /// The run took longer than it may.
    TimedOut,
    /// The run was ended from outside; this has been said already.
    RunKilled,
    /// What was looked at has errors; they were shown.
    ErrorsFound,
    /// The signal with this number ended the work.
    Interrupted(i32),
}

impl Outcome {
    /// The exit code: 0, 1, 137 for a run that was killed elsewhere, or 128 + the signal's number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::RunFailed | Self::ErrorsFound => 1,
            Self::EntryPointFailed(code) => code,
            Self::TimedOut => TIMED_OUT,
            Self::RunKilled => KILLED,
            Self::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(1),
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

/// Why a command could not be carried out, with the place and the way out where they are known.
#[derive(Debug)]
pub(crate) struct Failure {
    error: anyhow::Error,
    location: Option<Location>,
    hint: Option<String>,
    /// The exit code: 2 for a usage error, 137 for a run that was ended by somebody else, or 1.
    code: u8,
}

impl Failure {
    /// A failure of what was asked for.
    pub(crate) fn new(error: impl Into<anyhow::Error>) -> Self {
        Self {
            error: error.into(),
            location: None,
            hint: None,
            code: 1,
        }
    }

    /// A failure with the error that caused it.
    pub(crate) fn caused_by(
        cause: impl std::error::Error + Send + Sync + 'static,
        message: impl std::fmt::Display + Send + Sync + 'static,
    ) -> Self {
        Self::new(anyhow::Error::new(cause).context(message))
    }

    /// A failure that only needs a message.
    pub(crate) fn message(message: impl std::fmt::Display) -> Self {
        Self::new(anyhow::anyhow!("{message}"))
    }

    /// A command line that cannot be carried out.
    pub(crate) fn usage(message: impl std::fmt::Display) -> Self {
        Self::message(message).into_usage()
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    pub(crate) fn with_optional_hint(self, hint: Option<String>) -> Self {
        Self {
            hint: hint.or(self.hint),
            ..self
        }
    }

    /// The same failure as one of the command line.
    pub(crate) fn into_usage(self) -> Self {
        Self { code: USAGE, ..self }
    }

    pub(crate) fn with_location(self, location: Option<Location>) -> Self {
        Self { location, ..self }
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// The failure of a run that has this status now.
    fn of_run(self, status: RunStatus) -> Self {
        match status {
            RunStatus::Killed => Self { code: KILLED, ..self },
            _ => self,
        }
    }

    /// The failure as one of a run.
    pub(crate) fn run_error(&self) -> Option<&RunError> {
        self.error.downcast_ref::<Arc<RunError>>().map(AsRef::as_ref)
    }

    /// What to do about a limit of this process that is behind the failure: that helps, whatever else does.
    fn limit_hint(&self) -> Option<String> {
        self.error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
            .find_map(limit_hint)
    }

    /// The error, the place, its causes and the way out, as it stands in files and messages.
    pub(crate) fn text(&self) -> String {
        let plain = |label: &str, _, text: &str| format!("{label} {text}");
        self.laid_out(plain, "")
    }

    /// As [`text`](Self::text), for standard error: with the place's line, in colour and wrapped on a terminal.
    pub(crate) fn shown(&self) -> String {
        let excerpt = self
            .location
            .as_ref()
            .map(|place| Excerpts::new(Stream::Stderr).of(place));
        let shown =
            |label: &str, style, text: &str| labelled(Stream::Stderr, label, style, &escape::escaped(text));
        self.laid_out(shown, &excerpt.unwrap_or_default())
    }

    fn laid_out(&self, line: impl Fn(&str, Style, &str) -> String, excerpt: &str) -> String {
        let mut text = line("error:", style::ERROR, &escape::continued(&self.headline()));
        if let Some(place) = self.location.as_ref().map(ToString::to_string)
            && !self.headline().starts_with(&place)
        {
            text.push('\n');
            text.push_str(&line("  -->", style::PLACE, &escape::one_line(&place)));
        }
        text.push_str(excerpt);
        for cause in self.causes() {
            text.push('\n');
            text.push_str(&line(
                "  caused by:",
                style::CAUSE,
                &cause.replace('\n', "\n    "),
            ));
        }
        if let Some(hint) = self.hint() {
            text.push('\n');
            text.push_str(&line("hint:", style::HINT, &escape::continued(&hint)));
        }
        text
    }

    /// What went wrong, without its causes.
    pub(crate) fn headline(&self) -> String {
        self.error.to_string()
    }

    /// The causes that the message or another cause does not name already.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut shown = self.headline();
        for cause in self.error.chain().skip(1) {
            let cause = cause.to_string();
            if !shown.contains(&cause) {
                causes.push(cause.clone());
                shown = cause;
            }
        }
        causes
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        self.limit_hint().or_else(|| self.hint.clone())
    }

    /// The place in a file that the failure is about.
    pub(crate) fn location(&self) -> Option<&Location> {
        self.location.as_ref()
    }
}

/// Gives each module's error its way out.
macro_rules! failure_with_hint {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let hint = error.hint();
                Self::new(error).with_optional_hint(hint)
            }
        }
    )+};
}

failure_with_hint!(
    crate::process::ProcessError,
    crate::scaffold::ScaffoldError,
    crate::tracking::TrackingError,
    crate::tracking::TrackingUriError,
);

/// As [`failure_with_hint`], for errors that may be about a place in a file and leave a run behind.
macro_rules! failure_of_run {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let (hint, location, status) = (error.hint(), error.location().cloned(), error.run_status());
                Self::new(error)
                    .with_optional_hint(hint)
                    .with_location(location)
                    .of_run(status)
            }
        }
    )+};
}

failure_of_run!(crate::backend::BackendError, Arc<RunError>);

impl From<crate::environment::EnvironmentError> for Failure {
    fn from(error: crate::environment::EnvironmentError) -> Self {
        Self::from(RunError::from(error))
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::from(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_shown_once() {
        let error = anyhow::anyhow!("permission denied")
            .context("cannot open x: permission denied")
            .context("cannot use the store");
        let failure = Failure::new(error).with_hint("choose another one");
        assert_eq!(
            failure.text(),
            "error: cannot use the store\n  caused by: cannot open x: permission denied\nhint: choose another one"
        );
        let failure = Failure::message("a\nerror: b").with_hint("c\n=== d");
        assert_eq!(failure.text(), "error: a\n  error: b\nhint: c\n  === d");
    }

    #[test]
    fn exit_codes() {
        assert_eq!(Outcome::Succeeded.code(), 0);
        assert_eq!(Outcome::RunFailed.code(), 1);
        assert_eq!(Outcome::EntryPointFailed(7).code(), 7);
        assert_eq!(Outcome::TimedOut.code(), 124);
        assert_eq!(Outcome::RunKilled.code(), 137);
        assert_eq!(Outcome::Interrupted(15).code(), 143);
        assert_eq!(Failure::usage("x").code(), 2);
        assert_eq!(Failure::message("x").code(), 1);
    }
}
