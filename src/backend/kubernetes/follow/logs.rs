//! What the entry point's container writes, as it comes, without loss or repetition.
//!
//! A stream that breaks is begun again; [`Continuation`] leaves out the lines that have come already.

use std::pin::pin;
use std::time::Duration;

use backon::BackoffBuilder as _;
use futures_util::io::{AsyncBufRead, AsyncBufReadExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::Message;
use super::log_lines::Continuation;
use crate::backend::kubernetes::api_problem::{ApiProblem, ProblemKind};
use crate::backend::kubernetes::handle::PAUSES;

/// A stream that is silent for longer is begun again: its connection may be dead.
const SILENCE: Duration = Duration::from_secs(240);
/// How long a stream may go on after its container has ended.
const AFTER_THE_END: Duration = Duration::from_secs(10);

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

pub(super) struct LogFollower {
    pub(super) api: Api<Pod>,
    pub(super) pod: String,
    pub(super) pod_uid: String,
    pub(super) container: String,
    pub(super) progress: watch::Receiver<ContainerProgress>,
    pub(super) sender: mpsc::Sender<Message>,
}

impl LogFollower {
    /// Sends the message. If nobody listens any more, this task is about to be ended.
    async fn send(&self, message: Message) {
        let _ = self.sender.send(message).await;
    }

    /// Sends all lines until the container has ended for good.
    pub(super) async fn follow(mut self) {
        let mut lines = Continuation::default();
        let has_begun = |now: &ContainerProgress| now.has_started || now.is_over || now.is_gone;
        if self.progress.wait_for(has_begun).await.is_err() {
            return;
        }
        let mut pauses = PAUSES.build();
        let mut attempt = self.progress.borrow().restarts;
        // The container before the first that was seen: what it wrote is still there.
        let mut wants_previous = attempt > 0;
        // Whether the last stream was read to the end that the server gave it.
        let mut is_whole = false;
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
            match self.api.log_stream(&self.pod, &parameters).await {
                Ok(stream) => {
                    let is_clean = self.read(stream, &mut lines).await;
                    if is_clean && last_pass && lines.count == seen && lines.is_repeated() {
                        self.send(Message::Output(lines.rest())).await;
                        return self.send(Message::LogDone(self.pod_uid.clone())).await;
                    }
                    is_whole = is_clean && !previous;
                    wants_previous = !is_clean && previous;
                }
                Err(error) => {
                    let problem = ApiProblem::from(error);
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
                        let is_removed = is_whole && problem.kind == ProblemKind::NotFound;
                        if !now.is_gone && now.has_started && !is_removed {
                            self.send(Message::LogUnreadable(problem)).await;
                        }
                        return self.send(Message::LogDone(self.pod_uid.clone())).await;
                    }
                }
            }
            if lines.count > seen {
                pauses = PAUSES.build();
            }
            // A change of the container is worth a look at once.
            tokio::select! {
                () = sleep(pauses.next().unwrap_or_default()) => {}
                changed = self.progress.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Reads one stream. Whether the server ended it; else it broke, or was given up.
    async fn read(&mut self, stream: impl AsyncBufRead + Send, lines: &mut Continuation) -> bool {
        let mut stream = pin!(stream);
        let mut ends_soon = false;
        loop {
            let limit = if ends_soon { AFTER_THE_END } else { SILENCE };
            let read = tokio::select! {
                read = timeout(limit, stream.fill_buf()) => read,
                changed = self.progress.changed(), if !ends_soon => {
                    if changed.is_err() {
                        return false;
                    }
                    let now = *self.progress.borrow();
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
                self.send(Message::Output(new)).await;
            }
        }
    }
}
