//! The environment that a project asks for.

use std::path::{Path, PathBuf};

use super::error::{MistypedKey, Part, ProjectError, ProjectProblem};
use super::reader::{Reader, is_falsy, keys};
use crate::nearest::nearest;
use crate::yaml::{Mapping, Node, Value};

/// The keys of environments, of which a project may have one.
pub(super) const KEYS: [&str; 3] = ["docker_env", "python_env", "conda_env"];

/// The environment that a project asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectEnvironment {
    /// Python with the packages of a `python_env.yaml` file, or without a file only Python.
    Python {
        /// The file, whatever its name.
        file: Option<PathBuf>,
    },
    /// A Conda environment.
    Conda {
        /// The environment's file, whatever its name.
        file: PathBuf,
    },
    /// A container.
    Docker(DockerEnvironment),
}

/// The section `docker_env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerEnvironment {
    /// The image's name.
    pub image: String,
    /// Volumes as `docker run --volume` takes them.
    pub volumes: Vec<String>,
    pub environment: Vec<EnvironmentEntry>,
}

/// A variable for the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvironmentEntry {
    /// The variable's value is copied from this machine.
    Copy(String),
    /// The variable gets this value.
    Set(String, String),
}

impl EnvironmentEntry {
    /// The variable's name. Of `NAME=value`, which a run refuses, only the part before the sign: the rest may be a
    /// secret.
    pub fn name(&self) -> &str {
        match self {
            Self::Copy(name) => name.split_once('=').map_or(name, |(name, _)| name),
            Self::Set(name, _) => name,
        }
    }
}

/// The environment by the project's keys, otherwise by the files in its directory.
pub(super) fn read(
    reader: &mut Reader,
    project: &Mapping,
    directory: &Path,
) -> Result<ProjectEnvironment, ProjectError> {
    if let Some(node) = set_value(project, "docker_env") {
        return Ok(ProjectEnvironment::Docker(read_docker(reader, node)?));
    }
    if let Some(node) = set_value(project, "python_env") {
        let file = environment_file(reader, "python_env", node, directory)?;
        return Ok(ProjectEnvironment::Python { file: Some(file) });
    }
    if let Some(node) = set_value(project, "conda_env") {
        let file = environment_file(reader, "conda_env", node, directory)?;
        return Ok(ProjectEnvironment::Conda { file });
    }
    Ok(by_files(directory))
}

/// The environment by the files in the directory.
pub(super) fn by_files(directory: &Path) -> ProjectEnvironment {
    let existing = |name| Some(directory.join(name)).filter(|file| file.exists());
    if let Some(file) = existing("python_env.yaml") {
        return ProjectEnvironment::Python { file: Some(file) };
    }
    match existing("conda.yaml") {
        Some(file) => ProjectEnvironment::Conda { file },
        None => ProjectEnvironment::Python { file: None },
    }
}

/// The existing file in the same directory that a missing one may be meant for; `.yml` is near `.yaml`.
pub(crate) fn near_file(directory: &Path, path: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let entries = std::fs::read_dir(directory.join(folder)).ok()?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
        .collect();
    names.sort();
    let near = nearest(name, names.iter().map(String::as_str))?;
    Some(format!("{}{near}", &path[..path.len() - name.len()]))
}

/// The value of a key, unless Python takes it for false.
fn set_value<'a>(mapping: &'a Mapping, key: &str) -> Option<&'a Node> {
    mapping.get(key).filter(|node| !is_falsy(&node.value))
}

fn environment_file(
    reader: &Reader,
    key: &'static str,
    node: &Node,
    directory: &Path,
) -> Result<PathBuf, ProjectError> {
    let path = node
        .as_str()
        .ok_or_else(|| reader.wrong_kind(Part::Key(key), "the path of a file", node))?;
    let file = directory.join(path);
    if !file.exists() {
        let problem = ProjectProblem::EnvironmentFileMissing {
            key,
            file: path.to_owned(),
            near: near_file(directory, path),
        };
        return Err(reader.error(node, problem));
    }
    Ok(file)
}

fn read_docker(reader: &mut Reader, node: &Node) -> Result<DockerEnvironment, ProjectError> {
    let Value::Map(mapping) = &node.value else {
        return Err(reader.wrong_kind(Part::Key("docker_env"), "a mapping", node));
    };
    reader.note_keys("docker_env", mapping, keys::DOCKER_ENV);
    let Some(image) = set_value(mapping, "image") else {
        let mistyped = MistypedKey::for_missing("image", mapping, keys::DOCKER_ENV);
        return Err(reader.error(node, ProjectProblem::DockerImageMissing { mistyped }));
    };
    if image.value.is_collection() {
        return Err(reader.wrong_kind(Part::In("docker_env", "image"), "the name of an image", image));
    }
    let mut docker = DockerEnvironment {
        image: image.value.to_python_str(),
        volumes: Vec::new(),
        environment: Vec::new(),
    };
    if let Some(node) = set_value(mapping, "volumes") {
        for volume in list(reader, node, "volumes", "a list of texts")? {
            let text = volume
                .as_str()
                .ok_or_else(|| reader.wrong_kind(Part::DockerVolume, "text", volume))?;
            docker.volumes.push(text.to_owned());
        }
    }
    if let Some(node) = set_value(mapping, "environment") {
        for item in list(reader, node, "environment", "a list")? {
            docker.environment.push(read_variable(reader, item)?);
        }
    }
    Ok(docker)
}

fn list<'n>(
    reader: &Reader,
    node: &'n Node,
    key: &'static str,
    expected: &'static str,
) -> Result<&'n [Node], ProjectError> {
    let wrong_kind = || reader.wrong_kind(Part::In("docker_env", key), expected, node);
    node.as_list().ok_or_else(wrong_kind)
}

fn read_variable(reader: &Reader, node: &Node) -> Result<EnvironmentEntry, ProjectError> {
    match &node.value {
        Value::Str(name) => Ok(EnvironmentEntry::Copy(name.clone())),
        Value::List(pair) => match pair.as_slice() {
            [name, value] if !name.value.is_collection() && !value.value.is_collection() => Ok(
                EnvironmentEntry::Set(name.value.to_python_str(), value.value.to_python_str()),
            ),
            _ => Err(reader.error(node, ProjectProblem::DockerVariablePair)),
        },
        _ => Err(reader.wrong_kind(
            Part::DockerVariable,
            "a name, or a list of a name and a value",
            node,
        )),
    }
}
