//! The program that images and containers are made with.

use std::path::Path;

use super::DockerError;
use crate::env_vars::{self, MLRUN_DOCKER_CMD};
use crate::process::{ProcessError, ProgramCall, program_on_path};

/// The programs that are looked for, in their order.
const PROGRAMS: [&str; 3] = ["docker", "podman", "nerdctl"];

/// Variables that engines' programs, and the libraries below them, read.
const READ_VARIABLES: [&str; 8] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "USER",
    "NETRC",
    "REGISTRY_AUTH_FILE",
    "CONTAINERD_ADDRESS",
    "NERDCTL_TOML",
];
/// The beginnings of the names of more such variables.
const READ_BEGINNINGS: [&str; 11] = [
    "DOCKER_",
    "BUILDKIT_",
    "BUILDX_",
    "BUILDAH_",
    "CONTAINER_",
    "CONTAINERS_",
    "XDG_",
    "LD_",
    "GO",
    "SSL_CERT_",
    "OTEL_",
];

/// The program that images and containers are made with: `docker`, or one that is called like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Engine {
    program: String,
}

impl Default for Engine {
    /// The one that is looked for first, whether it is there or not.
    fn default() -> Self {
        Self {
            program: PROGRAMS[0].to_owned(),
        }
    }
}

impl Engine {
    /// Takes the program that `MLRUN_DOCKER_CMD` names, else the first of docker, podman and nerdctl
    /// on PATH.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn find() -> Result<Self, DockerError> {
        if let Some(program) = env_vars::non_empty(MLRUN_DOCKER_CMD) {
            let is_there = if program.contains('/') {
                Path::new(&program).is_file()
            } else {
                program_on_path(&program).is_some()
            };
            return if is_there {
                Ok(Self { program })
            } else {
                Err(DockerError::new(
                    format!("MLRUN_DOCKER_CMD names the program '{program}', which was not found"),
                    "set MLRUN_DOCKER_CMD to docker, podman, nerdctl or the path of a compatible program, or unset it",
                ))
            };
        }
        PROGRAMS
            .into_iter()
            .find(|program| program_on_path(program).is_some())
            .map(|program| Self {
                program: program.to_owned(),
            })
            .ok_or_else(|| {
                DockerError::new(
                    "the project runs in a container, but docker, podman and nerdctl were not found on PATH",
                    "install Docker (https://docs.docker.com/engine/install) or podman, or set MLRUN_DOCKER_CMD to another \
                     program",
                )
            })
    }

    /// Removes the container of this name, whether it runs or not. Gives `false` if there is none.
    ///
    /// # Errors
    /// The program fails: its daemon does not answer, for example.
    pub(crate) async fn remove_container(&self, name: &str) -> Result<bool, ProcessError> {
        let filter = format!("name=^{name}$");
        let found = self.call(["ps", "-aq", "--filter", &filter]).capture().await?;
        if found.text().trim().is_empty() {
            return Ok(false);
        }
        self.call(["rm", "-f", name]).capture().await.map(|_| true)
    }

    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    pub(crate) fn call<const N: usize>(&self, arguments: [&str; N]) -> ProgramCall {
        ProgramCall::new(self.program.as_str()).arguments(arguments)
    }

    /// Whether a build takes its context as a tar on standard input. Of the three, only docker does.
    pub(super) fn takes_tar(&self) -> bool {
        !self.is("podman") && !self.is("nerdctl")
    }

    pub(super) fn is_podman(&self) -> bool {
        self.is("podman")
    }

    fn is(&self, name: &str) -> bool {
        Path::new(&self.program)
            .file_name()
            .is_some_and(|file| file.to_string_lossy().starts_with(name))
    }
}

/// Whether a variable of the container would change what the engine's program itself does if it had it
/// too. One that it has already would not.
pub(crate) fn must_be_hidden(name: &str, value: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let is_read = READ_VARIABLES.contains(&upper.as_str())
        || READ_BEGINNINGS
            .iter()
            .any(|beginning| upper.starts_with(beginning))
        || upper.ends_with("_PROXY");
    is_read && std::env::var_os(name).is_none_or(|own| own != *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_reads_is_hidden_from_it() {
        for (name, expected) in [
            ("DOCKER_HOST", true),
            ("LD_PRELOAD", true),
            ("https_proxy", true),
            ("HOME", true),
            ("MLFLOW_RUN_ID", false),
            ("AWS_SECRET_ACCESS_KEY", false),
        ] {
            assert_eq!(must_be_hidden(name, "another value"), expected, "{name}");
        }
        assert!(!must_be_hidden("PATH", &std::env::var("PATH").unwrap()));
    }

    #[test]
    fn the_kind_is_told_by_the_name() {
        for (program, takes_tar, is_podman) in [
            ("docker", true, false),
            ("/usr/bin/podman", false, true),
            ("podman-remote", false, true),
            ("nerdctl.lima", false, false),
            ("/opt/podman/docker", true, false),
        ] {
            let engine = Engine {
                program: program.to_owned(),
            };
            assert_eq!(
                (engine.takes_tar(), engine.is_podman()),
                (takes_tar, is_podman),
                "{program}"
            );
        }
    }
}
