//! Finding a process again from another program, also after its id has gone to another process, and what it has
//! left behind.
//!
//! Every program that mlrun starts has a variable that names this mlrun process, and everything that the program
//! starts inherits it. It is how they are found after mlrun was killed.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid};
use serde::{Deserialize, Serialize};

use super::proc::{Process, Termination, boot_id, has_variable, pid_namespace, signal_process, start_of};
use super::tree;
use crate::env_vars::MLRUN_PROCESS;

/// How long what is left may take to end after `SIGTERM`. Less than [`DEFAULT_GRACE`](super::DEFAULT_GRACE):
/// it is no longer waited for.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait for processes that not even `SIGKILL` ends.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// How often in a row nothing may be found before all is taken to be gone: a process that has just been
/// started has its variables a moment later.
const LOOKS: u32 = 3;

/// How long to wait between two looks.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Which process of which machine it is. A process id alone says little: ids come round again, and
/// home directories and tracking stores are shared between machines and containers.
///
/// As JSON it is the value of the tag [`PROJECT_PROCESS`](crate::entities::tag::PROJECT_PROCESS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The machine's name.
    host: String,
    /// The process's id.
    pid: i32,
    /// When it started, in clock ticks since the machine did.
    start: u64,
    /// The machine's start: a new random id each time.
    boot: String,
    /// Which set of process ids the id is of: containers have their own.
    namespace: String,
}

/// Where a process is, seen from this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// It runs on this machine.
    Here,
    /// It was on this machine, and has ended.
    Gone,
    /// It is or was on another machine, or in a container apart from this program.
    Elsewhere,
}

impl ProcessIdentity {
    /// The identity of this process; `None` if the system does not provide it (all but Linux).
    pub fn own() -> Option<Self> {
        let pid = rustix::process::getpid().as_raw_pid();
        Some(Self {
            host: host_name(),
            pid,
            start: start_of(pid)?,
            boot: boot_id()?,
            namespace: pid_namespace()?,
        })
    }

    /// Reads the value of the tag; `None` if it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The value of the tag.
    pub fn to_tag(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can be written as JSON")
    }

    /// The machine's name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The process's id on its machine.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Looks where the process is.
    pub fn whereabouts(&self) -> Whereabouts {
        let (Some(boot), Some(namespace)) = (boot_id(), pid_namespace()) else {
            return Whereabouts::Elsewhere;
        };
        if boot != self.boot {
            // A machine that started anew has ended all that ran before.
            return if host_name() == self.host {
                Whereabouts::Gone
            } else {
                Whereabouts::Elsewhere
            };
        }
        if namespace != self.namespace {
            return Whereabouts::Elsewhere;
        }
        if start_of(self.pid) == Some(self.start) {
            Whereabouts::Here
        } else {
            Whereabouts::Gone
        }
    }

    /// Sends `SIGTERM` to the process, and to no other: what is signalled is held by a file
    /// descriptor, which cannot come to mean another process.
    ///
    /// # Errors
    /// The system refuses for a reason of its own.
    pub fn terminate(&self) -> io::Result<Termination> {
        match Pid::from_raw(self.pid) {
            Some(pid) if self.whereabouts() == Whereabouts::Here => {
                signal_process(pid, self.start, Signal::TERM)
            }
            _ => Ok(Termination::Gone),
        }
    }

    /// What the process has left behind, if it was one of this machine and is gone.
    pub fn left_behind(&self) -> Option<LeftBehind> {
        let is_of_this_machine =
            boot_id().as_ref() == Some(&self.boot) && pid_namespace().as_ref() == Some(&self.namespace);
        (is_of_this_machine && self.whereabouts() == Whereabouts::Gone)
            .then(|| LeftBehind::new(self.marker(), Vec::new()))
    }

    /// The mark of what the process starts.
    pub(super) fn marker(&self) -> Marker {
        Marker::new(self.pid, self.start)
    }
}

impl fmt::Display for ProcessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.pid, self.host)
    }
}

/// This machine's name.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The variable's value in what a process has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker(String);

impl Marker {
    /// The marker of the process with this id and start.
    pub(super) fn new(pid: i32, start: u64) -> Self {
        Self(format!("{pid}:{start}"))
    }

    /// Reads a variable's value.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (pid, start) = text.split_once(':')?;
        Some(Self::new(pid.parse().ok()?, start.parse().ok()?))
    }

    /// The variable's value.
    pub(super) fn value(&self) -> &str {
        &self.0
    }

    /// Whether the process was given this marker.
    fn is_on(&self, process: Pid) -> bool {
        has_variable(process, MLRUN_PROCESS, &self.0)
    }
}

/// What a process that is gone has left behind, until it is ended.
#[derive(Debug)]
pub struct LeftBehind {
    marker: Marker,
    /// The groups that the process had made, by the ids of their leaders.
    groups: Vec<Pid>,
    /// Those that need no `SIGTERM`, or have had it.
    asked: HashSet<Pid>,
    continued: HashSet<Pid>,
    begun: Instant,
    looks_in_vain: u32,
}

impl LeftBehind {
    pub(super) fn new(marker: Marker, groups: Vec<Pid>) -> Self {
        Self {
            marker,
            // The system itself has sent it to the leaders when their parent ended.
            asked: groups.iter().copied().collect(),
            groups,
            continued: HashSet::new(),
            begun: Instant::now(),
            looks_in_vain: 0,
        }
    }

    /// The processes that are there now, in the order of their ids.
    pub fn processes(&self) -> Vec<i32> {
        let found = self.find();
        let mut ids: Vec<i32> = found.iter().map(|process| process.id.as_raw_pid()).collect();
        ids.sort_unstable();
        ids
    }

    /// Asks every process to end that has not been asked yet, and kills those that had their time. To be
    /// called until it gives `true`, with [`BETWEEN_LOOKS`] in between: then nothing is left, or nothing
    /// that could be ended.
    pub fn end(&mut self) -> bool {
        let found = self.find();
        if found.is_empty() {
            self.looks_in_vain += 1;
            return self.looks_in_vain >= LOOKS;
        }
        self.looks_in_vain = 0;
        let is_over = self.begun.elapsed() > GRACE;
        for process in &found {
            if is_over {
                signal(process, Signal::KILL);
                continue;
            }
            if self.asked.insert(process.id) {
                signal(process, Signal::TERM);
            }
            if self.continued.insert(process.id) {
                // A stopped process gets the other one only when it goes on.
                signal(process, Signal::CONT);
            }
        }
        self.begun.elapsed() > GRACE + KILL_PATIENCE
    }

    /// The processes below the groups' leaders or in the groups, and those with the marker.
    fn find(&self) -> Vec<Process> {
        let this = getpid();
        let all = tree::all();
        let mut found: HashSet<Process> = HashSet::new();
        for group in &self.groups {
            found.extend(tree::of_group(*group, &all));
        }
        found.extend(all.iter().filter(|process| self.marker.is_on(process.id)));
        found.retain(|process| !process.is_zombie && process.id != this);
        found.into_iter().collect()
    }
}

/// Sends a signal to a process that was found. Gone already is as good, and nothing can be done about what
/// belongs to another user.
fn signal(process: &Process, signal: Signal) {
    let _ = signal_process(process.id, process.start, signal);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> ProcessIdentity {
        ProcessIdentity::own().unwrap()
    }

    #[test]
    fn this_process_is_here() {
        let identity = own();
        assert_eq!(identity.whereabouts(), Whereabouts::Here);
        assert_eq!(ProcessIdentity::parse(&identity.to_tag()), Some(identity));
        assert_eq!(ProcessIdentity::parse("12 on node"), None);
    }

    #[test]
    fn another_process_with_the_id_is_not_it() {
        let text = |text: &str| text.to_owned();
        for (changed, expected) in [
            (ProcessIdentity { start: 1, ..own() }, Whereabouts::Gone),
            (ProcessIdentity { pid: 0, ..own() }, Whereabouts::Gone),
            (
                ProcessIdentity {
                    boot: text("x"),
                    ..own()
                },
                Whereabouts::Gone,
            ),
            (
                ProcessIdentity {
                    boot: text("x"),
                    host: text("x"),
                    ..own()
                },
                Whereabouts::Elsewhere,
            ),
            (
                ProcessIdentity {
                    namespace: text("x"),
                    ..own()
                },
                Whereabouts::Elsewhere,
            ),
        ] {
            assert_eq!(changed.whereabouts(), expected, "{changed:?}");
            // Were this process signalled, the test would end.
            assert_eq!(changed.terminate().unwrap(), Termination::Gone);
        }
    }
}
