//! The Workspace API 2.0, as far as files need it.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Workspace;
use crate::reply::Reply;
use crate::request::Request;

/// The directory that is there from the beginning.
const HOME: &str = "/Users/user@example.com";

#[derive(Default)]
pub(crate) struct Files {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    directories: BTreeSet<String>,
}

impl Files {
    fn is_directory(&self, path: &str) -> bool {
        ["/", "/Users", "/Shared", HOME].contains(&path) || self.directories.contains(path)
    }

    fn status(&self, path: &str) -> Option<Value> {
        if self.is_directory(path) {
            return Some(json!({ "object_type": "DIRECTORY", "path": path, "object_id": 1 }));
        }
        let contents = self.files.get(path)?;
        Some(json!({ "object_type": "FILE", "path": path, "object_id": 2, "size": contents.len() }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathOnly {
    path: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Import {
    path: String,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    overwrite: bool,
}

pub(crate) fn answer(workspace: &mut Workspace, request: &Request) -> Option<Reply> {
    let call = request.path.strip_prefix("/api/2.0/workspace/")?;
    let files = &mut workspace.files;
    let outcome = match (request.method.as_str(), call) {
        ("GET", "get-status") => get_status(files, request),
        ("GET", "list") => list(files, request),
        ("POST", "mkdirs") => mkdirs(files, request),
        ("POST", "import") => import(files, request),
        _ => return None,
    };
    Some(outcome.unwrap_or_else(|reply| reply))
}

fn api_path(path: &str) -> String {
    let path = path.strip_prefix("/Workspace").unwrap_or(path);
    match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        path => path.to_owned(),
    }
}

fn missing(path: &str) -> Reply {
    Reply::not_found(&format!("Path ({path}) doesn't exist."))
}

fn get_status(files: &Files, request: &Request) -> Result<Reply, Reply> {
    let path = api_path(&request.arguments::<PathOnly>()?.path);
    let status = files.status(&path).ok_or_else(|| missing(&path))?;
    Ok(Reply::json(&status))
}

fn list(files: &Files, request: &Request) -> Result<Reply, Reply> {
    let path = api_path(&request.arguments::<PathOnly>()?.path);
    if !files.is_directory(&path) {
        return Err(missing(&path));
    }
    let prefix = format!("{}/", path.trim_end_matches('/'));
    let objects: Vec<Value> = files
        .directories
        .iter()
        .chain(files.files.keys())
        .filter(|key| key.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/')))
        .filter_map(|key| files.status(key))
        .collect();
    Ok(Reply::json(&json!({ "objects": objects })))
}

fn mkdirs(files: &mut Files, request: &Request) -> Result<Reply, Reply> {
    let path = api_path(&request.arguments::<PathOnly>()?.path);
    if files.files.contains_key(&path) {
        let message = format!("Node of type FILE already exists at {path}");
        return Err(Reply::error(400, "RESOURCE_ALREADY_EXISTS", &message));
    }
    for (end, _) in path.match_indices('/').filter(|(end, _)| *end > 0) {
        files.directories.insert(path[..end].to_owned());
    }
    files.directories.insert(path);
    Ok(Reply::json(&json!({})))
}

fn import(files: &mut Files, request: &Request) -> Result<Reply, Reply> {
    let (arguments, contents) = match request.header("content-type") {
        Some(kind) if kind.starts_with("multipart/form-data") => form(request)?,
        _ => {
            let arguments: Import = request.arguments()?;
            let contents = STANDARD
                .decode(arguments.content.as_deref().unwrap_or_default())
                .map_err(|error| Reply::error(400, "INVALID_PARAMETER_VALUE", &error.to_string()))?;
            (arguments, contents)
        }
    };
    let path = api_path(&arguments.path);
    let parent = path.rsplit_once('/').map_or("/", |(parent, _)| parent);
    if !files.is_directory(parent) && !parent.is_empty() {
        return Err(Reply::not_found(&format!(
            "The parent folder ({parent}) does not exist."
        )));
    }
    if !matches!(arguments.format.as_deref(), Some("AUTO" | "RAW" | "SOURCE")) || arguments.language.is_some()
    {
        return Err(Reply::error(
            400,
            "INVALID_PARAMETER_VALUE",
            "a file needs the format AUTO",
        ));
    }
    if files.files.contains_key(&path) && !arguments.overwrite {
        let message = format!("{path} already exists. Please pass overwrite=true to overwrite it.");
        return Err(Reply::error(400, "RESOURCE_ALREADY_EXISTS", &message));
    }
    files.files.insert(path, contents);
    Ok(Reply::json(&json!({})))
}

fn form(request: &Request) -> Result<(Import, Vec<u8>), Reply> {
    let mut arguments = Import::default();
    let mut contents = None;
    for (name, value) in request.form()? {
        let text = || String::from_utf8_lossy(&value).into_owned();
        match name.as_str() {
            "path" => arguments.path = text(),
            "format" => arguments.format = Some(text()),
            "language" => arguments.language = Some(text()),
            "overwrite" => arguments.overwrite = text() == "true",
            "content" => contents = Some(value),
            other => {
                return Err(Reply::error(
                    400,
                    "MALFORMED_REQUEST",
                    &format!("unknown field {other}"),
                ));
            }
        }
    }
    let contents = contents.ok_or_else(|| Reply::error(400, "MALFORMED_REQUEST", "no content"))?;
    Ok((arguments, contents))
}
