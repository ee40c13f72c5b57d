//! The output of the entry point's container, live, without loss or repetition.
//!
//! The API adds its time to every line and can start at a given second. So a broken stream is restarted a
//! little before the last line, and lines that already arrived are dropped.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::pin;
use std::time::Duration;

use backon::BackoffBuilder as _;
use futures_util::io::{AsyncBufRead, AsyncBufReadExt as _};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::LogParams;
use tokio::sync::mpsc;
use tokio::sync::watch::Receiver;
use tokio::time::{sleep, timeout};

use super::Message;
use crate::backend::kubernetes::api_error::{ApiProblem, ProblemKind};
use crate::backend::kubernetes::job_api::PAUSES;
use crate::backend::kubernetes::pod_status::PodView;

/// A stream that is silent for longer is restarted: its connection may be dead.
const SILENCE: Duration = Duration::from_secs(240);
/// How long to read a stream after its container has finished.
const AFTER_THE_END: Duration = Duration::from_secs(10);

/// How far back a stream is restarted. Lines of the two outputs of a program may be some
/// milliseconds out of order.
const OVERLAP: SignedDuration = SignedDuration::from_secs(2);

/// Sends all lines of the entry point's container until it has finished for good.
pub(super) async fn follow(api: Api<Pod>, mut pod: Receiver<PodView>, sender: mpsc::Sender<Message>) {
    let uid = pod.borrow().uid.clone();
    let unreadable = read_all(&api, &mut pod, &sender).await;
    if let Some(problem) = unreadable {
        let _ = sender.send(Message::LogUnreadable(problem)).await;
    }
    let _ = sender.send(Message::LogDone(uid)).await;
}

/// Why not everything could be read, if that is worth reporting.
async fn read_all(
    api: &Api<Pod>,
    pod: &mut Receiver<PodView>,
    sender: &mpsc::Sender<Message>,
) -> Option<ApiProblem> {
    let mut lines = Continuation::default();
    let begun = pod.wait_for(|pod| pod.has_started || pod.is_over || pod.is_gone);
    let mut attempt = begun.await.ok()?.restarts;
    let mut pauses = PAUSES.build();
    // The container before the first one seen: its output is still available.
    let mut wants_previous = attempt > 0;
    // Whether the server ended the last stream.
    let mut is_whole = false;
    loop {
        let now = pod.borrow().clone();
        if now.restarts > attempt {
            (attempt, wants_previous) = (now.restarts, true);
        }
        let previous = std::mem::take(&mut wants_previous);
        let last_pass = (now.is_over || now.is_gone) && !previous;
        let parameters = LogParams {
            container: Some(now.container.clone()),
            follow: !last_pass && !previous,
            previous,
            since_time: lines.since(),
            timestamps: true,
            ..LogParams::default()
        };
        let seen = lines.begin();
        match api.log_stream(&now.name, &parameters).await {
            Ok(stream) => {
                let is_clean = read(stream, &mut lines, pod, sender).await;
                if is_clean && last_pass && lines.count == seen && lines.is_repeated() {
                    let _ = sender.send(Message::Output(lines.rest())).await;
                    return None;
                }
                is_whole = is_clean && !previous;
                wants_previous = !is_clean && previous;
            }
            Err(error) => {
                let problem = ApiProblem::from(error);
                tracing::debug!(%problem, pod = now.name, "cannot read logs");
                if is_lost(&problem, &now, last_pass) {
                    let is_removed = is_whole && problem.kind == ProblemKind::NotFound;
                    return (!now.is_gone && now.has_started && !is_removed).then_some(problem);
                }
                wants_previous = previous && problem.is_passing();
            }
        }
        if lines.count > seen {
            pauses = PAUSES.build();
        }
        // Look again at once when the container changes.
        tokio::select! {
            () = sleep(pauses.next().unwrap_or_default()) => {}
            changed = pod.changed() => changed.ok()?,
        }
    }
}

/// Whether an unreadable log will stay unreadable.
fn is_lost(problem: &ApiProblem, pod: &PodView, last_pass: bool) -> bool {
    match problem.kind {
        ProblemKind::Forbidden => true,
        ProblemKind::NotFound => pod.is_gone || pod.is_over,
        // An older container may be gone, or the request came too early.
        ProblemKind::Invalid | ProblemKind::Other => last_pass && !pod.has_started,
        _ => false,
    }
}

/// Reads one stream. Returns whether the server ended it; otherwise it broke or was abandoned.
async fn read(
    stream: impl AsyncBufRead + Send,
    lines: &mut Continuation,
    pod: &mut Receiver<PodView>,
    sender: &mpsc::Sender<Message>,
) -> bool {
    let mut stream = pin!(stream);
    let mut ends_soon = false;
    loop {
        let limit = if ends_soon { AFTER_THE_END } else { SILENCE };
        let read = tokio::select! {
            read = timeout(limit, stream.fill_buf()) => read,
            changed = pod.changed(), if !ends_soon => {
                if changed.is_err() {
                    return false;
                }
                let now = pod.borrow();
                ends_soon = now.is_over || now.is_gone;
                continue;
            }
        };
        let Ok(Ok(bytes)) = read else { return false };
        let count = bytes.len();
        if count == 0 {
            return true;
        }
        let new = lines.take(bytes);
        stream.consume_unpin(count);
        if !new.is_empty() {
            let _ = sender.send(Message::Output(new)).await;
        }
    }
}

/// The lines of one pod over several streams, each once.
#[derive(Debug, Default)]
struct Continuation {
    /// The lines of the last seconds, as time and hash, in the order of the log.
    recent: VecDeque<(Timestamp, u64)>,
    newest: Option<Timestamp>,
    /// The position of the current stream in `recent`.
    cursor: usize,
    /// The beginning of an incomplete line.
    partial: Vec<u8>,
    last_partial: Vec<u8>,
    count: u64,
}

impl Continuation {
    /// When the next stream starts: at a whole second, as the API would round it.
    fn since(&self) -> Option<Timestamp> {
        let begin = self.newest?.checked_sub(OVERLAP).ok()?;
        Timestamp::from_second(begin.as_second()).ok()
    }

    /// Starts a new stream, which repeats the incomplete line. Returns the number of lines so far.
    fn begin(&mut self) -> u64 {
        self.cursor = 0;
        self.last_partial = std::mem::take(&mut self.partial);
        self.count
    }

    /// Whether the current stream repeated everything before it. Only this distinguishes a complete answer from
    /// a truncated one.
    fn is_repeated(&self) -> bool {
        self.cursor == self.recent.len() && self.partial == self.last_partial
    }

    /// Takes bytes of the stream; returns the new lines in them without their times.
    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut new = Vec::with_capacity(bytes.len());
        let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            self.partial.extend_from_slice(bytes);
            return new;
        };
        let (ends, rest) = bytes.split_at(last + 1);
        let mut whole = std::mem::replace(&mut self.partial, rest.to_vec());
        whole.extend_from_slice(ends);
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            self.add(line, &mut new);
        }
        new
    }

    /// The last line, if the program did not terminate it.
    fn rest(&mut self) -> Vec<u8> {
        let mut new = Vec::new();
        let partial = std::mem::take(&mut self.partial);
        self.add(&partial, &mut new);
        new
    }

    fn add(&mut self, line: &[u8], new: &mut Vec<u8>) {
        match split_time(line) {
            Some((time, text)) => {
                if self.is_new(time, text) {
                    self.count += 1;
                    new.extend_from_slice(text);
                }
            }
            // Not from the container: the node's own message about its logs.
            None => new.extend_from_slice(line),
        }
    }

    fn is_new(&mut self, time: Timestamp, text: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let line = (time, hasher.finish());
        let found = self
            .recent
            .iter()
            .skip(self.cursor)
            .position(|known| *known == line);
        if let Some(ahead) = found {
            self.cursor += ahead + 1;
            return false;
        }
        self.recent.insert(self.cursor, line);
        self.cursor += 1;
        if self.newest.is_none_or(|newest| time > newest) {
            self.newest = Some(time);
            self.forget();
        }
        true
    }

    /// Forgets the lines that no later stream repeats.
    fn forget(&mut self) {
        let Some(since) = self.since() else { return };
        while self.recent.front().is_some_and(|(time, _)| *time < since) {
            self.recent.pop_front();
            self.cursor = self.cursor.saturating_sub(1);
        }
    }
}

fn split_time(line: &[u8]) -> Option<(Timestamp, &[u8])> {
    let end = line.iter().take(40).position(|byte| *byte == b' ')?;
    let time = std::str::from_utf8(&line[..end]).ok()?.parse().ok()?;
    Some((time, &line[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_out_of_order_are_neither_lost_nor_repeated() {
        let first = "2026-01-02T03:04:05.9Z b\n2026-01-02T03:04:06.0Z c\n";
        let again = "2026-01-02T03:04:05.9Z b\n2026-01-02T03:04:05.8Z late\n2026-01-02T03:04:06.0Z c\n";
        let mut lines = Continuation::default();
        assert_eq!(text(lines.take(first.as_bytes())), "b\nc\n");
        for expected in ["late\n", ""] {
            let since = lines.since().unwrap().to_string();
            assert_eq!(since, "2026-01-02T03:04:04Z");
            lines.begin();
            assert_eq!(text(lines.take(again.as_bytes())), expected);
        }
    }

    #[test]
    fn what_has_no_time_and_what_has_no_end_is_shown() {
        let mut lines = Continuation::default();
        let mut read =
            lines.take(b"unable to retrieve container logs\n2026-01-02T03:04:05Z a\n2026-01-02T03:04:05Z b");
        read.extend(lines.rest());
        assert_eq!(text(read), "unable to retrieve container logs\na\nb");
    }
}
