//! How the lower modules report to the user without knowing how the reports are shown.

use std::time::Duration;

use serde::Serialize;

/// Receives messages and transfer progress; the command line shows them on standard error.
pub trait Progress: Send + Sync {
    /// An ordinary log line.
    fn info(&self, line: &str);

    /// A line that programs wait for: what it says, in fields.
    fn event(&self, event: &Event<'_>, line: &str) {
        let _ = event;
        self.info(line);
    }

    /// An output line of a program that builds an environment or an image. It may contain anything.
    fn program_line(&self, line: &str) {
        self.info(line);
    }

    /// A problem that does not stop the run.
    fn warning(&self, line: &str);

    /// Output of an entry point that does not write to this process's standard output itself.
    fn output(&self, bytes: &[u8]);

    /// The progress of a transfer. Called often; the receiver decides how much to show.
    fn transfer(&self, transfer: Transfer<'_>);

    /// How the build of an environment or an image is shown.
    fn build_display(&self) -> BuildDisplay {
        BuildDisplay::Lines
    }

    /// How far a build has come. Called often, and only if it is displayed [live](BuildDisplay::Live).
    fn build(&self, _build: Build<'_>) {}
}

/// How the build of an environment or an image is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildDisplay {
    /// One line on a terminal, redrawn in place.
    Live,
    /// Every line that the programs write.
    Lines,
    /// Only the output of a program that fails.
    Hidden,
}

/// One state of a build.
#[derive(Debug, Clone, Copy)]
pub struct Build<'a> {
    /// What is built: `Building environment mlflow-9d31`.
    pub what: &'a str,
    /// What happens now: `downloading numpy`. Empty at the beginning.
    pub step: &'a str,
    /// How many parts are done.
    pub done: u64,
    /// How many parts there will be, if known.
    pub total: Option<u64>,
    /// What a part is: `package`.
    pub unit: &'a str,
    /// How long the build has taken so far.
    pub elapsed: Duration,
}

/// What programs wait for. With `--log-format json` these are fields beside the line's text, and `event` names the
/// variant: `run_started`, `run_ended` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event<'a> {
    /// An environment is missing and being built.
    EnvironmentBuildStarted {
        /// Its name, as `mlrun env list` shows it.
        environment: &'a str,
    },
    /// An environment was built.
    EnvironmentBuildEnded {
        /// Its name, as `mlrun env list` shows it.
        environment: &'a str,
        /// How long the build took, in seconds.
        duration: f64,
    },
    /// An entry point was started on this machine.
    RunStarted {
        /// The run.
        run_id: &'a str,
        /// Its experiment.
        experiment_id: &'a str,
        /// What the shell runs.
        command: &'a str,
    },
    /// A run is handed to a backend that runs it elsewhere.
    RunSubmitted {
        /// The run.
        run_id: &'a str,
        /// Its experiment.
        experiment_id: &'a str,
        /// The backend's name.
        backend: &'a str,
        /// The backend's name or number for the run.
        job: &'a str,
    },
    /// An earlier run did the same work; nothing was run.
    RunReused {
        /// That run.
        run_id: &'a str,
        /// Its experiment.
        experiment_id: &'a str,
        /// That run's status.
        status: &'a str,
    },
    /// A run has ended. The program says so; a caller of the library gets the run's ending instead.
    RunEnded {
        /// The run.
        run_id: &'a str,
        /// Its experiment.
        experiment_id: &'a str,
        /// `FINISHED`, `FAILED` or `KILLED`.
        status: &'a str,
        /// The entry point's exit code, if it exited by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        /// The number of the signal that ended the entry point.
        #[serde(skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// How long the entry point ran, in seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        duration: Option<f64>,
        /// What may help if the entry point failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
    },
}

impl<'a> Event<'a> {
    /// The end of a run of which no more is known.
    pub(crate) fn run_ended(run_id: &'a str, experiment_id: &'a str, status: &'a str) -> Self {
        Self::RunEnded {
            run_id,
            experiment_id,
            status,
            exit_code: None,
            signal: None,
            duration: None,
            hint: None,
        }
    }

    pub(crate) fn hint(&self) -> Option<&'a str> {
        match self {
            Self::RunEnded { hint, .. } => *hint,
            _ => None,
        }
    }
}

/// The state of a transfer in progress.
#[derive(Debug, Clone, Copy)]
pub struct Transfer<'a> {
    /// What is transferred, in a few words.
    pub what: &'a str,
    /// How much has arrived, in `unit`s.
    pub done: u64,
    /// The total in `unit`s, if known.
    pub total: Option<u64>,
    /// What is counted.
    pub unit: TransferUnit,
    /// The bytes so far, if something else is counted and the bytes are known.
    pub bytes: Option<u64>,
}

/// What a transfer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferUnit {
    /// Shown as a size.
    Bytes,
    /// Git objects.
    Objects,
    /// Shown as a number of files.
    Files,
}

/// Progress that is not shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn info(&self, _line: &str) {}
    fn warning(&self, _line: &str) {}
    fn output(&self, _bytes: &[u8]) {}
    fn transfer(&self, _transfer: Transfer<'_>) {}

    fn build_display(&self) -> BuildDisplay {
        BuildDisplay::Hidden
    }
}
