//! What a run will do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{RunError, RunRequest, Timings};
use crate::artifact::{DataRequest, LocatedData};
use crate::backend::{Backend, ProjectCall};
use crate::entities::tag;
use crate::environment::EnvironmentPlan;
use crate::fetch::{TreeComparison, WorkDir};
use crate::project::{EntryPoint, ParameterValue, ProjectError, ResolvedParameters};
use crate::tracking::{self, ExperimentSelector, TrackingStore, TrackingUri};

/// A command, and the directory that holds what it reads where that was downloaded.
#[derive(Debug, Clone)]
pub(crate) struct CommandWithData {
    pub(crate) command: String,
    pub(crate) data_directory: Option<PathBuf>,
}

impl CommandWithData {
    /// The command with the paths that the data has, or will have, in this directory.
    pub(crate) fn new(
        entry_point: &EntryPoint,
        parameters: &ResolvedParameters,
        requests: &[DataRequest],
        directory: &Path,
    ) -> Result<Self, ProjectError> {
        let mut parameters = parameters.clone();
        for request in requests {
            let path = request.path_in(directory).to_string_lossy().into_owned();
            parameters.declared[request.position].value = ParameterValue::Text(path);
        }
        Ok(Self {
            command: entry_point.command(&parameters)?,
            data_directory: (!requests.is_empty()).then(|| directory.to_owned()),
        })
    }
}

/// Everything that is known before the run is created.
///
/// Dropping it removes the temporary directory of a fetched project.
pub(crate) struct RunPlan {
    pub(crate) request: RunRequest,
    /// The directory that relative paths refer to.
    pub(crate) current_directory: PathBuf,
    pub(crate) experiment: ExperimentSelector,
    pub(crate) work_dir: WorkDir,
    pub(crate) entry_point: EntryPoint,
    /// The parameters as the run records them: what was asked for, not what the shell gets.
    pub(crate) params_to_log: Vec<(String, String)>,
    pub(crate) parameters: ResolvedParameters,
    /// What the parameters name that is not on this machine.
    pub(crate) data: Vec<DataRequest>,
    /// The same, found by [`RunPlan::locate_data`].
    pub(crate) located: Vec<LocatedData>,
    /// The command with the paths that the data would have.
    pub(crate) command: CommandWithData,
    pub(crate) environment: EnvironmentPlan,
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) call: ProjectCall,
    pub(crate) tracking_uri: TrackingUri,
    pub(crate) user: String,
    /// How long the store may be away when the run has ended.
    pub(crate) record_patience: Duration,
    /// How the project's files stand to their commit; it need not be known before the entry point is
    /// started.
    pub(crate) tree: TreeComparison,
    /// The store, once it was needed.
    pub(crate) store: Option<Arc<dyn TrackingStore>>,
    /// How long what has been done took.
    pub(crate) timings: Timings,
}

impl RunPlan {
    pub(super) async fn store(&mut self) -> Result<Arc<dyn TrackingStore>, RunError> {
        if let Some(store) = &self.store {
            return Ok(Arc::clone(store));
        }
        let store: Arc<dyn TrackingStore> = tracking::open(&self.tracking_uri).await?.into();
        Ok(Arc::clone(self.store.insert(store)))
    }

    /// The name of the backend that the entry point will run on.
    pub(crate) fn backend_name(&self) -> &'static str {
        self.backend.name()
    }

    /// Tags that say where the project comes from.
    pub(crate) fn source_tags(&self) -> Vec<(String, String)> {
        let source = self.work_dir.source();
        let mut tags = vec![
            (tag::USER.to_owned(), self.user.clone()),
            (tag::SOURCE_NAME.to_owned(), source.name.clone()),
            (tag::SOURCE_TYPE.to_owned(), "PROJECT".to_owned()),
            (tag::PROJECT_ENTRY_POINT.to_owned(), self.entry_point.name.clone()),
        ];
        for (name, value) in [
            (tag::GIT_COMMIT, &source.commit),
            (tag::GIT_REPO_URL, &source.repo_url),
            (tag::GIT_BRANCH, &source.branch),
        ] {
            tags.extend(value.iter().map(|value| (name.to_owned(), value.clone())));
        }
        tags
    }

    /// Tags that say how the project is run.
    pub(crate) fn run_tags(&self) -> Vec<(String, String)> {
        let mut tags = vec![(tag::PROJECT_BACKEND.to_owned(), self.backend.name().to_owned())];
        tags.extend(
            self.environment
                .project_env_tag()
                .map(|value| (tag::PROJECT_ENV.to_owned(), value.to_owned())),
        );
        tags.extend(self.request.tags.iter().cloned());
        tags
    }
}
