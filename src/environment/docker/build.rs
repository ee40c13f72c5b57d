//! The build of the image with the project's files.

use std::fs;
use std::io::{self, BufWriter, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::context::{self, PROJECT_MEMBER, Stop};
use super::ignore::{ALWAYS_IGNORED, ignore_text};
use super::project_files::ProjectFiles;
use super::{DockerError, Engine};
use crate::events::Progress;
use crate::process::{ProcessError, ProgramCall};
use crate::temporary::TemporaryDirectory;

/// Where a project's files are in its image, and where its commands run. MLflow's own place.
pub(crate) const CODE_DIRECTORY: &str = "/mlflow/projects/code";

/// With 1 docker builds by BuildKit, which needs its buildx; with 0 by itself.
const DOCKER_BUILDKIT: &str = "DOCKER_BUILDKIT";

/// How much of the context is handed over at once.
const BUFFER: usize = 128 * 1024;

/// An image that is to be built: `base` with the files of `project` on top.
pub(super) struct Build<'a> {
    pub(super) engine: &'a Engine,
    pub(super) base: &'a str,
    pub(super) image: &'a str,
    pub(super) project: &'a Path,
    pub(super) files: &'a Arc<ProjectFiles>,
    pub(super) progress: &'a dyn Progress,
}

impl Build<'_> {
    /// Builds the image and gives its id. An unchanged tree is built from the engine's cache.
    pub(super) async fn run(&self) -> Result<String, DockerError> {
        for link in &self.files.dangling {
            let link = link.display();
            self.progress
                .warning(&format!("the link '{link}' of the project leads nowhere"));
        }
        let temporary = TemporaryDirectory::create("mlrun-build-").map_err(self.temporary())?;
        let id_file = temporary.path().join("image-id");
        let call = self
            .engine
            .call(["build", "--tag", self.image, "--iidfile"])
            .argument(&id_file);
        if !self.engine.takes_tar() {
            self.with_directory(call, temporary.path()).await?;
        } else if let Err(error) = self.with_tar(call.clone()).await {
            let DockerError::NoBuildx { .. } = error else {
                return Err(error);
            };
            self.progress.info(
                "DOCKER_BUILDKIT asks for BuildKit, but docker's buildx is not installed; building without BuildKit",
            );
            self.with_tar(call.variable(DOCKER_BUILDKIT, "0")).await?;
        }
        let id = fs::read_to_string(&id_file).unwrap_or_default();
        match id.trim() {
            "" => Err(DockerError::no_image_id(self.engine.program(), self.image)),
            id => Ok(id.to_owned()),
        }
    }

    fn dockerfile(&self, source: &str) -> String {
        format!(
            "FROM {}\nCOPY {source} {CODE_DIRECTORY}\nWORKDIR {CODE_DIRECTORY}\n",
            self.base
        )
    }

    /// Streams the context into the build's standard input, so that no copy of the tree is made.
    async fn with_tar(&self, call: ProgramCall) -> Result<(), DockerError> {
        let (reader, writer) = io::pipe().map_err(self.temporary())?;
        let dockerfile = self.dockerfile(PROJECT_MEMBER);
        let files = Arc::clone(self.files);
        let writing = tokio::task::spawn_blocking(move || {
            context::write(BufWriter::with_capacity(BUFFER, writer), &dockerfile, &files)
        });
        let built = self
            .stream(&call.argument("--force-rm").argument("-"), Some(reader))
            .await;
        // A build that has ended reads no more, so that the writing ends too.
        match (built, writing.await) {
            (_, Ok(Err(Stop::File(error)))) => Err(error),
            (built, _) => built,
        }
    }

    /// Builds from a directory, for engines that take no tar: the project's own, or a copy where that
    /// holds not all.
    async fn with_directory(&self, call: ProgramCall, temporary: &Path) -> Result<(), DockerError> {
        if self.files.has_copies {
            let directory = self.unpacked(temporary).await?;
            return self.stream(&call.argument(directory), None).await;
        }
        let dockerfile = temporary.join("Dockerfile");
        // Where podman is told to look for it, and where BuildKit does by itself.
        let ignored: PathBuf = temporary.join("Dockerfile.dockerignore");
        let mut patterns = ALWAYS_IGNORED.join("\n");
        patterns.push('\n');
        patterns.push_str(&ignore_text(self.project)?);
        fs::write(&dockerfile, self.dockerfile("."))
            .and_then(|()| fs::write(&ignored, patterns))
            .map_err(self.temporary())?;
        let mut call = call.argument("--file").argument(dockerfile);
        if self.engine.is_podman() {
            call = call.argument("--ignorefile").argument(ignored);
        }
        self.stream(&call.argument(self.project), None).await
    }

    /// The context as a directory.
    async fn unpacked(&self, temporary: &Path) -> Result<PathBuf, DockerError> {
        let directory = temporary.join("context");
        let (dockerfile, target) = (self.dockerfile(PROJECT_MEMBER), directory.clone());
        let files = Arc::clone(self.files);
        let unpacking = tokio::task::spawn_blocking(move || {
            let mut tar = tempfile::tempfile().map_err(Unpacked::Temporary)?;
            context::write(BufWriter::with_capacity(BUFFER, &tar), &dockerfile, &files)
                .map_err(Unpacked::Stopped)?;
            tar.rewind().map_err(Unpacked::Temporary)?;
            let mut archive = tar::Archive::new(tar);
            archive.set_preserve_permissions(true);
            archive.unpack(&target).map_err(Unpacked::Temporary)
        });
        match unpacking.await {
            Ok(Ok(())) => Ok(directory),
            Ok(Err(Unpacked::Stopped(Stop::File(error)))) => Err(error),
            Ok(Err(Unpacked::Stopped(Stop::ReaderGone))) => {
                Err(self.temporary()(io::ErrorKind::StorageFull.into()))
            }
            Ok(Err(Unpacked::Temporary(error))) => Err(self.temporary()(error)),
            Err(error) => Err(self.temporary()(io::Error::other(error))),
        }
    }

    async fn stream(&self, call: &ProgramCall, input: Option<io::PipeReader>) -> Result<(), DockerError> {
        let mut on_line = |line: &str| tracing::debug!("{line}");
        let result = match input {
            Some(input) => call.stream_from(input, &mut on_line).await,
            None => call.stream(&mut on_line).await,
        };
        result.map_err(|error: ProcessError| DockerError::of_build(self.engine.program(), self.image, error))
    }

    fn temporary(&self) -> impl FnOnce(io::Error) -> DockerError {
        DockerError::temporary(self.engine.program())
    }
}

/// Why a context could not be unpacked.
enum Unpacked {
    Stopped(Stop),
    Temporary(io::Error),
}
