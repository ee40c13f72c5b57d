//! When a failed request is tried again, and how long the pause before it is.
//!
//! The rules are those of the HTTP library under MLflow's own client (urllib3's `Retry`): no pause
//! before the second try, then pauses that double, each with a random part.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::StatusCode;

use super::variables::{VariableError, boolean, seconds, whole_number};
use crate::env_vars;

/// How failed requests are tried again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    /// How often a request is tried again after the first try.
    pub(crate) max_retries: u32,
    /// What the pauses are multiples of, in seconds.
    pub(crate) backoff_factor: u32,
    /// The upper bound of the random part of a pause, in seconds.
    pub(crate) jitter: f64,
    /// Whether `Retry-After` decides where a server sends it.
    pub(crate) respects_retry_after: bool,
}

/// No pause that the policy makes itself is longer.
const LONGEST_PAUSE: f64 = 120.0;

/// No pause that a server asks for is longer.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(6 * 60 * 60);

impl RetryPolicy {
    /// What MLflow's variables say. `variable` gives `None` for one that is not set or empty.
    pub(crate) fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, VariableError> {
        let limited = |name, limit_name, default, default_limit| {
            let limit = whole_number(variable, limit_name, default_limit, 0..=i64::from(u32::MAX))?;
            let value = whole_number(variable, name, default, 0..=limit)?;
            Ok::<u32, VariableError>(u32::try_from(value).unwrap_or(u32::MAX))
        };
        Ok(Self {
            max_retries: limited(
                env_vars::MLFLOW_HTTP_REQUEST_MAX_RETRIES,
                env_vars::MLFLOW_HTTP_REQUEST_MAX_RETRIES_LIMIT,
                7,
                10,
            )?,
            backoff_factor: limited(
                env_vars::MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR,
                env_vars::MLFLOW_HTTP_REQUEST_MAX_BACKOFF_FACTOR_LIMIT,
                2,
                120,
            )?,
            jitter: seconds(variable, env_vars::MLFLOW_HTTP_REQUEST_BACKOFF_JITTER, 1.0)?,
            respects_retry_after: boolean(variable, env_vars::MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER, true)?,
        })
    }

    /// Whether an answer with this status is worth another try.
    pub(crate) fn is_transient(&self, status: StatusCode, has_retry_after: bool) -> bool {
        matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
            || (status == StatusCode::PAYLOAD_TOO_LARGE && self.respects_retry_after && has_retry_after)
    }

    /// The pause after so many failed tries. `chance` is the random part, from 0 to 1.
    pub(crate) fn pause(&self, failures: u32, chance: f64) -> Duration {
        if failures <= 1 {
            return Duration::ZERO;
        }
        let exponent = i32::try_from(failures - 1).unwrap_or(i32::MAX).min(64);
        let seconds = f64::from(self.backoff_factor) * 2f64.powi(exponent) + chance * self.jitter;
        Duration::from_secs_f64(seconds.min(LONGEST_PAUSE))
    }

    /// The pause after so many failed tries at a server that many ask at once: also before the second
    /// try, and different for each client, so that they do not come back together.
    pub(crate) fn spread_pause(&self, failures: u32, chance: f64) -> Duration {
        let exponent = i32::try_from(failures.saturating_sub(1))
            .unwrap_or(i32::MAX)
            .min(64);
        let usual = f64::from(self.backoff_factor) * 2f64.powi(exponent);
        let seconds = usual * (0.5 + chance) + chance * self.jitter;
        Duration::from_secs_f64(seconds.min(LONGEST_PAUSE))
    }

    /// The pause that a server asks for by `Retry-After`, where that counts.
    pub(crate) fn asked_pause(&self, retry_after: Option<&str>, now: SystemTime) -> Option<Duration> {
        let text = retry_after.filter(|_| self.respects_retry_after)?.trim();
        let pause = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => http_date(text)?.duration_since(now).unwrap_or_default(),
        };
        Some(pause.min(LONGEST_RETRY_AFTER)).filter(|pause| !pause.is_zero())
    }

    /// How long all pauses together may be, when the server asks for none.
    pub(crate) fn longest_wait(&self) -> Duration {
        (1..=self.max_retries)
            .map(|failures| self.spread_pause(failures, 1.0))
            .sum()
    }
}

/// A number from 0 up to 1. It only spreads the tries of many clients over time.
pub(crate) fn random_fraction() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u128() as u32;
    f64::from(bits) / f64::from(u32::MAX)
}

/// The point in time of an HTTP date in the form that servers send today, such as
/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, date) = text.split_once(", ")?;
    let mut parts = date.split(' ');
    let day: i64 = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let year: i64 = parts.next()?.parse().ok()?;
    let mut clock = parts.next()?.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    if parts.next()? != "GMT" || !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// Days in the Gregorian calendar; `month` counts from 0.
fn days_since_1970(year: i64, month: usize, day: i64) -> i64 {
    const BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let past = year - 1;
    let leap_days = (past / 4 - past / 100 + past / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
    (year - 1970) * 365 + leap_days + BEFORE_MONTH[month] + i64::from(is_leap && month > 1) + (day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max_retries: 7,
        backoff_factor: 2,
        jitter: 1.0,
        respects_retry_after: true,
    };

    #[test]
    fn pauses_grow_as_the_reference_s() {
        let pauses: Vec<u64> = (1..=7)
            .map(|failures| POLICY.pause(failures, 0.0).as_secs())
            .collect();
        assert_eq!(pauses, [0, 4, 8, 16, 32, 64, 120]);
        assert_eq!(POLICY.pause(2, 0.5), Duration::from_millis(4500));
        assert_eq!(POLICY.pause(4_000_000_000, 1.0), Duration::from_secs(120));
        assert_eq!(
            POLICY.longest_wait(),
            Duration::from_secs(3 + 6 + 12 + 24 + 48 + 96 + 120 + 6)
        );
        let none = RetryPolicy {
            backoff_factor: 0,
            jitter: 0.0,
            ..POLICY
        };
        assert_eq!(none.longest_wait(), Duration::ZERO);
    }

    #[test]
    fn clients_of_a_busy_server_come_back_one_after_the_other() {
        let pauses = |chance| [1, 2, 7, 8].map(|failures| POLICY.spread_pause(failures, chance).as_secs());
        assert_eq!(pauses(0.0), [1, 2, 64, 120]);
        assert_eq!(pauses(1.0), [4, 7, 120, 120]);
        let none = RetryPolicy {
            backoff_factor: 0,
            jitter: 0.0,
            ..POLICY
        };
        assert_eq!(none.spread_pause(3, 1.0), Duration::ZERO);
    }

    #[test]
    fn the_reference_s_statuses_are_transient() {
        for status in 400..600 {
            let code = StatusCode::from_u16(status).unwrap();
            let expected = [408, 429, 500, 502, 503, 504].contains(&status);
            assert_eq!(POLICY.is_transient(code, false), expected, "{status}");
            assert_eq!(
                POLICY.is_transient(code, true),
                expected || status == 413,
                "{status}"
            );
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        for (text, expected) in [
            ("3", Some(3)),
            (" 3 ", Some(3)),
            ("0", None),
            ("-3", None),
            ("soon", None),
            ("99999999", Some(21_600)),
            ("Sun, 06 Nov 1994 08:49:57 GMT", Some(20)),
            ("Sun, 06 Nov 1994 08:49:17 GMT", None),
            ("Tue, 29 Feb 2000 00:00:00 GMT", Some(21_600)),
            ("Sun, 06 Nov 1994 08:49:57 +0000", None),
            ("Sun, 06 Xyz 1994 08:49:57 GMT", None),
            ("Sun, 99999999999999999999 Nov 1994 08:49:57 GMT", None),
        ] {
            let pause = POLICY.asked_pause(Some(text), now);
            assert_eq!(pause.map(|pause| pause.as_secs()), expected, "{text}");
        }
        let deaf = RetryPolicy {
            respects_retry_after: false,
            ..POLICY
        };
        assert_eq!(deaf.asked_pause(Some("3"), now), None);
        assert_eq!(POLICY.asked_pause(None, now), None);
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        for (year, month, day, expected) in [
            (1970, 0, 1, 0),
            (1970, 11, 31, 364),
            (1972, 1, 29, 789),
            (1972, 2, 1, 790),
            (2000, 2, 1, 11_017),
            (2100, 2, 1, 47_541),
        ] {
            assert_eq!(
                days_since_1970(year, month, day),
                expected,
                "{year} {month} {day}"
            );
        }
    }
}
