//! What containers write.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::jiff::{Timestamp, Unit};

/// The present time.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanoseconds = i128::try_from(since_epoch.as_nanos()).unwrap_or_default();
    Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A line with its time; it may lack its end, as the last one of a program may.
#[derive(Debug, Clone)]
struct Line {
    time: Timestamp,
    text: Vec<u8>,
}

/// What a container wrote since it was started.
#[derive(Debug, Clone, Default)]
struct Log {
    lines: Vec<Line>,
    has_ended: bool,
}

/// The logs of all containers, by pod and number of restarts.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    logs: BTreeMap<(String, i64), Log>,
}

/// What a reader of a log asks for.
#[derive(Debug, Clone)]
pub(crate) struct LogRequest {
    pub(crate) pod: String,
    pub(crate) restarts: i64,
    pub(crate) since: Option<Timestamp>,
    pub(crate) timestamps: bool,
    pub(crate) tail: Option<usize>,
}

impl Logs {
    /// Adds a line, in a time after the one before.
    pub(crate) fn add(&mut self, pod: &str, restarts: i64, text: &[u8]) {
        let log = self.logs.entry((pod.to_owned(), restarts)).or_default();
        log.lines.push(Line {
            time: now(),
            text: text.to_owned(),
        });
    }

    pub(crate) fn end(&mut self, pod: &str, restarts: i64) {
        self.logs.entry((pod.to_owned(), restarts)).or_default().has_ended = true;
    }

    /// The lines from this one on that the reader asks for, how many there are, and whether there will
    /// be more.
    pub(crate) fn read(&self, request: &LogRequest, from: usize) -> (Vec<u8>, usize, bool) {
        let Some(log) = self.logs.get(&(request.pod.clone(), request.restarts)) else {
            return (Vec::new(), 0, false);
        };
        let skipped = match request.tail {
            Some(tail) if from == 0 => log.lines.len().saturating_sub(tail),
            _ => 0,
        };
        let mut bytes = Vec::new();
        for line in log.lines.iter().skip(from.max(skipped)) {
            // A node reads times as the API passes them: whole seconds.
            if request.since.is_some_and(|since| line.time < since) {
                continue;
            }
            if request.timestamps {
                bytes.extend_from_slice(
                    line.time
                        .strftime("%Y-%m-%dT%H:%M:%S%.9fZ ")
                        .to_string()
                        .as_bytes(),
                );
            }
            bytes.extend_from_slice(&line.text);
        }
        (bytes, log.lines.len(), log.has_ended)
    }
}

/// Reads the parameter `sinceTime`.
pub(crate) fn parse_since(text: &str) -> Result<Timestamp, String> {
    let time: Timestamp = text.parse().map_err(|_| format!("invalid sinceTime {text}"))?;
    time.round(Unit::Second).map_err(|error| error.to_string())
}
