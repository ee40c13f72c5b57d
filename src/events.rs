//! What the lower modules report while they work, without knowing how it is shown.

use serde::Serialize;

/// Receives messages and transfer progress; the command line shows them on standard error.
pub trait Progress: Send + Sync {
    /// A line that belongs to the normal course of a run.
    fn info(&self, line: &str);

    /// A line that programs wait for: what it says, in fields.
    fn event(&self, event: &Event<'_>, line: &str) {
        let _ = event;
        self.info(line);
    }

    /// A line that a program writes while it builds an environment or an image. It is the program's own, and
    /// may hold anything.
    fn program_line(&self, line: &str) {
        self.info(line);
    }

    /// Something that does not stop the run but that the user should know.
    fn warning(&self, line: &str);

    /// What the entry point wrote to its standard output, where it does not write there itself.
    fn output(&self, bytes: &[u8]);

    /// How far a transfer has come. Called often; the receiver decides how much of it is shown.
    fn transfer(&self, transfer: Transfer<'_>);
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
        }
    }
}

/// One state of a transfer that goes on.
#[derive(Debug, Clone, Copy)]
pub struct Transfer<'a> {
    /// What is transferred, in a few words.
    pub what: &'a str,
    /// How much has arrived, in `unit`s.
    pub done: u64,
    /// How much there will be, when known.
    pub total: Option<u64>,
    /// What is counted.
    pub unit: TransferUnit,
    /// How many bytes that was, where something else is counted and the bytes are known.
    pub bytes: Option<u64>,
}

/// What a transfer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferUnit {
    /// It is shown as a size.
    Bytes,
    /// Git objects.
    Objects,
    /// It is shown as a number of files.
    Files,
}

/// Progress that nobody looks at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn info(&self, _line: &str) {}
    fn warning(&self, _line: &str) {}
    fn output(&self, _bytes: &[u8]) {}
    fn transfer(&self, _transfer: Transfer<'_>) {}
}
