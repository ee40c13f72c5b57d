//! What a project and the user ask of the container, checked and expanded before anything is created.

use std::path::Path;

use super::DockerError;
use super::engine::must_be_hidden;
use super::error::ExpansionProblem;
use super::expansion::Surroundings;
use super::volume::{Volume, unmarked};
use crate::project::{DockerEnvironment, EnvironmentEntry};

/// What a project and the user ask of the container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ContainerSettings {
    /// Arguments for `docker run` from `-A`, in the order given.
    pub arguments: Vec<String>,
    /// Volumes as `docker run --volume` takes them; host paths are whole.
    pub volumes: Vec<String>,
    /// Volumes as `docker run --mount` takes them, since a path of theirs has a colon.
    pub mounts: Vec<String>,
    /// Variables that `-A` sets.
    pub argument_variables: Vec<(String, String)>,
    /// The variables of the project's `docker_env`.
    pub variables: Vec<(String, String)>,
}

impl ContainerSettings {
    /// Expands volumes and arguments, and takes over the variables that are copied.
    pub(super) fn read(
        environment: &DockerEnvironment,
        docker_args: &[(String, Option<String>)],
        directory: &Path,
    ) -> Result<Self, DockerError> {
        let variable = |name: &str| std::env::var(name).ok();
        let surroundings = Surroundings {
            directory,
            variable: &variable,
        };
        let mut settings = Self::default();
        for (name, value) in docker_args {
            settings.add_argument(name, value.as_deref(), &surroundings)?;
        }
        for volume in &environment.volumes {
            let expanded = surroundings.arguments(volume);
            for word in expanded.map_err(not_expanded("the volume", volume))? {
                match Volume::read(&word, directory)? {
                    Volume::Volume(volume) => settings.volumes.push(volume),
                    Volume::Mount(mount) => settings.mounts.push(mount),
                }
            }
        }
        settings.add_variables(&environment.environment)?;
        Ok(settings)
    }

    /// Adds `-n value` or `--name value`; a flag has no value.
    fn add_argument(
        &mut self,
        name: &str,
        value: Option<&str>,
        surroundings: &Surroundings<'_>,
    ) -> Result<(), DockerError> {
        let dashes = if name.chars().count() == 1 { "-" } else { "--" };
        let option = format!("{dashes}{name}");
        let Some(value) = value else {
            self.arguments.push(option);
            return Ok(());
        };
        let expanded = surroundings.arguments(value);
        let words = expanded.map_err(not_expanded(&format!("the value of -A {name}"), value))?;
        let Some((first, rest)) = words.split_first() else {
            self.arguments.push(option);
            return Ok(());
        };
        match (name, unmarked(first).split_once('=')) {
            // Given as all variables are: values are nobody else's business.
            ("e" | "env", Some((variable, value))) => self.argument_variables.push(checked(variable, value)?),
            ("v" | "volume", _) => {
                self.arguments
                    .extend(match Volume::read(first, surroundings.directory)? {
                        Volume::Volume(volume) => [option, volume],
                        Volume::Mount(mount) => ["--mount".to_owned(), mount],
                    })
            }
            _ => self.arguments.extend([option, unmarked(first)]),
        }
        self.arguments.extend(rest.iter().map(|word| unmarked(word)));
        Ok(())
    }

    fn add_variables(&mut self, entries: &[EnvironmentEntry]) -> Result<(), DockerError> {
        let mut missing = Vec::new();
        for entry in entries {
            match entry {
                EnvironmentEntry::Copy(name) => {
                    if let Some((name, _)) = name.split_once('=') {
                        return Err(DockerError::Assignment {
                            name: name.to_owned(),
                        });
                    }
                    match std::env::var_os(name) {
                        Some(value) => self.variables.push(checked(name, &value.to_string_lossy())?),
                        None => missing.push(name.clone()),
                    }
                }
                EnvironmentEntry::Set(name, value) => self.variables.push(checked(name, value)?),
            }
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(DockerError::VariablesNotSet { names: missing })
        }
    }
}

/// The variable, if there can be such a one.
fn checked(name: &str, value: &str) -> Result<(String, String), DockerError> {
    let wrong = |part| {
        Err(DockerError::Variable {
            name: name.to_owned(),
            part,
        })
    };
    if name.is_empty() || name.contains(['=', '\0', '\n']) {
        return wrong("name");
    }
    // What is hidden from the engine's program goes into a file with a variable a line.
    if value.contains('\0') || (value.contains('\n') && must_be_hidden(name, value)) {
        return wrong("value");
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn not_expanded(what: &str, text: &str) -> impl FnOnce(ExpansionProblem) -> DockerError {
    let (what, text) = (what.to_owned(), text.to_owned());
    move |problem| DockerError::Expansion { what, text, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        docker_args: &[(&str, Option<&str>)],
        volumes: &[&str],
    ) -> Result<ContainerSettings, DockerError> {
        let docker_args: Vec<_> = docker_args
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect();
        let environment = DockerEnvironment {
            image: "x".to_owned(),
            volumes: volumes.iter().map(|volume| (*volume).to_owned()).collect(),
            environment: Vec::new(),
        };
        ContainerSettings::read(&environment, &docker_args, Path::new("/project"))
    }

    #[test]
    fn a_variable_written_as_in_a_shell_is_told_how_to_be_set() {
        let environment = DockerEnvironment {
            image: "x".to_owned(),
            volumes: Vec::new(),
            environment: vec![EnvironmentEntry::Copy("A=geheim".to_owned())],
        };
        let error = ContainerSettings::read(&environment, &[], Path::new("/project")).unwrap_err();
        assert!(!error.to_string().contains("geheim"), "{error}");
        assert_eq!(
            error.hint().unwrap(),
            "write [A, VALUE] to set the variable, or only A to copy it from this machine"
        );
    }

    #[test]
    fn arguments_are_those_of_docker_run() {
        let settings = read(
            &[
                ("t", None),
                ("gpus", Some("all")),
                ("v", Some("./a:/b")),
                ("privileged", None),
                ("m", Some("1g --shm-size=2g")),
                ("e", Some("TOKEN=a b")),
                ("env", Some("COPIED")),
            ],
            &["./x:/y"],
        )
        .unwrap();
        assert_eq!(
            settings.arguments,
            [
                "-t",
                "--gpus",
                "all",
                "-v",
                "/project/a:/b",
                "--privileged",
                "-m",
                "1g",
                "--shm-size=2g",
                "--env",
                "COPIED",
            ]
        );
        assert_eq!(settings.volumes, ["/project/x:/y"]);
        assert_eq!(
            settings.argument_variables,
            [("TOKEN".to_owned(), "a b".to_owned())]
        );
    }

    #[test]
    fn an_error_names_what_it_is_about() {
        let error = read(&[("v", Some("$(id):/x"))], &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot use the value of -A v '$(id):/x': the output of the command 'id' is asked for, but only that of \
             pwd is known"
        );
    }
}
