//! Resources that are followed as they change: listed, then watched, and listed anew where a watch
//! breaks or its resource version is no longer known.

use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::core::Resource;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::api_problem::{ApiProblem, ProblemKind};

/// How long the server keeps a watch open, in seconds. It is begun again where it ended.
const WATCH_SECONDS: u32 = 240;
/// A watch that says nothing for longer than this has a dead connection.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 20);
/// How long a list may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);
/// The pauses between tries, the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// How often to list where watching is not allowed.
const BETWEEN_LISTS: Duration = Duration::from_secs(5);

/// What has become of the resources.
#[derive(Debug)]
pub(super) enum Change<K> {
    /// All that there are.
    Listed(Vec<K>),
    /// One that is new or has changed.
    Changed(Box<K>),
    /// One that is gone, as it was last.
    Deleted(Box<K>),
    /// They cannot be asked for. The next try follows, unless it is forbidden.
    Trouble(ApiProblem),
}

/// Which resources are meant.
#[derive(Debug, Clone, Default)]
pub(super) struct Selector {
    pub(super) fields: Option<String>,
    pub(super) labels: Option<String>,
}

/// Pauses that grow from try to try.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    next: Option<Duration>,
}

impl Pauses {
    pub(super) fn reset(&mut self) {
        self.next = None;
    }

    pub(super) async fn pause(&mut self) {
        let pause = self.next.unwrap_or(PAUSES.0);
        self.next = Some((pause * 2).min(PAUSES.1));
        tokio::time::sleep(pause).await;
    }
}

/// Where changes go to.
struct Sink<K, T> {
    wrap: fn(Change<K>) -> T,
    sender: mpsc::Sender<T>,
}

impl<K, T> Sink<K, T> {
    /// Sends the change. Whether anybody listens.
    async fn send(&self, change: Change<K>) -> bool {
        self.sender.send((self.wrap)(change)).await.is_ok()
    }
}

/// What to do when a watch has ended.
enum Next {
    /// Watch on from this version.
    From(String),
    List,
    /// Watching is forbidden.
    ListLater,
}

/// Sends every change until nobody receives them any more.
pub(super) async fn watch<K, T>(
    api: Api<K>,
    selector: Selector,
    wrap: fn(Change<K>) -> T,
    changes: mpsc::Sender<T>,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    T: Send,
{
    let mut pauses = Pauses::default();
    let mut next = Next::List;
    let sink = Sink {
        wrap,
        sender: changes,
    };
    loop {
        let version = match next {
            Next::From(version) => version,
            Next::List | Next::ListLater => match list(&api, &selector).await {
                Ok((items, version)) => {
                    if !sink.send(Change::Listed(items)).await {
                        return;
                    }
                    if matches!(next, Next::ListLater) {
                        tokio::time::sleep(BETWEEN_LISTS).await;
                        continue;
                    }
                    version
                }
                Err(problem) => {
                    let is_final = problem.kind == ProblemKind::Forbidden;
                    if !sink.send(Change::Trouble(problem)).await || is_final {
                        return;
                    }
                    pauses.pause().await;
                    next = Next::List;
                    continue;
                }
            },
        };
        let Some(after) = watch_once(&api, &selector, version, &sink, &mut pauses).await else {
            return;
        };
        next = after;
    }
}

async fn list<K>(api: &Api<K>, selector: &Selector) -> Result<(Vec<K>, String), ApiProblem>
where
    K: Clone + DeserializeOwned + Debug,
{
    let parameters = ListParams {
        label_selector: selector.labels.clone(),
        field_selector: selector.fields.clone(),
        ..ListParams::default()
    };
    let listed = timeout(LIST_TIMEOUT, api.list(&parameters)).await;
    let list = listed.map_err(|_| ApiProblem::new(ProblemKind::Unreachable, "no answer in time"))??;
    let version = list.metadata.resource_version.unwrap_or_default();
    Ok((list.items, version))
}

/// Watches until the watch ends. Nothing where nobody listens any more.
async fn watch_once<K, T>(
    api: &Api<K>,
    selector: &Selector,
    mut version: String,
    sink: &Sink<K, T>,
    pauses: &mut Pauses,
) -> Option<Next>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    T: Send,
{
    let parameters = WatchParams {
        label_selector: selector.labels.clone(),
        field_selector: selector.fields.clone(),
        timeout: Some(WATCH_SECONDS),
        bookmarks: true,
        ..WatchParams::default()
    };
    let begun = timeout(LIST_TIMEOUT, api.watch(&parameters, &version)).await;
    let events = match begun {
        Ok(Ok(events)) => events,
        Ok(Err(error)) => {
            let problem = ApiProblem::from(error);
            let next = match problem.kind {
                ProblemKind::Forbidden => Next::ListLater,
                _ => Next::List,
            };
            tracing::debug!(%problem, "a watch that cannot begin");
            pauses.pause().await;
            return Some(next);
        }
        Err(_) => return Some(Next::List),
    };
    let mut events = pin!(events);
    loop {
        let event = match timeout(SILENCE, events.next()).await {
            Ok(Some(Ok(event))) => event,
            // The server's time is over, or the connection was cut: what has come so far counts.
            Ok(None) => {
                pauses.pause().await;
                return Some(Next::From(version));
            }
            Ok(Some(Err(error))) => {
                tracing::debug!(%error, "a watch that broke");
                pauses.pause().await;
                return Some(Next::List);
            }
            Err(_) => return Some(Next::List),
        };
        let resource_version = |object: &K| object.meta().resource_version.clone();
        let change = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                version = resource_version(&object).unwrap_or(version);
                Change::Changed(Box::new(object))
            }
            WatchEvent::Deleted(object) => {
                version = resource_version(&object).unwrap_or(version);
                Change::Deleted(Box::new(object))
            }
            WatchEvent::Bookmark(bookmark) => {
                version = bookmark.metadata.resource_version;
                pauses.reset();
                continue;
            }
            // 410 Gone, above all.
            WatchEvent::Error(status) => {
                tracing::debug!(%status, "a watch that was ended");
                pauses.pause().await;
                return Some(Next::List);
            }
        };
        pauses.reset();
        if !sink.send(change).await {
            return None;
        }
    }
}
