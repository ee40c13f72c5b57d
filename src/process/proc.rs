//! What Linux says about processes in `/proc`, and signals to one of them; other systems say nothing.
//!
//! A process may end between two reads. It is then one of which nothing is known.

pub use system::processes_with_variable;
pub(super) use system::{all_processes, has_variable, signal_process};
pub(crate) use system::{boot_id, pid_namespace, start_of};

use rustix::process::{Pid, Signal};
use system::signals;

/// A process of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) id: Pid,
    /// Its parent's id.
    pub(super) parent: Option<Pid>,
    /// Its process group.
    pub(super) group: Option<Pid>,
    /// When it started, in clock ticks since the machine did.
    pub(super) start: u64,
    /// It has ended and waits to be collected.
    pub(super) is_zombie: bool,
}

/// What came of an attempt to end a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Termination {
    /// It has been asked.
    Asked,
    /// It had ended before.
    Gone,
    /// It belongs to another user.
    Forbidden,
}

/// A set of signals: signal N is bit N - 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SignalSet(u64);

impl SignalSet {
    /// The signals that this program ignores.
    pub(super) fn ignored_here() -> Self {
        signals(None).map_or_else(Self::default, |found| found.ignored)
    }

    /// Whether the signal with this number is one of the set.
    pub(super) fn contains(self, number: i32) -> bool {
        self.0 & (1 << (number - 1)) != 0
    }
}

/// What a process does with signals.
#[derive(Debug)]
struct SignalUse {
    /// The process's name, in at most 15 bytes.
    name: String,
    blocked: SignalSet,
    ignored: SignalSet,
    caught: SignalSet,
}

/// The name of the process if the signal ends it at once: it neither handles nor ignores it, nor puts it
/// off.
pub(crate) fn ended_by(process: Pid, signal: Signal) -> Option<String> {
    let found = signals(Some(process)).filter(|found| is_ended(found, signal))?;
    Some(found.name)
}

/// The name of a process, in at most 15 bytes.
pub(super) fn name_of(process: Pid) -> Option<String> {
    signals(Some(process)).map(|found| found.name)
}

fn is_ended(found: &SignalUse, signal: Signal) -> bool {
    [found.blocked, found.ignored, found.caught]
        .iter()
        .all(|set| !set.contains(signal.as_raw()))
}

#[cfg(target_os = "linux")]
mod system {
    use std::ffi::OsStr;
    use std::io;

    use procfs::process::{self, Stat};
    use rustix::io::Errno;
    use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

    use super::{Process, SignalSet, SignalUse, Termination};

    /// The machine's start: a new random id each time.
    pub(crate) fn boot_id() -> Option<String> {
        procfs::sys::kernel::random::boot_id().ok()
    }

    /// The set of process ids that this process sees: containers have their own.
    pub(crate) fn pid_namespace() -> Option<String> {
        // The library would open the namespaces of all kinds, at every start.
        let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
        Some(link.to_string_lossy().into_owned())
    }

    /// When a process started, in clock ticks since the machine did; `None` if it has ended.
    pub(crate) fn start_of(pid: i32) -> Option<u64> {
        let stat = process::Process::new(pid).and_then(|process| process.stat());
        stat.ok()
            .filter(|stat| !has_ended(stat))
            .map(|stat| stat.starttime)
    }

    /// The processes that were given a variable with this value and that this user may look at, in the
    /// order of their ids.
    pub fn processes_with_variable(name: &str, value: impl AsRef<OsStr>) -> Vec<i32> {
        let processes = process::all_processes().into_iter().flatten().flatten();
        let mut found: Vec<i32> = processes
            .filter(|process| is_given(process, name, value.as_ref()))
            .map(|process| process.pid)
            .collect();
        found.sort_unstable();
        found
    }

    /// Whether a process was given a variable with this value.
    pub(in crate::process) fn has_variable(pid: Pid, name: &str, value: &str) -> bool {
        process::Process::new(pid.as_raw_pid())
            .is_ok_and(|process| is_given(&process, name, OsStr::new(value)))
    }

    fn is_given(process: &process::Process, name: &str, value: &OsStr) -> bool {
        let variables = process.environ().unwrap_or_default();
        variables
            .get(OsStr::new(name))
            .is_some_and(|found| found == value)
    }

    /// What a process, or this one, does with signals.
    pub(super) fn signals(pid: Option<Pid>) -> Option<SignalUse> {
        let process = match pid {
            Some(pid) => process::Process::new(pid.as_raw_pid()),
            None => process::Process::myself(),
        };
        let status = process.and_then(|process| process.status()).ok()?;
        Some(SignalUse {
            name: status.name,
            blocked: SignalSet(status.sigblk),
            ignored: SignalSet(status.sigign),
            caught: SignalSet(status.sigcgt),
        })
    }

    /// Sends a signal to the process that has this id since this start, and to no other: what is signalled is
    /// held by a file descriptor, which cannot come to mean another process.
    pub(in crate::process) fn signal_process(
        pid: Pid,
        start: u64,
        signal: Signal,
    ) -> io::Result<Termination> {
        let is_it = || start_of(pid.as_raw_pid()) == Some(start);
        let sent = match pidfd_open(pid, PidfdFlags::empty()) {
            // Only now it is certain whose descriptor that is.
            Ok(_) if !is_it() => return Ok(Termination::Gone),
            Ok(descriptor) => pidfd_send_signal(descriptor, signal),
            // Before Linux 5.3, or where a sandbox forbids it.
            Err(Errno::NOSYS | Errno::PERM) if is_it() => kill_process(pid, signal),
            Err(Errno::NOSYS | Errno::PERM) => return Ok(Termination::Gone),
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => Ok(Termination::Asked),
            Err(Errno::SRCH) => Ok(Termination::Gone),
            Err(Errno::PERM) => Ok(Termination::Forbidden),
            Err(error) => Err(error.into()),
        }
    }

    /// All processes that can be seen.
    pub(in crate::process) fn all_processes() -> Vec<Process> {
        let processes = process::all_processes().into_iter().flatten().flatten();
        processes
            .filter_map(|process| listed(&process.stat().ok()?))
            .collect()
    }

    /// `None` for a process that is being taken off the list: it has group -1 there.
    fn listed(stat: &Stat) -> Option<Process> {
        // 0 stands for a process that cannot be seen from here.
        let process_id = |number| if number > 0 { Pid::from_raw(number) } else { None };
        (stat.pgrp >= 0).then_some(Process {
            id: process_id(stat.pid)?,
            parent: process_id(stat.ppid),
            group: process_id(stat.pgrp),
            start: stat.starttime,
            is_zombie: has_ended(stat),
        })
    }

    /// Whether the process has ended and only waits to be collected.
    fn has_ended(stat: &Stat) -> bool {
        matches!(stat.state, 'Z' | 'X')
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::ffi::OsStr;
    use std::io;

    use rustix::process::{Pid, Signal};

    use super::{Process, SignalUse, Termination};

    /// Not known on this system.
    pub fn boot_id() -> Option<String> {
        None
    }

    /// Not known on this system.
    pub fn pid_namespace() -> Option<String> {
        None
    }

    /// Not known on this system.
    pub fn start_of(_pid: i32) -> Option<u64> {
        None
    }

    /// Not known on this system.
    pub fn processes_with_variable(_name: &str, _value: impl AsRef<OsStr>) -> Vec<i32> {
        Vec::new()
    }

    pub(in crate::process) fn has_variable(_pid: Pid, _name: &str, _value: &str) -> bool {
        false
    }

    pub(super) fn signals(_pid: Option<Pid>) -> Option<SignalUse> {
        None
    }

    pub(in crate::process) fn all_processes() -> Vec<Process> {
        Vec::new()
    }

    pub(in crate::process) fn signal_process(
        _pid: Pid,
        _start: u64,
        _signal: Signal,
    ) -> io::Result<Termination> {
        Ok(Termination::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_ends_what_has_no_other_use_for_it() {
        for (blocked, ignored, caught, expected) in [
            (0, 0, 0, true),
            (0, 0, 0x10000, true),
            (0x4000, 0, 0, false),
            (0, 0x4000, 0, false),
            (0, 0, 0x4002, false),
        ] {
            let found = SignalUse {
                name: "a".to_owned(),
                blocked: SignalSet(blocked),
                ignored: SignalSet(ignored),
                caught: SignalSet(caught),
            };
            assert_eq!(is_ended(&found, Signal::TERM), expected, "{found:?}");
        }
    }
}
