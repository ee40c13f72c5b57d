//! `hdfs://` and `viewfs://`: with Hadoop's program, which supports its configuration and Kerberos, otherwise with the
//! name node's HTTP server ("WebHDFS REST API").

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use reqwest::{Client, Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::file_tree::{FileServer, FileSession, file};
use crate::artifact::http_request::{HttpRequest, Service, redirect_target, usual_client};
use crate::artifact::local::{self, Brought, parent_of};
use crate::artifact::repository::{Chunks, Object, of_answer};
use crate::env_vars;
use crate::http::{Content, SentFile};
use crate::process::{ProcessError, ProgramCall, program_on_path};
use crate::python_paths::{quote, quote_part};

const NAME: &str = "HDFS";
/// The default port of a name node's HTTP server.
const DEFAULT_PORT: u16 = 9870;

/// The name node of a Hadoop file system.
#[derive(Clone)]
pub(super) struct WebHdfs {
    client: Client,
    server: String,
    user: Option<String>,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    property: Vec<HashMap<String, String>>,
}

impl WebHdfs {
    /// The name node at this authority (`host:port`; empty for the default file system).
    pub(super) fn new(authority: &str) -> Result<Self> {
        let variable = &env_vars::non_empty;
        let server = match variable(env_vars::MLRUN_WEBHDFS_URL) {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => address(authority)?,
        };
        if !Url::parse(&server).is_ok_and(|url| url.has_host()) {
            let what = format!("the address '{server}' of HDFS");
            return Err(RepositoryError::settings(
                what,
                "not a URL such as http://HOST:9870",
            ));
        }
        Ok(Self {
            client: usual_client()?,
            server,
            user: [env_vars::HADOOP_USER_NAME, env_vars::MLFLOW_KERBEROS_USER, "USER"]
                .into_iter()
                .find_map(variable),
        })
    }

    fn request(&self, method: Method, path: &str, operation: &str, query: &str) -> Result<HttpRequest> {
        let path = quote(path);
        let mut address = format!("{}/webhdfs/v1{path}?op={operation}{query}", self.server);
        if let Some(user) = &self.user {
            address.push_str(&format!("&user.name={}", quote_part(user)));
        }
        let url = Url::parse(&address).map_err(|error| RepositoryError::strange(NAME, error))?;
        Ok(HttpRequest::new(method, url))
    }

    /// Gives the part of this name in a JSON response.
    async fn answer(
        &self,
        method: Method,
        path: &str,
        operation: &str,
        query: &str,
        part: &str,
    ) -> Result<Value> {
        let text = self
            .request(method, path, operation, query)?
            .text_once(self)
            .await?;
        let mut answer: Value = serde_json::from_str(&text).unwrap_or_default();
        match answer.get_mut(part) {
            Some(found) => Ok(found.take()),
            None => Err(RepositoryError::strange(NAME, format_args!("it has no {part}"))),
        }
    }
}

/// The address of the name node's HTTP server, for this authority or the default one.
fn address(authority: &str) -> Result<String> {
    let directory = env_vars::non_empty(env_vars::HADOOP_CONF_DIR);
    let setting = |file: &str, name: &str| {
        let text = std::fs::read_to_string(Path::new(directory.as_ref()?).join(file)).ok()?;
        let configuration: Configuration = quick_xml::de::from_str(&text).ok()?;
        let mut properties = configuration.property.into_iter();
        let found = properties.find(|property| property.get("name").is_some_and(|found| found == name))?;
        Some(found.get("value")?.trim().to_owned())
    };
    let default = setting("core-site.xml", "fs.defaultFS");
    let of_default = default.as_deref().and_then(|uri| uri.strip_prefix("hdfs://"));
    let of_default = of_default.map(|rest| rest.trim_end_matches('/'));
    let authority = match authority {
        "" => of_default.ok_or_else(|| {
            let directory = env_vars::HADOOP_CONF_DIR;
            let nowhere = format!("no core-site.xml in {directory} sets fs.defaultFS");
            let reason = format!("{nowhere}, and the program 'hdfs' is not on the PATH");
            RepositoryError::settings("an hdfs: address without a host", reason)
        })?,
        authority => authority,
    };
    let of_http = setting("hdfs-site.xml", "dfs.namenode.http-address");
    if let Some(address) = of_http.filter(|_| of_default == Some(authority)) {
        return Ok(format!("http://{address}"));
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    Ok(format!("http://{host}:{DEFAULT_PORT}"))
}

#[async_trait]
impl FileServer for WebHdfs {
    type Session = Self;

    const NAME: &'static str = NAME;
    const HAS_PARTS: bool = true;

    async fn connect(&self) -> Result<Self> {
        Ok(self.clone())
    }
}

#[async_trait]
impl FileSession for WebHdfs {
    async fn look(&mut self, path: &str) -> Result<Option<Object>> {
        let answer = self.answer(Method::GET, path, "GETFILESTATUS", "", "FileStatus");
        Ok(entry(&answer.await?).1)
    }

    async fn list(&mut self, path: &str) -> Result<Vec<(String, Option<Object>)>> {
        let answer = self.answer(Method::GET, path, "LISTSTATUS", "", "FileStatuses");
        let statuses = &answer.await?["FileStatus"];
        Ok(statuses.as_array().into_iter().flatten().map(entry).collect())
    }

    async fn read(self, path: &str, range: Range<u64>) -> Result<(Chunks, Option<u64>)> {
        let length = match range.end {
            u64::MAX => String::new(),
            end => format!("&length={}", end - range.start),
        };
        let query = format!("&offset={}{length}", range.start);
        let request = self.request(Method::GET, path, "OPEN", &query)?;
        let answer = request.send_once(&self).await?;
        let length = answer.content_length();
        Ok((of_answer(answer), length))
    }

    /// The name node creates a file's parents itself.
    async fn make_directories(&mut self, _path: &str) -> Result<()> {
        Ok(())
    }

    /// Asks the name node for a data node, and sends the file to that node.
    async fn write(&mut self, path: &str, file: &SentFile) -> Result<()> {
        let mut request = self.request(Method::PUT, path, "CREATE", "&overwrite=true")?;
        request.accepts = Some(StatusCode::TEMPORARY_REDIRECT);
        let answer = request.send_once(self).await?;
        let target = redirect_target(&request.url, &answer);
        let target = target.ok_or_else(|| RepositoryError::strange(NAME, "no data node for the file"))?;
        let request = HttpRequest::new(Method::PUT, target)
            .header("content-type", "application/octet-stream")
            .with(Content::file(file));
        request.send_once(self).await.map(drop)
    }

    async fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        let query = format!("&destination={}", quote_part(to));
        let renamed = self.answer(Method::PUT, from, "RENAME", &query, "boolean");
        match renamed.await?.as_bool() {
            Some(true) => Ok(()),
            _ => Err(RepositoryError::strange(
                NAME,
                format_args!("it refused to rename a file to '{to}'"),
            )),
        }
    }

    /// A missing file is not an error.
    async fn remove(&mut self, path: &str) -> Result<()> {
        let removed = self.answer(Method::DELETE, path, "DELETE", "", "boolean");
        removed.await.map(drop)
    }
}

#[async_trait]
impl Service for WebHdfs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn client(&self) -> &Client {
        &self.client
    }

    /// The name node redirects readers to the data node with the file.
    fn follows_redirects(&self) -> bool {
        true
    }

    async fn asker(&self) -> String {
        match &self.user {
            Some(user) => format!("the user '{user}'"),
            None => "a request without a user (HADOOP_USER_NAME is not set)".to_owned(),
        }
    }

    fn said(&self, body: &str) -> Option<String> {
        let answer: Value = serde_json::from_str(body).ok()?;
        let exception = &answer["RemoteException"];
        let message = exception["message"].as_str().unwrap_or_default();
        let first = message.lines().next().unwrap_or_default();
        Some(format!("{}: {first}", exception["exception"].as_str()?))
    }
}

/// Reads a file status: the name in the directory, and the file.
fn entry(status: &Value) -> (String, Option<Object>) {
    let is_file = status["type"] != "DIRECTORY";
    let there = is_file.then(|| file(status["length"].as_u64(), status["modificationTime"].as_u64()));
    (
        status["pathSuffix"].as_str().unwrap_or_default().to_owned(),
        there,
    )
}

const PROGRAM: &str = "hdfs";

pub(super) fn has_program() -> bool {
    program_on_path(PROGRAM).is_some()
}

/// The error for an address that needs the program.
pub(super) fn program_missing() -> RepositoryError {
    RepositoryError::Program(ProcessError::Missing {
        program: PROGRAM.to_owned(),
    })
}

/// Escapes the URI for the program, which expands patterns.
fn literal(uri: &str) -> String {
    let escaped = |character| {
        let is_special = r"*?[]{}\".contains(character);
        is_special.then_some('\\').into_iter().chain([character])
    };
    uri.chars().flat_map(escaped).collect()
}

fn dfs<const N: usize>(arguments: [&str; N]) -> ProgramCall {
    ProgramCall::new(PROGRAM).arguments(["dfs"]).arguments(arguments)
}

pub(super) async fn is_directory(uri: &str) -> Result<bool> {
    match dfs(["-stat", "%F"]).argument(literal(uri)).capture().await {
        Ok(captured) => Ok(captured.text().trim() == "directory"),
        Err(ProcessError::Failed { last_lines, .. })
            if last_lines
                .iter()
                .any(|line| line.contains("No such file or directory")) =>
        {
            Err(RepositoryError::Missing(last_lines.join(" ")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Uploads a file to a URI and creates the directories above it. The file appears only when it is complete.
pub(super) async fn put(file: &Path, uri: &str) -> Result<()> {
    let (directory, _) = uri.rsplit_once('/').unwrap_or_default();
    let make = dfs(["-mkdir", "-p"]).argument(literal(directory));
    make.capture().await?;
    let put = dfs(["-put", "-f"]).argument(file.as_os_str());
    put.argument(literal(uri)).capture().await?;
    Ok(())
}

/// Downloads to this path. The file appears only when it is complete.
pub(super) async fn bring(uri: &str, target: &Path) -> Result<Brought> {
    let place = tempfile::Builder::new()
        .prefix(".incomplete-")
        .tempdir_in(parent_of(target))
        .map_err(RepositoryError::unwritable)?;
    let copy = place.path().join("copy");
    let call = dfs(["-get"]).argument(literal(uri));
    call.argument(copy.as_os_str()).capture().await?;
    local::rename(&copy, target)
}
