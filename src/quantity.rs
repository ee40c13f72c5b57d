//! Numbers for a person: sizes, durations and counts, worded the same everywhere.

use std::time::Duration;

/// A number of bytes in powers of 1024.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one decimal place is shown")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A duration in its two largest units (`2m 12s`, `1h`, `3d 4h`); below a minute in seconds, with one decimal place
/// where that says more (`2.5s`); below a second in milliseconds.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |number, unit, rest, lower| match rest {
        0 => format!("{number}{unit}"),
        rest => format!("{number}{unit} {rest}{lower}"),
    };
    match seconds {
        0 if duration.is_zero() => "0s".to_owned(),
        0 => format!("{}ms", duration.as_millis()),
        1..10 if duration.subsec_millis() >= 100 => {
            format!("{seconds}.{}s", duration.subsec_millis() / 100)
        }
        1..60 => format!("{seconds}s"),
        60..3600 => two(minutes, "m", seconds % 60, "s"),
        3600..86_400 => two(hours, "h", minutes % 60, "m"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// How long ago something was, in its largest unit, from the milliseconds since then.
pub(crate) fn ago(milliseconds: i64) -> String {
    let seconds = u64::try_from(milliseconds).unwrap_or(0) / 1000;
    let (length, unit) = match seconds {
        0 => return "just now".to_owned(),
        1..60 => (1, "second"),
        60..3600 => (60, "minute"),
        3600..86_400 => (3600, "hour"),
        _ => (86_400, "day"),
    };
    format!("{} ago", counted(seconds / length, unit))
}

/// So many of something whose plural ends in `s`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (5 * 1024 * 1024, "5.0 MiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn durations() {
        for (milliseconds, expected) in [
            (0, "0s"),
            (7, "7ms"),
            (1000, "1s"),
            (2540, "2.5s"),
            (10_900, "10s"),
            (120_000, "2m"),
            (132_000, "2m 12s"),
            (7_260_000, "2h 1m"),
            (90_000_000, "1d 1h"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn times_ago() {
        for (milliseconds, expected) in [
            (-5000, "just now"),
            (999, "just now"),
            (1000, "1 second ago"),
            (60_000, "1 minute ago"),
            (7_300_000, "2 hours ago"),
            (86_400_000 * 40, "40 days ago"),
        ] {
            assert_eq!(ago(milliseconds), expected);
        }
    }
}
