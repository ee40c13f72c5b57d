//! Volumes, `/here:/inside:options`, and the mounts that stand for them where a path has a colon.

use std::path::Path;

use super::DockerError;
use super::error::VolumeProblem;
use super::expansion::{PATH_COLON, with_whole_path};

/// What `docker run` is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Volume {
    /// The value of `--volume`.
    Volume(String),
    /// The value of `--mount`.
    Mount(String),
}

impl Volume {
    /// Reads a volume in which the colons of expanded paths are [`PATH_COLON`]s. Paths on this machine may be
    /// relative to `directory`.
    pub(super) fn read(marked: &str, directory: &Path) -> Result<Self, DockerError> {
        let marked = with_whole_path(marked, directory);
        let refused = |problem| DockerError::Volume {
            volume: unmarked(&marked),
            problem,
        };
        let parts: Vec<&str> = marked.split(':').collect();
        let (here, inside, options) = match parts.as_slice() {
            [_] => return Ok(Self::Volume(unmarked(&marked))),
            [here, inside] => (here, inside, ""),
            [here, inside, options] => (here, inside, *options),
            _ => return Err(refused(VolumeProblem::Parts(parts.len()))),
        };
        if !inside.starts_with('/') {
            return Err(refused(VolumeProblem::Relative(unmarked(inside))));
        }
        if !here.contains(PATH_COLON) && !inside.contains(PATH_COLON) {
            return Ok(Self::Volume(marked));
        }
        let options: Result<Vec<_>, _> = options.split(',').map(mount_option).collect();
        let options = options.map_err(refused)?.concat();
        let mount = bind_mount(&unmarked(here), &unmarked(inside));
        Ok(Self::Mount(format!("{mount}{options}")))
    }
}

/// The text with colons in the place of the marks.
pub(super) fn unmarked(text: &str) -> String {
    text.replace(PATH_COLON, ":")
}

/// An option of a volume as that of a mount, with a comma before it.
fn mount_option(option: &str) -> Result<String, VolumeProblem> {
    match option {
        "" | "rw" => Ok(String::new()),
        "ro" => Ok(",readonly".to_owned()),
        "consistent" | "cached" | "delegated" => Ok(format!(",consistency={option}")),
        "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" => {
            Ok(format!(",bind-propagation={option}"))
        }
        other => Err(VolumeProblem::Option(other.to_owned())),
    }
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
                    "cannot use the volume '/a:b:/c:ro': it has 4 parts with colons between them, and at most 3 are \
                     possible: the path here, the one in the container, and options",
                ),
            ),
            (
                "/a:b",
                Err(
                    "cannot use the volume '/a:b': the path in the container, 'b', does not begin with a slash",
                ),
            ),
        ] {
            let read = Volume::read(marked, Path::new("/p:q")).map_err(|error| error.to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{marked}");
        }
    }
}
