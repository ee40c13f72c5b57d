//! One check of `mlrun doctor`: what was looked at, and what was found.

use std::time::Duration;

use tokio::time::timeout;

use crate::cli::report::Failure;
use crate::quantity;

/// How long a check may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How long a check may take without which nothing runs: a fetch, a server that wakes up, a busy machine.
pub(super) const NEEDED_PATIENCE: Duration = Duration::from_secs(10);

const LATE: &str = "no answer within";

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ok,
    /// It is not there, which matters only to those who use it.
    Missing,
    /// It is there, or asked for, and cannot be used.
    Problem,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Problem => "problem",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) state: State,
    pub(super) detail: String,
    /// What the person can do about it.
    pub(super) hint: Option<String>,
    /// Whether no project can run without it, or this one cannot.
    pub(super) is_needed: bool,
}

impl Check {
    fn new(name: impl Into<String>, state: State, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state,
            detail: detail.into(),
            hint: None,
            is_needed: false,
        }
    }

    pub(super) fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, State::Ok, detail)
    }

    pub(super) fn missing(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, State::Missing, detail)
    }

    pub(super) fn problem(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, State::Problem, detail)
    }

    /// A problem, with its causes and its hint.
    pub(super) fn failed(name: impl Into<String>, failure: impl Into<Failure>) -> Self {
        let failure = failure.into();
        let text = failure.text();
        let (text, hint) = match text.split_once("\nhint: ") {
            Some((text, hint)) => (text, Some(hint.to_owned())),
            None => (text.as_str(), None),
        };
        let text = text
            .trim_start_matches("error: ")
            .replace("\n  caused by: ", ": ");
        Self::problem(name, text).with_hint(hint)
    }

    /// The first line and the last one: what failed, and what the program said in the end.
    pub(super) fn in_short(self) -> Self {
        let lines: Vec<&str> = self.detail.lines().map(str::trim).collect();
        let detail = match lines.as_slice() {
            [first, .., last] => format!("{first}: {last}"),
            _ => self.detail,
        };
        Self { detail, ..self }
    }

    pub(super) fn with_hint(self, hint: impl Into<Option<String>>) -> Self {
        Self {
            hint: hint.into(),
            ..self
        }
    }

    /// What to say to a check that took too long.
    pub(super) fn if_late(mut self, hint: &str) -> Self {
        if self.detail.starts_with(LATE) {
            self.hint = Some(hint.to_owned());
        }
        self
    }

    pub(super) fn needed(self) -> Self {
        Self {
            is_needed: true,
            ..self
        }
    }

    /// Whether a run cannot do without what is missing here.
    pub(super) fn prevents_run(&self) -> bool {
        self.is_needed && self.state != State::Ok
    }
}

/// The check, or that it took too long.
pub(super) async fn bounded(name: &str, limit: Duration, check: impl Future<Output = Check>) -> Check {
    match timeout(limit, check).await {
        Ok(check) => check,
        Err(_) => Check::problem(name, format!("{LATE} {}", quantity::duration(limit))),
    }
}
