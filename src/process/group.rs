//! A program that runs in its own process group, and the wait for its end.

use std::collections::HashSet;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::time::timeout;

use super::children::{self, State};
use super::exit::{Interruptible, ProgramExit, TerminationSignal};
use super::proc::Process;
use super::signals::{Event, Signals};
use super::terminal::Terminal;
use super::tree;

/// How long a tree that was asked to end may take for it, unless
/// [`ProcessGroup::with_grace`] says otherwise. Well below the 30 seconds after which batch systems
/// and Kubernetes kill, so that the end can still be recorded.
pub(crate) const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// How long this program waits for a signal of its own after one has ended the program it runs.
pub(crate) const OWN_SIGNAL_DELAY: Duration = Duration::from_millis(250);

/// How a program ended: by itself, in which case processes that it left in the background keep running; or by a
/// signal to this program or Ctrl-C on its terminal, after which nothing of its tree is left.
pub type Ended = Interruptible<ProgramExit>;

/// A program in its own process group, and the tree of processes below it. Dropping it before its
/// end kills the tree.
#[derive(Debug)]
pub struct ProcessGroup {
    /// The program; its id is the group's too.
    pub(super) leader: Pid,
    /// How the leader ended.
    pub(super) exit: Option<ProgramExit>,
    /// Children that do not belong to the program.
    pub(super) strangers: Vec<Pid>,
    pub(super) terminal: Terminal,
    /// The program had the terminal before this process stopped.
    pub(super) wants_terminal_back: bool,
    pub(super) grace: Duration,
}

impl ProcessGroup {
    pub(super) fn new(leader: Pid, strangers: Vec<Pid>) -> Self {
        Self {
            leader,
            exit: None,
            strangers,
            terminal: Terminal::default(),
            wants_terminal_back: false,
            grace: DEFAULT_GRACE,
        }
    }

    /// Sets how long the tree may take to end after `SIGTERM`.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The process id of the program, which is the group's id too.
    pub fn id(&self) -> i32 {
        self.leader.as_raw_pid()
    }

    /// Waits for the program's end. A termination signal in the meantime ends its whole tree.
    pub async fn wait(&mut self, signals: &mut Signals) -> Ended {
        let ended = self.wait_or_signal(signals).await;
        if let Ended::Interrupted(_) = ended {
            self.end(signals).await;
        }
        ended
    }

    /// As [`wait`](Self::wait), but a termination signal ends nothing: the caller does, at last by
    /// [`end`](Self::end). For programs whose work is done elsewhere.
    pub async fn wait_or_signal(&mut self, signals: &mut Signals) -> Ended {
        signals.begin_program().await;
        loop {
            match self.observe() {
                State::Ended(exit) => return self.after_exit(exit, signals).await,
                State::Stopped(signal) => self.on_stop(signal, signals).await,
                State::Running => {}
            }
            match signals.event().await {
                Event::Termination(signal) => return Ended::Interrupted(signal),
                Event::Child => {}
                Event::Forward(signal) => self.signal_group(signal),
                Event::Stop => self.suspend(),
                Event::Continue => self.resume(),
            }
        }
    }

    /// Ends the tree as [`wait`](Self::wait) does after a termination signal.
    pub async fn end(&mut self, signals: &mut Signals) {
        self.end_tree(signals).await;
        self.terminal.take_back(true);
    }

    /// Looks how the leader is, and collects the children that have ended.
    pub(super) fn observe(&mut self) -> State {
        if let Some(exit) = self.exit {
            children::collect();
            return State::Ended(exit);
        }
        let state = children::state(self.leader);
        if let State::Ended(exit) = state {
            self.exit = Some(exit);
        }
        children::collect();
        state
    }

    /// Decides whether the end of the leader was the end of the run's work or an interruption.
    async fn after_exit(&mut self, exit: ProgramExit, signals: &mut Signals) -> Ended {
        let signal = match termination_behind(exit) {
            Some(signal)
                if self.terminal.is_handed_over() && exit == ProgramExit::Signal(signal.number()) =>
            {
                Some(signal)
            }
            Some(_) => timeout(OWN_SIGNAL_DELAY, signals.next()).await.ok(),
            None => None,
        };
        self.terminal.take_back(matches!(exit, ProgramExit::Signal(_)));
        match signal {
            Some(signal) => Ended::Interrupted(signal),
            None => Ended::Done(exit),
        }
    }

    /// Sends a signal to the group. A group that is gone needs none.
    pub(super) fn signal_group(&self, signal: Signal) {
        // Once the leader has been waited for, its id may become another process's.
        if self.exit.is_none() {
            let _ = kill_process_group(self.leader, signal);
        }
    }

    /// The processes of the tree that have not ended, if the system lists them.
    pub(super) fn members(&self) -> Vec<Process> {
        if !children::owns_all() {
            return tree::members_of(self.leader);
        }
        tree::descendants(|child| {
            self.strangers.contains(&child) || (child != self.leader && children::is_program(child))
        })
    }

    /// Sends a signal to everything in the group and to what has left it.
    pub(super) fn signal_tree(&self, signal: Signal) -> Signalled {
        // Listed first: the group's end turns its children into orphans.
        let members = self.members();
        self.signal_group(signal);
        let is_reached = |process: &Process| self.exit.is_none() && process.group == Some(self.leader);
        let (in_group, outside): (Vec<_>, Vec<_>) = members.into_iter().partition(is_reached);
        for process in &outside {
            let _ = kill_process(process.id, signal);
        }
        // Without a list, what is left of the group is all that can be reached.
        if self.exit.is_some() && cfg!(not(target_os = "linux")) {
            let _ = kill_process_group(self.leader, signal);
        }
        let ids = |processes: Vec<Process>| processes.into_iter().map(|process| process.id).collect();
        Signalled {
            in_group: ids(in_group),
            outside: ids(outside),
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if self.exit.is_none() {
            self.signal_tree(Signal::KILL);
            children::forget(self.leader);
            self.terminal.take_back(true);
        }
    }
}

/// The processes that a signal to the tree was sent to.
#[derive(Debug)]
pub(super) struct Signalled {
    /// Those that are reached by way of the group.
    pub(super) in_group: HashSet<Pid>,
    /// Those to which it was sent one by one.
    pub(super) outside: HashSet<Pid>,
}

/// The termination signal that may have caused an end: the one that killed the program, or the one
/// that killed a shell's last command.
fn termination_behind(exit: ProgramExit) -> Option<TerminationSignal> {
    match exit {
        ProgramExit::Signal(number) => TerminationSignal::usual(number),
        ProgramExit::Code(code) => TerminationSignal::usual(code - 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_by_termination_signals_are_recognised() {
        for (exit, expected) in [
            (ProgramExit::Signal(15), Some(TerminationSignal::Terminate)),
            (ProgramExit::Signal(2), Some(TerminationSignal::Interrupt)),
            (ProgramExit::Code(143), Some(TerminationSignal::Terminate)),
            (ProgramExit::Code(130), Some(TerminationSignal::Interrupt)),
            (ProgramExit::Signal(9), None),
            (ProgramExit::Code(137), None),
            (ProgramExit::Code(0), None),
            (ProgramExit::Code(15), None),
        ] {
            assert_eq!(termination_behind(exit), expected, "{exit}");
        }
    }
}
