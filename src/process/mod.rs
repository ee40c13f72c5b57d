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
pub use capture::Captured;
pub use children::own_all_children;
pub use conversation::Conversation;
pub use disposition::ended_by;
pub use error::ProcessError;
pub use exit::ProgramExit;
pub use group::{DEFAULT_GRACE, Ended, OWN_SIGNAL_DELAY, ProcessGroup};
pub use guard::{dismiss_guard, guard_children, guard_main};
pub use identity::{ProcessIdentity, Whereabouts, host_name};
pub use limits::{file_size_exhausted, limit_hint, open_files_exhausted, start_hint};
pub use marker::{BETWEEN_LOOKS, LeftBehind};
pub use open_files::raise_open_files;
pub use proc::{boot_id, pid_namespace, processes_with_variable, start_of};
pub use search::{program_on_path, programs_on_path};
pub use send_signal::Termination;
pub use signals::{SAME_REQUEST, Signals, TerminationRequest, survive_file_size_limit};
pub use tee::{Copies, Tee};
pub use termination::TerminationSignal;
