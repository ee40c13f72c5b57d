//! What a child does between its start and the program that it becomes.

use std::process::Command;

#[cfg(target_os = "linux")]
pub(super) fn bind(command: &mut Command) {
    use std::io;
    use std::os::unix::process::CommandExt as _;

    use rustix::io::Errno;
    use rustix::process::{Resource, Signal, getpid, getppid, set_parent_process_death_signal, setrlimit};

    let parent = getpid();
    let open_files = super::open_files::inherited_open_files();
    let bind = move || {
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
pub(super) fn bind(_command: &mut Command) {}
