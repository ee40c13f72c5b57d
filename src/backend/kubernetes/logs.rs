//! What the entry point's container writes, as it comes, without loss or repetition.
//!
//! The API gives every line its time, and begins at a second when it is asked to. So a broken stream is
//! begun again a little before the last line, and the lines that have come already are left out.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::io::AsyncBufRead;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::LogParams;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::api_problem::{ApiProblem, ProblemKind};
use super::watch::Pauses;

/// How far back a stream is begun again. Lines of the two outputs of a program may be some
/// milliseconds out of order.
const OVERLAP: SignedDuration = SignedDuration::from_secs(2);
/// A stream that is silent for longer is begun again: its connection may be dead.
const SILENCE: Duration = Duration::from_secs(240);
/// How long a stream may go on after its container has ended.
const AFTER_THE_END: Duration = Duration::from_secs(10);

/// What a follower says.
#[derive(Debug)]
pub(super) enum LogMessage {
    /// Whole lines; the last one of all may lack its end.
    Output(Vec<u8>),
    /// The logs cannot be read any more.
    Unreadable(ApiProblem),
    /// Everything has been said.
    Done,
}

/// What a follower has to know about its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContainerProgress {
    pub(super) has_started: bool,
    pub(super) restarts: i32,
    /// It has ended for good.
    pub(super) is_over: bool,
    /// Its pod is no longer there.
    pub(super) is_gone: bool,
}

/// A container whose logs are followed.
pub(super) struct LogFollower {
    pub(super) api: Api<Pod>,
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) progress: watch::Receiver<ContainerProgress>,
}

/// Where a follower sends what it has.
pub(super) struct LogSink<T> {
    /// Makes a message of the receiver's, for the pod.
    pub(super) wrap: fn(String, LogMessage) -> T,
    pub(super) pod_uid: String,
    pub(super) sender: mpsc::Sender<T>,
}

impl<T> LogSink<T> {
    /// Sends the message. Whether anybody listens.
    async fn send(&self, message: LogMessage) -> bool {
        let message = (self.wrap)(self.pod_uid.clone(), message);
        self.sender.send(message).await.is_ok()
    }
}

/// How a stream ended.
enum StreamEnd {
    /// The server says that there is no more.
    Clean,
    /// It broke, or was given up.
    Broken,
    /// Nobody listens any more.
    Unheard,
}

impl LogFollower {
    /// Sends all lines until the container has ended for good.
    pub(super) async fn follow<T: Send>(mut self, sink: LogSink<T>) {
        let mut lines = Continuation::default();
        if self
            .progress
            .wait_for(|now| now.has_started || now.is_over || now.is_gone)
            .await
            .is_err()
        {
            return;
        }
        let mut pauses = Pauses::default();
        let mut attempt = self.progress.borrow().restarts;
        // The container before the first that was seen: what it wrote is still there.
        let mut wants_previous = attempt > 0;
        loop {
            let now = *self.progress.borrow();
            if now.restarts > attempt {
                (attempt, wants_previous) = (now.restarts, true);
            }
            let previous = std::mem::take(&mut wants_previous);
            let last_pass = (now.is_over || now.is_gone) && !previous;
            let parameters = LogParams {
                container: Some(self.container.clone()),
                follow: !last_pass && !previous,
                previous,
                since_time: lines.since(),
                timestamps: true,
                ..LogParams::default()
            };
            lines.begin();
            let seen = lines.count;
            match self
                .api
                .log_stream(&self.pod, &parameters)
                .await
                .map_err(ApiProblem::from)
            {
                Ok(stream) => match self.read(stream, &mut lines, &sink).await {
                    StreamEnd::Unheard => return,
                    StreamEnd::Clean if last_pass && lines.count == seen && lines.is_repeated() => {
                        let rest = lines.rest();
                        if rest.is_empty() || sink.send(LogMessage::Output(rest)).await {
                            sink.send(LogMessage::Done).await;
                        }
                        return;
                    }
                    StreamEnd::Clean => {}
                    StreamEnd::Broken => wants_previous = previous,
                },
                Err(problem) => {
                    let is_lost = match problem.kind {
                        ProblemKind::Forbidden => true,
                        ProblemKind::NotFound => now.is_gone || now.is_over,
                        // An older container may be gone, or a stream asked for too early.
                        ProblemKind::Invalid | ProblemKind::Other => last_pass && !now.has_started,
                        _ => false,
                    };
                    tracing::debug!(%problem, pod = self.pod, "logs that cannot be read");
                    wants_previous = previous && problem.is_passing();
                    if is_lost {
                        if !now.is_gone && now.has_started {
                            sink.send(LogMessage::Unreadable(problem)).await;
                        }
                        sink.send(LogMessage::Done).await;
                        return;
                    }
                }
            }
            if lines.count > seen {
                pauses.reset();
            }
            // A change of the container is worth a look at once.
            tokio::select! {
                () = pauses.pause() => {}
                changed = self.progress.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Reads one stream to its end.
    async fn read<T: Send>(
        &mut self,
        stream: impl AsyncBufRead + Send,
        lines: &mut Continuation,
        sink: &LogSink<T>,
    ) -> StreamEnd {
        let mut stream = pin!(stream);
        let mut ends_soon = false;
        loop {
            let limit = if ends_soon { AFTER_THE_END } else { SILENCE };
            let read = tokio::select! {
                read = timeout(limit, next_bytes(stream.as_mut())) => read,
                changed = self.progress.changed(), if !ends_soon => {
                    if changed.is_err() {
                        return StreamEnd::Unheard;
                    }
                    let now = *self.progress.borrow();
                    ends_soon = now.is_over || now.is_gone;
                    continue;
                }
            };
            match read {
                Ok(Ok(bytes)) if bytes.is_empty() => return StreamEnd::Clean,
                Ok(Ok(bytes)) => {
                    let new = lines.take(&bytes);
                    if !new.is_empty() && !sink.send(LogMessage::Output(new)).await {
                        return StreamEnd::Unheard;
                    }
                }
                Ok(Err(_)) | Err(_) => return StreamEnd::Broken,
            }
        }
    }
}

/// The next bytes of the stream; none at its end. Nothing is lost when this is dropped.
async fn next_bytes(mut stream: Pin<&mut impl AsyncBufRead>) -> std::io::Result<Vec<u8>> {
    let bytes = std::future::poll_fn(|context| {
        stream
            .as_mut()
            .poll_fill_buf(context)
            .map(|read| read.map(<[u8]>::to_vec))
    })
    .await?;
    stream.consume(bytes.len());
    Ok(bytes)
}

/// Lines of one pod over several streams: each of them once.
#[derive(Debug, Default)]
struct Continuation {
    /// The lines of the last seconds, as time and hash, in the order of the log.
    recent: VecDeque<(Timestamp, u64)>,
    newest: Option<Timestamp>,
    /// Where in `recent` the present stream is.
    cursor: usize,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// What it was when the stream before ended.
    last_partial: Vec<u8>,
    /// How many lines were new.
    count: u64,
}

impl Continuation {
    /// When the next stream shall begin: at a whole second, as the API would round it.
    fn since(&self) -> Option<Timestamp> {
        let begin = self.newest?.checked_sub(OVERLAP).ok()?;
        Timestamp::from_second(begin.as_second()).ok()
    }

    /// A new stream begins. What the last one left unfinished comes again.
    fn begin(&mut self) {
        self.cursor = 0;
        self.last_partial = std::mem::take(&mut self.partial);
    }

    /// Whether the present stream has had all that came before it, to its end. An answer that was cut
    /// off on its way cannot be told from a whole one else.
    fn is_repeated(&self) -> bool {
        self.cursor == self.recent.len() && self.partial == self.last_partial
    }

    /// Takes bytes of the stream; gives the new lines in them without their times.
    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut new = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end + 1);
            rest = after;
            if self.partial.is_empty() {
                self.add(line, &mut new);
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.add(&whole, &mut new);
            }
        }
        self.partial.extend_from_slice(rest);
        new
    }

    /// The last line, where the program did not end it.
    fn rest(&mut self) -> Vec<u8> {
        let mut new = Vec::new();
        let partial = std::mem::take(&mut self.partial);
        if !partial.is_empty() {
            self.add(&partial, &mut new);
        }
        new
    }

    /// Adds the line where it is new.
    fn add(&mut self, line: &[u8], new: &mut Vec<u8>) {
        match split_time(line) {
            Some((time, text)) => {
                if self.is_new(time, text) {
                    self.count += 1;
                    new.extend_from_slice(text);
                }
            }
            // Not of the container: what the node itself says about its logs.
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

    /// Forgets the lines that no later stream has.
    fn forget(&mut self) {
        let Some(since) = self.since() else { return };
        while self.recent.front().is_some_and(|(time, _)| *time < since) {
            self.recent.pop_front();
            self.cursor = self.cursor.saturating_sub(1);
        }
    }
}

/// The line's time, and the line.
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

    /// A log of `count` lines, some with the same time and text.
    fn log(count: usize) -> Vec<String> {
        (0..count)
            .map(|number| {
                let millis = number / 3 * 400;
                format!(
                    "2026-01-02T03:{:02}:{:02}.{:03}000001Z line {}\n",
                    millis / 60_000,
                    millis / 1000 % 60,
                    millis % 1000,
                    number / 2
                )
            })
            .collect()
    }

    #[test]
    fn every_line_comes_once_wherever_the_stream_breaks() {
        let log = log(60);
        let whole: String = log
            .iter()
            .map(|line| line.split_once(' ').unwrap().1.to_owned())
            .collect();
        let all: String = log.concat();
        for step in [1, 7, 40, 333, 1000] {
            let mut lines = Continuation::default();
            let mut read = String::new();
            let mut cut = step;
            loop {
                let since = lines.since();
                lines.begin();
                // What the server sends: from the second on, cut off in the middle of a line.
                let sent: String = log
                    .iter()
                    .filter(|line| {
                        let time: Timestamp = line.split(' ').next().unwrap().parse().unwrap();
                        since.is_none_or(|since| time >= since)
                    })
                    .cloned()
                    .collect();
                let end = all.len().min(cut).saturating_sub(all.len() - sent.len());
                for piece in sent.as_bytes()[..end].chunks(13) {
                    read.push_str(&text(lines.take(piece)));
                }
                if cut >= all.len() {
                    break;
                }
                cut += step;
            }
            assert_eq!(read, whole, "cut every {step} bytes");
            assert!(lines.recent.len() < 30, "{}", lines.recent.len());
        }
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
