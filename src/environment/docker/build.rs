//! The build of the image with the project's files.

use std::fs;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::context::{self, PROJECT_MEMBER, Stop};
use super::ignore::ALWAYS_IGNORED;
use super::{DockerError, Engine};
use crate::process::{ProcessError, ProgramCall};
use crate::temporary::TemporaryDirectory;

/// Where a project's files are in its image, and where its commands run. MLflow's own place.
pub const CODE_DIRECTORY: &str = "/mlflow/projects/code";

/// How much of the context is handed over at once.
const BUFFER: usize = 128 * 1024;

/// An image that is to be built: `base` with the files of `project` on top.
pub(super) struct Build<'a> {
    pub(super) engine: &'a Engine,
    pub(super) base: &'a str,
    pub(super) image: &'a str,
    pub(super) project: &'a Path,
}

impl Build<'_> {
    /// Builds the image and gives its id. An unchanged tree is built from the engine's cache.
    pub(super) async fn run(&self) -> Result<String, DockerError> {
        let temporary = TemporaryDirectory::create("mlrun-build-").map_err(self.temporary())?;
        let id_file = temporary.path().join("image-id");
        let call = self
            .engine
            .call(["build", "--tag", self.image, "--iidfile"])
            .argument(&id_file);
        if self.engine.takes_tar() {
            self.with_tar(call).await?;
        } else {
            self.with_directory(call, temporary.path()).await?;
        }
        let id = fs::read_to_string(&id_file).unwrap_or_default();
        match id.trim() {
            "" => Err(DockerError::NoImageId {
                program: self.engine.program().to_owned(),
                image: self.image.to_owned(),
            }),
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
        let rules = context::ignore_rules(self.project)?;
        let (reader, writer) = io::pipe().map_err(self.temporary())?;
        let dockerfile = self.dockerfile(PROJECT_MEMBER);
        let project = self.project.to_owned();
        let writing = tokio::task::spawn_blocking(move || {
            let writer = BufWriter::with_capacity(BUFFER, writer);
            context::write(writer, &dockerfile, &project, &rules)
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

    /// Builds from the project's directory itself, for engines that take no tar.
    async fn with_directory(&self, call: ProgramCall, temporary: &Path) -> Result<(), DockerError> {
        let dockerfile = temporary.join("Dockerfile");
        // Where podman is told to look for it, and where BuildKit does by itself.
        let ignored: PathBuf = temporary.join("Dockerfile.dockerignore");
        let mut patterns = ALWAYS_IGNORED.join("\n");
        patterns.push('\n');
        patterns.push_str(&context::ignore_text(self.project)?);
        fs::write(&dockerfile, self.dockerfile("."))
            .and_then(|()| fs::write(&ignored, patterns))
            .map_err(self.temporary())?;
        let mut call = call.argument("--file").argument(dockerfile);
        if self.engine.is_podman() {
            call = call.argument("--ignorefile").argument(ignored);
        }
        self.stream(&call.argument(self.project), None).await
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
        let program = self.engine.program().to_owned();
        move |source| DockerError::Temporary { program, source }
    }
}
