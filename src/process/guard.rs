//! The guard: a small process that ends what this one has started if this one is killed.
//!
//! `SIGKILL` gives a process no time for anything. The kernel can tell its children of its end
//! (`PR_SET_PDEATHSIG`), but not theirs. So this program starts itself once more, as a guard that reads a
//! pipe: it is told which groups of processes there are, and when the pipe ends without the guard having
//! been dismissed, it ends them and all that bears this process's [marker](Marker).
//!
//! The guard has a group and a name of its own, no variables and none of this process's streams, so that
//! whatever hits mlrun does not hit it too.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, BufRead, BufReader, PipeWriter, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;

use nix::sys::signal::SigSet;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::identity::{BETWEEN_LOOKS, LeftBehind, Marker, ProcessIdentity};
use super::inherited;
use crate::env_vars::MLRUN_PROCESS;

/// The name by which this program is called as a guard. Not that of mlrun: a `pkill -9 mlrun` must leave
/// the guards.
const NAME: &str = "run-guard";
/// This program, whatever has become of its file.
const THIS_PROGRAM: &str = "/proc/self/exe";

static GUARD: Mutex<Guard> = Mutex::new(Guard::NotWanted);

/// The state of this process's guard.
#[derive(Debug)]
enum Guard {
    /// Children may outlive this process.
    NotWanted,
    /// It is started with the first child.
    Wanted(Marker),
    /// It reads what is written.
    Running(Marker, Pid, PipeWriter),
    /// It could not be started, or has ended.
    Failed(Marker),
}

/// Makes everything that this process starts from now on end with it, however it ends. For programs that are
/// mlrun itself: their `main` calls [`guard_main`] first and [`dismiss_guard`] last.
pub(crate) fn guard_children() {
    let Some(marker) = ProcessIdentity::own().map(|identity| identity.marker()) else {
        // Not a Linux.
        return;
    };
    let mut guard = guard();
    if let Guard::NotWanted = *guard {
        *guard = Guard::Wanted(marker);
    }
}

/// Ends the guard, and with it the threat to what this process leaves running on purpose.
pub fn dismiss_guard() {
    if let Guard::Running(_, process, _) = std::mem::replace(&mut *guard(), Guard::NotWanted) {
        let _ = kill_process(process, Signal::KILL);
        // If this process is the first one of a container, no other process collects it.
        let _ = waitpid(Some(process), WaitOptions::empty());
    }
}

/// Gives a program that is about to be started the mark of this process, and lets it end with this one.
/// Gives the guard's process if that had to be started.
pub(super) fn bind(command: &mut Command) -> Option<Pid> {
    let mut guard = guard();
    let started = guard.start();
    let pipe = match &*guard {
        Guard::Running(_, _, pipe) => pipe.try_clone().ok(),
        _ => None,
    };
    if let Guard::Running(marker, ..) | Guard::Failed(marker) = &*guard {
        command.env(MLRUN_PROCESS, marker.value());
        inherited::bind(command, pipe);
    }
    started
}

/// Tells the guard of the group that a program leads. The program has told it itself before it began, but
/// whether it began is known only now.
pub(super) fn add(leader: Pid) {
    guard().tell(format_args!("+{leader}"));
}

/// Tells the guard that the program which was to begin last has not.
pub(super) fn add_none() {
    guard().tell(format_args!("!"));
}

/// Tells the guard that a group's leader has ended: what it has left in the background stays.
pub(super) fn remove(leader: Pid) {
    guard().tell(format_args!("-{leader}"));
}

impl Guard {
    fn start(&mut self) -> Option<Pid> {
        let Self::Wanted(marker) = self else {
            return None;
        };
        let marker = marker.clone();
        match start(&marker) {
            Ok((process, pipe)) => {
                *self = Self::Running(marker, process, pipe);
                Some(process)
            }
            Err(error) => {
                tracing::debug!(%error, "no guard");
                *self = Self::Failed(marker);
                None
            }
        }
    }

    fn tell(&mut self, line: fmt::Arguments<'_>) {
        if let Self::Running(marker, _, pipe) = self
            && writeln!(pipe, "{line}").is_err()
        {
            *self = Self::Failed(marker.clone());
        }
    }
}

fn start(marker: &Marker) -> io::Result<(Pid, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    // Nothing waits for a guard that does not read.
    rustix::io::ioctl_fionbio(&writer, true)?;
    let guard = Command::new(THIS_PROGRAM)
        .arg0(NAME)
        .arg(marker.value())
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(reader)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok((Pid::from_child(&guard), writer))
}

fn guard() -> MutexGuard<'static, Guard> {
    // Every change is whole.
    GUARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does a guard's work if this program was called as one; `None` if it was not.
pub fn guard_main(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    if arguments.next().as_deref() != Some(OsStr::new(NAME)) {
        return None;
    }
    let marker = Marker::parse(arguments.next()?.to_str()?)?;
    // Whoever kills a tree of processes, or a session, must not kill its guard.
    let _ = SigSet::all().thread_block();
    let groups = groups_at_the_end(io::stdin().lock());
    let mut left = LeftBehind::new(marker, groups);
    while !left.end() {
        sleep(BETWEEN_LOOKS);
    }
    Some(ExitCode::SUCCESS)
}

/// The groups whose leaders had not ended when the pipe did.
fn groups_at_the_end(pipe: impl Read) -> Vec<Pid> {
    let mut groups = Vec::new();
    // The one that has begun while this process was killed.
    let mut beginning = None;
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        let id = line.get(1..).and_then(|id| id.parse().ok());
        let leader = id.and_then(Pid::from_raw);
        match (line.as_bytes().first(), leader) {
            (Some(b'?'), _) => beginning = leader,
            (Some(b'+'), Some(leader)) => {
                groups.push(leader);
                beginning = None;
            }
            (Some(b'-'), Some(leader)) => groups.retain(|group| *group != leader),
            _ => beginning = None,
        }
    }
    groups.extend(beginning);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_begun_counts_before_it_is_known() {
        for (told, expected) in [
            ("", &[][..]),
            ("?5\n", &[5]),
            ("?5\n!\n", &[]),
            ("?5\n+5\n?6\n", &[5, 6]),
            ("?5\n+5\n?6\n!\n", &[5]),
            ("?5\n+5\n?6\n+6\n-5\n", &[6]),
            ("+5\n?6\n-5\n", &[6]),
            ("+5\nx\n?y\n", &[5]),
        ] {
            let groups = groups_at_the_end(told.as_bytes());
            let groups: Vec<i32> = groups.iter().map(|group| group.as_raw_pid()).collect();
            assert_eq!(groups, expected, "{told:?}");
        }
    }
}
