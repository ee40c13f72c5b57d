//! How errors read, and which exit codes they give.

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

/// The exit code of `wait` for a `KILLED` run: 128 + `SIGKILL`. A signal to `wait` itself never gives this code.
const KILLED: u8 = 137;

/// The exit code of a run that exceeded `--timeout`; the same as that of `timeout(1)`.
const TIMED_OUT: u8 = 124;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was done.
    Succeeded,
    /// The run failed, which has been reported.
    RunFailed,
    /// The run failed with this exit code of the entry point.
    EntryPointFailed(u8),
    /// The run exceeded its timeout.
    TimedOut,
    /// The run was killed from outside, which has been reported.
    RunKilled,
    /// The checked files have errors, which have been reported.
    ErrorsFound,
    /// Interrupted by the signal with this number.
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

/// Why a command failed, with the place in a file and a hint if there are any.
#[derive(Debug)]
pub(crate) struct Failure {
    error: anyhow::Error,
    location: Option<Location>,
    hint: Option<String>,
    /// The exit code: 2 for a usage error, 137 for a run that was killed elsewhere, or 1.
    code: u8,
}

impl Failure {
    /// A failure of the command.
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

    /// A failure without a cause.
    pub(crate) fn message(message: impl std::fmt::Display) -> Self {
        Self::new(anyhow::anyhow!("{message}"))
    }

    /// A usage error.
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

    /// The same failure as a usage error.
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

    /// The hint about a process limit that caused the failure. It replaces any other hint.
    fn limit_hint(&self) -> Option<String> {
        self.error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
            .find_map(limit_hint)
    }

    /// The error, its place, causes and hint as plain text.
    pub(crate) fn text(&self) -> String {
        let plain = |label: &str, _, text: &str| format!("{label} {text}");
        self.laid_out(plain, "")
    }

    /// As [`text`](Self::text), for standard error: with the file's line, coloured and wrapped on a terminal.
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

    /// The error without its causes.
    pub(crate) fn headline(&self) -> String {
        self.error.to_string()
    }

    /// The causes, without those that the text before them contains.
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

/// Converts errors that have a hint.
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

/// As [`failure_with_hint`], for errors that also have a place in a file and the status of a run.
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
