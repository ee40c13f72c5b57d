//! The image with the project's files: its build, its push to a registry, and the digest that the registry knows
//! it by.

use std::fs;
use std::io::{self, BufWriter, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::context::{self, PROJECT_MEMBER, Stop};
use super::ignore::{ALWAYS_IGNORED, ignore_text};
use super::project_files::ProjectFiles;
use super::{DockerError, Engine};
use crate::environment::build_output::{BuildOutput, What};
use crate::environment::cache;
use crate::events::Progress;
use crate::process::ProgramCall;
use crate::temporary::TemporaryDirectory;

/// Where a project's files are in its image, and where its commands run. MLflow's own place.
pub(crate) const CODE_DIRECTORY: &str = "/mlflow/projects/code";

/// With 1 docker builds by BuildKit, which needs its buildx; with 0 by itself.
const DOCKER_BUILDKIT: &str = "DOCKER_BUILDKIT";

const BUFFER: usize = 128 * 1024;

/// How often an image is pushed whose name another run gave away meanwhile.
const TRIES: u32 = 3;

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
                .warning(&format!("the link '{link}' in the project is broken"));
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
                "building without BuildKit: DOCKER_BUILDKIT asks for it, but docker's buildx is not installed",
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

    /// Builds from a directory, for engines that take no tar: the project's own, or a copy if that lacks files.
    async fn with_directory(&self, call: ProgramCall, temporary: &Path) -> Result<(), DockerError> {
        if self.files.has_copies {
            let directory = self.unpacked(temporary).await?;
            return self.stream(&call.argument(directory), None).await;
        }
        let dockerfile = temporary.join("Dockerfile");
        // podman is told this place; BuildKit looks there by itself.
        let ignored: PathBuf = temporary.join("Dockerfile.dockerignore");
        let patterns = format!("{}\n{}", ALWAYS_IGNORED.join("\n"), ignore_text(self.project)?);
        fs::write(&dockerfile, self.dockerfile("."))
            .and_then(|()| fs::write(&ignored, patterns))
            .map_err(self.temporary())?;
        let mut call = call.argument("--file").argument(dockerfile);
        if self.engine.is_podman() {
            call = call.argument("--ignorefile").argument(ignored);
        }
        self.stream(&call.argument(self.project), None).await
    }

    async fn unpacked(&self, temporary: &Path) -> Result<PathBuf, DockerError> {
        let directory = temporary.join("context");
        let (dockerfile, target) = (self.dockerfile(PROJECT_MEMBER), directory.clone());
        let files = Arc::clone(self.files);
        let program = self.engine.program().to_owned();
        let unpacking = tokio::task::spawn_blocking(move || {
            let failed = |error| DockerError::temporary(&program)(error);
            let mut tar = tempfile::tempfile().map_err(failed)?;
            let written = context::write(BufWriter::with_capacity(BUFFER, &tar), &dockerfile, &files);
            written.map_err(|stop| match stop {
                Stop::File(error) => error,
                Stop::ReaderGone => failed(io::ErrorKind::StorageFull.into()),
            })?;
            tar.rewind().map_err(failed)?;
            let mut archive = tar::Archive::new(tar);
            archive.set_preserve_permissions(true);
            archive.unpack(&target).map_err(failed)
        });
        match unpacking.await {
            Ok(unpacked) => unpacked.map(|()| directory),
            Err(error) => Err(self.temporary()(io::Error::other(error))),
        }
    }

    async fn stream(&self, call: &ProgramCall, input: Option<io::PipeReader>) -> Result<(), DockerError> {
        let output = output(("Building", "Built"), self.image, "step", self.progress);
        let traced = |line: &str| {
            tracing::debug!("{line}");
            line.to_owned()
        };
        let build = output.run_from(call, input, false, &traced);
        match output.redrawn_while(build).await {
            Ok(()) => {
                output.finish();
                Ok(())
            }
            Err(error) => {
                let error = DockerError::of_build(self.engine.program(), self.image, error, &output.story());
                Err(match output.where_the_rest_is() {
                    Some(hint) => error.with_hint(&hint),
                    None => error,
                })
            }
        }
    }

    fn temporary(&self) -> impl FnOnce(io::Error) -> DockerError {
        DockerError::temporary(self.engine.program())
    }
}

/// The output of what is done to an image. One log is kept for each name, whatever the tag.
pub(super) fn output<'a>(
    verbs: (&'static str, &'static str),
    image: &str,
    unit: &'static str,
    progress: &'a dyn Progress,
) -> BuildOutput<'a> {
    let what = What {
        verbs,
        name: format!("image {image}"),
        unit,
        directory: None,
    };
    let name: String = repository(image)
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            }
        })
        .collect();
    let logs = cache::own_directory().ok();
    let log = logs.map(|directory| directory.join("images").join(format!("{name}.log")));
    BuildOutput::begin(what, log, progress)
}

/// Pushes the image `id`, which is called `uri`, and gives its digest.
///
/// A name can come to mean another image at any time, and a push goes by the name: so the digest is the
/// one that the engine has for the image itself.
pub(super) async fn push(
    engine: &Engine,
    uri: &str,
    id: &str,
    progress: &dyn Progress,
) -> Result<String, DockerError> {
    if engine.is_podman() {
        return push_by_id(engine, uri, id, progress).await;
    }
    for _ in 0..TRIES {
        run_push(engine.call(["push", uri]), engine, uri, progress).await?;
        if let Some(digest) = digest(engine, uri, id).await? {
            return Ok(digest);
        }
        let tagged = engine.call(["tag", id, uri]).capture().await;
        tagged.map_err(|error| DockerError::of_engine(engine.program(), error))?;
    }
    Err(no_digest(engine, uri))
}

/// Pushes by podman, which takes the image itself, and may compress it anew: so only the push knows
/// the digest.
async fn push_by_id(
    engine: &Engine,
    uri: &str,
    id: &str,
    progress: &dyn Progress,
) -> Result<String, DockerError> {
    let temporary = || DockerError::temporary(engine.program());
    let file = tempfile::Builder::new()
        .prefix("mlrun-digest-")
        .tempfile()
        .map_err(temporary())?;
    let call = engine.call(["push", "--digestfile"]).argument(file.path());
    run_push(call.arguments([id, uri]), engine, uri, progress).await?;
    let digest = std::fs::read_to_string(file.path()).map_err(temporary())?;
    match digest.trim() {
        "" => Err(no_digest(engine, uri)),
        digest => Ok(digest.to_owned()),
    }
}

async fn run_push(
    call: ProgramCall,
    engine: &Engine,
    uri: &str,
    progress: &dyn Progress,
) -> Result<(), DockerError> {
    // Scripts look for this line; it is MLflow's own.
    progress.info(&format!("=== Pushing docker image {uri} ==="));
    let output = output(("Pushing", "Pushed"), uri, "layer", progress);
    let pushed = output.redrawn_while(output.run(&call, &str::to_owned)).await;
    pushed.map_err(|error| DockerError::of_push(engine.program(), uri, error, &output.story()))?;
    output.finish();
    Ok(())
}

/// The engine has pushed the image but does not say its digest.
fn no_digest(engine: &Engine, uri: &str) -> DockerError {
    let program = engine.program();
    DockerError::new(
        format!("{program} did not report the digest of the pushed image '{uri}'"),
        format!("check whether `{program} image inspect {uri}` shows RepoDigests"),
    )
}

/// The digest of the image in the repository of this name.
async fn digest(engine: &Engine, uri: &str, id: &str) -> Result<Option<String>, DockerError> {
    let call = engine.call([
        "image",
        "inspect",
        "--format",
        "{{range .RepoDigests}}{{println .}}{{end}}",
        "--",
        id,
    ]);
    let shown = call.capture().await;
    let shown = shown.map_err(|error| DockerError::of_engine(engine.program(), error))?;
    Ok(digest_in(&shown.text(), repository(uri)).map(str::to_owned))
}

/// The name without a tag.
fn repository(uri: &str) -> &str {
    match uri.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => uri,
    }
}

/// The newest digest of the repository among lines of `NAME@DIGEST`. Engines put the host of their
/// default registry before names, or leave it out.
fn digest_in<'a>(lines: &'a str, repository: &str) -> Option<&'a str> {
    let mut found = lines.lines().filter_map(|line| {
        let (name, digest) = line.trim().split_once('@')?;
        let is_same = name == repository
            || ["docker.io/", "docker.io/library/", "index.docker.io/"]
                .iter()
                .any(|host| {
                    name.strip_prefix(host) == Some(repository) || repository.strip_prefix(host) == Some(name)
                });
        is_same.then_some(digest)
    });
    found.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_repository() {
        let lines = "other/x@sha256:0\nlocalhost:5000/a/b@sha256:1\nuser/c@sha256:2\n\n";
        for (uri, expected) in [
            ("localhost:5000/a/b:0123456", Some("sha256:1")),
            ("localhost:5000/a/b", Some("sha256:1")),
            ("docker.io/user/c:1", Some("sha256:2")),
            ("user/c", Some("sha256:2")),
            ("user/d", None),
        ] {
            assert_eq!(digest_in(lines, repository(uri)), expected, "{uri}");
        }
    }
}
