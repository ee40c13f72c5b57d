//! The Files API 2.0: files in volumes of Unity Catalog.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::Workspace;
use crate::reply::Reply;
use crate::request::Request;

/// The only volume that there is.
const VOLUME: &str = "/Volumes/main/default/models";

#[derive(Default)]
pub(crate) struct Volumes {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    directories: BTreeSet<String>,
}

impl Volumes {
    fn is_directory(&self, path: &str) -> bool {
        path == VOLUME || self.directories.contains(path)
    }
}

pub(crate) fn answer(workspace: &mut Workspace, request: &Request) -> Option<Reply> {
    let volumes = &mut workspace.volumes;
    if let Some(path) = request.path.strip_prefix("/api/2.0/fs/files") {
        return Some(file(volumes, request, path));
    }
    let path = request.path.strip_prefix("/api/2.0/fs/directories")?;
    let path = path.trim_end_matches('/');
    Some(match request.method.as_str() {
        _ if !is_inside(path) => no_volume(path),
        "PUT" if volumes.files.contains_key(path) => exists(path),
        "PUT" => {
            for (end, _) in path.match_indices('/') {
                if end > VOLUME.len() {
                    volumes.directories.insert(path[..end].to_owned());
                }
            }
            volumes.directories.insert(path.to_owned());
            Reply::empty(204)
        }
        "HEAD" if volumes.is_directory(path) => Reply::empty(200),
        "GET" if volumes.is_directory(path) => listing(volumes, path),
        "HEAD" | "GET" => not_found(path),
        _ => return None,
    })
}

fn is_inside(path: &str) -> bool {
    path == VOLUME || path.starts_with(&format!("{VOLUME}/"))
}

fn no_volume(path: &str) -> Reply {
    Reply::error(
        404,
        "NOT_FOUND",
        &format!("The volume of the path {path} does not exist."),
    )
}

fn not_found(path: &str) -> Reply {
    Reply::error(
        404,
        "NOT_FOUND",
        &format!("The file being accessed is not found: {path}"),
    )
}

fn exists(path: &str) -> Reply {
    Reply::error(
        409,
        "ALREADY_EXISTS",
        &format!("The file being created already exists: {path}"),
    )
}

fn file(volumes: &mut Volumes, request: &Request, path: &str) -> Reply {
    if !is_inside(path) {
        return no_volume(path);
    }
    match request.method.as_str() {
        "PUT" => {
            let unknown = request.query.iter().find(|(key, _)| key != "overwrite");
            if let Some((key, _)) = unknown {
                return Reply::error(400, "MALFORMED_REQUEST", &format!("unknown parameter {key}"));
            }
            if volumes.files.contains_key(path) && request.query("overwrite") != Some("true") {
                return exists(path);
            }
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            if !volumes.is_directory(parent) {
                return not_found(parent);
            }
            volumes.files.insert(path.to_owned(), request.body.clone());
            Reply::empty(204)
        }
        "GET" | "HEAD" => match volumes.files.get(path) {
            Some(contents) => Reply {
                body: match request.method.as_str() {
                    "GET" => contents.clone(),
                    _ => Vec::new(),
                },
                ..Reply::empty(200)
            }
            .header("content-type", "application/octet-stream")
            .header("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")
            .header("content-length", contents.len()),
            None => not_found(path),
        },
        "DELETE" => match volumes.files.remove(path) {
            Some(_) => Reply::empty(204),
            None => not_found(path),
        },
        _ => Reply::error(404, "ENDPOINT_NOT_FOUND", "No such API"),
    }
}

fn listing(volumes: &Volumes, path: &str) -> Reply {
    let prefix = format!("{path}/");
    let is_child = |key: &&String| {
        key.strip_prefix(&prefix)
            .is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
    };
    let name = |key: &String| key.rsplit('/').next().unwrap_or_default().to_owned();
    let directories = volumes
        .directories
        .iter()
        .filter(is_child)
        .map(|key| json!({ "path": key, "name": name(key), "is_directory": true }));
    let files = volumes.files.iter().filter(|(key, _)| is_child(key)).map(|(key, contents)| {
        json!({ "path": key, "name": name(key), "is_directory": false, "file_size": contents.len() })
    });
    let contents: Vec<_> = directories.chain(files).collect();
    Reply::json(&json!({ "contents": contents }))
}
