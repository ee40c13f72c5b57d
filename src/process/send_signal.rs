//! A signal to one process, and to no other that has its id by now.

use std::io;

use rustix::process::{Pid, Signal};

#[cfg(target_os = "linux")]
use super::proc::start_of;

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

/// Sends a signal to the process that has this id since this start, and to no other: what is signalled is
/// held by a file descriptor, which cannot come to mean another process.
#[cfg(target_os = "linux")]
pub(super) fn signal_process(pid: Pid, start: u64, signal: Signal) -> io::Result<Termination> {
    use rustix::io::Errno;
    use rustix::process::{PidfdFlags, kill_process, pidfd_open, pidfd_send_signal};

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

/// This system does not say which process has an id.
#[cfg(not(target_os = "linux"))]
pub(super) fn signal_process(_pid: Pid, _start: u64, _signal: Signal) -> io::Result<Termination> {
    Ok(Termination::Gone)
}
