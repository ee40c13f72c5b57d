//! The time as the file system has it. On a network it is the server's, and the clocks of the
//! machines may differ from it and from each other.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};

/// Gives a file the file system's present time.
pub(super) fn touch(file: &Path) -> io::Result<()> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    Ok(utimensat(CWD, file, &times, AtFlags::empty())?)
}

/// How long ago a file was last touched. Nothing where that cannot be told, since the directory may
/// not be written to; then the machine's own clock has to do.
pub(super) fn age(file: &Path) -> io::Result<Duration> {
    // Opening makes network file systems ask the server.
    let touched = std::fs::File::open(file)?.metadata()?.modified()?;
    let now = now(file.parent().unwrap_or(Path::new("."))).unwrap_or_else(|_| SystemTime::now());
    Ok(now.duration_since(touched).unwrap_or_default())
}

fn now(directory: &Path) -> io::Result<SystemTime> {
    let probe = tempfile::Builder::new()
        .prefix(".clock-")
        .tempfile_in(directory)?;
    touch(probe.path())?;
    probe.path().metadata()?.modified()
}
