//! The terminal that a program may be given.

use std::fs::File;

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::process::{Pid, getpgrp};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp};

/// What came of handing the terminal to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandOver {
    /// The program has it.
    Done,
    /// It is not ours to give: this program is in the background itself.
    InBackground,
    /// There is none.
    NoTerminal,
}

/// The controlling terminal. It is opened when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Terminal {
    file: Option<File>,
    /// The process group that has been given the terminal, and the terminal's modes before.
    holder: Option<(Pid, Option<Termios>)>,
}

impl Terminal {
    /// Whether a program has been given the terminal and not lost it again.
    pub(super) fn is_handed_over(&self) -> bool {
        self.holder.is_some()
    }

    /// Makes `group` the terminal's foreground process group.
    pub(super) fn hand_to(&mut self, group: Pid) -> HandOver {
        if self.file.is_none() {
            // Whatever the standard streams are, this is where a program is stopped for using it.
            self.file = File::open("/dev/tty").ok();
        }
        let Some(file) = &self.file else {
            return HandOver::NoTerminal;
        };
        match tcgetpgrp(file) {
            Ok(foreground) if foreground == group => {}
            Ok(foreground) if foreground == getpgrp() => {
                let modes = tcgetattr(file).ok();
                if tcsetpgrp(file, group).is_err() {
                    return HandOver::NoTerminal;
                }
                self.holder = Some((group, modes));
            }
            Ok(_) => return HandOver::InBackground,
            Err(_) => return HandOver::NoTerminal,
        }
        HandOver::Done
    }

    /// Makes this program's group the foreground process group again, unless somebody else has taken
    /// the terminal meanwhile. `restore_modes` undoes what a program left that could not tidy up.
    pub(super) fn take_back(&mut self, restore_modes: bool) {
        let Some((group, modes)) = self.holder.take() else {
            return;
        };
        let Some(file) = &self.file else {
            return;
        };
        without_stops(|| {
            if tcgetpgrp(file) != Ok(group) {
                return;
            }
            // A terminal that has been hung up needs neither.
            let _ = tcsetpgrp(file, getpgrp());
            if let Some(modes) = modes.filter(|_| restore_modes) {
                let _ = tcsetattr(file, OptionalActions::Drain, &modes);
            }
        });
    }
}

/// Runs `action` while this thread is not stopped for changing a terminal from the background.
/// `SIGTTOU` has to be blocked for that: with a handler the change would be tried for ever.
fn without_stops(action: impl FnOnce()) {
    let stops = SigSet::from(nix::sys::signal::Signal::SIGTTOU);
    let Ok(mask) = stops.thread_swap_mask(SigmaskHow::SIG_BLOCK) else {
        return;
    };
    action();
    // Cannot fail: the mask is one that this thread had.
    let _ = mask.thread_set_mask();
}
