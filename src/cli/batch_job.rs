//! Batch jobs that would be over before mlrun can end its run.

use crate::cli::printer::Printer;
use crate::env_vars;
use crate::events::Progress;

/// `SIGTERM` in the masks that Linux shows: signal N is bit N - 1.
const TERM_BIT: u64 = 1 << 14;

/// Warns where the program of a Slurm job is another one than mlrun, and one that `SIGTERM` ends at
/// once: Slurm asks only that one to end where it uses cgroups, and kills the rest when it is gone.
/// Slurm names it in `SLURM_TASK_PID`.
pub(crate) fn warn(printer: &Printer) {
    let task = env_vars::non_empty(env_vars::SLURM_TASK_PID).and_then(|text| text.parse::<u32>().ok());
    let Some(task) = task.filter(|task| *task != std::process::id()) else {
        return;
    };
    let status = std::fs::read_to_string(format!("/proc/{task}/status")).unwrap_or_default();
    if let Some(program) = dies_of_term(&status) {
        printer.warning(&format!(
            "Slurm will ask only '{program}' (process {task}) to end, and then kill mlrun: start it as \
             `exec mlrun run …` or `srun mlrun run …`, so that its run can be ended well"
        ));
    }
}

/// The name of the program with this `/proc/PID/status`, where it has no handler for `SIGTERM`.
fn dies_of_term(status: &str) -> Option<&str> {
    let value = |name: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(name));
        found.map(str::trim)
    };
    for mask in ["SigIgn:", "SigCgt:"] {
        if u64::from_str_radix(value(mask)?, 16).ok()? & TERM_BIT != 0 {
            return None;
        }
    }
    value("Name:")
}

#[cfg(test)]
mod tests {
    use super::dies_of_term;

    #[test]
    fn programs_without_a_handler_die() {
        for (status, expected) in [
            (
                "Name:\tslurm_script\nSigIgn:\t0\nSigCgt:\t0000000000010002\n",
                Some("slurm_script"),
            ),
            ("Name:\tbash\nSigIgn:\t0000000000004000\nSigCgt:\t0\n", None),
            ("Name:\tmlrun\nSigIgn:\t0\nSigCgt:\t0000000000004003\n", None),
            ("", None),
        ] {
            assert_eq!(dies_of_term(status), expected, "{status}");
        }
    }
}
