//! The text of an MLproject file: what it declares.

use std::path::Path;
use std::sync::Arc;

use super::entry_point::EntryPoint;
use super::environment::{self, ProjectEnvironment};
use super::error::{Part, ProjectError, ProjectProblem};
use super::keys;
use super::location::{KeyPlace, SourceFile};
use super::parameter::{Parameter, ParameterType};
use super::reader::{Reader, Section};
use super::spark_job::{self, DatabricksSparkJob};
use crate::yaml::{self, Mapping, Node, Value};

/// What an MLproject file declares.
#[derive(Debug)]
pub(super) struct MlProject {
    pub(super) name: Option<String>,
    pub(super) environment: ProjectEnvironment,
    pub(super) entry_points: Vec<EntryPoint>,
    pub(super) databricks_spark_job: Option<DatabricksSparkJob>,
    pub(super) unknown_keys: Vec<KeyPlace>,
    pub(super) repeated_keys: Vec<KeyPlace>,
}

/// Reads a file's text; `None` when it declares nothing at all.
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
    reader.note_keys(&Section::top(), project, keys::PROJECT);
    check_one_environment(&reader, project)?;
    let entry_points = read_entry_points(&mut reader, project)?;
    let databricks_spark_job = spark_job::read(&mut reader, project, &entry_points)?;
    let environment = match databricks_spark_job {
        // The job's cluster is its environment.
        Some(_) => ProjectEnvironment::Python { file: None },
        None => environment::read(&mut reader, project, directory)?,
    };
    Ok(Some(MlProject {
        name: read_name(&reader, project)?,
        environment,
        entry_points,
        databricks_spark_job,
        unknown_keys: reader.unknown_keys,
        repeated_keys: reader.repeated_keys,
    }))
}

fn read_name(reader: &Reader, project: &Mapping) -> Result<Option<String>, ProjectError> {
    match project.get("name") {
        None => Ok(None),
        Some(node) => match &node.value {
            Value::Null => Ok(None),
            Value::List(_) | Value::Pairs(_) | Value::Set(_) | Value::Map(_) => {
                Err(reader.wrong_kind(Part::Key("name"), "text", node))
            }
            value => Ok(Some(value.to_python_str()).filter(|name| !name.is_empty())),
        },
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
    let Some(mapping) = optional_mapping(reader, project, "entry_points", &part)? else {
        return Ok(Vec::new());
    };
    reader
        .named(&Section::new("entry_points"), part, mapping)?
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
        command_location: None,
        location: Some(reader.location(key)),
        name,
    };
    let mapping = match &node.value {
        Value::Null => return Ok(entry_point),
        Value::Map(mapping) => mapping,
        _ => return Err(reader.wrong_kind(Part::EntryPoint(entry_point.name), "a mapping", node)),
    };
    let section = format!("entry_points.{}", entry_point.name);
    reader.note_keys(&Section::new(section.as_str()), mapping, keys::ENTRY_POINT);
    if let Some(command) = mapping.get("command").filter(|node| !node.is_null()) {
        let Value::Str(text) = &command.value else {
            return Err(reader.wrong_kind(Part::Command(entry_point.name), "text", command));
        };
        entry_point.command = Some(text.clone());
        entry_point.command_location = Some(reader.location(command));
    }
    let part = Part::Parameters(entry_point.name.clone());
    if let Some(parameters) = optional_mapping(reader, mapping, "parameters", &part)? {
        let section = format!("{section}.parameters");
        for (name, key, node) in reader.named(&Section::new(section.as_str()), part, parameters)? {
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
            let section = Section::new(format!("{section}.{}", parameter.name));
            reader.note_keys(&section, mapping, keys::PARAMETER);
            let value = |key| mapping.get(key).filter(|node| !node.is_null());
            if let Some(node) = value("type") {
                parameter.parameter_type = ParameterType::from_word(node.value.to_python_str());
            }
            if let Some(node) = value("default") {
                parameter.default = Some(node.value.to_python_str());
                parameter.default_location = Some(reader.location(node));
            }
            parameter.description = value("description").map(|node| node.value.to_python_str());
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

/// The mapping under a key; `None` where there is no such key or nothing is written after it.
fn optional_mapping<'m>(
    reader: &Reader,
    mapping: &'m Mapping,
    key: &str,
    part: &Part,
) -> Result<Option<&'m Mapping>, ProjectError> {
    match mapping.get(key) {
        None => Ok(None),
        Some(node) => match &node.value {
            Value::Null => Ok(None),
            Value::Map(mapping) => Ok(Some(mapping)),
            _ => Err(reader.wrong_kind(part.clone(), "a mapping", node)),
        },
    }
}
