//! The arguments and variables of `docker run`.

use std::collections::HashMap;

use super::command;
use super::mounts::ContainerAccess;
use crate::backend::LaunchPlan;
use crate::env_vars::MLFLOW_TRACKING_URI;
use crate::environment::{Container, mount_arguments, must_be_hidden};

/// A `docker run` that shall be made: all but the files that it needs.
pub(super) struct RunCall {
    /// The container's name.
    pub(super) name: String,
    /// The arguments before the mounts: those of `-A`.
    own_arguments: Vec<String>,
    /// Mounts, as arguments.
    mounts: Vec<String>,
    /// Variables that the engine's program takes from its own environment.
    pub(super) passed: Vec<(String, String)>,
    /// Variables that would change what the engine's program does, and go into a file instead.
    pub(super) filed: Vec<(String, String)>,
    image: String,
    command: Vec<String>,
}

impl RunCall {
    /// What to call for this plan.
    pub(super) fn new(plan: &LaunchPlan, container: &Container) -> Self {
        let tracking_uri = plan.variable(MLFLOW_TRACKING_URI).unwrap_or_default();
        let mut access = ContainerAccess::default();
        access.add_store(plan.local_store.as_ref(), tracking_uri);
        access.add_workspace(plan.workspace.as_ref());
        access.add_artifacts(&plan.run.artifact_uri);
        access.add_data(plan.data_directory.as_deref());
        let settings = &container.settings;
        // The last setting of a name counts, as if all were arguments in this order.
        let mut variables: Vec<(String, String)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let all = settings.argument_variables.iter().chain(&plan.variables);
        for (name, value) in all.chain(&access.variables).chain(&settings.variables) {
            let place = *places.entry(name).or_insert(variables.len());
            match variables.get_mut(place) {
                Some((_, earlier)) => earlier.clone_from(value),
                None => variables.push((name.clone(), value.clone())),
            }
        }
        let (filed, passed) = variables
            .into_iter()
            .partition(|(name, value)| must_be_hidden(name, value));
        let mut mounts: Vec<String> = Vec::new();
        for (here, inside) in &access.mounts {
            mounts.extend(mount_arguments(here, inside));
        }
        for volume in &settings.volumes {
            mounts.extend(["-v".to_owned(), volume.clone()]);
        }
        for mount in &settings.mounts {
            mounts.extend(["--mount".to_owned(), mount.clone()]);
        }
        Self {
            name: format!("mlrun-{}", plan.run.run_id),
            own_arguments: settings.arguments.clone(),
            mounts,
            passed,
            filed,
            // By the id: another run may give the name to an image of its own meanwhile.
            image: container.image.id.clone(),
            command: command::words(&plan.command),
        }
    }

    /// The arguments. `files` come before those of `-A`, which win over them.
    pub(super) fn arguments(&self, files: &[String]) -> Vec<String> {
        let mut arguments = ["run", "--rm", "--name", &self.name].map(str::to_owned).to_vec();
        arguments.extend_from_slice(files);
        arguments.extend_from_slice(&self.own_arguments);
        arguments.extend_from_slice(&self.mounts);
        for (name, _) in &self.passed {
            arguments.extend(["-e".to_owned(), name.clone()]);
        }
        arguments.push(self.image.clone());
        arguments.extend_from_slice(&self.command);
        arguments
    }

    /// The value that `-A` gives an option, by its long name.
    pub(super) fn own_value(&self, option: &str) -> Option<&str> {
        let dashed = format!("--{option}");
        let mut values = self
            .own_arguments
            .iter()
            .enumerate()
            .filter_map(|(at, argument)| match argument.strip_prefix(&dashed)? {
                "" => self.own_arguments.get(at + 1).map(String::as_str),
                rest => rest.strip_prefix('='),
            });
        values.next_back()
    }
}
