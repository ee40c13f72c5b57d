//! What a process does with a signal. The standard library has no call for it, so it is known if the
//! system says it in a file.

use rustix::process::{Pid, Signal};

use super::proc::{SignalUse, signals};

/// The name of the process if the signal ends it at once: it neither handles nor ignores it, nor puts it
/// off.
pub(crate) fn ended_by(process: Pid, signal: Signal) -> Option<String> {
    let found = signals(Some(process)).filter(|found| is_ended(found, signal))?;
    Some(found.name)
}

fn is_ended(found: &SignalUse, signal: Signal) -> bool {
    [found.blocked, found.ignored, found.caught]
        .iter()
        .all(|set| !set.contains(signal.as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::proc::SignalSet;

    #[test]
    fn a_signal_ends_what_has_no_other_use_for_it() {
        for (blocked, ignored, caught, expected) in [
            (0, 0, 0, true),
            (0, 0, 0x10000, true),
            (0x4000, 0, 0, false),
            (0, 0x4000, 0, false),
            (0, 0, 0x4002, false),
        ] {
            let found = SignalUse {
                name: "a".to_owned(),
                blocked: SignalSet(blocked),
                ignored: SignalSet(ignored),
                caught: SignalSet(caught),
            };
            assert_eq!(is_ended(&found, Signal::TERM), expected, "{found:?}");
        }
    }
}
