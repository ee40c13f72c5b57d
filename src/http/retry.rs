//! When a failed request is sent again, and how long the pause before it is.
//!
//! The rules are those of the HTTP library under MLflow's own client (urllib3's `Retry`): no pause
//! before the second try, then pauses that double, each with a random part.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::StatusCode;

use super::variables::{VariableError, boolean, seconds, whole_number};
use crate::env_vars;

/// The pauses before the tries that follow a failed request to a store or a cloud's service, each twice as
/// long as the one before.
pub(crate) fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(300))
        .with_max_times(4)
}

/// How failed requests are sent again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    /// How often a request is sent again after the first try.
    pub(crate) max_retries: u32,
    /// What the pauses are multiples of, in seconds.
    pub(crate) backoff_factor: u32,
    /// The upper bound of the random part of a pause, in seconds.
    pub(crate) jitter: f64,
    /// Whether `Retry-After` decides if a server sends it.
    pub(crate) respects_retry_after: bool,
}

/// No pause that the policy makes itself is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

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

    /// The tries of one request, of which the first is about to begin.
    pub(crate) fn tries(&self) -> Tries {
        Tries {
            policy: *self,
            pauses: self.pauses(),
            count: 1,
        }
    }

    /// How long all pauses together may be, if the server asks for none.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.pauses().map(|pause| self.spread(pause, 1.0)).sum()
    }

    /// The pauses without their random part.
    fn pauses(&self) -> Pauses {
        ExponentialBuilder::new()
            .with_min_delay(Duration::from_secs(self.backoff_factor.into()))
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(usize::try_from(self.max_retries).unwrap_or(usize::MAX))
            .build()
    }

    /// A pause that differs so much from client to client that they do not come back together.
    fn spread(&self, pause: Duration, chance: f64) -> Duration {
        self.varied(pause.mul_f64(0.5 + chance), chance)
    }

    fn varied(&self, pause: Duration, chance: f64) -> Duration {
        let seconds = pause.as_secs_f64() + chance * self.jitter;
        Duration::from_secs_f64(seconds.min(LONGEST_PAUSE.as_secs_f64()))
    }

    /// The pause that a server asks for by `Retry-After`, if that counts.
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

type Pauses = <ExponentialBuilder as BackoffBuilder>::Backoff;

/// Counts the tries of one request, and gives the pauses between them.
#[derive(Debug)]
pub(crate) struct Tries {
    policy: RetryPolicy,
    pauses: Pauses,
    count: u32,
}

impl Tries {
    /// The number of the try that is under way, from 1.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The pause before the next try, which counts from now on; `None` if there is none left. `is_of_load`
    /// says that many clients ask the server at once, `retry_after` what it asks for itself.
    pub(crate) fn next(&mut self, is_of_load: bool, retry_after: Option<&str>) -> Option<Duration> {
        let (usual, policy) = (self.pauses.next()?, &self.policy);
        let is_first = self.count == 1;
        self.count += 1;
        let asked = policy.asked_pause(retry_after, Timestamp::now());
        Some(asked.unwrap_or_else(|| match (is_of_load, is_first) {
            (true, _) => policy.spread(usual, random_fraction()),
            (false, true) => Duration::ZERO,
            (false, false) => policy.varied(usual, random_fraction()),
        }))
    }
}

/// A number from 0 up to 1.
fn random_fraction() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u128() as u32;
    f64::from(bits) / f64::from(u32::MAX)
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
        let mut tries = RetryPolicy {
            jitter: 0.0,
            ..POLICY
        }
        .tries();
        let pauses: Vec<_> = std::iter::from_fn(|| tries.next(false, None)).collect();
        let seconds: Vec<u64> = pauses.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [0, 4, 8, 16, 32, 64, 120]);
        assert_eq!(tries.count(), 8);
        let mut tries = POLICY.tries();
        assert_eq!(tries.next(true, Some("7")), Some(Duration::from_secs(7)));
        let pause = tries.next(false, None).unwrap().as_secs_f64();
        assert!((4.0..=5.0).contains(&pause), "{pause}");
        let none = RetryPolicy {
            max_retries: 0,
            ..POLICY
        };
        assert_eq!(none.tries().next(true, Some("7")), None);
    }

    #[test]
    fn clients_of_a_busy_server_come_back_one_after_the_other() {
        let pauses = |chance| -> Vec<u64> {
            let pauses = POLICY.pauses();
            pauses
                .map(|pause| POLICY.spread(pause, chance).as_secs())
                .collect()
        };
        assert_eq!(pauses(0.0), [1, 2, 4, 8, 16, 32, 60]);
        assert_eq!(pauses(1.0), [4, 7, 13, 25, 49, 97, 120]);
        assert_eq!(POLICY.longest_wait(), Duration::from_secs(315));
        let none = RetryPolicy {
            backoff_factor: 0,
            jitter: 0.0,
            ..POLICY
        };
        assert_eq!(none.longest_wait(), Duration::ZERO);
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = Timestamp::from_second(784_111_777).unwrap(); // Sun, 06 Nov 1994 08:49:37 GMT
        for (text, expected) in [
            ("3", Some(3)),
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
        assert_eq!(POLICY.asked_pause(None, now), None);
    }
}
