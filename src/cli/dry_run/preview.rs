//! What a dry run shows.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::cli::escape;
use crate::cli::params_file::ParameterOrigin;
use crate::cli::settings::RunSettings;
use crate::project::{ParameterType, ParameterValue};
use crate::runner::{RunPlan, StorePreview};

/// All that is shown.
pub(super) struct Preview<'a> {
    pub(super) plan: &'a RunPlan,
    pub(super) parameters: Vec<ShownParameter<'a>>,
    pub(super) store: StorePreview,
    /// What the shell runs on this machine, or what the entry point's command is elsewhere.
    pub(super) command: String,
    /// The program that makes the container, and its arguments.
    pub(super) container: Option<Vec<String>>,
    /// Titles and texts.
    pub(super) of_backend: Vec<(&'static str, String)>,
}

/// A parameter of the run.
pub(super) struct ShownParameter<'a> {
    pub(super) name: &'a str,
    /// What the run records.
    pub(super) recorded: &'a str,
    /// What the command gets; of data that is still to be downloaded, the path that it will have.
    pub(super) value: Cow<'a, str>,
    /// The declared type; nothing where the parameter is not declared.
    pub(super) parameter_type: Option<&'a ParameterType>,
    pub(super) origin: ParameterOrigin,
}

pub(super) fn parameters<'a>(plan: &'a RunPlan, settings: &RunSettings) -> Vec<ShownParameter<'a>> {
    let recorded: HashMap<&str, &str> = plan
        .params_to_log
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let recorded = |name: &str| recorded.get(name).copied().unwrap_or_default();
    let given: HashSet<&str> = plan
        .request
        .parameters
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let types: HashMap<&str, &ParameterType> = plan
        .entry_point
        .parameters
        .iter()
        .map(|declared| (declared.name.as_str(), &declared.parameter_type))
        .collect();
    let paths: HashMap<usize, String> = plan
        .data
        .iter()
        .zip(plan.command.data_directory.iter().cycle())
        .map(|(request, directory)| {
            (
                request.position,
                request.path_in(directory).to_string_lossy().into_owned(),
            )
        })
        .collect();
    let declared = plan.parameters.declared.iter().map(|parameter| ShownParameter {
        name: &parameter.name,
        recorded: recorded(&parameter.name),
        value: shown_value(&parameter.value, &paths),
        parameter_type: types.get(parameter.name.as_str()).copied(),
        origin: if given.contains(parameter.name.as_str()) {
            settings.origin_of(&parameter.name)
        } else {
            ParameterOrigin::Default
        },
    });
    let extra = plan.parameters.extra.iter().map(|(name, value)| ShownParameter {
        name,
        recorded: recorded(name),
        value: value.into(),
        parameter_type: None,
        origin: settings.origin_of(name),
    });
    declared.chain(extra).collect()
}

fn shown_value<'a>(value: &'a ParameterValue, paths: &HashMap<usize, String>) -> Cow<'a, str> {
    let path = match value {
        ParameterValue::Download { position, .. } => paths.get(position),
        ParameterValue::Text(_) => None,
    };
    path.map_or_else(|| value.text().into(), |path| path.clone().into())
}

/// Words as one types them in a shell, also those that act on a terminal.
pub(super) fn command_line(words: &[String]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| escape::shell_word(word)).collect();
    quoted.join(" ")
}
