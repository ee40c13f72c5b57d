//! `databricks_spark_job`: a project that runs as a Spark job on Databricks.

use super::entry_point::EntryPoint;
use super::environment;
use super::error::{Part, ProjectError, ProjectProblem, SparkJobRule};
use super::keys;
use super::parameter::ParameterType;
use super::reader::{Reader, Section};
use crate::yaml::{Mapping, Node, Value};

/// What `databricks_spark_job` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabricksSparkJob {
    /// The Python file that is the job; the project has entry points where there is none.
    pub python_file: Option<String>,
    /// The arguments for the Python file.
    pub parameters: Vec<String>,
    /// Python packages that the job needs, as `pip` takes them.
    pub python_libraries: Vec<String>,
}

pub(super) fn read(
    reader: &mut Reader,
    project: &Mapping,
    entry_points: &[EntryPoint],
) -> Result<Option<DatabricksSparkJob>, ProjectError> {
    let Some((key, node)) = project
        .get_entry("databricks_spark_job")
        .filter(|(_, node)| !node.is_null())
    else {
        return Ok(None);
    };
    let Value::Map(mapping) = &node.value else {
        return Err(reader.wrong_kind(Part::Key("databricks_spark_job"), "a mapping", node));
    };
    reader.note_keys(&Section::new("databricks_spark_job"), mapping, keys::SPARK_JOB);
    let python_file = match mapping.get("python_file") {
        None => None,
        Some(node) => match &node.value {
            Value::Null => None,
            Value::Str(text) => Some(text.clone()),
            _ => return Err(reader.wrong_kind(Part::SparkJob("python_file"), "the path of a file", node)),
        },
    };
    let broken = |rule, node: &Node| reader.error(node, ProjectProblem::SparkJob { rule });
    match (&python_file, entry_points) {
        (None, []) => return Err(broken(SparkJobRule::NothingToRun, key)),
        (Some(_), [_, ..]) => return Err(broken(SparkJobRule::TwoThingsToRun, key)),
        _ => {}
    }
    let parameters = entry_points
        .iter()
        .flat_map(|entry_point| &entry_point.parameters);
    for parameter in parameters {
        if parameter.parameter_type == ParameterType::Path {
            let rule = SparkJobRule::PathParameter {
                name: parameter.name.clone(),
            };
            return Err(ProjectError::at(
                parameter.location.clone(),
                ProjectProblem::SparkJob { rule },
            ));
        }
    }
    for name in environment::KEYS {
        if let Some((key, _)) = project.get_entry(name) {
            return Err(broken(SparkJobRule::Environment { key: name }, key));
        }
    }
    Ok(Some(DatabricksSparkJob {
        python_file,
        parameters: texts(reader, mapping, "parameters")?,
        python_libraries: texts(reader, mapping, "python_libraries")?,
    }))
}

fn texts(reader: &Reader, mapping: &Mapping, key: &'static str) -> Result<Vec<String>, ProjectError> {
    match mapping.get(key) {
        None => Ok(Vec::new()),
        Some(node) => match &node.value {
            Value::Null => Ok(Vec::new()),
            Value::List(items) => Ok(items.iter().map(|item| item.value.to_python_str()).collect()),
            _ => Err(reader.wrong_kind(Part::SparkJob(key), "a list", node)),
        },
    }
}
