//! What Linux says about processes in `/proc`; other systems say nothing.
//!
//! A process may end between two reads. It is then one of which nothing is known.

pub use system::processes_with_variable;
pub(super) use system::{all_processes, has_variable, signals};
pub(crate) use system::{boot_id, pid_namespace, start_of};

use rustix::process::Pid;

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

impl Process {
    /// Whether it has not ended.
    pub(super) fn is_running(&self) -> bool {
        !self.is_zombie
    }
}

/// A set of signals: signal N is bit N - 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SignalSet(pub(super) u64);

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
pub(super) struct SignalUse {
    /// The process's name, in at most 15 bytes.
    pub(super) name: String,
    pub(super) blocked: SignalSet,
    pub(super) ignored: SignalSet,
    pub(super) caught: SignalSet,
}

#[cfg(target_os = "linux")]
mod system {
    use std::ffi::OsStr;

    use procfs::process::{self, Stat};
    use rustix::process::Pid;

    use super::{Process, SignalSet, SignalUse};

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
    pub(in crate::process) fn signals(pid: Option<Pid>) -> Option<SignalUse> {
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

    use rustix::process::Pid;

    use super::{Process, SignalUse};

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

    pub(in crate::process) fn signals(_pid: Option<Pid>) -> Option<SignalUse> {
        None
    }

    pub(in crate::process) fn all_processes() -> Vec<Process> {
        Vec::new()
    }
}
