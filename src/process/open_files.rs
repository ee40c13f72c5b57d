//! Open files: how many this program may have, and those that it inherited.

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

/// The limit on open files that a program that is started must be given back.
pub(super) fn inherited_open_files() -> Option<Rlimit> {
    INHERITED_OPEN_FILES.get().copied()
}

/// Keeps every open file but the three standard streams from the programs that are started from now
/// on. What this program opens itself is kept from them already; this is about what it inherited, such
/// as a lock that a batch script holds and that a background process must not hold on to. The
/// reference closes these files too.
///
/// Does nothing where the system has no such call: Linux before 5.11, other systems.
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
