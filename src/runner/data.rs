//! The step that brings the data of `path` parameters onto this machine.

use std::path::{Path, PathBuf};

use super::{RunError, RunPlan, RunRequest};
use crate::data::{self, DataDirectory, DataRequest};
use crate::events::Progress;
use crate::project::{EntryPoint, ParameterValue, ProjectError, ResolvedParameters};

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

/// Where the data's directory is made, where that is asked for.
pub(super) fn storage_dir(request: &RunRequest, current_directory: &Path) -> Option<PathBuf> {
    let directory = request.storage_dir.as_ref()?;
    Some(current_directory.join(directory))
}

impl RunPlan {
    /// Downloads what the parameters name, and gives the command that reads it. The directory lasts
    /// as long as the second value, or stays where the user named its place.
    pub(super) async fn download_data(
        &self,
        progress: &dyn Progress,
    ) -> Result<(CommandWithData, Option<DataDirectory>), RunError> {
        if self.data.is_empty() {
            return Ok((self.command.clone(), None));
        }
        let storage_dir = storage_dir(&self.request, &self.current_directory);
        let mut directory = data::download(&self.data, storage_dir.as_deref(), progress).await?;
        if storage_dir.is_some() || self.request.keep_workdir {
            directory.keep();
        }
        let command =
            CommandWithData::new(&self.entry_point, &self.parameters, &self.data, directory.path())?;
        Ok((command, Some(directory)))
    }
}
