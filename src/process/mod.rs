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
//! The rules:
//!
//! 1. *Whose signal.* The program runs in the terminal's background, so Ctrl-C and Ctrl-Z reach mlrun alone. A program
//!    that wants to use the terminal is given it. They then reach the program alone, and mlrun infers the signal from
//!    how the program ended or stopped.
//! 2. *First and second.* The first signal that asks for the end ends the program's tree; a second one kills it at
//!    once. One within [`SAME_REQUEST`] of the first is the same request: `timeout` and some batch systems signal a
//!    process, then its group. If it ended the program before it reached mlrun, mlrun waits [`OWN_SIGNAL_DELAY`] for
//!    its own.
//! 3. *What programs inherit.* No handlers. Ignored signals stay ignored (only Linux tells which). If mlrun is killed,
//!    the kernel sends the program `SIGTERM`, and a [guard](guard_children) ends everything below it.
//! 4. *While nothing waits.* From [`Signals::install`] on, a request to end is kept until somebody asks for it, and can
//!    be put back. A signal that is meant for a program is dropped if none runs yet.
//! 5. *At the end.* The terminal goes back to mlrun's group, with its old modes if a signal ended the program.
//!    Handlers stay installed. Processes left in the background keep running, unless a signal ended the run.
//!
//! Descendants that left the group (`setsid`, daemons) are found on Linux only: there mlrun becomes the parent of
//! every orphan below it. A program that uses this as a library and has children of its own
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
mod proc;
mod signals;
mod tee;
mod terminal;
mod tree;

pub use call::ProgramCall;
pub(crate) use call::{program_on_path, programs_on_path};
pub(crate) use capture::Conversation;
pub use children::own_all_children;
pub(crate) use ending::{moment, tell_still_running};
pub use error::ProcessError;
pub(crate) use exit::Interruptible;
pub use exit::{ProgramExit, TerminationSignal};
pub use group::Ended;
pub(crate) use group::{DEFAULT_GRACE, OWN_SIGNAL_DELAY, ProcessGroup};
pub(crate) use guard::guard_children;
pub use guard::{dismiss_guard, guard_main};
pub use identity::ProcessIdentity;
pub(crate) use identity::{BETWEEN_LOOKS, Whereabouts, host_name};
pub(crate) use inherited::raise_open_files;
pub(crate) use limits::{file_size_exhausted, limit_hint, open_files_exhausted, start_hint};
pub use proc::processes_with_variable;
pub(crate) use proc::{Termination, boot_id, ended_by, pid_namespace, start_of};
pub use signals::Signals;
pub(crate) use signals::{SAME_REQUEST, TerminationRequest, survive_file_size_limit, until_signal};
pub(crate) use tee::{Copies, Tee};
