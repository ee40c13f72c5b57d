//! Stops: Ctrl-Z, and a program that the system stops because it reads the terminal or changes its modes from
//! the background.

use std::time::Duration;

use nix::sys::signal::raise;
use rustix::process::{Signal, kill_current_process_group};
use tokio::time::timeout;

use super::group::ProcessGroup;
use super::signals::Signals;
use super::terminal::HandOver;

/// How long a stop may take to have its effect, or the signal to go on to be told: another thread of
/// this process may get them.
const CONTINUE_DELAY: Duration = Duration::from_millis(500);

impl ProcessGroup {
    /// Reacts to a stop of the program. Stops of unknown origin are left to whoever made them.
    pub(super) async fn on_stop(&mut self, signal: i32, signals: &mut Signals) {
        if signal == Signal::TTIN.as_raw() || signal == Signal::TTOU.as_raw() {
            self.give_terminal(signals).await;
        } else if signal == Signal::TSTP.as_raw() && self.terminal.is_handed_over() {
            // Now it is our whole group's turn, as if Ctrl-Z had been pressed for it; our own share of it comes
            // back as an event.
            self.take_terminal();
            let _ = kill_current_process_group(Signal::TSTP);
        }
    }

    async fn give_terminal(&mut self, signals: &mut Signals) {
        if self.terminal.hand_to(self.leader) == HandOver::InBackground {
            // What the system does to a background group that reads the terminal. A handler would
            // be called instead, so this signal has none.
            signals.forget_continue().await;
            let _ = kill_current_process_group(Signal::TTIN);
            if !was_stopped(signals).await {
                // No shell is there that could ever let us go on. Such a group gets what the system
                // gives to stopped groups that lose their shell.
                self.signal_group(Signal::HUP);
            }
            // Now in the foreground, or else the program will stop again.
            self.terminal.hand_to(self.leader);
        }
        self.signal_group(Signal::CONT);
    }

    /// Stops the program and then this process, until somebody lets this process go on.
    pub(super) fn suspend(&mut self) {
        if self.terminal.is_handed_over() {
            self.take_terminal();
        }
        self.signal_group(Signal::TSTP);
        // SIGTSTP has a handler and cannot stop us any more. SIGTTIN has none, and unlike SIGSTOP it
        // does nothing if no shell could let us go on, as SIGTSTP would.
        // Sent to this very thread, so that it does not run on until another one has taken the signal.
        let _ = raise(nix::sys::signal::Signal::SIGTTIN);
        self.resume();
    }

    fn take_terminal(&mut self) {
        self.terminal.take_back(false);
        self.wants_terminal_back = true;
    }

    /// Lets the program go on, with the terminal when it had it before.
    pub(super) fn resume(&mut self) {
        if self.wants_terminal_back && self.terminal.hand_to(self.leader) == HandOver::Done {
            self.wants_terminal_back = false;
        }
        self.signal_group(Signal::CONT);
    }
}

/// Whether the stop that has just been tried had an effect, and so was followed by a signal to go on.
async fn was_stopped(signals: &mut Signals) -> bool {
    timeout(CONTINUE_DELAY, signals.continued()).await.is_ok()
}
