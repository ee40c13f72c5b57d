//! Why a container's image cannot be had, or its settings cannot be used.

use std::error::Error;
use std::io;
use std::path::Path;

use super::image_name::registry;
use crate::process::ProcessError;

/// Why a container's image cannot be had, or its settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    #[error("{problem}")]
    Failed {
        problem: String,
        hint: String,
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// docker was told to build by BuildKit, but lacks its buildx, without which it does not reach BuildKit.
    #[error("{}", cannot_build(image))]
    NoBuildx { image: String, source: ProcessError },
    /// The engine's program failed for a reason of its own.
    #[error(transparent)]
    Engine(ProcessError),
}

impl DockerError {
    pub(super) fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed {
            problem: problem.into(),
            hint: hint.into(),
            source: None,
        }
    }

    fn because_of(
        source: impl Error + Send + Sync + 'static,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Failed {
            problem: problem.into(),
            hint: hint.into(),
            source: Some(source.into()),
        }
    }

    /// A file of the project that cannot be put into the image.
    pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            Self::because_of(
                source,
                format!("cannot add '{}' to the image", path.display()),
                "make it readable, or exclude it in the project's .dockerignore",
            )
        }
    }

    pub(super) fn temporary(program: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            Self::because_of(
                source,
                format!("cannot write a temporary file for {program}"),
                "set TMPDIR to a directory that you can write to",
            )
        }
    }

    /// The engine has the image, but does not say its id.
    pub(super) fn no_image_id(program: &str, image: &str) -> Self {
        Self::new(
            format!("{program} did not report the id of the image '{image}'"),
            format!("check whether `{program} image inspect {image}` shows it"),
        )
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { hint, .. } => Some(hint.clone()),
            Self::NoBuildx { .. } => Some(
                "install docker's buildx (https://docs.docker.com/go/buildx), or set DOCKER_BUILDKIT=0"
                    .to_owned(),
            ),
            Self::Engine(source) => source.hint(),
        }
    }

    /// The same error with one more thing that the person can do.
    pub(super) fn with_hint(mut self, more: &str) -> Self {
        if let Self::Failed { hint, .. } = &mut self {
            hint.push_str("; ");
            hint.push_str(more);
        }
        self
    }

    /// The error behind an engine's failure that has nothing to do with what was asked of it.
    pub(super) fn of_engine(program: &str, source: ProcessError) -> Self {
        let said = said(&source);
        Self::of_engine_that_said(&said, program, source)
    }

    fn of_engine_that_said(said: &str, program: &str, source: ProcessError) -> Self {
        if is_about_permission(said) {
            Self::because_of(
                source,
                format!("permission denied: this user cannot use {program}"),
                format!(
                    "run `sudo usermod -aG docker $USER` and log in again, or use podman or a rootless {program}"
                ),
            )
        } else if is_about_the_daemon(said) {
            Self::because_of(
                source,
                format!("{program} cannot reach its daemon"),
                format!(
                    "start it (`sudo systemctl start docker`, or Docker Desktop), or set DOCKER_HOST to its address; \
                     check with `{program} info`"
                ),
            )
        } else {
            Self::Engine(source)
        }
    }

    /// The error behind a failed pull, which wrote `output`.
    pub(super) fn of_pull(program: &str, image: &str, source: ProcessError, output: &[String]) -> Self {
        let said = output.join("\n").to_lowercase();
        if is_about_the_daemon(&said) {
            return Self::of_engine_that_said(&said, program, source);
        }
        let is_missing = has(
            &said,
            &[
                "pull access denied",
                "not found",
                "manifest unknown",
                "name unknown",
            ],
        );
        let is_denied = has(&said, &["denied", "forbidden"]) && !is_missing;
        if is_denied || has(&said, &UNAUTHORIZED) || said.contains("incorrect username") {
            let problem = format!("the registry denied access to the image '{image}'");
            Self::because_of(source, problem, log_in(program, image))
        } else if is_missing {
            Self::because_of(
                source,
                format!("image '{image}' not found, neither on this machine nor in its registry"),
                "check the name and the tag in the MLproject file, or build the image on this machine first",
            )
        } else {
            Self::because_of(
                source,
                format!("cannot pull the image '{image}'"),
                "check the network and the name of the registry, and try again",
            )
        }
    }

    /// The error behind a failed push.
    pub(super) fn of_push(program: &str, image: &str, source: ProcessError, output: &[String]) -> Self {
        let said = output.join("\n").to_lowercase();
        if is_about_the_daemon(&said) {
            Self::of_engine_that_said(&said, program, source)
        } else if has(&said, &UNAUTHORIZED) || has(&said, &["denied", "forbidden"]) {
            let problem = format!("the registry denied the push of the image '{image}'");
            Self::because_of(source, problem, log_in(program, image))
        } else {
            Self::because_of(
                source,
                format!("cannot push the image '{image}'"),
                "check repository-uri, the network and the registry, and try again",
            )
        }
    }

    /// The error behind a failed build.
    pub(super) fn of_build(program: &str, image: &str, source: ProcessError, output: &[String]) -> Self {
        let said = output.join("\n").to_lowercase();
        if is_about_the_daemon(&said) {
            Self::of_engine_that_said(&said, program, source)
        } else if said.contains("buildx component is missing") {
            let image = image.to_owned();
            Self::NoBuildx { image, source }
        } else {
            Self::because_of(
                source,
                cannot_build(image),
                "to run the image without the project's files, pass --no-build-image",
            )
        }
    }
}

fn cannot_build(image: &str) -> String {
    format!("cannot build the image '{image}' with the project's files")
}

fn log_in(program: &str, image: &str) -> String {
    let host = registry(image).map_or_else(String::new, |host| format!(" {host}"));
    format!("log in with `{program} login{host}`, and check the name of the image")
}

/// Whether a failed look for an image only says that it is not on this machine.
pub(super) fn says_no_such_image(source: &ProcessError) -> bool {
    let texts = [
        "no such image",
        "no such object",
        "image not known",
        "no image found",
    ];
    has(&said(source), &texts)
}

/// What registries say to whom they do not know.
const UNAUTHORIZED: [&str; 3] = ["unauthorized", "no basic auth", "authentication required"];

const AWAY: [&str; 6] = [
    "cannot connect to the docker daemon",
    "is the docker daemon running",
    "error during connect",
    "failed to connect to the docker api",
    "cannot connect to podman",
    "cannot access containerd socket",
];

fn is_about_the_daemon(said: &str) -> bool {
    has(said, &AWAY) || is_about_permission(said)
}

fn is_about_permission(said: &str) -> bool {
    said.contains("permission denied") && said.contains("connect")
}

fn has(said: &str, texts: &[&str]) -> bool {
    texts.iter().any(|text| said.contains(text))
}

/// What a failed program wrote last, in lower case: programs change the case of their texts.
fn said(source: &ProcessError) -> String {
    match source {
        ProcessError::Failed { last_lines, .. } => last_lines.join("\n").to_lowercase(),
        _ => String::new(),
    }
}
