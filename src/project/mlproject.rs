//! Reads MLproject files.

use std::path::Path;
use std::sync::Arc;

use super::entry_point::EntryPoint;
use super::environment::{self, ProjectEnvironment};
use super::error::{MistypedKey, Part, ProjectError, ProjectProblem, SparkJobRule};
use super::location::{KeyPlace, SourceFile};
use super::parameter::{Parameter, ParameterType};
use super::reader::{Reader, keys};
use crate::yaml::{self, Mapping, Node, Value};

/// The declarations of an MLproject file.
#[derive(Debug)]
pub(super) struct MlProject {
    pub(super) name: Option<String>,
    pub(super) environment: ProjectEnvironment,
    pub(super) entry_points: Vec<EntryPoint>,
    /// A key that may be meant for `entry_points`.
    pub(super) mistyped_entry_points: Option<MistypedKey>,
    pub(super) databricks_spark_job: Option<DatabricksSparkJob>,
    pub(super) unknown_keys: Vec<KeyPlace>,
    pub(super) repeated_keys: Vec<KeyPlace>,
}

/// The section `databricks_spark_job`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabricksSparkJob {
    /// The job's Python file; without one the project has entry points.
    pub python_file: Option<String>,
    pub parameters: Vec<String>,
    /// The job's Python packages, as `pip` requirements.
    pub python_libraries: Vec<String>,
}

/// Reads a file's text; `None` if it is empty.
pub(super) fn read(text: Vec<u8>, file: &Path, directory: &Path) -> Result<Option<MlProject>, ProjectError> {
    let parsed = yaml::parse(&text);
    let source = SourceFile::new(file, text);
    let mut reader = Reader::new(Arc::clone(&source));
    let root = parsed.map_err(|error| {
        ProjectError::at(
            error.position.map(|position| source.at(position)),
            ProjectProblem::Yaml {
                file: file.to_owned(),
                error,
            },
        )
    })?;
    let project = match &root.value {
        Value::Null => return Ok(None),
        Value::Map(mapping) => mapping,
        _ => return Err(reader.wrong_kind(Part::File, "a mapping", &root)),
    };
    reader.note_keys("", project, keys::PROJECT);
    check_one_environment(&reader, project)?;
    let entry_points = read_entry_points(&mut reader, project)?;
    let databricks_spark_job = read_spark_job(&mut reader, project, &entry_points)?;
    let environment = match databricks_spark_job {
        // The job's cluster is its environment.
        Some(_) => ProjectEnvironment::Python { file: None },
        None => environment::read(&mut reader, project, directory)?,
    };
    Ok(Some(MlProject {
        name: read_name(&reader, project)?,
        environment,
        mistyped_entry_points: match project.get("entry_points") {
            Some(_) => None,
            None => MistypedKey::for_missing("entry_points", project, keys::PROJECT),
        },
        entry_points,
        databricks_spark_job,
        unknown_keys: reader.unknown_keys,
        repeated_keys: reader.repeated_keys,
    }))
}

fn read_name(reader: &Reader, project: &Mapping) -> Result<Option<String>, ProjectError> {
    match set(project, "name") {
        None => Ok(None),
        Some(node) if node.value.is_collection() => Err(reader.wrong_kind(Part::Key("name"), "text", node)),
        Some(node) => Ok(Some(node.value.to_python_str()).filter(|name| !name.is_empty())),
    }
}

fn check_one_environment(reader: &Reader, project: &Mapping) -> Result<(), ProjectError> {
    let keys: Vec<(&str, &Node)> = project
        .iter()
        .filter_map(|(key, _)| Some((key.as_str()?, key)))
        .filter(|(name, _)| environment::KEYS.contains(name))
        .collect();
    match keys.as_slice() {
        [_, (_, second), ..] => {
            let keys = keys.iter().map(|(name, _)| (*name).to_owned()).collect();
            Err(reader.error(second, ProjectProblem::SeveralEnvironments { keys }))
        }
        _ => Ok(()),
    }
}

fn read_entry_points(reader: &mut Reader, project: &Mapping) -> Result<Vec<EntryPoint>, ProjectError> {
    let part = Part::Key("entry_points");
    let Some(mapping) = set_mapping(reader, project, "entry_points", &part)? else {
        return Ok(Vec::new());
    };
    reader
        .named("entry_points", part, mapping)?
        .into_iter()
        .map(|(name, key, node)| read_entry_point(reader, name, key, node))
        .collect()
}

fn read_entry_point(
    reader: &mut Reader,
    name: String,
    key: &Node,
    node: &Node,
) -> Result<EntryPoint, ProjectError> {
    let mut entry_point = EntryPoint {
        parameters: Vec::new(),
        command: None,
        command_text: None,
        location: Some(reader.location(key)),
        mistyped_command: None,
        name,
    };
    let mapping = match &node.value {
        Value::Null => return Ok(entry_point),
        Value::Map(mapping) => mapping,
        _ => return Err(reader.wrong_kind(Part::EntryPoint(entry_point.name), "a mapping", node)),
    };
    let section = format!("entry_points.{}", entry_point.name);
    reader.note_keys(&section, mapping, keys::ENTRY_POINT);
    if let Some(command) = set(mapping, "command") {
        let Value::Str(text) = &command.value else {
            return Err(reader.wrong_kind(Part::Command(entry_point.name), "text", command));
        };
        entry_point.command = Some(text.clone());
        entry_point.command_text = Some(reader.text_of(command));
    } else {
        entry_point.mistyped_command = MistypedKey::for_missing("command", mapping, keys::ENTRY_POINT);
    }
    let part = Part::Parameters(entry_point.name.clone());
    if let Some(parameters) = set_mapping(reader, mapping, "parameters", &part)? {
        let section = format!("{section}.parameters");
        for (name, key, node) in reader.named(&section, part, parameters)? {
            let parameter = read_parameter(reader, &section, &entry_point.name, name, key, node)?;
            entry_point.parameters.push(parameter);
        }
    }
    Ok(entry_point)
}

fn read_parameter(
    reader: &mut Reader,
    section: &str,
    entry_point: &str,
    name: String,
    key: &Node,
    node: &Node,
) -> Result<Parameter, ProjectError> {
    let mut parameter = Parameter {
        parameter_type: ParameterType::String,
        default: None,
        description: None,
        location: reader.location(key),
        default_location: None,
        name,
    };
    match &node.value {
        Value::Str(word) => parameter.parameter_type = ParameterType::from_word(word.clone()),
        Value::Map(mapping) => {
            let section = format!("{section}.{}", parameter.name);
            reader.note_keys(&section, mapping, keys::PARAMETER);
            if let Some(node) = set(mapping, "type") {
                parameter.parameter_type = ParameterType::from_word(node.value.to_python_str());
            }
            if let Some(node) = set(mapping, "default") {
                parameter.default = Some(node.value.to_python_str());
                parameter.default_location = Some(reader.location(node));
            }
            parameter.description = set(mapping, "description").map(|node| node.value.to_python_str());
        }
        _ => {
            let part = Part::Parameter {
                name: parameter.name,
                entry_point: entry_point.to_owned(),
            };
            return Err(reader.wrong_kind(part, "a type or a mapping", node));
        }
    }
    Ok(parameter)
}

/// The value of a key; `None` if the key is missing or empty.
fn set<'m>(mapping: &'m Mapping, key: &str) -> Option<&'m Node> {
    mapping.get(key).filter(|node| !node.is_null())
}

/// The mapping under a key, if [`set`] finds a value.
fn set_mapping<'m>(
    reader: &Reader,
    mapping: &'m Mapping,
    key: &str,
    part: &Part,
) -> Result<Option<&'m Mapping>, ProjectError> {
    let Some(node) = set(mapping, key) else {
        return Ok(None);
    };
    let wrong_kind = || reader.wrong_kind(part.clone(), "a mapping", node);
    node.as_mapping().map(Some).ok_or_else(wrong_kind)
}

fn read_spark_job(
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
    reader.note_keys("databricks_spark_job", mapping, keys::SPARK_JOB);
    let python_file = match set(mapping, "python_file") {
        None => None,
        Some(Node {
            value: Value::Str(text),
            ..
        }) => Some(text.clone()),
        Some(node) => return Err(reader.wrong_kind(in_job("python_file"), "the path of a file", node)),
    };
    let broken = |rule, node: &Node| reader.error(node, ProjectProblem::SparkJob { rule });
    match (&python_file, entry_points) {
        (None, []) => return Err(broken(SparkJobRule::NothingToRun, key)),
        (Some(_), [_, ..]) => return Err(broken(SparkJobRule::TwoThingsToRun, key)),
        _ => {}
    }
    let mut parameters = entry_points
        .iter()
        .flat_map(|entry_point| &entry_point.parameters);
    if let Some(parameter) = parameters.find(|parameter| parameter.parameter_type == ParameterType::Path) {
        let name = parameter.name.clone();
        let rule = SparkJobRule::PathParameter { name };
        return Err(ProjectError::at(
            parameter.location.clone(),
            ProjectProblem::SparkJob { rule },
        ));
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
    let Some(node) = set(mapping, key) else {
        return Ok(Vec::new());
    };
    match node.as_list() {
        Some(items) => Ok(items.iter().map(|item| item.value.to_python_str()).collect()),
        None => Err(reader.wrong_kind(in_job(key), "a list", node)),
    }
}

fn in_job(key: &'static str) -> Part {
    Part::In("databricks_spark_job", key)
}
