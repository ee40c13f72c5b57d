//! The plan for programs. Fields are added from version to version; none changes its meaning.

use serde_json::{Map, Value, json};

use super::preview::{Preview, ShownParameter};
use crate::tracking::ExperimentSelector;

/// The plan as one object.
pub(super) fn object(preview: &Preview<'_>) -> Value {
    let plan = preview.plan;
    let source = plan.work_dir.source();
    let environment = &plan.environment;
    let is_kept = !plan.work_dir.is_temporary();
    let of_backend: Map<String, Value> = preview
        .of_backend
        .iter()
        .map(|(title, text)| ((*title).to_owned(), Value::from(text.as_str())))
        .collect();
    json!({
        "source": {
            "name": source.name,
            "commit": source.commit,
            "repository": source.repo_url,
            "branch": source.branch,
        },
        "directory": is_kept.then(|| plan.work_dir.path().display().to_string()),
        "entry_point": plan.entry_point.name,
        "parameters": preview.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "downloads": plan.data.iter().map(|request| json!({
            "parameter": request.parameter,
            "uri": request.uri.to_string(),
        })).collect::<Vec<_>>(),
        "command": preview.command,
        "environment": {
            "manager": match environment.container() {
                Some(_) => "docker",
                None => environment.manager.as_str(),
            },
            "name": environment.name(),
            "directory": environment.environment_directory().map(|directory| directory.display().to_string()),
            "exists": environment.is_there(),
            "image": environment.container().map(|container| container.image.uri),
        },
        "backend": { "name": plan.backend.name(), "previews": of_backend },
        "container": preview.container,
        "tracking_uri": plan.tracking_uri.to_string(),
        "store_exists": preview.store.store_exists,
        "experiment": experiment(preview),
        "run": {
            "run_id": plan.request.run_id.as_ref().map(ToString::to_string),
            "run_name": plan.request.run_name,
            "status": preview.store.run_status.map(|status| status.as_str()),
        },
        "reusable_run": preview.store.reusable_run.as_ref().map(ToString::to_string),
        "problem": match (&preview.store.problem, preview.store.is_silent) {
            (Some(problem), _) => Some(problem.to_string()),
            (None, true) => Some("the store does not answer".to_owned()),
            (None, false) => None,
        },
    })
}

fn experiment(preview: &Preview<'_>) -> Value {
    let (name, id) = match &preview.plan.experiment {
        ExperimentSelector::Default => (None, Some("0")),
        ExperimentSelector::Id(id) => (None, Some(id.as_str())),
        ExperimentSelector::Name(name) => (Some(name), None),
    };
    let found = preview.store.experiment_id.as_ref();
    json!({
        "name": name,
        "experiment_id": found.map(|id| id.as_str()).or(id),
        "exists": preview.store.experiment_exists,
    })
}

fn parameter(parameter: &ShownParameter<'_>) -> Value {
    json!({
        "name": parameter.name,
        "type": parameter.parameter_type.map(|parameter_type| parameter_type.as_str()),
        "declared": parameter.parameter_type.is_some(),
        "recorded": parameter.recorded,
        "value": parameter.value,
        "from": parameter.origin.as_str(),
    })
}
