//! Finding a program as the system would.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where programs are looked for when PATH is not set, as the C library does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The file that `program` names: itself when it holds a slash, else the first executable file of
/// that name in the directories of `path`. Relative directories count from `directory`, in which
/// the program will run.
pub(super) fn find_program(
    program: &OsStr,
    path: Option<&OsStr>,
    directory: Option<&Path>,
) -> Option<PathBuf> {
    if program.as_encoded_bytes().contains(&b'/') {
        return Some(PathBuf::from(program));
    }
    env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH)))
        .map(|entry| {
            let file = entry.join(program);
            match directory {
                Some(directory) => directory.join(file),
                None if file.is_absolute() => file,
                None => Path::new(".").join(file),
            }
        })
        .find(|file| is_executable(file))
}

/// The first program of this name on PATH; absolute.
pub(crate) fn program_on_path(name: &str) -> Option<PathBuf> {
    programs_on_path(name).into_iter().next()
}

/// All programs of this name on PATH, in its order; absolute.
pub(crate) fn programs_on_path(name: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    env::split_paths(&path)
        .filter_map(|entry| std::path::absolute(entry.join(name)).ok())
        .filter(|file| is_executable(file))
        .collect()
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn programs_are_found_as_the_system_finds_them() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for (name, mode) in [("a/tool", 0o644), ("b/tool", 0o755), ("c/tool", 0o755)] {
            let file = root.join(name);
            fs::create_dir(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir_all(root.join("d/tool")).unwrap();
        let path = |entries: &[&str]| env::join_paths(entries.iter().map(|entry| root.join(entry))).unwrap();
        for (program, path, expected) in [
            ("tool", path(&["a", "d", "b", "c"]), Some(root.join("b/tool"))),
            ("tool", path(&["c", "b"]), Some(root.join("c/tool"))),
            ("tool", path(&["a", "d"]), None),
            ("tool", "b".into(), Some(root.join("b/tool"))),
            ("./tool", path(&["b"]), Some(PathBuf::from("./tool"))),
        ] {
            assert_eq!(
                find_program(OsStr::new(program), Some(&path), Some(root)),
                expected,
                "{program} {path:?}"
            );
        }
        assert!(find_program(OsStr::new("sh"), None, None).is_some());
    }
}
