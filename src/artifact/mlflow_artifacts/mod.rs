//! `mlflow-artifacts:`: artifacts behind a tracking server.

mod presigned;
mod signed_storage;

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Request, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::http_request::{HttpRequest, Service, start_of, text};
use crate::artifact::mlflow_artifacts::signed_storage::{NAME, Presigned, may_have_expired, size};
use crate::artifact::repository::{
    ArtifactRepository, Body, Listing, Object, StoredArtifact, Walk, content_type, of_answer, open_file,
};
use crate::http::{Content, ServerAccess};
use crate::python_paths::{quote, quote_part};

/// The path of the server's artifact services.
const SERVICES: &str = "/api/2.0/mlflow-artifacts/";

const SERVICE: &str = "/api/2.0/mlflow-artifacts/artifacts";

const SERVER_INFO: &str = "/api/3.0/mlflow/server-info";

/// The timeout for the server's capabilities, which are requested only after a failure.
const SERVER_INFO_PATIENCE: Duration = Duration::from_secs(3);

pub(in crate::artifact) struct Artifacts {
    access: ServerAccess,
    /// The path below the root, without slashes at both ends.
    path: String,
    walk: Walk,
    /// The access to a server with signed addresses only.
    presigned: Presigned,
}

#[derive(Deserialize)]
struct ListArtifactsResponse {
    #[serde(default)]
    files: Vec<FileInfo>,
}

#[derive(Deserialize)]
pub(super) struct FileInfo {
    /// The path relative to the listed directory.
    pub(super) path: String,
    #[serde(default)]
    pub(super) is_dir: bool,
    #[serde(default, deserialize_with = "size")]
    pub(super) file_size: Option<u64>,
}

impl Artifacts {
    /// The place of an `mlflow-artifacts:` URI: on the tracking server, or on the host in the URI. Another host does
    /// not get the tracking server's credentials.
    pub(in crate::artifact) fn new(mut access: ServerAccess, host: Option<&str>, path: &str) -> Self {
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
        Self {
            access,
            path: path.trim_matches('/').to_owned(),
            walk: Walk::new(NAME),
            presigned: Presigned::default(),
        }
    }

    /// Splits the web address of a server's artifact into the server and the path.
    pub(in crate::artifact) fn split_url(url: &Url) -> Option<(Url, String)> {
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

    /// The address of a service for this artifact.
    pub(super) fn service_url(&self, service: &str, path: &str) -> Result<Url> {
        let path = quote(path);
        self.address(&format!("{SERVICES}{service}/{path}"))
    }

    fn address(&self, rest: &str) -> Result<Url> {
        let server = self.access.url.as_str().trim_end_matches('/');
        Url::parse(&format!("{server}{rest}")).map_err(|error| RepositoryError::strange(NAME, error))
    }

    pub(super) fn request(&self, method: Method, url: Url) -> HttpRequest {
        let mut request = HttpRequest::new(method, url);
        request.headers.clone_from(&self.access.headers);
        request
    }

    /// The full path of a path below the place.
    pub(super) fn below(&self, path: &str) -> String {
        format!("{}/{path}", self.path).trim_matches('/').to_owned()
    }

    /// Whether a request failed because the server has signed addresses only. If a gateway hides the reason, or the
    /// connection fails during a large upload, this asks the server.
    async fn passes_nothing_on(&self, problem: &RepositoryError) -> bool {
        let may_be = matches!(
            problem,
            RepositoryError::Refused { status: 403, .. } | RepositoryError::NoAnswer { .. }
        );
        if may_be && !self.presigned.is_needed() {
            let asked = tokio::time::timeout(SERVER_INFO_PATIENCE, async {
                let request = self.request(Method::GET, self.address(SERVER_INFO)?);
                request.text_once(self).await
            });
            if let Ok(Ok(info)) = asked.await {
                self.presigned.learn(&info);
            }
        }
        self.presigned.is_needed()
    }

    pub(super) async fn entries(&self, whole: &str) -> Result<Vec<FileInfo>> {
        let mut url = self.address(SERVICE)?;
        url.set_query(Some(&format!("path={}", quote_part(whole))));
        let request = self.request(Method::GET, url);
        let answer: ListArtifactsResponse = request.json(self, "not a list of artifacts").await?;
        Ok(answer.files)
    }
}

/// Requests the rest of an artifact, if it has not changed according to the header `condition`.
pub(super) fn ranged(
    request: HttpRequest,
    object: &Object,
    range: Option<&Range<u64>>,
    condition: &'static str,
) -> HttpRequest {
    match (range, &object.validator) {
        (Some(range), Some(validator)) => request
            .header("range", &format!("bytes={}-", range.start))
            .header(condition, validator),
        _ => request,
    }
}

/// The artifact in a response. Its size may be known already.
pub(super) fn body(store: &'static str, answer: Response, size: Option<u64>) -> Result<Body> {
    let start = start_of(store, &answer)?;
    let length = answer
        .content_length()
        .or_else(|| Some(size?.saturating_sub(start)));
    let validator = strong_tag(answer.headers());
    Ok(Body::new(of_answer(answer), start, length, validator))
}

fn strong_tag(headers: &HeaderMap) -> Option<String> {
    let tag = text(headers, "etag").filter(|tag| !tag.starts_with("W/"));
    tag.map(str::to_owned)
}

#[async_trait]
impl ArtifactRepository for Artifacts {
    async fn find(&self) -> Result<StoredArtifact> {
        let listing = self.list_artifacts("").await?;
        if !listing.objects.is_empty() || listing.next.is_some() {
            return Ok(StoredArtifact::Directory(listing));
        }
        if self.path.is_empty() {
            return Err(RepositoryError::Missing(
                "the server has no artifact service".to_owned(),
            ));
        }
        let mut object = Object {
            key: self.path.clone(),
            ..Object::default()
        };
        let url = self.service_url("artifacts", &object.key)?;
        match self.request(Method::HEAD, url).send(self).await {
            Ok(answer) => object.validator = strong_tag(answer.headers()),
            // The response to a HEAD request has no body; another request gets the reason.
            Err(_) => {
                let body = self.open(&object, None).await?;
                // With the storage's tag an interrupted download can continue.
                if self.has_ranges() {
                    object.size = body.length;
                    object.validator = body.validator;
                }
            }
        }
        Ok(StoredArtifact::File(object))
    }

    /// For a file, a server lists one entry with its name, or none.
    async fn list_artifacts(&self, directory: &str) -> Result<Listing> {
        let whole = self.below(directory);
        let files = self.entries(&whole).await?;
        let name = whole.rsplit('/').next().unwrap_or_default();
        if let ([entry], "") = (&files[..], directory)
            && !entry.is_dir
            && !name.is_empty()
            && entry.path == name
        {
            return Ok(Listing::default());
        }
        let entries = files.into_iter().map(|entry| {
            let file = Object {
                size: entry.file_size,
                ..Object::default()
            };
            (entry.path, (!entry.is_dir).then_some(file))
        });
        self.walk.listing(directory, entries, |path| self.below(path))
    }

    async fn open(&self, object: &Object, range: Option<Range<u64>>) -> Result<Body> {
        let range = range.as_ref();
        if !self.presigned.is_needed() {
            let request = self.request(Method::GET, self.service_url("artifacts", &object.key)?);
            match ranged(request, object, range, "if-range").send(self).await {
                Ok(answer) => return body(NAME, answer, None),
                Err(problem @ RepositoryError::Refused { .. }) if self.passes_nothing_on(&problem).await => {}
                Err(problem) => return Err(problem),
            }
        }
        match self.open_presigned(object, range).await {
            Err(problem) if may_have_expired(&problem) => self.open_presigned(object, range).await,
            opened => opened,
        }
    }

    async fn log_artifact(&self, path: &str, file: &Path) -> Result<()> {
        let (path, file) = (&self.below(path), &open_file(file)?);
        if !self.presigned.is_needed() {
            let request = self.request(Method::PUT, self.service_url("artifacts", path)?);
            let request = request.header("content-type", content_type(path));
            match request.with(Content::file(file)).send(self).await {
                Err(problem) if self.passes_nothing_on(&problem).await => {}
                sent => return sent.map(drop),
            }
        }
        match self.put_presigned(path, file).await {
            // All addresses were signed when the upload started, so restart it with new ones.
            Err(problem) if may_have_expired(&problem) => {
                let _ = self.abort_upload().await;
                self.put_presigned(path, file).await
            }
            put => put,
        }
    }

    async fn abort_upload(&self) -> Result<()> {
        self.abort_unfinished().await
    }

    fn has_ranges(&self) -> bool {
        // The server copies a large artifact to its disk, and would do so for every part.
        self.presigned.is_needed()
    }

    fn has_parts(&self) -> bool {
        // Parts that are read at the same time could belong to different versions.
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

    async fn authorize(&self, request: &mut Request, content: &Content) -> Result<()> {
        let Some(signer) = &self.access.signer else {
            return Ok(());
        };
        let hash = if signer.signs_body() {
            content.sha256().await.map_err(RepositoryError::unreadable)?
        } else {
            [0; 32]
        };
        let signed = signer.sign(request, &hash).await;
        signed.map_err(|reason| {
            RepositoryError::settings(self.access.credentials.as_deref().unwrap_or_default(), reason)
        })
    }

    async fn asker(&self) -> String {
        match &self.access.credentials {
            Some(source) => format!("the credentials from {source}"),
            None => "a request without credentials (MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_TOKEN are not set)".to_owned(),
        }
    }

    fn said(&self, body: &str) -> Option<String> {
        let answer: Value = serde_json::from_str(body).ok()?;
        let message = answer["message"].as_str()?.lines().next().unwrap_or_default();
        Some(match answer["error_code"].as_str() {
            Some(code) => format!("{code}: {message}"),
            None => message.to_owned(),
        })
    }

    async fn learn(&self, status: StatusCode, _headers: &HeaderMap, body: &str) -> bool {
        if status == StatusCode::FORBIDDEN {
            self.presigned.learn(body);
        }
        // The same request would fail again.
        false
    }

    fn follows_redirects(&self) -> bool {
        self.access.follows_redirects
    }
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
