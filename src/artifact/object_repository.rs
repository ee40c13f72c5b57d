//! Places in object stores, with the services of `opendal`. This does not use its operator, which would normalize the
//! names of objects.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use opendal::raw::{OpRead, OpStat, OpWrite, Servicer, oio};
use opendal::{BytesRange, Metadata, Operator, options};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use tokio::sync::Mutex;

use crate::artifact::checksum::{Algorithm, Checksum, Sum};
use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::http_request::{Service, start_of, text};
use crate::artifact::repository::{
    ArtifactRepository, Body, Listing, Object, StoredArtifact, at_once, content_type, directory_prefix,
    locked, of_answer, open_file, part_size, parts, path_below,
};
use crate::artifact::transport::{Call, key_of, path_of, problem};
use crate::http::SentFile;

/// The number of objects in a page of a listing.
const PAGE: usize = 1000;

/// The differences between object stores.
#[async_trait]
pub(super) trait ObjectService: Service {
    /// The most parts of a file.
    const MOST_PARTS: u64 = 10_000;

    fn place(&self) -> String;

    /// The message if no object's name begins with the key. `said` is the store's message about the key itself.
    fn missing(&self, key: &str, said: Option<String>) -> String {
        said.unwrap_or_else(|| {
            format!(
                "no object in {} has a name that begins with '{key}'",
                self.place()
            )
        })
    }

    /// The checksum in a listing or in the description of an object.
    fn listed_checksum(&self, about: &Metadata) -> Option<Checksum> {
        Checksum::from_base64(Algorithm::Md5, about.content_md5()?)
    }

    /// The checksum of the whole object in the response with its content.
    fn checksum(&self, _headers: &HeaderMap) -> Option<Checksum> {
        None
    }

    /// Whether objects with `Content-Encoding: gzip` are decompressed here.
    fn unpacks(&self) -> bool {
        false
    }

    /// Where the service expects the MD5 of the whole file before the last request of an upload.
    fn whole_md5(&self) -> Option<&std::sync::Mutex<Option<Checksum>>> {
        None
    }

    /// Overrides the library's upload.
    async fn put(&self, _key: &str, _file: &SentFile) -> Option<Result<()>> {
        None
    }
}

/// An object, or a prefix of names.
pub(super) struct ObjectRepository<S> {
    service: Arc<S>,
    library: Servicer,
    key: String,
    /// The state of the listing.
    lister: Mutex<Option<oio::Lister>>,
    /// The writer of the current upload.
    upload: Mutex<Option<oio::Writer>>,
}

impl<S: ObjectService + 'static> ObjectRepository<S> {
    /// The place with this key. The builder must not sign requests; the service does.
    pub(super) fn new(service: S, builder: impl opendal::Builder, key: &str) -> Result<Self> {
        let operator = Operator::new(builder).map_err(|error| problem(service.name(), error))?;
        Ok(Self {
            service: Arc::new(service),
            library: Arc::clone(operator.base_service()),
            key: key.to_owned(),
            lister: Mutex::default(),
            upload: Mutex::default(),
        })
    }

    fn call(&self) -> Call {
        Call::new(Arc::clone(&self.service) as Arc<dyn Service>)
    }

    fn problem(&self, error: opendal::Error) -> RepositoryError {
        problem(self.service.name(), error)
    }

    async fn list(&self) -> Result<Listing> {
        let path = path_of(&directory_prefix(&self.key));
        let options = options::ListOptions {
            recursive: true,
            ..options::ListOptions::default()
        };
        let context = self.call().context();
        let lister = self.library.list_dyn(&context, &path, options.into());
        *self.lister.lock().await = Some(lister.map_err(|error| self.problem(error))?);
        self.page().await
    }

    async fn page(&self) -> Result<Listing> {
        let mut open = self.lister.lock().await;
        let prefix = directory_prefix(&self.key);
        let mut listing = Listing::default();
        let Some(lister) = open.as_mut() else {
            return Ok(listing);
        };
        for _ in 0..PAGE {
            let entry = lister.next_dyn().await;
            let Some(entry) = entry.map_err(|error| self.problem(error))? else {
                *open = None;
                return Ok(listing);
            };
            let key = key_of(entry.path());
            match path_below(&prefix, key)? {
                // The marker of the place itself.
                None if key == prefix => listing.empty_directories.push(String::new()),
                None => {}
                Some(path) if key.ends_with('/') => listing.empty_directories.push(path),
                Some(path) => listing.objects.push(self.object(key, path, entry.metadata())),
            }
        }
        listing.next = Some(String::new());
        Ok(listing)
    }

    fn object(&self, key: &str, path: String, about: &Metadata) -> Object {
        Object {
            key: key.to_owned(),
            path,
            size: Some(about.content_length()),
            validator: self.validator(about),
            checksum: self.service.listed_checksum(about),
        }
    }

    fn has_versions(&self) -> bool {
        self.library.capability_dyn().read_with_if_version_match
    }

    fn validator(&self, about: &Metadata) -> Option<String> {
        let validator = if self.has_versions() {
            about.version()
        } else {
            about.etag()
        };
        validator.map(str::to_owned)
    }

    async fn stat(&self) -> Result<StoredArtifact> {
        let about = self
            .library
            .stat_dyn(&self.call().context(), &path_of(&self.key), OpStat::default())
            .await
            .map_err(|error| self.problem(error))?
            .into_metadata();
        // Azure's mark of a directory.
        let mark = about
            .user_metadata()
            .and_then(|metadata| metadata.get("hdi_isfolder"));
        if mark == Some("true") && about.content_length() == 0 {
            return Ok(StoredArtifact::Directory(Listing::default()));
        }
        let object = self.object(&self.key, String::new(), &about);
        Ok(StoredArtifact::File(object))
    }

    async fn write(&self, writer: &mut oio::Writer, file: &SentFile, size: u64) -> Result<()> {
        let failed = |error| self.problem(error);
        let md5 = self.service.whole_md5();
        let mut whole = md5.map(|_| Sum::new(Algorithm::Md5));
        {
            let mut parts = std::pin::pin!(parts(file, size, whole.as_mut()));
            while let Some(part) = parts.try_next().await? {
                writer.write_dyn(part.into()).await.map_err(failed)?;
            }
        }
        // Until now the object is not visible.
        file.check().map_err(RepositoryError::unreadable)?;
        if let Some(md5) = md5 {
            *locked(md5) = whole.map(Sum::finish);
        }
        writer.close_dyn().await.map(drop).map_err(failed)
    }
}

#[async_trait]
impl<S: ObjectService + 'static> ArtifactRepository for ObjectRepository<S> {
    async fn find(&self) -> Result<StoredArtifact> {
        let listed = self.list().await;
        if listed.as_ref().is_err_and(|problem| !problem.is_answer()) {
            return listed.map(StoredArtifact::Directory);
        }
        let (is_directory, is_marked) = listed.as_ref().map_or((false, false), |listing| {
            let directories = &listing.empty_directories;
            let has_others = directories.iter().any(|directory| !directory.is_empty());
            let has_any = has_others || !listing.objects.is_empty() || listing.next.is_some();
            (has_any, !directories.is_empty())
        });
        // A file has precedence over a marker of the same name.
        let is_named = !self.key.is_empty() && !self.key.ends_with('/');
        if is_directory || (is_marked && !is_named) {
            return listed.map(StoredArtifact::Directory);
        }
        if !is_named {
            listed?;
            return Err(RepositoryError::Missing(self.service.missing(&self.key, None)));
        }
        match (self.stat().await, listed) {
            // The response to this request has no message.
            (Err(RepositoryError::Missing(_) | RepositoryError::Refused { said: None, .. }), Err(listed)) => {
                Err(listed)
            }
            (Err(RepositoryError::Missing(_)), Ok(listing)) if is_marked => {
                Ok(StoredArtifact::Directory(listing))
            }
            (Err(RepositoryError::Missing(said)), Ok(_)) => Err(RepositoryError::Missing(
                self.service.missing(&self.key, Some(said)),
            )),
            (found, _) => found,
        }
    }

    async fn list_artifacts(&self, _next: &str) -> Result<Listing> {
        self.page().await
    }

    async fn open(&self, object: &Object, range: Option<Range<u64>>) -> Result<Body> {
        let mut options = options::ReadOptions::default();
        if self.has_versions() {
            options.if_version_match.clone_from(&object.validator);
        } else {
            options.if_match.clone_from(&object.validator);
        }
        let (_, arguments, _): (BytesRange, OpRead, _) = options.into();
        let range = range.map_or_else(BytesRange::default, |Range { start, end }| {
            BytesRange::new(start, (end < u64::MAX).then(|| end.saturating_sub(start)))
        });
        let call = self.call();
        let reader = self
            .library
            .read_dyn(&call.context(), &path_of(&object.key), arguments)
            .map_err(|error| self.problem(error))?;
        let opened = reader.open_dyn(range).await;
        let (reply, _) = opened.map_err(|error| self.problem(error))?;
        let answer = call.into_answer();
        let answer = answer.ok_or_else(|| RepositoryError::strange(self.service.name(), "no content"))?;
        let found = || self.validator(reply.metadata()?);
        let encoding = text(answer.headers(), CONTENT_ENCODING.as_str());
        Ok(Body {
            start: start_of(self.service.name(), &answer)?,
            length: answer.content_length(),
            validator: object.validator.clone().or_else(found),
            checksum: self.service.checksum(answer.headers()),
            is_packed: self.service.unpacks() && encoding == Some("gzip"),
            chunks: of_answer(answer),
        })
    }

    async fn log_artifact(&self, path: &str, file: &Path) -> Result<()> {
        let file = open_file(file)?;
        let key = format!("{}{path}", directory_prefix(&self.key));
        if let Some(done) = self.service.put(&key, &file).await {
            return done;
        }
        let size = part_size(file.length(), S::MOST_PARTS);
        let options = options::WriteOptions {
            content_type: Some(content_type(path).to_owned()),
            // The library keeps one more part in memory than it sends, and another one is being read.
            concurrent: at_once(size).saturating_sub(1).max(1),
            ..options::WriteOptions::default()
        };
        let capability = self.library.capability_dyn();
        let arguments = OpWrite::from_options(&capability, options);
        let (arguments, _) = arguments.map_err(|error| self.problem(error))?;
        let writer = self
            .library
            .write_dyn(&self.call().context(), &path_of(&key), arguments)
            .map_err(|error| self.problem(error))?;
        let mut kept = self.upload.lock().await;
        self.write(kept.insert(writer), &file, size).await?;
        *kept = None;
        Ok(())
    }

    async fn abort_upload(&self) -> Result<()> {
        match self.upload.lock().await.take() {
            Some(mut writer) => writer.abort_dyn().await.map_err(|error| self.problem(error)),
            None => Ok(()),
        }
    }

    fn has_ranges(&self) -> bool {
        true
    }
}
