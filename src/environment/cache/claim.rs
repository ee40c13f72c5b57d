//! Claims: files that say which process holds something, kept fresh for as long as it does.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
use rustix::io::Errno;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::process::{boot_id, host_name, pid_namespace, start_of};

const HEARTBEAT: Duration = Duration::from_secs(2);
/// A claim of another machine that has not been touched for so long is abandoned.
const ABANDONED_AFTER: Duration = Duration::from_secs(30);

/// A process, and what it does it for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    /// The machine's name, for a person.
    host: String,
    /// The machine since it was started last, as far as process ids go: containers differ.
    machine: String,
    pid: i32,
    /// When the process began, in the system's own count. Process ids are used again.
    start: Option<u64>,
    project: String,
    /// Tells two claims of one process apart.
    nonce: String,
}

impl Owner {
    /// This process, with a new claim.
    pub(super) fn this_process(project: &str) -> Self {
        let pid = rustix::process::getpid();
        Self {
            host: host_name(),
            machine: machine(),
            pid: pid.as_raw_nonzero().get(),
            start: start_of(pid.as_raw_pid()),
            project: project.to_owned(),
            nonce: uuid::Uuid::new_v4().simple().to_string(),
        }
    }

    /// Whoever wrote a claim that cannot be read.
    fn unknown() -> Self {
        Self {
            host: "an unknown host".to_owned(),
            machine: String::new(),
            pid: 0,
            start: None,
            project: String::new(),
            nonce: String::new(),
        }
    }

    /// A name for the claim's file that no other claim has.
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}", self.pid, self.nonce)
    }

    /// Whether the process is running. Nothing is known about processes of other machines.
    pub(super) fn is_running(&self) -> Option<bool> {
        if self.machine != machine() {
            return None;
        }
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Some(false);
        };
        if rustix::process::test_kill_process(pid) == Err(Errno::SRCH) {
            return Some(false);
        }
        // The start is not known of every process: some systems hide those of other users.
        let is_same =
            self.start.is_none() || start_of(self.pid).is_none_or(|start| Some(start) == self.start);
        Some(is_same)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pid {} on '{}', project '{}'",
            self.pid, self.host, self.project
        )
    }
}

fn machine() -> String {
    let boot = boot_id().unwrap_or_default();
    format!("{} {boot} {}", host_name(), pid_namespace().unwrap_or_default())
}

/// A claim of this process. It ends with this value.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    owner: Owner,
    lost: Arc<Notify>,
    /// The heartbeat goes on until this is dropped.
    _heartbeat: Sender<()>,
}

/// What is known about a claim.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Free,
    /// Its process is there.
    Held(Owner),
    /// Its process is gone, or has not been heard of for long. No owner: the file cannot be read.
    Abandoned(Option<Owner>),
}

impl Claim {
    /// Makes the claim, unless there is one already. The directory must exist.
    pub(super) fn take(path: &Path, owner: Owner) -> io::Result<Option<Self>> {
        // Written whole first and named then, so that nobody finds a claim without an owner.
        let directory = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(".claim-")
            .tempfile_in(directory)?;
        file.write_all(&serde_json::to_vec(&owner)?)?;
        match file.persist_noclobber(path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(error.error),
        }
        let lost = Arc::new(Notify::new());
        let heartbeat = keep_fresh(path.to_owned(), owner.clone(), Arc::clone(&lost))?;
        Ok(Some(Self {
            path: path.to_owned(),
            owner,
            lost,
            _heartbeat: heartbeat,
        }))
    }

    /// Whether the file still is this claim.
    pub(super) fn is_held(&self) -> bool {
        owner_of(&self.path).is_ok_and(|owner| owner.as_ref() == Some(&self.owner))
    }

    /// Waits until another process has taken the claim away.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.is_held() {
            // One that stays is found to be abandoned.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Touches a claim from a thread of its own, so that nothing else that goes on can hold it up.
fn keep_fresh(path: PathBuf, owner: Owner, lost: Arc<Notify>) -> io::Result<Sender<()>> {
    let (end, ended) = channel::<()>();
    std::thread::Builder::new()
        .name("heartbeat".to_owned())
        .spawn(move || {
            while ended.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                match owner_of(&path) {
                    // A network that fails for a moment does not take the claim away.
                    Err(_) => {}
                    Ok(Some(current)) if current == owner => {
                        if let Err(error) = touch(&path) {
                            tracing::debug!(path = %path.display(), %error, "a claim cannot be touched");
                        }
                    }
                    Ok(_) => {
                        lost.notify_one();
                        return;
                    }
                }
            }
        })?;
    Ok(end)
}

pub(super) fn standing(path: &Path) -> io::Result<Standing> {
    let free_if_gone = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(Standing::Free),
        _ => Err(error),
    };
    let owner = match fs::read(path) {
        Ok(text) => serde_json::from_slice::<Owner>(&text).ok(),
        Err(error) => return free_if_gone(error),
    };
    let is_abandoned = match owner.as_ref().and_then(Owner::is_running) {
        Some(is_running) => !is_running,
        None => match age(path) {
            Ok(age) => age > ABANDONED_AFTER,
            Err(error) => return free_if_gone(error),
        },
    };
    Ok(if is_abandoned {
        Standing::Abandoned(owner)
    } else {
        Standing::Held(owner.unwrap_or_else(Owner::unknown))
    })
}

/// Takes away an abandoned claim, and no other. Whether this process has done it.
///
/// Between the look at a claim and its removal another process may have removed it too and made its
/// own. So the file is first given a name that nobody else uses, and given back if it is not the
/// one that was meant. Should a third process have made a claim in that moment, the owner of the one
/// that was given back finds out by its heartbeat.
pub(super) fn break_abandoned(path: &Path, abandoned: Option<&Owner>) -> io::Result<bool> {
    let name = format!(".broken-{}", uuid::Uuid::new_v4().simple());
    let aside = path.with_file_name(name);
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        renamed => renamed?,
    }
    let is_meant = owner_of(&aside)?.as_ref() == abandoned;
    if !is_meant {
        // Fails if there is a new claim.
        let _ = fs::hard_link(&aside, path);
    }
    fs::remove_file(&aside)?;
    Ok(is_meant)
}

/// The owner that a claim's file names; nothing if there is no file or no owner in it.
fn owner_of(path: &Path) -> io::Result<Option<Owner>> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives a file the file system's present time. On a network it is the server's, and the clocks of the
/// machines may differ from it and from each other.
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

/// How long ago a file was last touched. Nothing if that cannot be told, since the directory may
/// not be written to; then the machine's own clock has to do.
fn age(file: &Path) -> io::Result<Duration> {
    // Opening makes network file systems ask the server.
    let touched = fs::File::open(file)?.metadata()?.modified()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_id_and_start() {
        let this = Owner::this_process("p");
        assert_eq!(this.is_running(), Some(true));
        let later = Owner {
            start: this.start.map(|start| start + 1),
            ..this.clone()
        };
        assert_eq!(later.is_running(), Some(this.start.is_none()));
        let elsewhere = Owner {
            machine: "another".to_owned(),
            ..this.clone()
        };
        assert_eq!(elsewhere.is_running(), None);

        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        assert_eq!(Owner { pid, ..this }.is_running(), Some(false));
    }
}
