//! What the lower modules may tell a person while they work, without knowing how it is shown.

/// Receives messages and transfer progress; the command line shows them on standard error.
pub trait Progress: Send + Sync {
    /// A line that belongs to the normal course of a run.
    fn info(&self, line: &str);

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
