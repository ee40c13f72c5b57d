//! How the lower modules report to the user without knowing how the reports are shown.

/// Receives messages and transfer progress; the command line shows them on standard error.
pub trait Progress: Send + Sync {
    /// An ordinary log line.
    fn info(&self, line: &str);

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
}
