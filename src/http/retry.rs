//! When to retry a failed request, and after which pause.
//!
//! The rules are those of MLflow's HTTP library (urllib3's `Retry`): no pause before the second attempt, then
//! doubling pauses, each with a random part.

use std::time::Duration;

use backon::ExponentialBuilder;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::env_vars::{self, VariableError, boolean, seconds, whole_number};

/// The doubling pauses between requests to an artifact store or cloud service.
pub(crate) fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(300))
        .with_max_times(MOST_RETRIES)
}

/// How often a request to a store or a cloud's service is sent again.
const MOST_RETRIES: usize = 4;

/// How often it is sent at all.
pub(crate) const MOST_ATTEMPTS: u32 = 5;

/// The rules for retries.
#[derive(Debug, Clone)]
pub(crate) struct RetryPolicy {
    /// The number of retries after the first attempt.
    pub(crate) max_retries: u32,
    /// The unit of the pauses, in seconds.
    pub(crate) backoff_factor: u32,
    /// The upper bound of the random part of a pause, in seconds.
    pub(crate) jitter: f64,
    /// Whether a server's `Retry-After` decides.
    pub(crate) respects_retry_after: bool,
}

/// The longest pause without `Retry-After`, in seconds.
const LONGEST_PAUSE: f64 = 120.0;

/// The longest pause by `Retry-After`.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(6 * 60 * 60);

impl RetryPolicy {
    /// Reads MLflow's variables; `variable` gives `None` for an unset or empty one.
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

    /// Whether a retry may get another response.
    pub(crate) fn is_transient(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let status = status.as_u16();
        let has_pause = || self.respects_retry_after && headers.contains_key(RETRY_AFTER);
        is_transient_status(status) || (status == 413 && has_pause())
    }

    /// The pause after this number of attempts; `None` if no attempts are left. `is_of_load`: the server may have too
    /// many clients. `retry_after`: the server's header.
    pub(crate) fn pause_after(
        &self,
        tries: u32,
        is_of_load: bool,
        retry_after: Option<&str>,
    ) -> Option<Duration> {
        let asked = self.asked_pause(retry_after, Timestamp::now());
        let chance = f64::from(uuid::Uuid::new_v4().as_u128() as u32) / f64::from(u32::MAX);
        let pause = asked.unwrap_or_else(|| self.usual_pause(tries, is_of_load, chance));
        (tries <= self.max_retries).then_some(pause)
    }

    /// The pause after this number of attempts, with a random part by `chance` (0 to 1). Under load the random part is
    /// large, so that clients do not retry together.
    fn usual_pause(&self, tries: u32, is_of_load: bool, chance: f64) -> Duration {
        let doubled = f64::from(self.backoff_factor) * f64::from(1_u32 << (tries - 1).min(7));
        let usual = doubled.min(LONGEST_PAUSE);
        let seconds = match (is_of_load, tries) {
            (true, _) => usual * (0.5 + chance),
            (false, 1) => return Duration::ZERO,
            (false, _) => usual,
        };
        Duration::from_secs_f64((seconds + chance * self.jitter).min(LONGEST_PAUSE))
    }

    /// The pause of `Retry-After`, if it is respected.
    fn asked_pause(&self, retry_after: Option<&str>, now: Timestamp) -> Option<Duration> {
        let text = retry_after.filter(|_| self.respects_retry_after)?.trim();
        let pause = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                let date = DateTimeParser::new().parse_timestamp(text).ok()?;
                Duration::try_from(date.duration_since(now)).ok()?
            }
        };
        Some(pause.min(LONGEST_RETRY_AFTER)).filter(|pause| !pause.is_zero())
    }
}

/// Whether a request may be retried after this status.
pub(crate) fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
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
    fn pauses_grow_as_the_reference_s_and_spread_the_clients_of_a_busy_server() {
        for (is_of_load, chance, expected) in [
            (false, 0.0, [0, 4, 8, 16, 32, 64, 120]),
            (false, 1.0, [0, 5, 9, 17, 33, 65, 120]),
            (true, 0.0, [1, 2, 4, 8, 16, 32, 60]),
            (true, 1.0, [4, 7, 13, 25, 49, 97, 120]),
        ] {
            let pauses = (1..=7).map(|tries| POLICY.usual_pause(tries, is_of_load, chance).as_secs());
            assert_eq!(Vec::from_iter(pauses), expected, "{is_of_load} {chance}");
        }
        assert_eq!(
            POLICY.pause_after(7, true, Some("7")),
            Some(Duration::from_secs(7))
        );
        assert_eq!(POLICY.pause_after(8, true, Some("7")), None);
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = Timestamp::from_second(784_111_777).unwrap(); // Sun, 06 Nov 1994 08:49:37 GMT
        for (text, expected) in [
            (" 3 ", Some(3)),
            ("0", None),
            ("soon", None),
            ("99999999", Some(21_600)),
            ("Sun, 06 Nov 1994 08:49:57 GMT", Some(20)),
            ("Sun, 06 Nov 1994 08:49:17 GMT", None),
            ("Tue, 29 Feb 2000 00:00:00 GMT", Some(21_600)),
        ] {
            let pause = POLICY.asked_pause(Some(text), now);
            assert_eq!(pause.map(|pause| pause.as_secs()), expected, "{text}");
        }
        let deaf = RetryPolicy {
            respects_retry_after: false,
            ..POLICY
        };
        assert_eq!(deaf.asked_pause(Some("3"), now), None);
    }
}
