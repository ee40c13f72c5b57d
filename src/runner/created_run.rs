//! A run that is in the tracking store and has not started.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{RunDetails, RunError, RunPlan, RunRequest};
use crate::entities::{RunId, RunInfo, UnixMillis, tag};
use crate::env_vars;
use crate::events::Progress;
use crate::fetch::TreeState;
use crate::tracking::{NewRun, TrackingError, TrackingStore};

/// A run that is in the tracking store. It must be submitted or ended, or it stays `RUNNING`.
pub(crate) struct CreatedRun {
    pub(crate) plan: RunPlan,
    pub(crate) store: Arc<dyn TrackingStore>,
    pub(crate) info: RunInfo,
    pub(crate) details: RunDetails,
    /// Whether the run's tags say if the project's files match their commit.
    pub(super) tells_tree: bool,
}

/// A run that is in the store, and why the store refused what belongs to it.
struct MadeRun {
    info: RunInfo,
    refused: Option<TrackingError>,
    tells_tree: bool,
}

impl RunPlan {
    /// Creates the run, or takes the one that the request names.
    ///
    /// # Errors
    /// The store refuses. [`RunError::NotPrepared`] names the run if there is one then.
    pub(super) async fn create_run(mut self, progress: &dyn Progress) -> Result<CreatedRun, RunError> {
        let store = self.store().await?;
        let made = match self.request.run_id.clone() {
            Some(run_id) => self.take_run(&run_id, store.as_ref()).await?,
            None => self.new_run(store.as_ref(), progress).await?,
        };
        let mut details = RunDetails {
            timings: self.timings,
            ..RunDetails::default()
        };
        if let Some(tree) = self.tree.finished().await {
            details.set_tree(tree);
        }
        let created = CreatedRun {
            tells_tree: made.tells_tree,
            details,
            plan: self,
            store,
            info: made.info,
        };
        match made.refused {
            None => Ok(created),
            Some(source) => Err(created.end_unprepared(source, progress).await),
        }
    }

    async fn new_run(
        &mut self,
        store: &dyn TrackingStore,
        progress: &dyn Progress,
    ) -> Result<MadeRun, RunError> {
        let experiment_id = store.experiment(&self.experiment).await?;
        let mut tags = self.source_tags();
        tags.extend(self.values_tag());
        tags.extend(self.parent_tag(store, progress).await);
        tags.extend(self.run_tags());
        let tree = self.tree.finished().await;
        let tells_tree = tree.is_some();
        tags.extend(tree.and_then(|tree| tree_tag(tree, &self.request)));
        tags.extend(creation_tag(store, &tags));
        let new_run = NewRun {
            experiment_id,
            user: self.user.clone(),
            name: self.request.run_name.clone(),
            start_time: UnixMillis::now(),
            tags,
            params: self.params_to_log.clone(),
        };
        let (info, refused) = match store.create_run(new_run).await {
            Ok(info) => (info, None),
            Err(TrackingError::HalfCreated { info, cause }) => (*info, Some(*cause)),
            Err(error) => return Err(error.into()),
        };
        Ok(MadeRun {
            info,
            refused,
            tells_tree,
        })
    }

    /// Takes the run that `--run-id` names. It keeps the tags of its source.
    async fn take_run(&self, run_id: &RunId, store: &dyn TrackingStore) -> Result<MadeRun, RunError> {
        let mut info = store.run(run_id).await?;
        let mut tags = self.run_tags();
        // Whoever starts a run by both ways, as MLflow's own client does, writes this tag itself: at this
        // very moment, and fails where another one is quicker.
        if env_vars::non_empty(env_vars::MLFLOW_RUN_ID).as_deref() == Some(run_id.as_str()) {
            tags.retain(|(name, _)| name != tag::PROJECT_BACKEND);
        }
        let name = self.request.run_name.iter();
        tags.extend(name.map(|name| (tag::RUN_NAME.to_owned(), name.clone())));
        let refused = if tags.is_empty() {
            None
        } else {
            store.set_tags(run_id, &tags).await.err()
        };
        if let Some(name) = &self.request.run_name {
            info.run_name.clone_from(name);
        }
        Ok(MadeRun {
            info,
            refused,
            tells_tree: true,
        })
    }

    /// The tag of a run that is started inside another one in the same store.
    async fn parent_tag(
        &self,
        store: &dyn TrackingStore,
        progress: &dyn Progress,
    ) -> Option<(String, String)> {
        let outer = || env_vars::non_empty(env_vars::MLFLOW_RUN_ID).map(RunId::new);
        let parent = self.request.parent_run.clone().or_else(outer)?;
        match store.run(&parent).await {
            Ok(_) => Some((tag::PARENT_RUN_ID.to_owned(), parent.to_string())),
            Err(TrackingError::NotFound { .. }) => None,
            Err(error) => {
                progress.warning(&format!(
                    "cannot tell whether MLFLOW_RUN_ID='{parent}' is this run's parent: {error}"
                ));
                None
            }
        }
    }
}

/// The tag by which a run is found whose creation was not answered. The tag of the process does as well,
/// for the first run that the process creates.
fn creation_tag(store: &dyn TrackingStore, tags: &[(String, String)]) -> Option<(String, String)> {
    static PROCESS_TAG_IS_USED: AtomicBool = AtomicBool::new(false);
    let has_process = tags.iter().any(|(name, _)| name == tag::PROJECT_PROCESS);
    let is_found = has_process && !PROCESS_TAG_IS_USED.swap(true, Ordering::Relaxed);
    let is_needed = store.loses_answers() && !is_found;
    is_needed.then(|| (tag::CREATION.to_owned(), RunId::random().to_string()))
}

/// The tag that says if the project's files differ from their commit. If they do not, runs with the tag of their
/// process need none; other runs could be those of `mlflow run`, which does not look.
pub(super) fn tree_tag(tree: &TreeState, request: &RunRequest) -> Option<(String, String)> {
    let tells_process = request.tags.iter().any(|(name, _)| name == tag::PROJECT_PROCESS);
    let is_dirty = match tree {
        TreeState::Changed { .. } | TreeState::Untracked { .. } => "true",
        TreeState::Clean if !tells_process => "false",
        TreeState::Clean | TreeState::Unknown => return None,
    };
    Some((tag::GIT_DIRTY.to_owned(), is_dirty.to_owned()))
}
