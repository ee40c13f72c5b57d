//! How programs end, and the signals that ask for it.

use std::fmt;

use rustix::process::{Signal, WaitStatus};

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

    /// The exit code as shells report it: the program's own, or 128 + the signal's number.
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

/// A signal that asks this program to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminationSignal {
    /// `SIGINT`, Ctrl-C.
    Interrupt,
    /// `SIGTERM`.
    Terminate,
    /// `SIGHUP`, the terminal is gone.
    Hangup,
    /// `SIGQUIT`, Ctrl-\.
    Quit,
    /// Any other signal, by its number, that ends a program without a handler: `SIGXCPU` at a limit on
    /// CPU time, `SIGALRM`, real-time signals.
    Other(i32),
}

/// The outcome of work that a termination signal may interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruptible<T> {
    /// The work was completed.
    Done(T),
    /// The signal stopped it.
    Interrupted(TerminationSignal),
}

impl<T> Interruptible<T> {
    /// What was done, or the signal as an error.
    pub(crate) fn done(self) -> Result<T, TerminationSignal> {
        match self {
            Self::Done(done) => Ok(done),
            Self::Interrupted(signal) => Err(signal),
        }
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Interruptible<U> {
        match self {
            Self::Done(done) => Interruptible::Done(change(done)),
            Self::Interrupted(signal) => Interruptible::Interrupted(signal),
        }
    }
}

impl<T, E> Interruptible<Result<T, E>> {
    /// The failure of the work by itself.
    pub(crate) fn transpose(self) -> Result<Interruptible<T>, E> {
        Ok(match self {
            Self::Done(done) => Interruptible::Done(done?),
            Self::Interrupted(signal) => Interruptible::Interrupted(signal),
        })
    }
}

impl TerminationSignal {
    /// Those that people and batch systems send.
    const USUAL: [Self; 4] = [Self::Interrupt, Self::Terminate, Self::Hangup, Self::Quit];

    /// All of them. `SIGSEGV`, `SIGBUS`, `SIGILL` and `SIGFPE` are not among them: a program that went on
    /// after its own fault would fail there again, without end.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let named = [
            Signal::ABORT,
            Signal::ALARM,
            Signal::IO,
            Signal::PROF,
            Signal::SYS,
            Signal::TRAP,
            Signal::VTALARM,
            Signal::XCPU,
            #[cfg(target_os = "linux")]
            Signal::POWER,
            #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
            Signal::STKFLT,
        ];
        let others = named.map(Signal::as_raw).into_iter().chain(real_time());
        Self::USUAL.into_iter().chain(others.map(Self::Other))
    }

    /// The signal's number.
    pub fn number(self) -> i32 {
        match self {
            Self::Interrupt => Signal::INT.as_raw(),
            Self::Terminate => Signal::TERM.as_raw(),
            Self::Hangup => Signal::HUP.as_raw(),
            Self::Quit => Signal::QUIT.as_raw(),
            Self::Other(number) => number,
        }
    }

    /// The signal's name, such as `SIGTERM`.
    pub fn name(self) -> &'static str {
        signal_name(self.number()).unwrap_or("a real-time signal")
    }

    /// The exit code of a program that ended because of the signal: 128 and its number.
    pub fn exit_code(self) -> u8 {
        // Signals end at 64.
        128 + self.number() as u8
    }

    /// The signal with this number, if it is one that people and batch systems send.
    pub(super) fn usual(number: i32) -> Option<Self> {
        Self::USUAL.into_iter().find(|signal| signal.number() == number)
    }
}

impl fmt::Display for TerminationSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match signal_name(self.number()) {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.number()),
        }
    }
}

#[cfg(target_os = "linux")]
fn real_time() -> impl Iterator<Item = i32> {
    libc::SIGRTMIN()..=libc::SIGRTMAX()
}

/// Not every system has them.
#[cfg(not(target_os = "linux"))]
fn real_time() -> impl Iterator<Item = i32> {
    std::iter::empty()
}

/// The signal's name with its `SIG`; real-time signals have none.
fn signal_name(number: i32) -> Option<&'static str> {
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

    #[test]
    fn termination_signals_have_shell_exit_codes() {
        let table = TerminationSignal::USUAL.map(|signal| (signal.name(), signal.exit_code()));
        assert_eq!(
            table,
            [
                ("SIGINT", 130),
                ("SIGTERM", 143),
                ("SIGHUP", 129),
                ("SIGQUIT", 131)
            ]
        );
        assert_eq!(TerminationSignal::usual(9), None);
        assert_eq!(TerminationSignal::usual(14), None);
        assert_eq!(TerminationSignal::usual(15), Some(TerminationSignal::Terminate));
        for (number, text, code) in [(14, "SIGALRM", 142), (24, "SIGXCPU", 152), (40, "signal 40", 168)] {
            let signal = TerminationSignal::Other(number);
            assert_eq!((signal.to_string().as_str(), signal.exit_code()), (text, code));
        }
    }
}
