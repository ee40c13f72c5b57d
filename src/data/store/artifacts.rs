//! `mlflow-artifacts:`: artifacts that a tracking server hands on.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use reqwest::{Client, Method, Request, Url};
use serde::Deserialize;

use super::exchange::{Ask, Content, Service, start_of, text};
use super::list::path_below;
use super::{Body, Found, Listing, Object, Source, Store, StoreError, open_file};
use crate::aws::{UNRESERVED, UNRESERVED_PATH};
use crate::http::ServerAccess;

const NAME: &str = "the tracking server";

/// Where the server has its artifacts.
const SERVICE: &str = "/api/2.0/mlflow-artifacts/artifacts";

/// More directories than this below one place are none that anybody made on purpose.
const MOST_DIRECTORIES: usize = 1_000_000;

/// A place among the artifacts of a tracking server.
pub(in crate::data) struct Artifacts {
    access: ServerAccess,
    /// The address of all artifacts.
    root: Url,
    /// Below the root, without slashes at both ends.
    path: String,
    /// Directories, relative to the place, that have not been listed yet.
    left: Mutex<VecDeque<String>>,
}

impl fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Artifacts({})", self.path)
    }
}

#[derive(Deserialize)]
struct ListAnswer {
    #[serde(default)]
    files: Vec<ListEntry>,
}

#[derive(Deserialize)]
struct ListEntry {
    /// Relative to the listed directory.
    path: String,
    #[serde(default)]
    is_dir: bool,
    /// Some servers write it as text.
    file_size: Option<serde_json::Value>,
}

impl Artifacts {
    /// A place that an `mlflow-artifacts:` URI names: below the tracking server, or below the host that
    /// it names itself. Another host gets no credentials: they are the tracking server's.
    pub(in crate::data) fn new(mut access: ServerAccess, host: Option<&str>, path: &str) -> Self {
        if let Some(host) = host {
            let address = format!("{}://{host}{}", access.url.scheme(), access.url.path());
            if let Ok(url) = Url::parse(&address)
                && url.origin() != access.url.origin()
            {
                access.url = url;
                access.headers.clear();
                access.credentials = None;
                access.signer = None;
            }
        }
        let mut root = access.url.clone();
        root.set_path(&format!("{}{SERVICE}", root.path().trim_end_matches('/')));
        Self {
            access,
            root,
            path: path.trim_matches('/').to_owned(),
            left: Mutex::default(),
        }
    }

    /// The parts of a web address that is one of such a server's artifacts: the server and the path.
    pub(in crate::data) fn split_url(url: &Url) -> Option<(Url, String)> {
        let (before, path) = url.path().split_once(SERVICE)?;
        if !path.is_empty() && !path.starts_with('/') {
            return None;
        }
        let path = percent_decode_str(path).decode_utf8().ok()?.into_owned();
        let mut server = url.clone();
        server.set_path(before);
        server.set_query(None);
        Some((server, path))
    }

    fn url_of(&self, path: &str) -> Result<Url, StoreError> {
        let address = format!("{}/{}", self.root, utf8_percent_encode(path, UNRESERVED_PATH));
        Url::parse(&address).map_err(|error| strange(error.to_string()))
    }

    fn ask(&self, method: Method, url: Url) -> Ask {
        let mut ask = Ask::new(method, url);
        ask.headers.clone_from(&self.access.headers);
        ask
    }

    fn below(&self, path: &str) -> String {
        match (self.path.as_str(), path) {
            ("", path) => path.to_owned(),
            (own, "") => own.to_owned(),
            (own, path) => format!("{own}/{path}"),
        }
    }

    /// What lies directly in a directory, given relative to the place. A server gives one entry with
    /// the file's own name, or none, for a file.
    async fn list(&self, directory: &str) -> Result<Listing, StoreError> {
        let whole = self.below(directory);
        let mut url = self.root.clone();
        url.set_query(Some(&format!("path={}", utf8_percent_encode(&whole, UNRESERVED))));
        let text = self.ask(Method::GET, url).text(self).await?;
        let answer: ListAnswer =
            serde_json::from_str(&text).map_err(|_| strange("no list of artifacts".to_owned()))?;
        let mut listing = Listing::default();
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let name = whole.rsplit('/').next().unwrap_or_default();
        let is_file = |entries: &[ListEntry]| {
            entries.len() == 1 && !entries[0].is_dir && entries[0].path == name && directory.is_empty()
        };
        if is_file(&answer.files) && !name.is_empty() {
            return Ok(listing);
        }
        if answer.files.is_empty() && !directory.is_empty() {
            listing.empty_directories.push(directory.to_owned());
        }
        for entry in answer.files {
            let relative = match directory {
                "" => entry.path,
                directory => format!("{directory}/{}", entry.path),
            };
            let Some(path) = path_below("", &relative)? else {
                continue;
            };
            if entry.is_dir {
                left.push_back(path);
                continue;
            }
            listing.objects.push(Object {
                key: self.below(&path),
                path,
                size: entry.file_size.as_ref().and_then(size),
                ..Object::default()
            });
        }
        if left.len() > MOST_DIRECTORIES {
            return Err(strange("its directories have no end".to_owned()));
        }
        listing.next = left.pop_front();
        Ok(listing)
    }
}

fn size(value: &serde_json::Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[async_trait]
impl Store for Artifacts {
    async fn find(&self) -> Result<Found, StoreError> {
        let listing = self.list("").await?;
        if !listing.objects.is_empty() || listing.next.is_some() {
            return Ok(Found::Directory(listing));
        }
        if self.path.is_empty() {
            return Err(StoreError::Missing {
                said: "the server has no artifacts".to_owned(),
            });
        }
        let object = Object {
            key: self.path.clone(),
            ..Object::default()
        };
        let url = self.url_of(&object.key)?;
        match self.ask(Method::HEAD, url).send(self).await {
            Ok(answer) => Ok(Found::File(Object {
                validator: text(answer.headers(), "etag")
                    .filter(|tag| !tag.starts_with("W/"))
                    .map(str::to_owned),
                ..object
            })),
            // The answer to such a request has no body: another one says why.
            Err(_) => self.open(&object, None, None).await.map(|_| Found::File(object)),
        }
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
        let mut ask = self.ask(Method::GET, self.url_of(&object.key)?);
        if let (Some(range), Some(validator)) = (range, validator) {
            ask = ask
                .header("range", &format!("bytes={}-", range.start))
                .header("if-range", validator);
        }
        let answer = ask.send(self).await?;
        let start = start_of(&answer).ok_or_else(|| strange("no Content-Range".to_owned()))?;
        Ok(Body {
            start,
            length: answer.content_length(),
            validator: text(answer.headers(), "etag")
                .filter(|tag| !tag.starts_with("W/"))
                .map(str::to_owned),
            checksum: None,
            source: Source::Http(Box::new(answer)),
        })
    }

    async fn put(&self, path: &str, file: &Path) -> Result<(), StoreError> {
        let mut ask = self.ask(Method::PUT, self.url_of(&self.below(path))?);
        ask = ask.header("content-type", super::content_type(path));
        ask.content = Content::File(open_file(file)?);
        ask.send(self).await.map(drop)
    }

    fn has_ranges(&self) -> bool {
        // A large one goes through the server's own disk: parts would make it read all of it often.
        false
    }
}

#[async_trait]
impl Service for Artifacts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn client(&self) -> &Client {
        &self.access.client
    }

    async fn authorize(&self, request: &mut Request, content: &Content) -> Result<(), StoreError> {
        let Some(signer) = &self.access.signer else {
            return Ok(());
        };
        let (method, mut url) = (request.method().clone(), request.url().clone());
        let hash = match signer.signs_body() {
            true => content.sha256().await?,
            false => [0; 32],
        };
        let signed = signer.sign(&method, &mut url, request.headers_mut(), &hash).await;
        signed.map_err(|reason| StoreError::Settings {
            what: signer.source().to_owned(),
            reason,
        })?;
        *request.url_mut() = url;
        Ok(())
    }

    async fn asker(&self) -> String {
        let signer = self
            .access
            .signer
            .as_ref()
            .map(|signer| signer.source().to_owned());
        match self.access.credentials.clone().or(signer) {
            Some(source) => format!("the credentials from {source}"),
            None => "a request without credentials (MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_TOKEN are not set)".to_owned(),
        }
    }

    fn said(&self, body: &str) -> Option<String> {
        let answer: serde_json::Value = serde_json::from_str(body).ok()?;
        let message = answer["message"].as_str()?.lines().next().unwrap_or_default();
        Some(match answer["error_code"].as_str() {
            Some(code) => format!("{code}: {message}"),
            None => message.to_owned(),
        })
    }

    fn follows_redirects(&self) -> bool {
        self.access.follows_redirects
    }
}

fn strange(reason: String) -> StoreError {
    StoreError::Strange { store: NAME, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_artifacts_are_known() {
        for (url, expected) in [
            (
                "http://h:1/api/2.0/mlflow-artifacts/artifacts/a/b%20c?x=1",
                Some(("http://h:1/", "/a/b c")),
            ),
            (
                "https://u:p@h/mlflow/api/2.0/mlflow-artifacts/artifacts",
                Some(("https://u:p@h/mlflow", "")),
            ),
            ("http://h/api/2.0/mlflow-artifacts/artifactsx", None),
            ("http://h/data.csv", None),
        ] {
            let split = Artifacts::split_url(&Url::parse(url).unwrap());
            let split = split
                .as_ref()
                .map(|(server, path)| (server.as_str(), path.as_str()));
            assert_eq!(split, expected, "{url}");
        }
    }
}
