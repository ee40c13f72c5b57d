//! Why a container's image cannot be had.

use std::io;
use std::path::PathBuf;

use crate::process::ProcessError;

/// Why a container's image cannot be had, or its settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// None of the programs is installed.
    #[error("the project runs in a container, but none of docker, podman and nerdctl was found on PATH")]
    NoEngine,
    /// The program that `MLRUN_DOCKER_CMD` names is not there.
    #[error("the program '{program}', which MLRUN_DOCKER_CMD names, was not found")]
    NamedEngineMissing { program: String },
    /// The project has no name to call its image by.
    #[error("the project has no name, which the image that is built for it is called by")]
    NoProjectName,
    /// The name of the image cannot be one.
    #[error("'{image}' cannot be the name of an image")]
    ImageName {
        /// The value of `image`.
        image: String,
    },
    /// The project copies variables that are not set.
    #[error(
        "the project's docker_env copies {} of this machine, but {} not set: {}",
        if names.len() == 1 { "a variable" } else { "variables" },
        if names.len() == 1 { "it is" } else { "these are" },
        names.join(", ")
    )]
    VariablesNotSet { names: Vec<String> },
    /// A variable that is copied is written with a value.
    #[error("docker_env's environment has '{name}=…', but text without brackets is only a variable's name")]
    Assignment { name: String },
    /// No variable can have this name or value.
    #[error("the variable '{name}' for the container has a {part} that no variable can have")]
    Variable {
        name: String,
        /// `name` or `value`.
        part: &'static str,
    },
    /// Something in a volume or an argument cannot be expanded.
    #[error("cannot use {what} '{text}': {problem}")]
    Expansion {
        /// What the text is, as in "the volume".
        what: String,
        text: String,
        problem: ExpansionProblem,
    },
    /// A file of the project cannot be put into the image.
    #[error("cannot put '{}' into the image", path.display())]
    Context {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// What a link of the project leads to cannot be put into the image.
    #[error("cannot put the link '{}' into the image: it leads to '{}', {problem}", path.display(), target.display())]
    Link {
        path: PathBuf,
        target: PathBuf,
        problem: LinkProblem,
    },
    #[error("cannot use the volume '{volume}': {problem}")]
    Volume { volume: String, problem: VolumeProblem },
    #[error("cannot write a temporary file for {program}")]
    Temporary {
        program: String,
        #[source]
        source: io::Error,
    },
    #[error("{program} cannot reach its daemon")]
    NoDaemon {
        program: String,
        #[source]
        source: ProcessError,
    },
    /// The engine's daemon does not let this user in.
    #[error("this user may not use {program}")]
    NoPermission {
        program: String,
        #[source]
        source: ProcessError,
    },
    /// There is no such image, here or at its registry.
    #[error("there is no image '{image}', neither on this machine nor at its registry")]
    NoImage {
        image: String,
        #[source]
        source: ProcessError,
    },
    /// The registry wants other credentials, or any.
    #[error("the registry of the image '{image}' refused to give it")]
    PullDenied {
        program: String,
        image: String,
        #[source]
        source: ProcessError,
    },
    #[error("cannot pull the image '{image}'")]
    Pull {
        image: String,
        #[source]
        source: ProcessError,
    },
    /// The image with the project's files could not be built.
    #[error("cannot build the image '{image}' with the project's files")]
    Build {
        image: String,
        #[source]
        source: ProcessError,
    },
    /// The image could not be pushed for want of credentials.
    #[error("the registry of '{image}' refused to take the image")]
    PushDenied {
        program: String,
        image: String,
        #[source]
        source: ProcessError,
    },
    #[error("cannot push the image '{image}'")]
    Push {
        image: String,
        #[source]
        source: ProcessError,
    },
    /// The engine has pushed the image but did not say what its digest is.
    #[error("{program} does not say the digest of the pushed image '{image}'")]
    NoDigest { program: String, image: String },
    /// The engine has the image but did not say what its id is.
    #[error("{program} does not say the id of the image '{image}'")]
    NoImageId { program: String, image: String },
    #[error(transparent)]
    Engine(ProcessError),
}

/// Why what a link leads to cannot be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkProblem {
    /// A file of this machine that does not come with a fetched project.
    #[error("which was not fetched with the project")]
    Outside,
    /// A device, a socket or a pipe.
    #[error("which is neither a file nor a directory")]
    NoFile,
    /// A directory that the link is in.
    #[error("which holds the link itself")]
    Endless,
}

/// What is wrong with a volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VolumeProblem {
    #[error(
        "it has {0} parts with colons between them, and at most 3 are possible: the path here, the one in the container, and options"
    )]
    Parts(usize),
    /// The path in the container is relative.
    #[error("the path in the container, '{0}', does not begin with a slash")]
    Relative(String),
    /// An option that does not go with a path that holds a colon.
    #[error("the option '{0}' cannot be used with a path that contains a colon")]
    Option(String),
}

/// What is wrong with a volume or an argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpansionProblem {
    /// A command other than `pwd` is substituted.
    #[error("the output of the command '{0}' is asked for, but only that of pwd is known")]
    Command(String),
    #[error("the variable {0} is not set")]
    NotSet(String),
    #[error("'{0}' is none of $NAME, ${{NAME}}, $(pwd) and ~")]
    Unknown(String),
    /// A quote or bracket is not closed.
    #[error("a {0} is not closed")]
    Unclosed(char),
    /// A sign with which a shell would begin something else.
    #[error("'{0}' has to be quoted")]
    Operator(char),
}

impl DockerError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoEngine => {
                "install Docker (https://docs.docker.com/engine/install) or podman, or name another program by \
                 MLRUN_DOCKER_CMD"
                    .to_owned()
            }
            Self::NamedEngineMissing { .. } => {
                "set MLRUN_DOCKER_CMD to docker, podman, nerdctl or the path of a program that is called like them, \
                 or unset it"
                    .to_owned()
            }
            Self::NoProjectName => {
                "write `name: …` into the MLproject file, or pass --no-build-image to run the named image as it is"
                    .to_owned()
            }
            Self::ImageName { .. } => "write [host/]name[:tag], such as python:3.12-slim".to_owned(),
            Self::VariablesNotSet { names } => format!("export {}=…", names.join("=… ")),
            Self::Assignment { name } => {
                format!("write [{name}, VALUE] to set the variable, or only {name} to copy it from this machine")
            }
            Self::Variable { .. } => {
                "a name is not empty and has no '='; a value has no NUL character, and no line break where the variable \
                 is one that the engine's program reads itself"
                    .to_owned()
            }
            Self::Expansion { problem, .. } => match problem {
                ExpansionProblem::NotSet(name) => format!("export {name}=…"),
                ExpansionProblem::Command(_) | ExpansionProblem::Unknown(_) => {
                    "put the value into a variable and write its name, as in $NAME".to_owned()
                }
                ExpansionProblem::Unclosed(_) | ExpansionProblem::Operator(_) => {
                    "put single quotes around what no shell shall read".to_owned()
                }
            },
            Self::Context { .. } => {
                "make it readable, or leave it out of the image by a line in the project's .dockerignore".to_owned()
            }
            Self::Link { problem, .. } => match problem {
                LinkProblem::Outside => {
                    "add the file to the project's repository, or leave the link out of the image by a line in the \
                     project's .dockerignore"
                }
                LinkProblem::NoFile | LinkProblem::Endless => {
                    "remove the link, or leave it out of the image by a line in the project's .dockerignore"
                }
            }
            .to_owned(),
            Self::Volume { problem, .. } => match problem {
                VolumeProblem::Option(_) => "move the directory to a path without a colon, or leave the option out",
                VolumeProblem::Parts(_) | VolumeProblem::Relative(_) => {
                    "write it as /path/here:/path/in/container[:ro]; a path that contains a colon can be mounted by \
                     -A mount=type=bind,source=/path/here,target=/path/in/container"
                }
            }
            .to_owned(),
            Self::Temporary { .. } => "set TMPDIR to a directory that you can write to".to_owned(),
            Self::NoDaemon { program, .. } => format!(
                "start it (`sudo systemctl start docker`, or Docker Desktop), or set DOCKER_HOST to where it is; \
                 `{program} info` shows whether it answers"
            ),
            Self::NoPermission { program, .. } => format!(
                "have yourself added to the group 'docker' and log in again, or use podman or a rootless {program}"
            ),
            Self::NoImage { .. } => {
                "check the name and the tag in the MLproject file, or build the image on this machine first".to_owned()
            }
            Self::Push { .. } => "check repository-uri, the network and the registry, and try again".to_owned(),
            Self::NoDigest { program, image } => {
                format!("look whether `{program} image inspect {image}` shows RepoDigests")
            }
            Self::PullDenied { program, image, .. } | Self::PushDenied { program, image, .. } => match registry(image) {
                Some(host) => format!("log in with `{program} login {host}`, and check the name of the image"),
                None => format!("log in with `{program} login`, and check the name of the image"),
            },
            Self::Pull { .. } => "check the network and the registry's name, and try again".to_owned(),
            Self::Build { .. } if self.wants_buildx() => {
                "install docker's buildx (https://docs.docker.com/go/buildx), or set DOCKER_BUILDKIT=0".to_owned()
            }
            Self::Build { .. } => {
                "the last lines above say why; --no-build-image runs the named image without a layer of its own"
                    .to_owned()
            }
            Self::NoImageId { program, image } => format!("look whether `{program} image inspect {image}` shows it"),
            Self::Engine(source) => return source.hint(),
        })
    }

    /// The error behind an engine's failure that has nothing to do with what was asked of it.
    pub(super) fn of_engine(program: &str, source: ProcessError) -> Self {
        let said = said(&source);
        let program = program.to_owned();
        if said.contains("permission denied") && said.contains("connect") {
            Self::NoPermission { program, source }
        } else if is_about_the_daemon(&said) {
            Self::NoDaemon { program, source }
        } else {
            Self::Engine(source)
        }
    }

    /// The error behind a failed pull.
    pub(super) fn of_pull(program: &str, image: &str, source: ProcessError) -> Self {
        let said = said(&source);
        if is_about_the_daemon(&said) {
            return Self::of_engine(program, source);
        }
        let image = image.to_owned();
        let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
        if has(&[
            "unauthorized",
            "no basic auth",
            "authentication required",
            "incorrect username",
        ]) {
            let program = program.to_owned();
            Self::PullDenied {
                program,
                image,
                source,
            }
        } else if has(&[
            "pull access denied",
            "not found",
            "manifest unknown",
            "name unknown",
        ]) {
            Self::NoImage { image, source }
        } else if has(&["denied", "forbidden"]) {
            let program = program.to_owned();
            Self::PullDenied {
                program,
                image,
                source,
            }
        } else {
            Self::Pull { image, source }
        }
    }

    /// The error behind a failed push.
    pub(super) fn of_push(program: &str, image: &str, source: ProcessError) -> Self {
        let said = said(&source);
        if is_about_the_daemon(&said) {
            return Self::of_engine(program, source);
        }
        let image = image.to_owned();
        let is_denied = [
            "unauthorized",
            "no basic auth",
            "authentication required",
            "denied",
            "forbidden",
        ]
        .iter()
        .any(|text| said.contains(text));
        if is_denied {
            let program = program.to_owned();
            Self::PushDenied {
                program,
                image,
                source,
            }
        } else {
            Self::Push { image, source }
        }
    }

    /// Whether a build failed because docker lacks its buildx, without which it does not reach BuildKit.
    pub(super) fn wants_buildx(&self) -> bool {
        matches!(self, Self::Build { source, .. } if said(source).contains("buildx component is missing"))
    }

    /// The error behind a failed build.
    pub(super) fn of_build(program: &str, image: &str, source: ProcessError) -> Self {
        if is_about_the_daemon(&said(&source)) {
            return Self::of_engine(program, source);
        }
        Self::Build {
            image: image.to_owned(),
            source,
        }
    }
}

/// Whether a failed look for an image only says that it is not on this machine.
pub(super) fn says_no_such_image(source: &ProcessError) -> bool {
    let said = said(source);
    [
        "no such image",
        "no such object",
        "image not known",
        "no image found",
    ]
    .iter()
    .any(|text| said.contains(text))
}

fn is_about_the_daemon(said: &str) -> bool {
    [
        "cannot connect to the docker daemon",
        "is the docker daemon running",
        "error during connect",
        "failed to connect to the docker api",
        "cannot connect to podman",
        "cannot access containerd socket",
    ]
    .iter()
    .any(|text| said.contains(text))
        || (said.contains("permission denied") && said.contains("connect"))
}

/// What a failed program wrote last, in lower case: programs change the case of their texts.
fn said(source: &ProcessError) -> String {
    match source {
        ProcessError::Failed { last_lines, .. } => last_lines.join("\n").to_lowercase(),
        _ => String::new(),
    }
}

/// The registry's host in an image's name.
fn registry(image: &str) -> Option<&str> {
    let (host, _) = image.split_once('/')?;
    (host == "localhost" || host.contains(['.', ':'])).then_some(host)
}
