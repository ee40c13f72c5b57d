//! The server as a test holds it: started, asked and changed from any thread.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::fault::{Action, Fault, Target};
use crate::logs::Logs;
use crate::serve::{self, Command};
use crate::store::{Kind, Store};

/// How the server is made.
#[derive(Default)]
pub struct Options {
    /// TLS; plain HTTP where there is none.
    pub tls: Option<Tls>,
    /// Bearer tokens that let a client in. Everybody is let in where there is neither a token nor an
    /// authority of clients.
    pub tokens: Vec<String>,
    /// Take fields that the schema does not know with a warning, as Kubernetes does; else refuse them.
    pub unknown_fields_are_warned_of: bool,
    /// Who may not do what: `verb resource`, such as `watch events`.
    pub forbidden: BTreeSet<String>,
}

/// The server's side of TLS.
pub struct Tls {
    /// Its certificate.
    pub certificate: X509,
    /// The certificate's key.
    pub key: PKey<Private>,
    /// The authority whose certificates let clients in.
    pub client_authority: Option<X509>,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Its query.
    pub query: String,
    /// Its body, where it is JSON.
    pub body: Value,
    /// The status code of the answer.
    pub code: u16,
}

/// What handlers and tests share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) state: Mutex<State>,
    /// Counts changes, so that streams know when to look.
    pub(crate) changed: watch::Sender<u64>,
}

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) logs: Logs,
    pub(crate) faults: Vec<Fault>,
    pub(crate) requests: Vec<RecordedRequest>,
    pub(crate) namespaces: BTreeSet<String>,
    /// Namespaces that are being deleted.
    pub(crate) terminating: BTreeSet<String>,
    /// Why no pod can be made, if that is so.
    pub(crate) pod_denial: Option<String>,
    /// Jobs whose pods take no notice of being deleted.
    pub(crate) keeps_deleted: bool,
    /// How often every watch so far was ended as too old.
    pub(crate) expirations: u64,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Wakes up streams.
    pub(crate) fn notify(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// The fault that hits a request, which is then used up.
    pub(crate) fn fault(&self, target: Target) -> Option<Action> {
        let mut state = self.lock();
        let at = state
            .faults
            .iter()
            .position(|fault| fault.target == target || fault.target == Target::Any)?;
        let fault = &mut state.faults[at];
        fault.times -= 1;
        let action = fault.action;
        if fault.times == 0 {
            state.faults.remove(at);
        }
        Some(action)
    }
}

/// A running server. It ends with this value.
pub struct Server {
    pub(crate) shared: Arc<Shared>,
    address: SocketAddr,
    is_tls: bool,
    commands: mpsc::UnboundedSender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on a free port of the loopback address.
    ///
    /// # Panics
    /// Where the system has no port or thread for it.
    pub fn start(options: Options) -> Self {
        let is_tls = options.tls.is_some();
        let namespaces = ["default", "mlflow"].map(str::to_owned).into();
        let shared = Arc::new(Shared {
            options,
            state: Mutex::new(State {
                store: Store::new(),
                logs: Logs::default(),
                faults: Vec::new(),
                requests: Vec::new(),
                namespaces,
                terminating: BTreeSet::new(),
                pod_denial: None,
                keeps_deleted: false,
                expirations: 0,
            }),
            changed: watch::channel(0).0,
        });
        let (commands, receiver) = mpsc::unbounded_channel();
        let (ready, address) = std::sync::mpsc::channel();
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || serve::run(of_thread, ready, receiver));
        Self {
            shared,
            address: address.recv().expect("a server that listens"),
            is_tls,
            commands,
            thread: Some(thread),
        }
    }

    /// The server's URL.
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// A kubeconfig with one context, `test`, whose user and cluster have these additional fields.
    pub fn kubeconfig(&self, cluster: Value, user: Value, namespace: Option<&str>) -> String {
        let mut cluster = cluster;
        cluster["server"] = self.url().into();
        let mut context = json!({"cluster": "fake", "user": "tester"});
        if let Some(namespace) = namespace {
            context["namespace"] = namespace.into();
        }
        // JSON is YAML too.
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "fake", "cluster": cluster}],
            "users": [{"name": "tester", "user": user}],
            "contexts": [{"name": "test", "context": context}],
        })
        .to_string()
    }

    /// All requests so far, in their order.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.lock().requests.clone()
    }

    /// The next requests that the fault is meant for are hit by it.
    pub fn fault(&self, target: Target, action: Action, times: usize) {
        self.shared.lock().faults.push(Fault {
            target,
            action,
            times,
        });
    }

    /// How many requests the faults so far will still hit.
    pub fn faults_left(&self) -> usize {
        self.shared.lock().faults.iter().map(|fault| fault.times).sum()
    }

    /// Cuts all connections and is away for a while.
    pub fn restart(&self, away: Duration) {
        self.while_away(away, || ());
    }

    /// Cuts all connections and is away for a while, and at least until something is done.
    pub fn while_away(&self, away: Duration, work: impl FnOnce()) {
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (gone, is_gone) = std::sync::mpsc::channel();
        let (is_done, done) = tokio::sync::oneshot::channel();
        let _ = self.commands.send(Command::Restart {
            away,
            gone,
            done,
            ready,
        });
        let _ = is_gone.recv();
        work();
        let _ = is_done.send(());
        let _ = is_ready.recv();
    }

    /// Forgets all resource versions, and ends open watches with `410 Gone`.
    pub fn compact(&self) {
        {
            let mut state = self.shared.lock();
            state.store.compact();
            state.expirations += 1;
        }
        self.shared.notify();
    }

    /// Adds a namespace besides `default` and `mlflow`.
    pub fn add_namespace(&self, name: &str) {
        self.shared.lock().namespaces.insert(name.to_owned());
    }

    /// From now on a namespace is being deleted: nothing new is taken there.
    pub fn terminate_namespace(&self, name: &str) {
        self.shared.lock().terminating.insert(name.to_owned());
    }

    /// From now on no pod can be made, for the reason that follows `is forbidden: `; or pods can be made again.
    pub fn deny_pods(&self, reason: Option<&str>) {
        self.shared.lock().pod_denial = reason.map(str::to_owned);
    }

    /// From now on pods take no notice of a deletion.
    pub fn keep_deleted(&self) {
        self.shared.lock().keeps_deleted = true;
    }

    /// All Jobs, as they are now.
    pub fn jobs(&self) -> Vec<Value> {
        self.shared.lock().store.all(Kind::Job)
    }

    /// All pods, as they are now.
    pub fn pods(&self) -> Vec<Value> {
        self.shared.lock().store.all(Kind::Pod)
    }

    /// Waits for something to be so.
    ///
    /// # Panics
    /// When it is not so within half a minute.
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, condition: impl Fn(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = condition(self) {
                return found;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "{what}; jobs: {:#?}",
                self.jobs()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the pod number `number`, counted from 0 in the order of creation; gives its name.
    ///
    /// # Panics
    /// When there is none within half a minute.
    #[track_caller]
    pub fn pod(&self, number: usize) -> String {
        self.wait_for("there is a pod", |server| {
            let mut pods = server.pods();
            pods.sort_by_key(|pod| pod["metadata"]["uid"].to_string());
            pods.get(number)
                .map(|pod| pod["metadata"]["name"].as_str().unwrap_or_default().to_owned())
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
