//! What a person reads while something that failed is tried again: when, how often, and how to stop it.

use std::io::IsTerminal as _;
use std::time::Duration;

use crate::quantity;

/// A retry after a pause: `attempt` of at most `of`, as in `retrying in 2s (attempt 3 of 8); Ctrl-C stops`.
pub(crate) fn retrying(pause: Duration, attempt: u32, of: u32) -> String {
    format!(
        "retrying {} (attempt {attempt} of {of}){}",
        after(pause),
        how_to_stop()
    )
}

/// A retry after a pause, where the time is limited and not the number: as in `retrying in 2s, for up to 9m 58s`.
pub(crate) fn retrying_for(pause: Duration, left: Duration) -> String {
    format!(
        "retrying {}, for up to {}{}",
        after(pause),
        whole(left),
        how_to_stop()
    )
}

/// A retry after a pause, where neither time nor number is limited: as in `retrying in 2s`.
pub(crate) fn retrying_after(pause: Duration) -> String {
    format!("retrying {}{}", after(pause), how_to_stop())
}

/// The way out of a wait, where somebody is there to use it.
pub(crate) fn how_to_stop() -> &'static str {
    if std::io::stderr().is_terminal() {
        "; Ctrl-C stops"
    } else {
        ""
    }
}

fn after(pause: Duration) -> String {
    if pause.is_zero() {
        "at once".to_owned()
    } else {
        format!("in {}", quantity::duration(pause))
    }
}

/// A duration in whole seconds: what is left of it changes meanwhile.
fn whole(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_millis() >= 500);
    quantity::duration(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_announced() {
        let end = how_to_stop();
        for (text, expected) in [
            (
                retrying(Duration::from_secs(2), 3, 8),
                "retrying in 2s (attempt 3 of 8)",
            ),
            (retrying_after(Duration::from_secs(2)), "retrying in 2s"),
            (
                retrying(Duration::ZERO, 2, 8),
                "retrying at once (attempt 2 of 8)",
            ),
            (
                retrying_for(Duration::from_millis(250), Duration::from_millis(599_750)),
                "retrying in 250ms, for up to 10m",
            ),
        ] {
            assert_eq!(text, format!("{expected}{end}"));
        }
    }
}
