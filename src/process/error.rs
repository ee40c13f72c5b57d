//! Why a program could not be run to its end.

use std::io;
use std::path::PathBuf;

use super::exit::ProgramExit;
use super::limits::{limit_hint, start_hint};

/// Why a program could not be run, or that it failed. Command lines and lines of output are without
/// the credentials of the URLs in them.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no such program.
    #[error("the program '{program}' was not found")]
    Missing {
        /// The program as it was asked for.
        program: String,
    },
    /// The directory to run in is not there.
    #[error("cannot run '{program}' in '{}': no such directory", directory.display())]
    NoDirectory {
        /// The program as it was asked for.
        program: String,
        /// The directory.
        directory: PathBuf,
    },
    /// The arguments and variables are longer than the system takes.
    #[error(
        "cannot run '{program}': its arguments ({argument_bytes} bytes, the longest {longest_bytes}) and \
         environment variables are more than the system can pass to a program"
    )]
    TooLong {
        /// The program as it was asked for.
        program: String,
        /// How long all arguments are together.
        argument_bytes: usize,
        /// How long the longest one is.
        longest_bytes: usize,
    },
    /// The system refused to start the program.
    #[error("cannot start `{command_line}`")]
    Start {
        /// The program and its arguments.
        command_line: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The program ended with an error.
    #[error("`{command_line}` failed with {exit}{}", indented(last_lines))]
    Failed {
        /// The program and its arguments.
        command_line: String,
        /// How it ended.
        exit: ProgramExit,
        /// The last lines that it wrote.
        last_lines: Vec<String>,
    },
    /// The program asked something on the terminal, where nobody can answer it.
    #[error(
        "`{command_line}` waits for an answer on the terminal{}",
        indented(last_lines)
    )]
    AsksTerminal {
        /// The program and its arguments.
        command_line: String,
        /// The last lines that it wrote.
        last_lines: Vec<String>,
    },
    /// What the program writes cannot be read.
    #[error("cannot read what `{command_line}` writes")]
    Output {
        /// The program and its arguments.
        command_line: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// This process may open fewer files than any work needs.
    #[error("the limit on open files is too low: {limit}")]
    TooFewOpenFiles {
        /// The limit.
        limit: u64,
    },
    /// Signals cannot be received.
    #[error("cannot install the signal handlers")]
    Signals {
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

impl ProcessError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { program } if program.contains('/') => {
                Some(format!("check that '{program}' exists and may be executed"))
            }
            Self::Missing { program } => Some(format!("install '{program}', or add its directory to PATH")),
            Self::TooLong { .. } => {
                Some("put long values into a file and pass the file's path instead".to_owned())
            }
            Self::AsksTerminal { .. } => {
                Some("run the command yourself once, or set it up to need no answer".to_owned())
            }
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
