//! The process that a claim belongs to.

use std::fmt;

use rustix::io::Errno;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::process::{boot_id, host_name, pid_namespace, start_of};

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
    /// The project that it runs.
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
    pub(super) fn unknown() -> Self {
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
            "process {} on '{}' (project '{}')",
            self.pid, self.host, self.project
        )
    }
}

fn machine() -> String {
    let boot = boot_id().unwrap_or_default();
    format!("{} {boot} {}", host_name(), pid_namespace().unwrap_or_default())
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
