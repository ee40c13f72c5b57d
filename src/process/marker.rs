//! The mark of the processes that a process has started, and the end of what it left behind.
//!
//! Every program that mlrun starts has a variable that tells which process that was, and all that the
//! program starts inherits it. By it they are found after that process was killed, when nothing else leads
//! to them any more.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid};

use super::proc::{Process, has_variable, signal_process};
use super::tree;
use crate::env_vars::MLRUN_PROCESS;

/// How long what is left may take to end after `SIGTERM`. Less than [`DEFAULT_GRACE`](super::DEFAULT_GRACE):
/// nobody waits for it any more.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait for processes that not even `SIGKILL` ends.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// How often in a row nothing may be found before all is taken to be gone: a process that has just been
/// started has its variables a moment later.
const LOOKS: u32 = 3;

/// How long to wait between two looks.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

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
        let mut found: Vec<i32> = self
            .find()
            .iter()
            .map(|process| process.id.as_raw_pid())
            .collect();
        found.sort_unstable();
        found
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
