//! What a run will do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::data::CommandWithData;
use super::{RunError, RunRequest, StoreGlance, Timings};
use crate::backend::{self, Backend, ProjectCall};
use crate::data::{DataRequest, LocatedData};
use crate::environment::{EnvironmentPlan, PreparedEnv};
use crate::fetch::{TreeComparison, WorkDir};
use crate::project::{EntryPoint, ResolvedParameters};
use crate::run::tag;
use crate::tracking::{self, ExperimentSelector, TrackingStore, TrackingUri};

/// Everything that is known before the run is created.
///
/// Dropping it removes the temporary directory of a fetched project.
pub struct RunPlan {
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
    /// The tracking store.
    pub(super) async fn store(&mut self) -> Result<Arc<dyn TrackingStore>, RunError> {
        if let Some(store) = &self.store {
            return Ok(Arc::clone(store));
        }
        let store: Arc<dyn TrackingStore> = tracking::open(&self.tracking_uri).await?.into();
        Ok(Arc::clone(self.store.insert(store)))
    }

    /// The name of the backend that the entry point will run on.
    pub fn backend_name(&self) -> &'static str {
        self.backend.name()
    }

    /// Tags that say where the project comes from.
    pub fn source_tags(&self) -> Vec<(String, String)> {
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
    pub fn run_tags(&self) -> Vec<(String, String)> {
        let mut tags = vec![(tag::PROJECT_BACKEND.to_owned(), self.backend.name().to_owned())];
        tags.extend(
            self.environment
                .project_env_tag()
                .map(|value| (tag::PROJECT_ENV.to_owned(), value.to_owned())),
        );
        tags.extend(self.request.tags.iter().cloned());
        tags
    }

    /// The program and arguments of the container that the run would get in the store that was looked at,
    /// without values of variables.
    pub(crate) fn container_command_line(&self, glance: &StoreGlance) -> Option<Vec<String>> {
        if self.backend.image_repository().is_some() {
            return None;
        }
        backend::container_command_line(&self.imagined_launch(self.imagined_environment(), glance))
    }

    /// What the shell runs, with what enters the environment before it; for another place than this
    /// machine the entry point's command alone.
    pub(crate) fn whole_command(&self) -> String {
        let is_here = self.backend.name() == backend::LOCAL && self.environment.container().is_none();
        let environment = PreparedEnv {
            activation: if is_here {
                self.environment.activation()
            } else {
                Vec::new()
            },
            ..PreparedEnv::default()
        };
        environment.command(&self.command.command)
    }

    /// The environment as far as it is known before it is made.
    pub(crate) fn imagined_environment(&self) -> PreparedEnv {
        PreparedEnv {
            container: self.environment.container(),
            ..PreparedEnv::default()
        }
    }
}
