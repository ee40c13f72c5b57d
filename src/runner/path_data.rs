//! The step that brings the data of `path` parameters onto this machine.

use std::path::{Path, PathBuf};

use super::plan::CommandWithData;
use super::{RunError, RunPlan, RunRequest};
use crate::artifact::{self, DataContext, DataRequest, Reference};
use crate::entities::RunId;
use crate::events::Progress;
use crate::project::{ParameterValue, ResolvedParameters};
use crate::temporary::TemporaryDirectory;
use crate::tracking::{self, ModelSelector, TrackingStore, TrackingUri};

/// More references than this in a row lead nowhere.
const MOST_REFERENCES: usize = 5;

/// What has to be downloaded; each value is checked as far as no server is needed.
pub(super) fn requests(parameters: &ResolvedParameters) -> Result<Vec<DataRequest>, RunError> {
    let mut requests = Vec::new();
    for parameter in &parameters.declared {
        if let ParameterValue::Download { uri, position } = &parameter.value {
            requests.push(DataRequest::new(&parameter.name, *position, uri)?);
        }
    }
    Ok(requests)
}

/// What stores are reached with.
pub(super) fn context(tracking_uri: &TrackingUri) -> Result<DataContext, RunError> {
    Ok(DataContext {
        server: tracking::server_access(tracking_uri)?,
        databricks: match tracking_uri {
            TrackingUri::Databricks { uri } => Some(uri.clone()),
            _ => None,
        },
    })
}

/// Asks the tracking store for the artifact URI that a `runs:` or `models:` URI stands for. A version of
/// a registered model may lead to a logged model, and that to a run.
async fn resolve(request: &mut DataRequest, store: &dyn TrackingStore) -> Result<(), RunError> {
    for _ in 0..MOST_REFERENCES {
        let artifact_uri = match request.reference() {
            None => return Ok(()),
            Some(Reference::Run { run_id, path }) => {
                let info = store.run(&RunId::new(run_id)).await?;
                with_path(&info.artifact_uri, path)
            }
            Some(Reference::Model { model, path }) => {
                let location = store.model_location(&ModelSelector::parse(model)).await?;
                with_path(&location, path)
            }
        };
        request.resolve(&artifact_uri)?;
    }
    Err(request.endless().into())
}

fn with_path(artifact_uri: &str, path: &str) -> String {
    match path {
        "" => artifact_uri.to_owned(),
        path => tracking::append_to_uri_path(artifact_uri, &[path]),
    }
}

/// Where the data's directory is made, where that is asked for.
pub(super) fn storage_dir(request: &RunRequest, current_directory: &Path) -> Option<PathBuf> {
    let directory = request.storage_dir.as_ref()?;
    Some(current_directory.join(directory))
}

impl RunPlan {
    /// Finds the data of `path` parameters. What is missing and who may not read it shows here, before
    /// there is a run; only what is on web servers is not asked for yet.
    ///
    /// # Errors
    /// A store that cannot be reached or refuses, or has nothing there.
    pub(super) async fn locate_data(&mut self) -> Result<(), RunError> {
        if self.data.is_empty() {
            return Ok(());
        }
        let mut requests = self.data.clone();
        if requests.iter().any(|request| request.reference().is_some()) {
            let store = tracking::open(&self.tracking_uri).await?;
            for request in &mut requests {
                resolve(request, store.as_ref()).await?;
            }
        }
        self.located = artifact::locate(&requests, &context(&self.tracking_uri)?).await?;
        Ok(())
    }

    /// Downloads what the parameters name, and gives the command that reads it. The directory lasts
    /// as long as the second value, or stays where the user named its place.
    pub(super) async fn download_data(
        &self,
        progress: &dyn Progress,
    ) -> Result<(CommandWithData, Option<TemporaryDirectory>), RunError> {
        if self.data.is_empty() {
            return Ok((self.command.clone(), None));
        }
        let storage_dir = storage_dir(&self.request, &self.current_directory);
        let mut directory = artifact::download(&self.located, storage_dir.as_deref(), progress).await?;
        if storage_dir.is_some() || self.request.keep_workdir {
            directory.keep();
        }
        let command =
            CommandWithData::new(&self.entry_point, &self.parameters, &self.data, directory.path())?;
        Ok((command, Some(directory)))
    }
}
