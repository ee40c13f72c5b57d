//! What a program that is started inherits from this one: its end with this process, how many files it may
//! open, and none of those that are open.

use std::io::PipeWriter;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::error::ProcessError;
use super::limits::ENOUGH_OPEN_FILES;

/// The least limit on open files with which a run with a local store works.
const LEAST_OPEN_FILES: u64 = 13;
/// The limit on open files before this program has raised it.
static INHERITED_OPEN_FILES: OnceLock<Rlimit> = OnceLock::new();

/// Raises a low limit on open files as far as this process may. Programs that are started by this module
/// get the limit back that this one was started with.
///
/// # Errors
/// The limit cannot be raised to what this program needs.
pub(crate) fn raise_open_files() -> Result<(), ProcessError> {
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|current| *current < ENOUGH_OPEN_FILES) else {
        return Ok(());
    };
    let raised = limit
        .maximum
        .map_or(ENOUGH_OPEN_FILES, |maximum| maximum.min(ENOUGH_OPEN_FILES));
    if raised > current {
        let new = Rlimit {
            current: Some(raised),
            maximum: limit.maximum,
        };
        if setrlimit(Resource::Nofile, new).is_ok() {
            let _ = INHERITED_OPEN_FILES.set(limit);
        }
    }
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < LEAST_OPEN_FILES => Err(ProcessError::TooFewOpenFiles { limit }),
        _ => Ok(()),
    }
}

/// Keeps every open file but the three standard streams from the programs that are started from now
/// on. What this program opens itself is kept from them already; this is about what it inherited, such
/// as a lock that a batch script holds and that a background process must not hold on to. The
/// reference closes these files too.
///
/// Does nothing if the system has no such call: Linux before 5.11, other systems.
pub(super) fn keep_inherited_files() {
    #[cfg(target_os = "linux")]
    {
        const FIRST: libc::c_uint = 3;
        #[expect(
            unsafe_code,
            reason = "the call has no safe wrapper; it takes numbers and changes flags only"
        )]
        // SAFETY: no memory is passed. Files stay open and usable in this process.
        unsafe {
            libc::syscall(
                libc::SYS_close_range,
                FIRST,
                libc::c_uint::MAX,
                libc::CLOSE_RANGE_CLOEXEC,
            );
        }
    }
}

/// Lets the program end with this process, and says first on `guard` that it begins: `?` and its id, in a line.
#[cfg(target_os = "linux")]
pub(super) fn bind(command: &mut Command, guard: Option<PipeWriter>) {
    use std::io;
    use std::os::unix::process::CommandExt as _;

    use rustix::io::Errno;
    use rustix::path::DecInt;
    use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

    let parent = getpid();
    let open_files = INHERITED_OPEN_FILES.get().copied();
    let bind = move || {
        if let Some(guard) = &guard {
            let id = DecInt::new(getpid().as_raw_pid());
            let digits = id.as_bytes();
            let mut line = [b'\n'; 16];
            line[0] = b'?';
            line[1..=digits.len()].copy_from_slice(digits);
            // Nothing waits for a guard that does not read.
            let _ = rustix::io::write(guard, &line[..digits.len() + 2]);
        }
        if let Some(limit) = open_files {
            let _ = setrlimit(Resource::Nofile, limit);
        }
        // Not `SIGKILL`: the program may be another mlrun, which ends its own run then.
        let _ = set_parent_process_death_signal(Some(Signal::TERM));
        // The parent may have ended before it could be told of.
        if getppid() == Some(parent) {
            Ok(())
        } else {
            Err(io::Error::from(Errno::SRCH))
        }
    };
    #[expect(
        unsafe_code,
        reason = "no safe way leads between fork and exec; the closure makes system calls only"
    )]
    // SAFETY: the closure allocates nothing, takes no lock and touches no memory but its own.
    unsafe {
        command.pre_exec(bind);
    }
}

/// This system has nothing of the kind.
#[cfg(not(target_os = "linux"))]
pub(super) fn bind(_command: &mut Command, _guard: Option<PipeWriter>) {}
