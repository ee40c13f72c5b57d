//! Resources that are followed as they change. The library lists, watches and resumes; this module limits
//! how long it waits, and lists instead if watching is forbidden or cannot begin.

use std::fmt::Debug;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use http::Request;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Client;
use kube::api::{Api, Resource};
use kube::client::Body;
use kube::runtime::watcher::{self, Config, Error, watcher};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower::service_fn;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber as _;

use super::api_problem::{ApiProblem, ProblemKind};
use super::handle::{JobHandle, PAUSES, REQUEST_TIMEOUT};

/// How long the server keeps a watch open, in seconds. The library then resumes it.
const WATCH_SECONDS: u32 = 240;
/// How long nothing may change before the resources are listed anew: a watch may hang before it begins.
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
    /// One that is new or has changed.
    Changed(Box<K>),
    /// One that is gone, as it was last.
    Deleted(Box<K>),
    /// They cannot be asked for. The next try follows, unless it is forbidden.
    Trouble(ApiProblem),
}

pub(super) trait Watched:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static
{
}

impl Watched for Event {}
impl Watched for Job {}
impl Watched for Pod {}

pub(super) struct Watch<K> {
    api: Api<K>,
    config: Config,
    events: BoxStream<'static, watcher::Result<watcher::Event<K>>>,
    /// What a list that is under way has given so far.
    listing: Option<Vec<K>>,
    /// Whether watching is forbidden, and only lists are allowed.
    polls: bool,
    /// Whether not even lists are allowed.
    is_forbidden: bool,
    pauses: ExponentialBackoff,
    /// When there was trouble last, and how long to wait after it.
    trouble: Instant,
    pause: Duration,
}

impl<K: Watched> Watch<K> {
    pub(super) fn new(handle: &JobHandle, config: Config) -> Self {
        let client = paced(handle.cluster.client.clone());
        let api = Api::<K>::namespaced(client, &handle.namespace);
        let config = config.timeout(WATCH_SECONDS);
        Self {
            events: watcher(api.clone(), config.clone()).boxed(),
            api,
            config,
            listing: Some(Vec::new()),
            polls: false,
            is_forbidden: false,
            pauses: PAUSES.build(),
            trouble: Instant::now(),
            pause: Duration::ZERO,
        }
    }

    /// The next change. Nothing once the resources may not be asked for.
    pub(super) async fn next(&mut self) -> Option<Change<K>> {
        while !self.is_forbidden {
            sleep(std::mem::take(&mut self.pause)).await;
            let is_listing = self.listing.is_some();
            let limit = if is_listing { REQUEST_TIMEOUT } else { SILENCE };
            // The library's own traces show errors in full, with what a login program wrote.
            let event = self.events.next().with_subscriber(Dispatch::none());
            let change = match timeout(limit, event).await {
                Ok(Some(Ok(event))) => self.take(event),
                Ok(Some(Err(error))) => self.take_error(error),
                Ok(None) | Err(_) => {
                    self.begin_again();
                    is_listing.then(|| self.fail(ApiProblem::no_answer(REQUEST_TIMEOUT)))
                }
            };
            if change.is_some() {
                return change;
            }
        }
        None
    }

    fn take(&mut self, event: watcher::Event<K>) -> Option<Change<K>> {
        match event {
            watcher::Event::Init => self.listing = Some(Vec::new()),
            watcher::Event::InitApply(item) => self.listing.get_or_insert_default().push(item),
            watcher::Event::InitDone => {
                let items = self.listing.take().unwrap_or_default();
                if self.polls {
                    self.begin_again();
                    self.pause = BETWEEN_LISTS;
                }
                return Some(Change::Listed(items));
            }
            watcher::Event::Apply(item) => return Some(Change::Changed(Box::new(item))),
            watcher::Event::Delete(item) => return Some(Change::Deleted(Box::new(item))),
        }
        None
    }

    fn take_error(&mut self, error: Error) -> Option<Change<K>> {
        let problem = match error {
            Error::InitialListFailed(error) => return Some(self.fail(error.into())),
            Error::WatchStartFailed(error) => {
                // The library would retry from the same version, which the server may not have.
                self.begin_again();
                let problem = ApiProblem::from(error);
                self.polls = problem.kind == ProblemKind::Forbidden;
                problem
            }
            Error::WatchFailed(error) => error.into(),
            Error::WatchError(status) => ApiProblem::from(&*status),
            Error::NoResourceVersion => ApiProblem::new(ProblemKind::Other, error.to_string()),
        };
        tracing::debug!(%problem, "a watch broke or cannot begin");
        self.back_off();
        None
    }

    fn fail(&mut self, problem: ApiProblem) -> Change<K> {
        self.is_forbidden = problem.kind == ProblemKind::Forbidden;
        self.back_off();
        Change::Trouble(problem)
    }

    fn begin_again(&mut self) {
        self.events = watcher(self.api.clone(), self.config.clone()).boxed();
        self.listing = Some(Vec::new());
    }

    fn back_off(&mut self) {
        if self.trouble.elapsed() > CALM {
            self.pauses = PAUSES.build();
        }
        self.trouble = Instant::now();
        self.pause = self.pauses.next().unwrap_or_default();
    }
}

/// The client, with a pause between the beginnings of watches: the library at once resumes one that ended
/// well, and a proxy may end each of them at once.
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
