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
use tokio::sync::mpsc;
use tokio::sync::watch::Receiver;
use tokio::time::{sleep, timeout};

use super::Message;
use super::log_lines::Continuation;
use crate::backend::kubernetes::error::{ApiProblem, ProblemKind};
use crate::backend::kubernetes::handle::PAUSES;
use crate::backend::kubernetes::reasons::PodView;

/// A stream that is silent for longer is begun again: its connection may be dead.
const SILENCE: Duration = Duration::from_secs(240);
/// How long a stream may go on after its container has ended.
const AFTER_THE_END: Duration = Duration::from_secs(10);

/// Sends all lines of the entry point's container until it has ended for good.
pub(super) async fn follow(api: Api<Pod>, mut pod: Receiver<PodView>, sender: mpsc::Sender<Message>) {
    let uid = pod.borrow().uid.clone();
    let unreadable = read_all(&api, &mut pod, &sender).await;
    if let Some(problem) = unreadable {
        let _ = sender.send(Message::LogUnreadable(problem)).await;
    }
    let _ = sender.send(Message::LogDone(uid)).await;
}

/// Why not all could be read, if that is worth a word.
async fn read_all(
    api: &Api<Pod>,
    pod: &mut Receiver<PodView>,
    sender: &mpsc::Sender<Message>,
) -> Option<ApiProblem> {
    let mut lines = Continuation::default();
    let begun = pod.wait_for(|pod| pod.has_started || pod.is_over || pod.is_gone);
    let mut attempt = begun.await.ok()?.restarts;
    let mut pauses = PAUSES.build();
    // The container before the first that was seen: what it wrote is still there.
    let mut wants_previous = attempt > 0;
    // Whether the last stream was read to the end that the server gave it.
    let mut is_whole = false;
    loop {
        let now = pod.borrow().clone();
        if now.restarts > attempt {
            (attempt, wants_previous) = (now.restarts, true);
        }
        let previous = std::mem::take(&mut wants_previous);
        let last_pass = (now.is_over || now.is_gone) && !previous;
        let parameters = LogParams {
            container: Some(now.container),
            follow: !last_pass && !previous,
            previous,
            since_time: lines.since(),
            timestamps: true,
            ..LogParams::default()
        };
        lines.begin();
        let seen = lines.count;
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
                tracing::debug!(%problem, pod = now.name, "logs that cannot be read");
                let is_lost = match problem.kind {
                    ProblemKind::Forbidden => true,
                    ProblemKind::NotFound => now.is_gone || now.is_over,
                    // An older container may be gone, or a stream asked for too early.
                    ProblemKind::Invalid | ProblemKind::Other => last_pass && !now.has_started,
                    _ => false,
                };
                if is_lost {
                    let is_removed = is_whole && problem.kind == ProblemKind::NotFound;
                    return (!now.is_gone && now.has_started && !is_removed).then_some(problem);
                }
                wants_previous = previous && problem.is_passing();
            }
        }
        if lines.count > seen {
            pauses = PAUSES.build();
        }
        // A change of the container is worth a look at once.
        tokio::select! {
            () = sleep(pauses.next().unwrap_or_default()) => {}
            changed = pod.changed() => changed.ok()?,
        }
    }
}

/// Reads one stream. Whether the server ended it; else it broke, or was given up.
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
