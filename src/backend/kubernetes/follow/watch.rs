//! Follows resources as they change. The library lists, watches and resumes; this module limits how long it
//! waits, and lists instead if watching is forbidden or cannot begin.

use std::fmt::Debug;
use std::time::Duration;

use futures_util::StreamExt as _;
use http::Request;
use k8s_openapi::NamespaceResourceScope;
use kube::Client;
use kube::api::{Api, Resource};
use kube::client::Body;
use kube::runtime::utils::ResetTimerBackoff;
use kube::runtime::watcher::{Config, Error, Event, ExponentialBackoff, watcher};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower::service_fn;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber as _;

use crate::backend::kubernetes::api_error::{ApiProblem, ProblemKind};
use crate::backend::kubernetes::job_api::{JobHandle, PAUSES, REQUEST_TIMEOUT};

/// How long the server keeps a watch open, in seconds. The library then resumes it.
const WATCH_SECONDS: u32 = 240;
/// How long without a change before the resources are listed again: a watch may hang before it begins.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 30);
/// The least time between the beginnings of two watches.
const BETWEEN_WATCHES: Duration = Duration::from_secs(1);
/// How often to list if watching is forbidden.
const BETWEEN_LISTS: Duration = Duration::from_secs(5);
/// After so long without trouble, the pauses start short again.
const CALM: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) enum Change<K> {
    Listed(Vec<K>),
    /// New or changed.
    Changed(Box<K>),
    /// Gone; its last state.
    Deleted(Box<K>),
    /// The request failed. It is retried, unless it is forbidden.
    Trouble(ApiProblem),
}

/// Sends each change of the resources until nobody listens or access is forbidden.
pub(super) async fn watch<K, M>(
    handle: JobHandle,
    config: Config,
    sender: mpsc::Sender<M>,
    wrap: fn(Change<K>) -> M,
) where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + DeserializeOwned + Debug + Send + 'static,
{
    let api = Api::<K>::namespaced(paced(handle.cluster.client), &handle.namespace);
    let config = config.timeout(WATCH_SECONDS);
    // The events, and the items so far of a list in progress.
    let begin = || (watcher(api.clone(), config.clone()).boxed(), Some(Vec::new()));
    let (mut events, mut listing) = begin();
    let mut watching_is_forbidden = false;
    let mut pauses = ResetTimerBackoff::new(ExponentialBackoff::from(PAUSES), CALM);
    loop {
        let is_listing = listing.is_some();
        let limit = if is_listing { REQUEST_TIMEOUT } else { SILENCE };
        // The library's own traces show errors in full, with what a login program wrote.
        let event = events.next().with_subscriber(Dispatch::none());
        let change = match timeout(limit, event).await {
            Ok(Some(Ok(event))) => change_by(event, &mut listing),
            Ok(Some(Err(Error::InitialListFailed(error)))) => Some(Change::Trouble(error.into())),
            Ok(Some(Err(error))) => {
                // The library would retry from the same version, which the server may not have.
                let cannot_begin = matches!(error, Error::WatchStartFailed(_));
                let problem = ApiProblem::from(error);
                tracing::debug!(%problem, "a watch broke or cannot begin");
                if cannot_begin {
                    (events, listing) = begin();
                    watching_is_forbidden = problem.kind == ProblemKind::Forbidden;
                }
                sleep(pauses.next().unwrap_or_default()).await;
                None
            }
            Ok(None) | Err(_) => {
                (events, listing) = begin();
                is_listing.then(|| Change::Trouble(ApiProblem::no_answer(REQUEST_TIMEOUT)))
            }
        };
        let Some(change) = change else { continue };
        let pause = match &change {
            Change::Trouble(problem) if problem.kind == ProblemKind::Forbidden => None,
            Change::Trouble(_) => pauses.next(),
            Change::Listed(_) if watching_is_forbidden => {
                (events, listing) = begin();
                Some(BETWEEN_LISTS)
            }
            _ => Some(Duration::ZERO),
        };
        let is_heard = sender.send(wrap(change)).await.is_ok();
        let Some(pause) = pause.filter(|_| is_heard) else {
            return;
        };
        sleep(pause).await;
    }
}

/// The change of an event; `None` while a list is in progress.
fn change_by<K>(event: Event<K>, listing: &mut Option<Vec<K>>) -> Option<Change<K>> {
    Some(match event {
        Event::Init => {
            *listing = Some(Vec::new());
            return None;
        }
        Event::InitApply(item) => {
            listing.get_or_insert_default().push(item);
            return None;
        }
        Event::InitDone => Change::Listed(listing.take().unwrap_or_default()),
        Event::Apply(item) => Change::Changed(Box::new(item)),
        Event::Delete(item) => Change::Deleted(Box::new(item)),
    })
}

impl From<Error> for ApiProblem {
    fn from(error: Error) -> Self {
        match error {
            Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
                error.into()
            }
            Error::WatchError(status) => Self::from(&*status),
            Error::NoResourceVersion => Self::new(ProblemKind::Other, error.to_string()),
        }
    }
}

/// The client, with a pause between the starts of watches: the library resumes one that ended well at once, and
/// a proxy may end each of them at once.
fn paced(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let mut due = Instant::now();
    let service = service_fn(move |request: Request<Body>| {
        let client = client.clone();
        let mut begin = Instant::now();
        if request
            .uri()
            .query()
            .is_some_and(|query| query.contains("watch=true"))
        {
            begin = begin.max(due);
            due = begin + BETWEEN_WATCHES;
        }
        async move {
            sleep_until(begin).await;
            client.send(request).await
        }
    });
    Client::new(service, namespace)
}
