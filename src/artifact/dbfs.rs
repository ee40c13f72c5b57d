//! `dbfs:`: the file system of a Databricks workspace.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use tokio::sync::OnceCell;

use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::repository::{ArtifactRepository, Body, Listing, Object, StoredArtifact, Walk};
use crate::databricks::{BLOCK, Client, DatabricksProfile, DbfsPath, FileStatus, Session};

pub(super) struct Dbfs {
    profile: DatabricksProfile,
    client: OnceCell<Client>,
    path: DbfsPath,
    walk: Walk,
}

impl Dbfs {
    /// The place in the workspace of this profile. This sends no requests.
    pub(super) fn new(profile_uri: &str, path: &str) -> Result<Self> {
        Ok(Self {
            profile: DatabricksProfile::from_uri(profile_uri)?,
            client: OnceCell::new(),
            path: DbfsPath::new(path.trim_end_matches('/')),
            walk: Walk::new("the workspace"),
        })
    }

    async fn client(&self) -> Result<&Client> {
        let open = async {
            let session = Session::open(&self.profile).await?;
            Ok::<_, RepositoryError>(session.client())
        };
        self.client.get_or_try_init(|| open).await
    }

    fn below(&self, path: &str) -> DbfsPath {
        match path {
            "" => self.path.clone(),
            path => self.path.join(path),
        }
    }
}

fn object(file: &FileStatus) -> Object {
    Object {
        key: file.path.clone(),
        size: Some(file.file_size),
        ..Object::default()
    }
}

#[async_trait]
impl ArtifactRepository for Dbfs {
    async fn find(&self) -> Result<StoredArtifact> {
        match self.client().await?.dbfs_status(&self.path).await? {
            Some(status) if status.is_dir => self.list_artifacts("").await.map(StoredArtifact::Directory),
            Some(status) => Ok(StoredArtifact::File(object(&status))),
            None => Err(RepositoryError::Missing(format!(
                "the workspace has no '{}'",
                self.path
            ))),
        }
    }

    async fn list_artifacts(&self, directory: &str) -> Result<Listing> {
        let files = self.client().await?.dbfs_list(&self.below(directory)).await?;
        let entries = files.into_iter().map(|file| {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            (name.to_owned(), (!file.is_dir).then(|| object(&file)))
        });
        self.walk
            .listing(directory, entries, |path| self.below(path).as_str().to_owned())
    }

    async fn open(&self, object: &Object, range: Option<Range<u64>>) -> Result<Body> {
        let size = object.size.unwrap_or_default();
        let range = range.unwrap_or(0..size);
        let end = range.end.min(size);
        let file = (self.client().await?.clone(), DbfsPath::new(&object.key));
        let blocks = stream::try_unfold((file, range.start), move |((client, path), offset)| async move {
            let left = end.saturating_sub(offset);
            if left == 0 {
                return Ok(None);
            }
            let length = usize::try_from(left).unwrap_or(BLOCK);
            let data = client.dbfs_read(&path, offset, length).await?;
            let next = offset + data.len() as u64;
            Ok((!data.is_empty()).then(|| (data.into(), ((client, path), next))))
        });
        let length = end.saturating_sub(range.start);
        Ok(Body::new(blocks.boxed(), range.start, Some(length), None))
    }

    async fn log_artifact(&self, path: &str, file: &Path) -> Result<()> {
        let sent = Arc::new(AtomicU64::new(0));
        let target = self.below(path);
        Ok(self.client().await?.dbfs_upload(file, &target, &sent).await?)
    }

    fn has_ranges(&self) -> bool {
        true
    }
}
