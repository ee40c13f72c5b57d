//! Running programs: one way to spawn, capture, signal and end them.
//!
//! Every program gets its own process group. Who gets which signal:
//!
//! | to mlrun | to the entry point |
//! | --- | --- |
//! | `SIGINT`, `SIGTERM`, `SIGHUP`, `SIGQUIT`, others that end a program | `SIGTERM` to its whole tree, after a grace period `SIGKILL` |
//! | `SIGUSR1`, `SIGUSR2`, `SIGWINCH` | the same signal to its group |
//! | `SIGTSTP` (Ctrl-Z), `SIGCONT` | the same signal to its group; mlrun stops and goes on with it |
//! | a signal that was ignored when mlrun began (`nohup`) | stays ignored by both |
//!
//! 1. *Whose a signal is.* The terminal's signals reach mlrun alone, since the program runs in the terminal's
//!    background. A program that wants to use the terminal is given it; then they reach the program alone, and
//!    mlrun tells from its end, or its stop, which signal that was.
//! 2. *The first and the second.* The first signal that asks for the end ends the program's tree. A second insists:
//!    `SIGKILL` comes at once. One within [`SAME_REQUEST`] of the first belongs to it: `timeout` and some batch systems
//!    signal a process, then its group. Where one has ended the program but not reached mlrun, mlrun waits
//!    [`OWN_SIGNAL_DELAY`] for its own.
//! 3. *What programs are given.* No handler, every signal that was ignored before (which Linux alone tells), and
//!    `SIGTERM` from the kernel when mlrun is ended by `SIGKILL`; a [guard](guard_children) then ends all that is below
//!    them.
//! 4. *While nothing waits.* From [`Signals::install`] on a request to end is kept until somebody asks for it, and can
//!    be put back. What is meant for a program and comes before there is one is dropped.
//! 5. *At the end.* The terminal goes back to mlrun's group, with its old modes if the program could not tidy up.
//!    Handlers stay. What the program has left in the background goes on, unless a signal has ended the run.
//!
//! Descendants that left the group (`setsid`, daemons) are found on Linux only, where mlrun becomes
//! the parent of every orphan below it. A program that uses this as a library and has children of its own
//! is not made their parent unless it calls [`own_all_children`]; of what left the group only that is found
//! then whose parents are there.

mod call;
mod capture;
mod children;
mod ending;
mod error;
mod exit;
mod group;
mod guard;
mod identity;
mod inherited;
mod job_control;
mod limits;
mod lines;
mod marker;
mod proc;
mod search;
mod signals;
mod tee;
mod terminal;
mod tree;

pub use call::ProgramCall;
pub(crate) use capture::Conversation;
pub use children::own_all_children;
pub use error::ProcessError;
pub use exit::ProgramExit;
pub(crate) use exit::TerminationSignal;
pub use group::Ended;
pub(crate) use group::{DEFAULT_GRACE, OWN_SIGNAL_DELAY, ProcessGroup};
pub(crate) use guard::guard_children;
pub use guard::{dismiss_guard, guard_main};
pub use identity::ProcessIdentity;
pub(crate) use identity::{Whereabouts, host_name};
pub(crate) use inherited::raise_open_files;
pub(crate) use limits::{file_size_exhausted, limit_hint, open_files_exhausted, start_hint};
pub(crate) use marker::BETWEEN_LOOKS;
pub use proc::processes_with_variable;
pub(crate) use proc::{Termination, boot_id, ended_by, pid_namespace, start_of};
pub(crate) use search::{program_on_path, programs_on_path};
pub use signals::Signals;
pub(crate) use signals::{SAME_REQUEST, TerminationRequest, survive_file_size_limit};
pub(crate) use tee::{Copies, Tee};
