//! The limits that a shell or a batch queue sets for this process (`ulimit`), and what to say when one is
//! met: the system's own messages do not name them.

use std::fs::{self, File};
use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::quantity;

/// The limit on open files that this program sets for itself if it may.
pub(super) const ENOUGH_OPEN_FILES: u64 = 1024;

/// Where a limit on memory, in bytes, is what keeps a thread from being started.
const LITTLE_MEMORY: u64 = 1024 * 1024 * 1024;

/// No single write of a database is larger, in bytes.
const ONE_WRITE: u64 = 64 * 1024;

/// What to do about an error that a limit is behind.
pub(crate) fn limit_hint(error: &io::Error) -> Option<String> {
    if Errno::from_io_error(error) == Some(Errno::MFILE) {
        return Some(open_files_hint());
    }
    // An error that somebody has added a path to has a kind, but no number.
    match error.kind() {
        io::ErrorKind::FileTooLarge => file_size_hint(),
        io::ErrorKind::OutOfMemory => memory_hint(),
        _ => None,
    }
}

/// As [`limit_hint`], for a thread or process that could not be started: it lacks a place among the user's
/// processes, or its stack.
pub(crate) fn start_hint(error: &io::Error) -> Option<String> {
    if Errno::from_io_error(error) != Some(Errno::AGAIN) {
        return limit_hint(error);
    }
    let memory = getrlimit(Resource::As).current;
    if memory.is_some_and(|limit| limit < LITTLE_MEMORY) {
        return memory_hint();
    }
    let limit = getrlimit(Resource::Nproc).current?;
    Some(format!(
        "the limit on processes and threads is {limit}; raise it with `ulimit -u 4096`"
    ))
}

fn memory_hint() -> Option<String> {
    bytes_hint("memory", Resource::As, "ulimit -v unlimited")
}

fn file_size_hint() -> Option<String> {
    bytes_hint("file size", Resource::Fsize, "ulimit -f unlimited")
}

fn bytes_hint(what: &str, resource: Resource, call: &str) -> Option<String> {
    let limit = quantity::size(getrlimit(resource).current?);
    Some(format!("the limit on {what} is {limit}; raise it with `{call}`"))
}

/// What to do when no further file can be opened; `None` if one can.
pub(crate) fn open_files_exhausted() -> Option<String> {
    let error = File::open("/dev/null").err()?;
    (Errno::from_io_error(&error) == Some(Errno::MFILE)).then(open_files_hint)
}

/// What to do when a file cannot grow as a database needs it; `None` if no open file has come near its limit.
pub(crate) fn file_size_exhausted() -> Option<String> {
    let limit = getrlimit(Resource::Fsize).current?;
    let is_near = |file: fs::DirEntry| {
        let metadata = fs::metadata(file.path()).ok().filter(fs::Metadata::is_file);
        metadata.is_some_and(|metadata| metadata.len().saturating_add(ONE_WRITE) > limit)
    };
    let mut open_files = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    open_files.any(is_near).then(file_size_hint).flatten()
}

fn open_files_hint() -> String {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or_default();
    format!("the limit on open files is {limit}; raise it with `ulimit -n {ENOUGH_OPEN_FILES}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_on_open_files_is_named() {
        let limit = getrlimit(Resource::Nofile).current.unwrap();
        let hint = limit_hint(&Errno::MFILE.into()).unwrap();
        assert_eq!(
            hint,
            format!("the limit on open files is {limit}; raise it with `ulimit -n 1024`")
        );
        assert_eq!(limit_hint(&Errno::NOENT.into()), None);
        assert_eq!(open_files_exhausted(), None);
    }
}
