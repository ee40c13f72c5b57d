//! A run that is in the tracking store, and for which nothing has been done yet.

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
    pub(super) plan: RunPlan,
    pub(super) store: Arc<dyn TrackingStore>,
    pub(super) info: RunInfo,
    pub(super) details: RunDetails,
    /// Whether the run's tags tell how the project's files stand to their commit.
    pub(super) tells_tree: bool,
}

/// A run that is in the store, and why the store refused what belongs to it.
struct MadeRun {
    info: RunInfo,
    refused: Option<TrackingError>,
}

impl RunPlan {
    /// Makes the run, or takes the one that the request names.
    ///
    /// # Errors
    /// The store refuses. [`RunError::NotPrepared`] names the run if there is one then.
    pub(crate) async fn create_run(mut self, progress: &dyn Progress) -> Result<CreatedRun, RunError> {
        let store = self.store().await?;
        // A run that is taken keeps the tags of its source.
        let (made, tells_tree) = match &self.request.run_id {
            Some(_) => (self.take_run(store.as_ref()).await?, true),
            None => self.new_run(store.as_ref(), progress).await?,
        };
        let mut details = RunDetails {
            timings: self.timings,
            ..RunDetails::default()
        };
        let tree = self.tree.finished().await;
        if let Some(tree) = tree {
            details.set_tree(tree);
        }
        let created = CreatedRun {
            tells_tree,
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
    ) -> Result<(MadeRun, bool), RunError> {
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
        let made = match store.create_run(new_run).await {
            Ok(info) => MadeRun { info, refused: None },
            Err(TrackingError::HalfCreated { info, cause }) => MadeRun {
                info: *info,
                refused: Some(*cause),
            },
            Err(error) => return Err(error.into()),
        };
        Ok((made, tells_tree))
    }

    /// Takes the run that `--run-id` names.
    async fn take_run(&self, store: &dyn TrackingStore) -> Result<MadeRun, RunError> {
        let run_id = self.request.run_id.as_ref().expect("the caller has seen it");
        let mut info = store.run(run_id).await?;
        let mut tags = self.run_tags();
        // Whoever starts a run by both ways, as MLflow's own client does, writes this tag itself: at this
        // very moment, and fails where another one is quicker.
        if env_vars::non_empty(env_vars::MLFLOW_RUN_ID).as_deref() == Some(run_id.as_str()) {
            tags.retain(|(name, _)| name != tag::PROJECT_BACKEND);
        }
        tags.extend(
            self.request
                .run_name
                .iter()
                .map(|name| (tag::RUN_NAME.to_owned(), name.clone())),
        );
        let refused = if tags.is_empty() {
            None
        } else {
            store.set_tags(run_id, &tags).await.err()
        };
        if let Some(name) = &self.request.run_name {
            info.run_name.clone_from(name);
        }
        Ok(MadeRun { info, refused })
    }

    /// The tag of a run that is started inside another one, where that one is in the same store.
    async fn parent_tag(
        &self,
        store: &dyn TrackingStore,
        progress: &dyn Progress,
    ) -> Option<(String, String)> {
        let parent = self.request.possible_parent()?;
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

/// The tag that tells how the project's files stand to their commit. That they are those of the commit
/// goes without saying where the run has the tag of its process; any other could be one of `mlflow run`,
/// which does not look.
pub(super) fn tree_tag(tree: &TreeState, request: &RunRequest) -> Option<(String, String)> {
    let tells_process = request.tags.iter().any(|(name, _)| name == tag::PROJECT_PROCESS);
    let is_dirty = match tree {
        TreeState::Changed { .. } | TreeState::Untracked { .. } => "true",
        TreeState::Clean if !tells_process => "false",
        TreeState::Clean | TreeState::Unknown => return None,
    };
    Some((tag::GIT_DIRTY.to_owned(), is_dirty.to_owned()))
}

impl CreatedRun {
    /// The run as the store has it.
    pub(crate) fn info(&self) -> &RunInfo {
        &self.info
    }

    /// What is known of it so far.
    pub(crate) fn details(&self) -> &RunDetails {
        &self.details
    }

    /// What it was created for.
    pub(crate) fn plan(&self) -> &RunPlan {
        &self.plan
    }

    /// The store that it is in.
    pub(crate) fn store(&self) -> &dyn TrackingStore {
        self.store.as_ref()
    }
}
