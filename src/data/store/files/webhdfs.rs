//! `hdfs://` without Hadoop's own programs: its name node over HTTP ("WebHDFS REST API").

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use percent_encoding::utf8_percent_encode;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use super::super::exchange::{Ask, Content, Service, redirect_target};
use super::super::{Chunks, StoreError, of_answer};
use super::tree::{Entry, FileServer, FileSession};
use crate::aws::{UNRESERVED, UNRESERVED_PATH};
use crate::env_vars;
use crate::http::{self, SentFile, Verification};

const NAME: &str = "HDFS";
/// The port of a name node's HTTP server, where its configuration names no other.
const DEFAULT_PORT: u16 = 9870;

/// The name node of a Hadoop file system.
#[derive(Clone)]
pub(in crate::data) struct WebHdfs {
    client: Client,
    /// The address of the name node's HTTP server.
    server: String,
    user: Option<String>,
}

/// A file of Hadoop's configuration.
#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    property: Vec<HashMap<String, String>>,
}

impl WebHdfs {
    /// The name node at this authority (`host:port`, which is empty for the default file system).
    pub(in crate::data) fn new(authority: &str) -> Result<Self, StoreError> {
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
        })
    }

    fn ask(&self, method: Method, path: &str, operation: &str, query: &str) -> Result<Ask, StoreError> {
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
        Ok(Ask::new(method, url))
    }

    /// The answer in JSON, whose part of this name is what was asked for.
    async fn answer(
        &self,
        method: Method,
        path: &str,
        operation: &str,
        query: &str,
        part: &str,
    ) -> Result<Value, StoreError> {
        let text = self.ask(method, path, operation, query)?.text_once(self).await?;
        let mut answer: Value = serde_json::from_str(&text).unwrap_or_default();
        match answer.get_mut(part) {
            Some(found) => Ok(found.take()),
            None => Err(strange(format!("it has no {part}"))),
        }
    }
}

/// The address of the HTTP server of the name node at this authority, or of the default one.
fn address(authority: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, StoreError> {
    let directory = variable(env_vars::HADOOP_CONF_DIR);
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
impl FileServer for WebHdfs {
    type Session = Self;

    const NAME: &'static str = NAME;
    const HAS_PARTS: bool = true;

    async fn connect(&self) -> Result<Self, StoreError> {
        Ok(self.clone())
    }
}

#[async_trait]
impl FileSession for WebHdfs {
    async fn look(&mut self, path: &str) -> Result<Entry, StoreError> {
        let answer = self.answer(Method::GET, path, "GETFILESTATUS", "", "FileStatus");
        Ok(entry(&answer.await?).1)
    }

    async fn list(&mut self, path: &str) -> Result<Vec<(String, Entry)>, StoreError> {
        let answer = self.answer(Method::GET, path, "LISTSTATUS", "", "FileStatuses");
        let statuses = &answer.await?["FileStatus"];
        Ok(statuses.as_array().into_iter().flatten().map(entry).collect())
    }

    async fn read(self, path: &str, range: Range<u64>) -> Result<(Chunks, Option<u64>), StoreError> {
        let length = match range.end {
            u64::MAX => String::new(),
            end => format!("&length={}", end - range.start),
        };
        let query = format!("&offset={}{length}", range.start);
        let ask = self.ask(Method::GET, path, "OPEN", &query)?;
        let answer = ask.send_once(&self).await?;
        let length = answer.content_length();
        Ok((of_answer(answer), length))
    }

    /// The directories above a file come by themselves.
    async fn make_directories(&mut self, _path: &str) -> Result<(), StoreError> {
        Ok(())
    }

    /// Asks the name node for a node that takes the file, which gets it.
    async fn write(&mut self, path: &str, file: &SentFile) -> Result<(), StoreError> {
        let mut ask = self.ask(Method::PUT, path, "CREATE", "&overwrite=true")?;
        ask.accepts = Some(StatusCode::TEMPORARY_REDIRECT);
        let answer = ask.send_once(self).await?;
        let target = redirect_target(&ask.url, &answer);
        let target = target.ok_or_else(|| strange("it names no node that takes the file".to_owned()))?;
        let mut ask = Ask::new(Method::PUT, target).header("content-type", "application/octet-stream");
        ask.content = Content::File(file.clone());
        ask.send_once(self).await.map(drop)
    }

    async fn rename(&mut self, from: &str, to: &str) -> Result<(), StoreError> {
        let query = format!("&destination={}", utf8_percent_encode(to, UNRESERVED));
        let renamed = self
            .answer(Method::PUT, from, "RENAME", &query, "boolean")
            .await?;
        match renamed.as_bool() {
            Some(true) => Ok(()),
            _ => Err(strange(format!("it does not rename a file to '{to}'"))),
        }
    }

    /// That there was no such file is no failure.
    async fn remove(&mut self, path: &str) -> Result<(), StoreError> {
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
        let answer: Value = serde_json::from_str(body).ok()?;
        let exception = &answer["RemoteException"];
        let message = exception["message"].as_str().unwrap_or_default();
        let first = message.lines().next().unwrap_or_default();
        Some(format!("{}: {first}", exception["exception"].as_str()?))
    }
}

/// What a file's status says: its name in the directory, and what it is.
fn entry(status: &Value) -> (String, Entry) {
    let entry = match status["type"].as_str() {
        Some("DIRECTORY") => Entry::Directory,
        _ => Entry::File {
            size: status["length"].as_u64(),
            changed: status["modificationTime"].as_u64(),
        },
    };
    (
        status["pathSuffix"].as_str().unwrap_or_default().to_owned(),
        entry,
    )
}

fn strange(reason: String) -> StoreError {
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
