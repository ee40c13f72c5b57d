//! The container of a Docker project: the engine, the image, and what the project asks of `docker run`.

mod context;
mod engine;
mod error;
mod expansion;
mod ignore;
mod image;
mod image_name;
mod project_files;
mod settings;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use engine::{Engine, must_be_hidden};
pub(crate) use error::DockerError;
pub(crate) use image::CODE_DIRECTORY;
pub(crate) use image_name::{image_name, is_repository};
pub(crate) use settings::{ContainerSettings, mount_arguments};
pub(super) use settings::{check_variable, check_volume};

use self::image::Build;
use self::project_files::ProjectFiles;
use crate::events::Progress;
use crate::project::DockerEnvironment;

/// What decides about a Docker project's container, besides the project's `docker_env`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ContainerRequest<'a> {
    pub project_name: Option<&'a str>,
    pub commit: Option<&'a str>,
    /// The directory that the project was fetched into, if it was: its links must not lead out of it.
    pub fetched: Option<&'a Path>,
    /// The values of `-A`, in the order given; a flag has none.
    pub docker_args: &'a [(String, Option<String>)],
    /// Run the named image as it is, without the project's files.
    pub as_it_is: bool,
    /// Where the image is pushed to, without a tag, if other machines run it.
    pub repository: Option<&'a str>,
}

/// An image as its engine knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DockerImage {
    pub uri: String,
    /// The id, which no other image ever has.
    pub id: String,
    /// The digest in its registry, such as `sha256:…`, if it was pushed.
    pub digest: Option<String>,
}

impl DockerImage {
    /// The name by which other machines get exactly this image.
    pub(crate) fn reference(&self) -> String {
        match &self.digest {
            Some(digest) => format!("{}@{digest}", self.uri),
            None => self.uri.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    pub engine: Engine,
    pub image: DockerImage,
    pub settings: ContainerSettings,
}

/// Refuses an image whose name is not valid.
pub(super) fn check_image(image: &str) -> Result<(), DockerError> {
    if !image.starts_with('-') && image.chars().all(|character| character.is_ascii_graphic()) {
        return Ok(());
    }
    Err(DockerError::new(
        format!("'{image}' is not a valid image name"),
        "write [host/]name[:tag], such as python:3.12-slim",
    ))
}

/// The error for a project whose image has no name to be built under.
pub(super) fn no_name() -> DockerError {
    DockerError::new(
        "the project has no name, but the image that is built for it needs one",
        "add a line such as `name: my-project` to the MLproject file, or pass --no-build-image to run the image as it is",
    )
}

/// The container that a run gets. Nothing has been done for it yet.
#[derive(Debug, Clone)]
pub(super) struct DockerPlan {
    engine: Engine,
    base: String,
    /// The image that is built on it, if one is.
    built: Option<String>,
    /// The named image's id, if it is on this machine.
    base_id: Option<String>,
    is_remote: bool,
    settings: ContainerSettings,
    directory: PathBuf,
    files: Option<Arc<ProjectFiles>>,
    project_name: Option<String>,
}

impl DockerPlan {
    /// Checks everything that can be checked, and asks the engine for the image.
    pub(super) async fn make(
        environment: &DockerEnvironment,
        request: ContainerRequest<'_>,
        directory: &Path,
    ) -> Result<Self, DockerError> {
        let settings = ContainerSettings::read(environment, request.docker_args, directory)?;
        let base = environment.image.clone();
        check_image(&base)?;
        let built = match request.project_name {
            _ if request.as_it_is => None,
            Some(_) if let Some(repository) = request.repository => {
                Some(image_name::pushed_name(repository, request.commit))
            }
            Some(name) => Some(image_name(name, request.commit)),
            None => return Err(no_name()),
        };
        let is_remote = request.repository.is_some();
        let (engine, base_id) = if is_remote && built.is_none() {
            // Nothing is done here, so that nothing need be installed.
            (Engine::find().unwrap_or_default(), None)
        } else {
            let engine = Engine::find()?;
            let base_id = find_image(&engine, &base).await?;
            (engine, base_id)
        };
        let files = match built {
            Some(_) => Some(Arc::new(project_files(directory, request.fetched).await?)),
            None => None,
        };
        Ok(Self {
            engine,
            base,
            built,
            base_id,
            is_remote,
            settings,
            directory: directory.to_owned(),
            files,
            project_name: request.project_name.map(str::to_owned),
        })
    }

    /// Pulls and builds what is missing.
    pub(super) async fn prepare(&self, progress: &dyn Progress) -> Result<Container, DockerError> {
        if self.is_remote && self.built.is_none() {
            return Ok(self.preview());
        }
        let base_id = match &self.base_id {
            Some(id) => id.clone(),
            None => self.pull(progress).await?,
        };
        let image = match self.built.as_ref().zip(self.files.as_ref()) {
            None => DockerImage {
                uri: self.base.clone(),
                id: base_id,
                digest: None,
            },
            Some((uri, files)) => {
                self.tell_changed_name(uri, progress);
                // Scripts look for this line; it is MLflow's own.
                progress.info(&format!("=== Building docker image {uri} ==="));
                let build = Build {
                    engine: &self.engine,
                    base: &self.base,
                    image: uri,
                    project: &self.directory,
                    files,
                    progress,
                };
                let id = build.run().await?;
                let digest = if self.is_remote {
                    Some(image::push(&self.engine, uri, &id, progress).await?)
                } else {
                    None
                };
                DockerImage {
                    uri: uri.clone(),
                    id,
                    digest,
                }
            }
        };
        Ok(self.container(image))
    }

    /// The container as it will be, of the image's name, for a plan that is only shown.
    pub(super) fn preview(&self) -> Container {
        let uri = self.built.as_ref().unwrap_or(&self.base).clone();
        self.container(DockerImage {
            id: uri.clone(),
            uri,
            digest: None,
        })
    }

    pub(super) fn is_there(&self) -> bool {
        self.base_id.is_some() && self.built.is_none()
    }

    fn container(&self, image: DockerImage) -> Container {
        Container {
            engine: self.engine.clone(),
            image,
            settings: self.settings.clone(),
        }
    }

    fn tell_changed_name(&self, uri: &str, progress: &dyn Progress) {
        let name = self.project_name.as_deref().filter(|_| !self.is_remote);
        if let Some(name) = name.filter(|name| !uri.starts_with(name)) {
            progress.info(&format!(
                "'{name}' is not a valid image name; the image is called {uri}"
            ));
        }
    }

    async fn pull(&self, progress: &dyn Progress) -> Result<String, DockerError> {
        let output = image::output(("Pulling", "Pulled"), &self.base, "layer", progress);
        output.step("", &format!("Pulling {}", self.base));
        let call = self.engine.call(["pull", "--", &self.base]);
        let pulled = output.redrawn_while(output.run(&call, &str::to_owned)).await;
        pulled.map_err(|error| {
            DockerError::of_pull(self.engine.program(), &self.base, error, &output.story())
        })?;
        let id = find_image(&self.engine, &self.base).await?;
        let id = id.ok_or_else(|| DockerError::no_image_id(self.engine.program(), &self.base))?;
        output.finish();
        Ok(id)
    }
}

impl fmt::Display for DockerPlan {
    /// The image, and what has to be done for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_remote && self.built.is_none() {
            return write!(f, "image {} (pulled by the machine that runs it)", self.base);
        }
        let state = match self.base_id {
            Some(_) => "on this machine",
            None => "to be pulled",
        };
        write!(f, "{}: image {} ({state})", self.engine.program(), self.base)?;
        match &self.built {
            Some(built) if self.is_remote => {
                write!(
                    f,
                    "\nimage {built} with the project's files (to be built and pushed)"
                )
            }
            Some(built) => write!(f, "\nimage {built} with the project's files (to be built)"),
            None => Ok(()),
        }
    }
}

async fn project_files(project: &Path, fetched: Option<&Path>) -> Result<ProjectFiles, DockerError> {
    let (directory, fetched) = (project.to_owned(), fetched.map(Path::to_owned));
    let walk = tokio::task::spawn_blocking(move || ProjectFiles::of(&directory, fetched.as_deref()));
    walk.await
        .unwrap_or_else(|error| Err(DockerError::unreadable(project)(std::io::Error::other(error))))
}

async fn find_image(engine: &Engine, image: &str) -> Result<Option<String>, DockerError> {
    let call = engine.call(["image", "inspect", "--format", "{{.Id}}", "--", image]);
    match call.capture().await {
        Ok(captured) => Ok(Some(captured.text().trim().to_owned()).filter(|id| !id.is_empty())),
        Err(error) if error::says_no_such_image(&error) => Ok(None),
        Err(error) => Err(DockerError::of_engine(engine.program(), error)),
    }
}
