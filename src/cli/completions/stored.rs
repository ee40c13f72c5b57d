//! What tracking stores and the cache of environments offer. Whatever goes wrong, nothing is offered; a store is
//! neither made nor waited for.

use std::time::Duration;

use clap_complete::CompletionCandidate;

use crate::entities::{ExperimentId, RunData, UnixMillis};
use crate::env_vars;
use crate::environment;
use crate::quantity;
use crate::tracking::{self, TrackingError, TrackingStore, TrackingUri};

/// How long a tracking store may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many runs or experiments are offered.
const MOST: usize = 50;

/// The newest runs whose id begins so; the one run whose name does, if no id does. With `unfinished_first`, runs
/// that go on come before the others.
pub(super) fn runs(current: &str, unfinished_first: bool) -> Vec<CompletionCandidate> {
    let mut runs = stored(async |store| store.newest_runs(MOST).await);
    if unfinished_first {
        runs.sort_by_key(|run| run.info.status.is_terminated());
    }
    let is_id = |run: &&RunData| run.info.run_id.as_str().starts_with(current);
    let found: Vec<&RunData> = runs.iter().filter(is_id).collect();
    let found = if found.is_empty() {
        let is_name = |run: &&RunData| run.info.run_name.starts_with(current);
        let named: Vec<&RunData> = runs.iter().filter(is_name).collect();
        if named.len() == 1 { named } else { Vec::new() }
    } else {
        found
    };
    found.into_iter().map(candidate).collect()
}

fn candidate(run: &RunData) -> CompletionCandidate {
    let mut about = format!("{}, {}", run.info.run_name, run.info.status);
    if let Some(start) = run.start_time {
        let age = UnixMillis::now().0.saturating_sub(start.0);
        about.push_str(&format!(", {}", quantity::ago(age)));
    }
    CompletionCandidate::new(run.info.run_id.as_str()).help(Some(about.into()))
}

/// The names of the newest experiments.
pub(super) fn experiment_names() -> Vec<CompletionCandidate> {
    let experiments = stored(async |store| store.newest_experiments(MOST).await);
    let candidate = |(id, name)| CompletionCandidate::new(name).help(Some(format!("id {id}").into()));
    experiments.into_iter().map(candidate).collect()
}

/// The ids of the newest experiments.
pub(super) fn experiment_ids() -> Vec<CompletionCandidate> {
    let experiments = stored(async |store| store.newest_experiments(MOST).await);
    let candidate =
        |(id, name): (ExperimentId, String)| CompletionCandidate::new(id.as_str()).help(Some(name.into()));
    experiments.into_iter().map(candidate).collect()
}

/// The names of the environments that were built.
pub(super) fn environments() -> Vec<CompletionCandidate> {
    let found = environment::names().unwrap_or_default();
    let candidate = |(name, project): (String, Option<String>)| {
        CompletionCandidate::new(name).help(project.map(|project| format!("project {project}").into()))
    };
    found.into_iter().map(candidate).collect()
}

/// What a read of the store at hand gives.
fn stored<T>(read: impl AsyncFnOnce(&dyn TrackingStore) -> Result<Vec<T>, TrackingError>) -> Vec<T> {
    let Ok(current_directory) = std::env::current_dir() else {
        return Vec::new();
    };
    let named = env_vars::non_empty(env_vars::MLFLOW_TRACKING_URI);
    let Ok(uri) = TrackingUri::resolve(named.as_deref(), &current_directory) else {
        return Vec::new();
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let found = runtime.block_on(async {
        let read = async {
            let store = tracking::open_existing(&uri).await.ok()??;
            read(store.as_ref()).await.ok()
        };
        tokio::time::timeout(PATIENCE, read).await
    });
    // What still waits for an answer must not hold the shell back.
    runtime.shutdown_background();
    found.ok().flatten().unwrap_or_default()
}
