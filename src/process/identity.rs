//! Finding a process again from another program, also after its id has gone to another process.

use std::fmt;
use std::io;

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use super::marker::{LeftBehind, Marker};
use super::proc::{Termination, boot_id, pid_namespace, signal_process, start_of};

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
    /// Which process this one is; `None` where the system does not tell (all but Linux).
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

    /// Reads the value of the tag; `None` where it is something else.
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
