//! The end of a process tree from outside: `SIGTERM`, a grace period, `SIGKILL`.

use std::collections::HashSet;
use std::future::pending;
use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process};
use tokio::time::{Instant, sleep, sleep_until};

use super::children;
use super::group::ProcessGroup;
use super::proc::{Process, ended_by, name_of};
use super::signals::{Event, SAME_REQUEST, Signals};
use crate::quantity;

/// How long to wait for processes that not even `SIGKILL` ends, such as those that hang in a dead
/// network file system.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait between two looks for orphans.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// Programs that run others.
const SHELLS: [&str; 3] = ["bash", "sh", "dash"];
/// How often to look if no signal reports the end of the group's last process, because orphans have another
/// parent.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long a tree that was asked to end may take before a person is told that it still runs.
const MOMENT: Duration = Duration::from_secs(1);

/// Waits for a moment, for what takes longer to end.
pub(crate) async fn moment() {
    sleep(MOMENT).await;
}

/// Says that something still runs a moment after it was asked to end, and when it will be killed. `them` is `it`
/// or `them`.
pub(crate) fn tell_still_running(what: &str, them: &str, grace: Duration) {
    let left = quantity::duration(grace.saturating_sub(MOMENT));
    let are = if them == "it" { "is" } else { "are" };
    if io::stderr().is_terminal() {
        tracing::warn!("{what} {are} still running; press Ctrl-C again to kill {them}, or wait {left}");
    } else {
        tracing::warn!("{what} {are} still running; mlrun will kill {them} in {left}");
    }
}

impl ProcessGroup {
    /// Ends the tree and returns when nothing of it is left, or only what cannot be ended.
    pub(super) async fn end_tree(&mut self, signals: &mut Signals) {
        let mut asked = self.signal_tree(Signal::TERM).outside;
        // A stopped process gets its SIGTERM only when it goes on.
        asked.extend(self.signal_tree(Signal::CONT).in_group);
        let orphans = Orphans::new(asked);
        if !self.has_ended_within_grace(signals, orphans).await {
            self.kill_tree(signals).await;
        }
    }

    async fn has_ended_within_grace(&mut self, signals: &mut Signals, mut orphans: Orphans) -> bool {
        let begun = Instant::now();
        let deadline = begun + self.grace;
        let (mut moment, mut is_told) = (pin!(moment()), false);
        loop {
            self.observe();
            if self.is_gone() {
                return true;
            }
            tokio::select! {
                event = signals.event() => match event {
                    Event::Termination(_) if begun.elapsed() > SAME_REQUEST => {
                        let (what, _) = self.what_is_left();
                        tracing::warn!("killing {what}");
                        return false;
                    }
                    Event::Forward(signal) => self.signal_group(signal),
                    Event::Child => orphans.may_have_come(),
                    // Ctrl-Z must not keep a tree that ends from ending.
                    Event::Termination(_) | Event::Stop | Event::Continue => {}
                },
                // While the leader is there, it may be starting what it needs in order to end well.
                () = orphans.time_to_look(), if self.exit.is_some() => orphans.terminate(&self.members(), self.leader),
                () = look_again() => {}
                () = &mut moment, if !is_told => {
                    is_told = true;
                    // What is over in a moment needs no words.
                    if self.grace > MOMENT {
                        let (what, them) = self.what_is_left();
                        tell_still_running(&what, them, self.grace);
                    }
                }
                () = sleep_until(deadline) => {
                    let (what, _) = self.what_is_left();
                    tracing::warn!("killing {what}, {} after SIGTERM", quantity::duration(self.grace));
                    return false;
                }
            }
        }
    }

    /// The processes of the tree for a person, and `it` or `them`.
    fn what_is_left(&self) -> (String, &'static str) {
        let mut members = self.members();
        members.sort_by_key(|process| process.start);
        let named = members.iter().map(|process| (process, name_of(process.id)));
        // The shell that runs the command says less than what it runs.
        let told = named.min_by_key(|(_, name)| name.as_deref().is_none_or(|name| SHELLS.contains(&name)));
        let Some((process, Some(name))) = told else {
            return ("the entry point".to_owned(), "it");
        };
        let first = format!("'{name}' (process {})", process.id.as_raw_pid());
        match u64::try_from(members.len()).unwrap_or(1).saturating_sub(1) {
            0 => (first, "it"),
            others => {
                let others = if others == 1 {
                    "1 other process".to_owned()
                } else {
                    format!("{others} other processes")
                };
                (format!("{first} and {others}"), "them")
            }
        }
    }

    async fn kill_tree(&mut self, signals: &mut Signals) {
        let deadline = Instant::now() + KILL_PATIENCE;
        loop {
            self.observe();
            if self.is_gone() {
                return;
            }
            // Every time anew: a process may have started another one before it was killed. Its
            // death brings us both its SIGCHLD and its children.
            self.signal_tree(Signal::KILL);
            tokio::select! {
                _ = signals.event() => {}
                () = look_again() => {}
                () = sleep_until(deadline) => return,
            }
        }
    }

    /// Whether nothing is left of the tree. All ended children must have been collected.
    fn is_gone(&self) -> bool {
        if self.exit.is_none() {
            return false;
        }
        if gets_orphans() {
            // Orphans come to us: no child at all means no tree. Only with children that are not
            // the program's the tree has to be looked at.
            if !children::collect() {
                return true;
            }
            let is_gone = self.has_company() && self.members().is_empty();
            // Those that have ended since then are not listed, but have not been collected either.
            children::collect();
            is_gone
        } else if cfg!(target_os = "linux") {
            self.members().is_empty()
        } else {
            rustix::process::test_kill_process_group(self.leader).is_err()
        }
    }

    /// Whether this process may have children that do not belong to the tree.
    fn has_company(&self) -> bool {
        !self.strangers.is_empty() || children::any_program()
    }
}

/// Whether orphans become children of this process.
fn gets_orphans() -> bool {
    cfg!(target_os = "linux") && children::owns_all()
}

async fn look_again() {
    if gets_orphans() {
        pending().await
    } else {
        sleep(LOOK_AGAIN).await;
    }
}

/// The processes that lost their parents while the tree ends.
///
/// One that was started outside of the group, or left it, while the tree was being listed has not had
/// its `SIGTERM`. It gets it when its parent is gone; before that it is left alone, because it may be
/// what the parent started in order to end well.
///
/// One that has had it may have lost it: bash loses a `SIGTERM` that comes while it is about to start a
/// program, once in some thousand times. So it is looked at once more.
struct Orphans {
    /// The processes that have had it, until they have been looked at.
    asked: HashSet<Pid>,
    /// Those that have been looked at.
    settled: HashSet<Pid>,
    last_look: Instant,
    has_news: bool,
}

impl Orphans {
    fn new(asked: HashSet<Pid>) -> Self {
        Self {
            asked,
            settled: HashSet::new(),
            last_look: Instant::now(),
            has_news: true,
        }
    }

    /// A process has ended; its children are ours now.
    fn may_have_come(&mut self) {
        self.has_news = true;
    }

    /// Waits until there may be orphans and the last look is long enough ago: a look costs time on a
    /// machine with many processes, and many of them may end one after the other.
    async fn time_to_look(&self) {
        if self.has_news {
            sleep_until(self.last_look + BETWEEN_LOOKS).await;
        } else {
            pending().await
        }
    }

    /// Sends `SIGTERM` to those that have had none, or have lost it.
    fn terminate(&mut self, members: &[Process], group: Pid) {
        let this = getpid();
        self.has_news = false;
        for process in members.iter().filter(|process| process.parent == Some(this)) {
            if self.settled.contains(&process.id) {
                continue;
            }
            let has_had_it = self.asked.remove(&process.id);
            let needs_it = if has_had_it {
                ended_by(process.id, Signal::TERM).is_some()
            } else {
                // What is new in the group was started by something that knew of the end.
                process.group != Some(group)
            };
            if needs_it {
                let _ = kill_process(process.id, Signal::TERM);
            }
            if needs_it && !has_had_it {
                self.asked.insert(process.id);
                self.has_news = true;
            } else {
                self.settled.insert(process.id);
            }
        }
        self.last_look = Instant::now();
    }
}
