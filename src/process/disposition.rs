//! What a process does with a signal. The standard library has no call for it, so it is known where the
//! system tells it in a file.

use rustix::process::{Pid, Signal};

/// A set of signals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SignalSet {
    /// Signal N at bit N - 1.
    mask: u64,
}

impl SignalSet {
    /// The signals that this program ignores.
    pub(super) fn ignored_here() -> Self {
        Self::of(&status("self"), "SigIgn:")
    }

    /// Whether the signal with this number is one of the set.
    pub(super) fn contains(self, number: i32) -> bool {
        self.mask & (1 << (number - 1)) != 0
    }

    fn of(status: &str, field: &str) -> Self {
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .unwrap_or_default();
        Self { mask }
    }
}

/// Whether the signal ends the process at once: it neither handles nor ignores it, nor puts it off.
pub(super) fn is_ended_by(process: Pid, signal: Signal) -> bool {
    is_ended(&status(&process.to_string()), signal)
}

fn is_ended(status: &str, signal: Signal) -> bool {
    !status.is_empty()
        && ["SigBlk:", "SigIgn:", "SigCgt:"]
            .iter()
            .all(|field| !SignalSet::of(status, field).contains(signal.as_raw()))
}

/// Empty where there is no such process or no such file.
fn status(process: &str) -> String {
    let status = std::fs::read(format!("/proc/{process}/status")).unwrap_or_default();
    String::from_utf8_lossy(&status).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_read() {
        for (status, expected) in [
            (
                "Name:\tmlrun\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\n",
                0x1001,
            ),
            ("SigIgn:\tfffffffe7ffbfeff", 0xffff_fffe_7ffb_feff),
            ("Name:\tmlrun\n", 0),
            ("", 0),
        ] {
            assert_eq!(
                SignalSet::of(status, "SigIgn:"),
                SignalSet { mask: expected },
                "{status}"
            );
        }
        let set = SignalSet { mask: 0x4000 };
        assert!(set.contains(Signal::TERM.as_raw()));
        assert!(!set.contains(Signal::INT.as_raw()));
    }

    #[test]
    fn a_signal_ends_what_has_no_other_use_for_it() {
        let status = |blocked: &str, ignored: &str, caught: &str| {
            format!("SigPnd:\t4000\nSigBlk:\t{blocked}\nSigIgn:\t{ignored}\nSigCgt:\t{caught}\n")
        };
        for (status, expected) in [
            (status("0", "0", "0"), true),
            (status("0", "0", "10000"), true),
            (status("4000", "0", "0"), false),
            (status("0", "4000", "0"), false),
            (status("0", "0", "4002"), false),
            (String::new(), false),
        ] {
            assert_eq!(is_ended(&status, Signal::TERM), expected, "{status}");
        }
    }
}
