//! The DBFS API 2.0, and the path by which MLflow's own client uploads.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Workspace;
use crate::reply::Reply;
use crate::request::Request;

/// The most that a block or a read may have.
const BLOCK: usize = 1024 * 1024;

#[derive(Debug, Clone)]
enum Node {
    Directory,
    File(Vec<u8>),
}

#[derive(Default)]
pub(crate) struct Dbfs {
    nodes: BTreeMap<String, Node>,
    handles: HashMap<u64, (String, Vec<u8>)>,
    last_handle: u64,
}

impl Dbfs {
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.nodes
            .iter()
            .filter_map(|(path, node)| match node {
                Node::File(contents) => Some((path.clone(), contents.clone())),
                Node::Directory => None,
            })
            .collect()
    }

    pub(crate) fn put(&mut self, path: &str, contents: Vec<u8>) {
        self.make_parents(path);
        self.nodes.insert(path.to_owned(), Node::File(contents));
    }

    fn make_parents(&mut self, path: &str) {
        for (end, _) in path.match_indices('/').filter(|(end, _)| *end > 0) {
            self.nodes
                .entry(path[..end].to_owned())
                .or_insert(Node::Directory);
        }
    }

    fn is_directory(&self, path: &str) -> bool {
        path == "/" || matches!(self.nodes.get(path), Some(Node::Directory))
    }

    fn status(&self, path: &str) -> Option<Value> {
        if self.is_directory(path) {
            return Some(json!({ "path": path, "is_dir": true, "file_size": 0, "modification_time": 0 }));
        }
        match self.nodes.get(path)? {
            Node::File(contents) => Some(json!({
                "path": path, "is_dir": false, "file_size": contents.len(), "modification_time": 1700000000000_u64
            })),
            Node::Directory => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathOnly {
    path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    path: String,
    #[serde(default)]
    overwrite: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddBlock {
    handle: u64,
    data: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Close {
    handle: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    path: String,
    contents: String,
    #[serde(default)]
    overwrite: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    path: String,
    #[serde(default)]
    offset: usize,
    length: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    source_path: String,
    destination_path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delete {
    path: String,
    #[serde(default)]
    recursive: bool,
}

type Outcome = Result<Reply, Reply>;

pub(crate) fn answer(workspace: &mut Workspace, request: &Request) -> Option<Reply> {
    let (is_on, is_direct) = (workspace.settings.has_dbfs, workspace.settings.has_direct_upload);
    let dbfs = &mut workspace.dbfs;
    if let Some(path) = request.path.strip_prefix("/dbfs/") {
        let path = format!("/{path}");
        return Some(match request.method.as_str() {
            _ if !is_on => disabled(&path),
            "POST" if is_direct => direct_upload(dbfs, &path, &request.body),
            "GET" if is_direct => match dbfs.nodes.get(&path) {
                Some(Node::File(contents)) => Reply {
                    body: contents.clone(),
                    ..Reply::empty(200)
                },
                _ => Reply::empty(404),
            },
            _ => Reply::error(404, "ENDPOINT_NOT_FOUND", "No API found for '/dbfs'"),
        });
    }
    let call = request.path.strip_prefix("/api/2.0/dbfs/")?;
    if !is_on {
        return Some(disabled(request.query("path").unwrap_or_default()));
    }
    let outcome = match (request.method.as_str(), call) {
        ("GET", "get-status") => get_status(dbfs, request),
        ("GET", "list") => list(dbfs, request),
        ("GET", "read") => read(dbfs, request),
        ("POST", "mkdirs") => mkdirs(dbfs, request),
        ("POST", "put") => put(dbfs, request),
        ("POST", "create") => create(dbfs, request),
        ("POST", "add-block") => add_block(dbfs, request),
        ("POST", "close") => close(dbfs, request),
        ("POST", "move") => rename(dbfs, request),
        ("POST", "delete") => delete(dbfs, request),
        _ => return None,
    };
    Some(outcome.unwrap_or_else(|reply| reply))
}

fn disabled(path: &str) -> Reply {
    Reply::error(
        403,
        "PERMISSION_DENIED",
        &format!("Public DBFS root is disabled. Access is denied on path: {path}"),
    )
}

fn missing(path: &str) -> Reply {
    Reply::not_found(&format!("No file or directory exists on path {path}."))
}

fn checked(path: String) -> Result<String, Reply> {
    let path = path.strip_prefix("dbfs:").unwrap_or(&path).to_owned();
    if !path.starts_with('/') {
        let message = format!("Path must be absolute: {path}");
        return Err(Reply::error(400, "INVALID_PARAMETER_VALUE", &message));
    }
    let trimmed = path.trim_end_matches('/');
    Ok(if trimmed.is_empty() { "/" } else { trimmed }.to_owned())
}

fn exists(path: &str) -> Reply {
    Reply::error(
        400,
        "RESOURCE_ALREADY_EXISTS",
        &format!("A file or directory already exists at the input path {path}."),
    )
}

fn direct_upload(dbfs: &mut Dbfs, path: &str, body: &[u8]) -> Reply {
    if dbfs.nodes.contains_key(path) {
        return Reply::error(409, "RESOURCE_ALREADY_EXISTS", "File already exists");
    }
    dbfs.put(path, body.to_vec());
    Reply::empty(200)
}

fn get_status(dbfs: &Dbfs, request: &Request) -> Outcome {
    let path = checked(request.arguments::<PathOnly>()?.path)?;
    dbfs.status(&path)
        .map(|status| Reply::json(&status))
        .ok_or_else(|| missing(&path))
}

fn list(dbfs: &Dbfs, request: &Request) -> Outcome {
    let path = checked(request.arguments::<PathOnly>()?.path)?;
    let status = dbfs.status(&path).ok_or_else(|| missing(&path))?;
    if !dbfs.is_directory(&path) {
        return Ok(Reply::json(&json!({ "files": [status] })));
    }
    let prefix = format!("{}/", path.trim_end_matches('/'));
    let files: Vec<Value> = dbfs
        .nodes
        .keys()
        .filter(|key| key.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/')))
        .filter_map(|key| dbfs.status(key))
        .collect();
    // As the service does: no field where there is nothing.
    Ok(Reply::json(&if files.is_empty() {
        json!({})
    } else {
        json!({ "files": files })
    }))
}

fn read(dbfs: &Dbfs, request: &Request) -> Outcome {
    let arguments: Read = request.arguments()?;
    let path = checked(arguments.path)?;
    let Some(Node::File(contents)) = dbfs.nodes.get(&path) else {
        return Err(missing(&path));
    };
    let length = arguments.length.unwrap_or(BLOCK / 2);
    if length > BLOCK {
        return Err(Reply::error(
            400,
            "MAX_READ_SIZE_EXCEEDED",
            "length exceeds the limit of 1 MB",
        ));
    }
    let start = arguments.offset.min(contents.len());
    let data = &contents[start..(start + length).min(contents.len())];
    Ok(Reply::json(
        &json!({ "bytes_read": data.len(), "data": STANDARD.encode(data) }),
    ))
}

fn mkdirs(dbfs: &mut Dbfs, request: &Request) -> Outcome {
    let path = checked(request.arguments::<PathOnly>()?.path)?;
    if matches!(dbfs.nodes.get(&path), Some(Node::File(_))) {
        return Err(exists(&path));
    }
    dbfs.make_parents(&format!("{path}/"));
    Ok(Reply::json(&json!({})))
}

fn put(dbfs: &mut Dbfs, request: &Request) -> Outcome {
    let (path, contents, overwrite) = match request.header("content-type") {
        // The form has no limit of size.
        Some(kind) if kind.starts_with("multipart/form-data") => put_form(request)?,
        _ => {
            let arguments: Put = request.arguments()?;
            let contents = decoded(&arguments.contents)?;
            if contents.len() > BLOCK {
                let message = "contents exceed the limit of 1 MB";
                return Err(Reply::error(400, "MAX_BLOCK_SIZE_EXCEEDED", message));
            }
            (arguments.path, contents, arguments.overwrite)
        }
    };
    let path = checked(path)?;
    if dbfs.is_directory(&path) || (dbfs.nodes.contains_key(&path) && !overwrite) {
        return Err(exists(&path));
    }
    dbfs.put(&path, contents);
    Ok(Reply::json(&json!({})))
}

fn put_form(request: &Request) -> Result<(String, Vec<u8>, bool), Reply> {
    let (mut path, mut contents, mut overwrite) = (String::new(), Vec::new(), false);
    for (name, value) in request.form()? {
        let text = String::from_utf8_lossy(&value).into_owned();
        match name.as_str() {
            "path" => path = text,
            "overwrite" => overwrite = text.eq_ignore_ascii_case("true"),
            "contents" | "file" => contents = value,
            other => {
                return Err(Reply::error(
                    400,
                    "MALFORMED_REQUEST",
                    &format!("unknown field {other}"),
                ));
            }
        }
    }
    Ok((path, contents, overwrite))
}

fn decoded(data: &str) -> Result<Vec<u8>, Reply> {
    STANDARD
        .decode(data)
        .map_err(|error| Reply::error(400, "INVALID_PARAMETER_VALUE", &format!("no base64: {error}")))
}

fn create(dbfs: &mut Dbfs, request: &Request) -> Outcome {
    let arguments: Create = request.arguments()?;
    let path = checked(arguments.path)?;
    if dbfs.is_directory(&path) || (dbfs.nodes.contains_key(&path) && !arguments.overwrite) {
        return Err(exists(&path));
    }
    // The file is there from now on, and grows.
    dbfs.put(&path, Vec::new());
    dbfs.last_handle += 1;
    let handle = dbfs.last_handle;
    dbfs.handles.insert(handle, (path, Vec::new()));
    Ok(Reply::json(&json!({ "handle": handle })))
}

fn no_handle(handle: u64) -> Reply {
    Reply::not_found(&format!("No such handle: {handle}"))
}

fn add_block(dbfs: &mut Dbfs, request: &Request) -> Outcome {
    let arguments: AddBlock = request.arguments()?;
    let data = decoded(&arguments.data)?;
    if data.len() > BLOCK {
        return Err(Reply::error(
            400,
            "MAX_BLOCK_SIZE_EXCEEDED",
            "data exceeds the limit of 1 MB",
        ));
    }
    let Some((path, contents)) = dbfs.handles.get_mut(&arguments.handle) else {
        return Err(no_handle(arguments.handle));
    };
    contents.extend(data);
    let (path, contents) = (path.clone(), contents.clone());
    dbfs.put(&path, contents);
    Ok(Reply::json(&json!({})))
}

fn close(dbfs: &mut Dbfs, request: &Request) -> Outcome {
    let handle = request.arguments::<Close>()?.handle;
    match dbfs.handles.remove(&handle) {
        Some(_) => Ok(Reply::json(&json!({}))),
        None => Err(no_handle(handle)),
    }
}

fn rename(dbfs: &mut Dbfs, request: &Request) -> Outcome {
    let arguments: Move = request.arguments()?;
    let (from, to) = (
        checked(arguments.source_path)?,
        checked(arguments.destination_path)?,
    );
    let Some(node) = dbfs.nodes.get(&from).cloned() else {
        return Err(missing(&from));
    };
    if dbfs.nodes.contains_key(&to) {
        return Err(exists(&to));
    }
    dbfs.make_parents(&to);
    dbfs.nodes.remove(&from);
    dbfs.nodes.insert(to, node);
    Ok(Reply::json(&json!({})))
}

fn delete(dbfs: &mut Dbfs, request: &Request) -> Outcome {
    let arguments: Delete = request.arguments()?;
    let path = checked(arguments.path)?;
    let below = format!("{path}/");
    let has_contents = dbfs.nodes.keys().any(|key| key.starts_with(&below));
    if has_contents && !arguments.recursive {
        return Err(Reply::error(400, "IO_ERROR", "the directory is not empty"));
    }
    dbfs.nodes
        .retain(|key, _| *key != path && !key.starts_with(&below));
    Ok(Reply::json(&json!({})))
}
