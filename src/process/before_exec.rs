//! What a child does between its start and the program that it becomes.

use std::io::PipeWriter;
use std::process::Command;

/// Lets the program end with this process, and says first on `guard` that it begins: `?` and its id, in a line.
#[cfg(target_os = "linux")]
pub(super) fn bind(command: &mut Command, guard: Option<PipeWriter>) {
    use std::io;
    use std::os::unix::process::CommandExt as _;

    use rustix::io::Errno;
    use rustix::path::DecInt;
    use rustix::process::{Resource, Signal, getpid, getppid, set_parent_process_death_signal, setrlimit};

    let parent = getpid();
    let open_files = super::open_files::inherited_open_files();
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
