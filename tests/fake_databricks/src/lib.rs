//! A Databricks workspace on loopback, for tests.
//!
//! It keeps state as a real one does: files of DBFS, of volumes and of the workspace, runs of jobs that go
//! through their states, tokens that expire. Requests are checked strictly: an unknown field is refused.
//! Answers are modelled on Databricks' REST API reference. MLflow's own API is answered by a real tracking
//! server behind it. Jobs may really run, as processes of this machine.

#![allow(clippy::unwrap_used, reason = "a test's server that cannot go on panics")]

mod auth;
mod cluster;
mod dbfs;
mod fault;
mod jobs;
mod mlflow;
mod reply;
mod request;
mod secrets;
mod volumes;
mod workspace;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::State;

pub use cluster::Cluster;
pub use fault::{Action, Fault};
pub use jobs::{JobState, Output};
pub use request::Recorded;

use reply::Reply;
use request::Request;

/// The token that every workspace accepts.
pub const TOKEN: &str = "dapi0123456789fake";
/// The user that every workspace accepts.
pub const USER: (&str, &str) = ("user@example.com", "pass word:1");
/// The service principal that every workspace accepts: its id and its secret.
pub const CLIENT: (&str, &str) = (
    "11111111-2222-3333-4444-555555555555",
    "dose-secret-of-the-client",
);

/// What a workspace is like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address of the tracking server behind the workspace.
    pub mlflow: Option<String>,
    /// Whether DBFS is on.
    pub has_dbfs: bool,
    /// Whether files can be uploaded by the path that MLflow's own client uses.
    pub has_direct_upload: bool,
    /// How long access tokens last.
    pub token_life: Duration,
    /// The states that a run of a job goes through, one each time that it is asked for.
    pub job: Vec<JobState>,
    /// What a run of a job leaves.
    pub output: Output,
    /// Runs the commands of jobs on this machine; they go through `job` alone where it is `None`.
    pub cluster: Option<Cluster>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mlflow: None,
            has_dbfs: true,
            has_direct_upload: true,
            token_life: Duration::from_secs(3600),
            job: JobState::success(),
            output: Output::default(),
            cluster: None,
        }
    }
}

/// Everything that a workspace holds.
pub(crate) struct Workspace {
    url: String,
    settings: Settings,
    auth: auth::Auth,
    dbfs: dbfs::Dbfs,
    volumes: volumes::Volumes,
    files: workspace::Files,
    jobs: jobs::Jobs,
    secrets: BTreeMap<(String, String), String>,
    faults: Vec<Fault>,
    log: Vec<Recorded>,
}

type Shared = Arc<Mutex<Workspace>>;

/// A running workspace; it ends when it is dropped.
pub struct FakeDatabricks {
    url: String,
    workspace: Shared,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl FakeDatabricks {
    /// Starts a workspace on a free port.
    pub fn start(settings: Settings) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Self::start_on(listener, settings)
    }

    /// Starts a workspace on this listener.
    pub fn start_on(listener: std::net::TcpListener, settings: Settings) -> Self {
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let workspace = Arc::new(Mutex::new(Workspace {
            url: url.clone(),
            auth: auth::Auth::new(settings.token_life),
            settings,
            dbfs: dbfs::Dbfs::default(),
            volumes: volumes::Volumes::default(),
            files: workspace::Files::default(),
            jobs: jobs::Jobs::default(),
            secrets: BTreeMap::new(),
            faults: Vec::new(),
            log: Vec::new(),
        }));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let shared = Arc::clone(&workspace);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let service = Router::new().fallback(answer).with_state(shared);
                tokio::select! {
                    _ = async { axum::serve(listener, service).await } => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            url,
            workspace,
            stop: Some(stop),
        }
    }

    /// The workspace's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All requests so far but those for MLflow's own API.
    pub fn requests(&self) -> Vec<Recorded> {
        let log = self.lock().log.clone();
        log.into_iter()
            .filter(|request| !request.path.contains("/mlflow/"))
            .collect()
    }

    /// All requests so far.
    pub fn all_requests(&self) -> Vec<Recorded> {
        self.lock().log.clone()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.lock().log.clear();
    }

    /// Has requests go wrong.
    pub fn fail(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// Has nothing go wrong any more.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// Accepts a token from now on.
    pub fn accept_token(&self, token: &str) {
        self.lock().auth.accept(token);
    }

    /// No longer accepts a token.
    pub fn revoke_token(&self, token: &str) {
        self.lock().auth.revoke(token);
    }

    /// No longer accepts any of the access tokens that it gave.
    pub fn expire_access_tokens(&self) {
        self.lock().auth.expire();
    }

    /// Keeps a secret.
    pub fn put_secret(&self, scope: &str, key: &str, value: &str) {
        let id = (scope.to_owned(), key.to_owned());
        self.lock().secrets.insert(id, value.to_owned());
    }

    /// The files of DBFS.
    pub fn dbfs_files(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().dbfs.files()
    }

    /// Puts a file into DBFS.
    pub fn put_dbfs_file(&self, path: &str, contents: &[u8]) {
        self.lock().dbfs.put(path, contents.to_vec());
    }

    /// The files of volumes.
    pub fn volume_files(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().volumes.files.clone()
    }

    /// The files of the workspace.
    pub fn workspace_files(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().files.files.clone()
    }

    /// The bodies of all jobs that were submitted.
    pub fn submitted(&self) -> Vec<serde_json::Value> {
        self.lock().jobs.submitted()
    }

    /// The state that each run of a job is in.
    pub fn job_states(&self) -> Vec<JobState> {
        self.lock().jobs.states()
    }

    /// The states that runs of jobs go through from now on.
    pub fn set_job(&self, states: Vec<JobState>) {
        self.lock().settings.job = states;
    }

    /// Where the commands of jobs find the files.
    pub fn cluster_root(&self) -> Option<PathBuf> {
        let workspace = self.lock();
        workspace
            .settings
            .cluster
            .as_ref()
            .map(|cluster| cluster.root.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Workspace> {
        lock(&self.workspace)
    }
}

impl Drop for FakeDatabricks {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Workspace> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn answer(State(shared): State<Shared>, request: axum::extract::Request) -> axum::response::Response {
    let request = match Request::read(request).await {
        Ok(request) => request,
        Err(reply) => return reply.into_response(),
    };
    let action = {
        let mut workspace = lock(&shared);
        workspace.log.push(request.recorded());
        fault::action(&mut workspace.faults, &request)
    };
    match action {
        None => {}
        Some(Action::Answer(reply)) => return Reply::from(reply).into_response(),
        Some(Action::BreakAfter) => {
            // It is done, but the answer is lost.
            let _ = dispatch(&shared, request).await;
            return reply::broken();
        }
        Some(Action::Break) => return reply::broken(),
        Some(Action::Hang) => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            return reply::broken();
        }
    }
    dispatch(&shared, request).await.into_response()
}

async fn dispatch(shared: &Shared, request: Request) -> Reply {
    if let Some(reply) = auth::open_endpoint(&mut lock(shared), &request) {
        return reply;
    }
    if let Err(reply) = lock(shared).auth.check(&request) {
        return reply;
    }
    if request.path.contains("/mlflow/") || request.path.starts_with("/ajax-api/") {
        return mlflow::forward(shared, request).await;
    }
    let mut workspace = lock(shared);
    let reply = auth::answer(&request)
        .or_else(|| dbfs::answer(&mut workspace, &request))
        .or_else(|| volumes::answer(&mut workspace, &request))
        .or_else(|| workspace::answer(&mut workspace, &request))
        .or_else(|| secrets::answer(&workspace, &request))
        .or_else(|| jobs::answer(&mut workspace, shared, &request));
    reply.unwrap_or_else(|| {
        Reply::error(
            404,
            "ENDPOINT_NOT_FOUND",
            &format!("No API found for '{} {}'", request.method, request.path),
        )
    })
}
