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
//! Descendants that left the group (`setsid`, daemons) are found on Linux only, where mlrun becomes
//! the parent of every orphan below it. A program that uses this as a library and has children of its own
//! is not made their parent unless it calls [`own_all_children`]; of what left the group only that is found
//! then whose parents are there.
//!
//! When mlrun itself is ended by `SIGKILL`, the kernel asks its children to end, and a
//! [guard](guard_children) all that is below them.

mod before_exec;
mod call;
mod capture;
mod children;
mod conversation;
mod disposition;
mod ending;
mod error;
mod exit;
mod group;
mod guard;
mod identity;
mod job_control;
mod limits;
mod lines;
mod marker;
mod open_files;
mod proc;
mod search;
mod send_signal;
mod signals;
mod tee;
mod terminal;
mod termination;
mod tree;

pub use call::ProgramCall;

pub use children::own_all_children;
pub(crate) use conversation::Conversation;
pub(crate) use disposition::ended_by;
pub use error::ProcessError;
pub use exit::ProgramExit;
pub use group::Ended;
pub(crate) use group::{DEFAULT_GRACE, OWN_SIGNAL_DELAY, ProcessGroup};
pub(crate) use guard::guard_children;
pub use guard::{dismiss_guard, guard_main};
pub use identity::ProcessIdentity;
pub(crate) use identity::{Whereabouts, host_name};
pub(crate) use limits::{file_size_exhausted, limit_hint, open_files_exhausted, start_hint};
pub(crate) use marker::BETWEEN_LOOKS;
pub(crate) use open_files::raise_open_files;
pub use proc::processes_with_variable;
pub(crate) use proc::{boot_id, pid_namespace, start_of};
pub(crate) use search::{program_on_path, programs_on_path};
pub(crate) use send_signal::Termination;
pub use signals::Signals;
pub(crate) use signals::{SAME_REQUEST, TerminationRequest, survive_file_size_limit, until_signal};
pub(crate) use tee::{Copies, Tee};
pub(crate) use termination::{Interruptible, TerminationSignal};
