//! What the lower modules may tell a person while they work, without knowing how it is shown.

use std::time::Duration;

/// Receives messages and transfer progress; the command line shows them on standard error.
pub trait Progress: Send + Sync {
    /// A line that belongs to the normal course of a run.
    fn info(&self, line: &str);

    /// A line that a program writes while it builds an environment or an image. It may hold anything.
    fn program_line(&self, line: &str) {
        self.info(line);
    }

    /// Something that does not stop the run but that the user should know.
    fn warning(&self, line: &str);

    /// What the entry point wrote to its standard output, where it does not write there itself.
    fn output(&self, bytes: &[u8]);

    /// How far a transfer has come. Called often; the receiver decides how much of it is shown.
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

    fn build_display(&self) -> BuildDisplay {
        BuildDisplay::Hidden
    }
}
