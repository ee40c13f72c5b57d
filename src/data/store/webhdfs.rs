//! `hdfs://` without Hadoop's own programs: its name node over HTTP ("WebHDFS REST API").

use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use percent_encoding::utf8_percent_encode;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request, Url};
use serde::Deserialize;

use super::exchange::{Ask, Content, Service};
use super::list::path_below;
use super::{Body, Found, Listing, Object, Source, Store, StoreError, open_file};
use crate::aws::{UNRESERVED, UNRESERVED_PATH};
use crate::env_vars;
use crate::http::{self, Verification};

const NAME: &str = "HDFS";
/// The port of a name node's HTTP server, where its configuration names no other.
const DEFAULT_PORT: u16 = 9870;

/// A file or directory of a Hadoop file system.
pub(in crate::data) struct WebHdfs {
    client: Client,
    /// The address of the name node's HTTP server.
    server: String,
    user: Option<String>,
    path: String,
    /// Directories, relative to the place, that have not been listed yet.
    left: Mutex<VecDeque<String>>,
    /// The path of a file that is being put and not whole yet.
    pub(super) unfinished: Mutex<Option<String>>,
}

#[derive(Deserialize)]
struct StatusAnswer {
    #[serde(rename = "FileStatus")]
    status: FileStatus,
}

#[derive(Deserialize)]
struct ListAnswer {
    #[serde(rename = "FileStatuses")]
    statuses: FileStatuses,
}

#[derive(Deserialize)]
struct FileStatuses {
    #[serde(rename = "FileStatus")]
    statuses: Vec<FileStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileStatus {
    path_suffix: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    length: u64,
    modification_time: Option<u64>,
}

impl FileStatus {
    fn is_directory(&self) -> bool {
        self.kind == "DIRECTORY"
    }

    fn object(&self, key: String, path: String) -> Object {
        Object {
            key,
            path,
            size: Some(self.length),
            validator: self.modification_time.map(|time| time.to_string()),
            checksum: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RefusalAnswer {
    remote_exception: RemoteException,
}

#[derive(Deserialize)]
struct RemoteException {
    exception: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    property: Vec<Property>,
}

#[derive(Deserialize)]
struct Property {
    name: String,
    #[serde(default)]
    value: String,
}

impl WebHdfs {
    /// The place at this authority (`host:port`, which is empty for the default file system).
    pub(in crate::data) fn new(authority: &str, path: &str) -> Result<Self, StoreError> {
        let variable = &env_vars::non_empty;
        let server = match variable(env_vars::MLRUN_WEBHDFS_URL) {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => address(authority, variable)?,
        };
        if !Url::parse(&server).is_ok_and(|url| url.has_host()) {
            return Err(StoreError::Settings {
                what: format!("the address '{server}' of HDFS"),
                reason: "it is no URL such as http://host:9870".to_owned(),
            });
        }
        let verification = Verification::from_variables(variable);
        Ok(Self {
            client: http::client(Some(&verification), Policy::none())?,
            server,
            user: [env_vars::HADOOP_USER_NAME, env_vars::MLFLOW_KERBEROS_USER, "USER"]
                .into_iter()
                .find_map(variable),
            path: format!("/{}", path.trim_matches('/')),
            left: Mutex::default(),
            unfinished: Mutex::default(),
        })
    }

    pub(super) fn ask(&self, path: &str, operation: &str, query: &str) -> Result<Ask, StoreError> {
        let user = self
            .user
            .as_ref()
            .map(|user| format!("&user.name={}", utf8_percent_encode(user, UNRESERVED)));
        let address = format!(
            "{}/webhdfs/v1{}?op={operation}{}{query}",
            self.server,
            utf8_percent_encode(path, UNRESERVED_PATH),
            user.unwrap_or_default()
        );
        let url = Url::parse(&address).map_err(|error| strange(error.to_string()))?;
        Ok(Ask::new(Method::GET, url))
    }

    fn below(&self, path: &str) -> String {
        match path {
            "" => self.path.clone(),
            path => format!("{}/{path}", self.path.trim_end_matches('/')),
        }
    }

    async fn list(&self, directory: &str) -> Result<Listing, StoreError> {
        let text = self
            .ask(&self.below(directory), "LISTSTATUS", "")?
            .text(self)
            .await?;
        let answer: ListAnswer =
            serde_json::from_str(&text).map_err(|_| strange("no list of files".to_owned()))?;
        let mut listing = Listing::default();
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if answer.statuses.statuses.is_empty() && !directory.is_empty() {
            listing.empty_directories.push(directory.to_owned());
        }
        for status in answer.statuses.statuses {
            let relative = match directory {
                "" => status.path_suffix.clone(),
                directory => format!("{directory}/{}", status.path_suffix),
            };
            match path_below("", &relative)? {
                None => {}
                Some(path) if status.is_directory() => left.push_back(path),
                Some(path) => listing.objects.push(status.object(self.below(&path), path)),
            }
        }
        listing.next = left.pop_front();
        Ok(listing)
    }
}

/// The address of the HTTP server of the name node at this authority, or of the default one.
fn address(authority: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, StoreError> {
    let directory = variable(env_vars::HADOOP_CONF_DIR);
    let setting = |file: &str, name: &str| {
        let text = std::fs::read_to_string(Path::new(directory.as_ref()?).join(file)).ok()?;
        let configuration: Configuration = quick_xml::de::from_str(&text).ok()?;
        let found = configuration
            .property
            .into_iter()
            .find(|property| property.name == name);
        found.map(|property| property.value.trim().to_owned())
    };
    let default = setting("core-site.xml", "fs.defaultFS");
    let of_default = default.as_deref().and_then(|uri| uri.strip_prefix("hdfs://"));
    let of_default = of_default.map(|rest| rest.trim_end_matches('/'));
    let authority = match authority {
        "" => of_default.ok_or(StoreError::Settings {
            what: "an hdfs: address without a host".to_owned(),
            reason: format!(
                "no core-site.xml in {} names fs.defaultFS, and the program 'hdfs' is not on the PATH",
                env_vars::HADOOP_CONF_DIR
            ),
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
impl Store for WebHdfs {
    async fn find(&self) -> Result<Found, StoreError> {
        let text = self.ask(&self.path, "GETFILESTATUS", "")?.text(self).await?;
        let answer: StatusAnswer =
            serde_json::from_str(&text).map_err(|_| strange("no status of a file".to_owned()))?;
        if answer.status.is_directory() {
            return self.list("").await.map(Found::Directory);
        }
        Ok(Found::File(
            answer.status.object(self.path.clone(), String::new()),
        ))
    }

    async fn more(&self, next: &str) -> Result<Listing, StoreError> {
        self.list(next).await
    }

    async fn open(
        &self,
        object: &Object,
        range: Option<Range<u64>>,
        validator: Option<&str>,
    ) -> Result<Body, StoreError> {
        let start = range.as_ref().map_or(0, |range| range.start);
        let query = match &range {
            Some(range) if range.end < u64::MAX => {
                format!("&offset={}&length={}", range.start, range.end - range.start)
            }
            Some(range) => format!("&offset={}", range.start),
            None => String::new(),
        };
        let answer = self.ask(&object.key, "OPEN", &query)?.send(self).await?;
        Ok(Body {
            start,
            length: answer.content_length(),
            validator: validator.map(str::to_owned),
            checksum: None,
            source: Source::Http(Box::new(answer)),
        })
    }

    async fn put(&self, path: &str, file: &Path) -> Result<(), StoreError> {
        self.put_file(&self.below(path), &open_file(file)?).await
    }

    async fn abandon(&self) {
        self.remove_unfinished().await;
    }

    fn has_ranges(&self) -> bool {
        true
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

    async fn authorize(&self, _request: &mut Request, _content: &Content) -> Result<(), StoreError> {
        Ok(())
    }

    /// The name node sends who reads a file on to the node that has it.
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
        let answer: RefusalAnswer = serde_json::from_str(body).ok()?;
        let exception = answer.remote_exception;
        let message = exception.message.lines().next().unwrap_or_default().to_owned();
        Some(format!("{}: {message}", exception.exception))
    }
}

pub(super) fn strange(reason: String) -> StoreError {
    StoreError::Strange { store: NAME, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_node_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, key: &str, value: &str| {
            let text = format!(
                "<?xml version=\"1.0\"?>\n<configuration>\n<!-- a --><property><name>{key}</name><value>{value}</value></property>\n\
                 <property><name>other</name><value>x</value><final>true</final></property></configuration>"
            );
            std::fs::write(directory.path().join(name), text).unwrap();
        };
        write("core-site.xml", "fs.defaultFS", "hdfs://name:8020");
        write("hdfs-site.xml", "dfs.namenode.http-address", "name:50070");
        let path = directory.path().to_str().unwrap().to_owned();
        let variable = |name: &str| (name == "HADOOP_CONF_DIR").then(|| path.clone());
        for (authority, expected) in [
            ("", "http://name:50070"),
            ("name:8020", "http://name:50070"),
            ("other:8020", "http://other:9870"),
            ("other", "http://other:9870"),
        ] {
            assert_eq!(address(authority, &variable).unwrap(), expected, "{authority}");
        }
        assert!(address("", &|_| None).is_err());
    }
}
