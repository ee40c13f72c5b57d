//! Batch jobs that would be over before mlrun can end its run.

use rustix::process::{Pid, Signal, getpid};

use crate::cli::printer::Printer;
use crate::env_vars;
use crate::events::Progress;
use crate::process::ended_by;

/// Warns where the program of a Slurm job is another one than mlrun, and one that `SIGTERM` ends at
/// once: Slurm asks only that one to end where it uses cgroups, and kills the rest when it is gone.
/// Slurm names it in `SLURM_TASK_PID`.
pub(crate) fn warn(printer: &Printer) {
    let task = env_vars::non_empty(env_vars::SLURM_TASK_PID).and_then(|text| text.parse().ok());
    let Some(task) = task.and_then(Pid::from_raw).filter(|task| *task != getpid()) else {
        return;
    };
    if let Some(program) = ended_by(task, Signal::TERM) {
        printer.warning(&format!(
            "Slurm will ask only '{program}' (process {task}) to end, and then kill mlrun: start it as \
             `exec mlrun run …` or `srun mlrun run …`, so that its run can be ended well"
        ));
    }
}
