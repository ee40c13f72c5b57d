//! What a project and the user ask of the container, checked and expanded before anything is created.

use std::path::Path;

use super::DockerError;
use super::engine::must_be_hidden;
use super::expansion::{ExpansionProblem, PATH_COLON, Surroundings, with_whole_path};
use crate::project::{DockerEnvironment, EnvironmentEntry};

const HOW_VOLUMES_ARE_WRITTEN: &str = "write it as /path/here:/path/in/container[:ro]; a path that contains a colon can be mounted by \
     -A mount=type=bind,source=/path/here,target=/path/in/container";

/// What a project and the user ask of the container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ContainerSettings {
    /// Arguments for `docker run` from `-A`, in the order given.
    pub arguments: Vec<String>,
    /// Volumes as `docker run --volume` takes them; host paths are whole.
    pub volumes: Vec<String>,
    /// Volumes as `docker run --mount` takes them, since a path of theirs has a colon.
    pub mounts: Vec<String>,
    pub argument_variables: Vec<(String, String)>,
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
        let what = format!("the value of -A {name}");
        let expanded = |value| surroundings.arguments(value).map_err(not_expanded(&what, value));
        let words = value.map(expanded).transpose()?.unwrap_or_default();
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
                    check_copied(name)?;
                    match std::env::var_os(name) {
                        Some(value) => self.variables.push(checked(name, &value.to_string_lossy())?),
                        None => missing.push(name.clone()),
                    }
                }
                EnvironmentEntry::Set(name, value) => self.variables.push(checked(name, value)?),
            }
        }
        let (variables, these) = match missing.len() {
            0 => return Ok(()),
            1 => ("a variable", "it is"),
            _ => ("variables", "they are"),
        };
        let names = missing.join(", ");
        Err(DockerError::new(
            format!("docker_env copies {variables} from this machine, but {these} not set: {names}"),
            format!("export {}=…", missing.join("=… ")),
        ))
    }
}

/// Refuses `NAME=value`, without showing the value.
fn check_copied(name: &str) -> Result<(), DockerError> {
    let Some((name, _)) = name.split_once('=') else {
        return Ok(());
    };
    Err(DockerError::new(
        format!("'{name}=…' in docker_env's environment is not a variable's name"),
        format!("write [{name}, VALUE] to set the variable, or only {name} to copy it from this machine"),
    ))
}

/// Checks a variable of `docker_env`, whatever is set on this machine.
pub(in crate::environment) fn check_variable(entry: &EnvironmentEntry) -> Result<(), DockerError> {
    match entry {
        EnvironmentEntry::Copy(name) => check_copied(name).and_then(|()| checked(name, "").map(drop)),
        EnvironmentEntry::Set(name, value) => checked(name, value).map(drop),
    }
}

/// Checks a volume of `docker_env`, whatever variables are set on this machine.
pub(in crate::environment) fn check_volume(volume: &str, directory: &Path) -> Result<(), DockerError> {
    let variable = |_: &str| Some("x".to_owned());
    let surroundings = Surroundings {
        directory,
        variable: &variable,
    };
    let words = surroundings.arguments(volume);
    for word in words.map_err(not_expanded("the volume", volume))? {
        // The value of a variable may have colons and slashes.
        if !volume.contains('$') {
            Volume::read(&word, directory)?;
        }
    }
    Ok(())
}

fn checked(name: &str, value: &str) -> Result<(String, String), DockerError> {
    let wrong = |part| {
        Err(DockerError::new(
            format!("the container's variable '{name}' has an invalid {part}"),
            "a name must not be empty or contain '='; a value must not contain a NUL character, or a line break if \
             the variable is one that docker itself reads",
        ))
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
    move |problem| DockerError::new(format!("cannot use {what} '{text}': {problem}"), problem.hint())
}

/// A volume, `/here:/inside:options`, or the mount that stands for it if a path has a colon.
#[derive(Debug, PartialEq, Eq)]
enum Volume {
    Volume(String),
    Mount(String),
}

impl Volume {
    /// Reads a volume in which the colons of expanded paths are [`PATH_COLON`]s. Paths on this machine may be
    /// relative to `directory`.
    fn read(marked: &str, directory: &Path) -> Result<Self, DockerError> {
        let marked = with_whole_path(marked, directory);
        let refused = |problem: String, hint: &str| {
            let volume = unmarked(&marked);
            Err(DockerError::new(
                format!("cannot use the volume '{volume}': {problem}"),
                hint,
            ))
        };
        let parts: Vec<&str> = marked.split(':').collect();
        let (here, inside, options) = match parts.as_slice() {
            [_] => return Ok(Self::Volume(unmarked(&marked))),
            [here, inside] => (here, inside, ""),
            [here, inside, options] => (here, inside, *options),
            _ => {
                let problem = format!(
                    "it has {} parts separated by colons, but at most 3 are allowed: the path here, the path in the \
                     container, and options",
                    parts.len()
                );
                return refused(problem, HOW_VOLUMES_ARE_WRITTEN);
            }
        };
        if !inside.starts_with('/') {
            let inside = unmarked(inside);
            let problem = format!("the path in the container, '{inside}', must begin with a slash");
            return refused(problem, HOW_VOLUMES_ARE_WRITTEN);
        }
        if !here.contains(PATH_COLON) && !inside.contains(PATH_COLON) {
            return Ok(Self::Volume(marked));
        }
        let mut mount = bind_mount(&unmarked(here), &unmarked(inside));
        for option in options.split(',') {
            let Some(of_mount) = mount_option(option) else {
                return refused(
                    format!("the option '{option}' cannot be used with a path that contains a colon"),
                    "move the directory to a path without a colon, or remove the option",
                );
            };
            mount.push_str(&of_mount);
        }
        Ok(Self::Mount(mount))
    }
}

fn unmarked(text: &str) -> String {
    text.replace(PATH_COLON, ":")
}

/// An option of a volume as that of a mount, with a comma before it.
fn mount_option(option: &str) -> Option<String> {
    Some(match option {
        "" | "rw" => String::new(),
        "ro" => ",readonly".to_owned(),
        "consistent" | "cached" | "delegated" => format!(",consistency={option}"),
        "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" => {
            format!(",bind-propagation={option}")
        }
        _ => return None,
    })
}

/// The arguments that mount a path of this machine. `--volume` cannot have a colon in a path.
pub(crate) fn mount_arguments(here: &Path, inside: &str) -> [String; 2] {
    let here = here.to_string_lossy();
    if here.contains(':') || inside.contains(':') {
        return ["--mount".to_owned(), bind_mount(&here, inside)];
    }
    ["-v".to_owned(), format!("{here}:{inside}")]
}

/// The value of `--mount`, which is read as a line of CSV.
fn bind_mount(here: &str, inside: &str) -> String {
    let field = |name: &str, value: &str| format!("\"{name}={}\"", value.replace('"', "\"\""));
    [
        "type=bind".to_owned(),
        field("source", here),
        field("target", inside),
    ]
    .join(",")
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
    fn paths_with_colons_are_mounted_too() {
        for (here, inside, expected) in [
            ("/a", "/b", ["-v", "/a:/b"]),
            (
                "/a:b",
                "/c",
                ["--mount", "type=bind,\"source=/a:b\",\"target=/c\""],
            ),
            (
                "/a:\"b,\"",
                "/c",
                ["--mount", "type=bind,\"source=/a:\"\"b,\"\"\",\"target=/c\""],
            ),
        ] {
            assert_eq!(mount_arguments(Path::new(here), inside), expected);
        }
    }

    #[test]
    fn volumes_of_paths_with_colons_become_mounts() {
        let mount = |rest: &str| Ok(Volume::Mount(format!("type=bind,{rest}")));
        for (marked, expected) in [
            ("/a:/b:ro,z", Ok(Volume::Volume("/a:/b:ro,z".to_owned()))),
            ("data:/b", Ok(Volume::Volume("data:/b".to_owned()))),
            ("/cache", Ok(Volume::Volume("/cache".to_owned()))),
            ("/a\u{fdd0}b:/c", mount("\"source=/a:b\",\"target=/c\"")),
            (
                "/a\u{fdd0}b/d:/c:ro",
                mount("\"source=/a:b/d\",\"target=/c\",readonly"),
            ),
            (
                "/a:/c\u{fdd0}:rw,rslave",
                mount("\"source=/a\",\"target=/c:\",bind-propagation=rslave"),
            ),
            ("./x:/y", mount("\"source=/p:q/x\",\"target=/y\"")),
            (
                "/a\u{fdd0}b:/c:z",
                Err(
                    "cannot use the volume '/a:b:/c:z': the option 'z' cannot be used with a path that contains a colon",
                ),
            ),
            (
                "/a:b:/c:ro",
                Err(
                    "cannot use the volume '/a:b:/c:ro': it has 4 parts separated by colons, but at most 3 are \
                     allowed: the path here, the path in the container, and options",
                ),
            ),
            (
                "/a:b",
                Err("cannot use the volume '/a:b': the path in the container, 'b', must begin with a slash"),
            ),
        ] {
            let read = Volume::read(marked, Path::new("/p:q")).map_err(|error| error.to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{marked}");
        }
    }
}
