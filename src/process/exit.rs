//! How a program ended.

use std::fmt;

use rustix::process::WaitStatus;

/// How a program ended: by itself, or by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgramExit {
    /// It ended by itself with this exit code, 0 to 255.
    Code(i32),
    /// The signal with this number ended it.
    Signal(i32),
}

impl ProgramExit {
    /// Whether the exit code is 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    /// The exit code that stands for this end: the program's own, or 128 and the signal's number,
    /// as shells report it.
    pub fn exit_code(self) -> u8 {
        let code = match self {
            Self::Code(code) => code,
            Self::Signal(number) => 128 + number,
        };
        // The kernel keeps the low eight bits of an exit code, and signals end at 64.
        (code & 0xff) as u8
    }

    /// The end that a wait reported; `None` while the program is only stopped.
    pub(super) fn from_wait(status: WaitStatus) -> Option<Self> {
        status
            .exit_status()
            .map(Self::Code)
            .or_else(|| status.terminating_signal().map(Self::Signal))
    }
}

impl fmt::Display for ProgramExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => match signal_name(number) {
                Some(name) => write!(f, "signal {number} ({name})"),
                None => write!(f, "signal {number}"),
            },
        }
    }
}

/// The signal's name with its `SIG`; real-time signals have none.
pub(super) fn signal_name(number: i32) -> Option<&'static str> {
    nix::sys::signal::Signal::try_from(number)
        .ok()
        .map(nix::sys::signal::Signal::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_has_a_text_and_an_exit_code() {
        for (exit, text, code) in [
            (ProgramExit::Code(0), "exit code 0", 0),
            (ProgramExit::Code(3), "exit code 3", 3),
            (ProgramExit::Code(255), "exit code 255", 255),
            (ProgramExit::Signal(9), "signal 9 (SIGKILL)", 137),
            (ProgramExit::Signal(15), "signal 15 (SIGTERM)", 143),
            (ProgramExit::Signal(40), "signal 40", 168),
        ] {
            assert_eq!((exit.to_string().as_str(), exit.exit_code()), (text, code));
        }
    }
}
