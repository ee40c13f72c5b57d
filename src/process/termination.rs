//! The signals that ask this program to end.

use std::fmt;

use rustix::process::Signal;

use super::exit::signal_name;

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

/// What became of work that a termination signal may cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruptible<T> {
    /// It was done.
    Done(T),
    /// The signal ended it.
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

#[cfg(test)]
mod tests {
    use super::*;

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
