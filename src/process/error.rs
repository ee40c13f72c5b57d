//! Why a program could not be run to its end.

use std::io;
use std::path::PathBuf;

use super::exit::ProgramExit;
use super::limits::{limit_hint, start_hint};

/// Why a program could not be run, or that it failed. Command lines and lines of output are without
/// the credentials of the URLs in them.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the cases and their values are")]
pub enum ProcessError {
    #[error("the program '{program}' was not found")]
    Missing { program: String },
    #[error("cannot run '{program}' in '{}': no such directory", directory.display())]
    NoDirectory { program: String, directory: PathBuf },
    #[error(
        "cannot run '{program}': its arguments ({argument_bytes} bytes, the longest {longest_bytes}) and \
         environment variables exceed what the system can pass to a program"
    )]
    TooLong {
        program: String,
        argument_bytes: usize,
        longest_bytes: usize,
    },
    #[error("cannot start `{command_line}`")]
    Start {
        command_line: String,
        #[source]
        source: io::Error,
    },
    #[error("`{command_line}` failed with {exit}{}", indented(last_lines))]
    Failed {
        command_line: String,
        exit: ProgramExit,
        last_lines: Vec<String>,
    },
    #[error("`{command_line}` asks a question on the terminal{}", indented(last_lines))]
    AsksTerminal {
        command_line: String,
        last_lines: Vec<String>,
    },
    #[error("cannot read the output of `{command_line}`")]
    Output {
        command_line: String,
        #[source]
        source: io::Error,
    },
    #[error("the limit on open files is too low: {limit}")]
    TooFewOpenFiles { limit: u64 },
    #[error("cannot install the signal handlers")]
    Signals {
        #[source]
        source: io::Error,
    },
}

impl ProcessError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { program } if program.contains('/') => {
                Some(format!("check that '{program}' exists and is executable"))
            }
            Self::Missing { program } => Some(format!("install '{program}', or add its directory to PATH")),
            Self::TooLong { .. } => {
                Some("put long values into a file and pass the file's path instead".to_owned())
            }
            Self::AsksTerminal { .. } => Some(
                "run the command once by hand and answer it, or configure it so that it does not ask"
                    .to_owned(),
            ),
            Self::TooFewOpenFiles { .. } => Some("raise it with `ulimit -n 1024`".to_owned()),
            Self::Start { source, .. } => start_hint(source),
            Self::Output { source, .. } | Self::Signals { source } => limit_hint(source),
            _ => None,
        }
    }
}

/// The lines below a message, set in.
fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}
