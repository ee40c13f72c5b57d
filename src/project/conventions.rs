//! Conventions: the name of the MLproject file, files that are misnamed or in another directory, and scripts as
//! entry points.

use std::io;
use std::path::{Path, PathBuf};

use super::quote::quote;
use crate::nearest::nearest;

/// The name of a project's file, in the spelling that is preferred.
pub(crate) const FILE_NAME: &str = "MLproject";
/// The extensions of scripts that can be run without being declared.
const SCRIPT_EXTENSIONS: [&str; 3] = ["py", "sh", "R"];

/// The extensions that editors and people add to the MLproject file.
const WRONG_EXTENSIONS: [&str; 6] = ["yaml", "yml", "txt", "md", "json", "toml"];

/// Directories whose scripts are not the project's own.
const FOREIGN_DIRECTORIES: [&str; 4] = ["node_modules", "__pycache__", "site-packages", "mlruns"];

/// What the search for a project's file found.
#[derive(Debug, Default)]
pub(crate) struct FoundFile {
    pub(crate) file: Option<PathBuf>,
    /// The names of others that differ from it only in case.
    pub(crate) others: Vec<String>,
    /// A file such as `MLproject.yaml`, `MLproject.txt` or `ml-project`.
    pub(crate) misnamed: Option<String>,
}

/// An MLproject file that a run does not find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misplaced {
    /// A file of another name.
    Misnamed(String),
    /// A directory below or above the project's, as a relative path.
    Directory(String),
}

impl Misplaced {
    /// Looks for it: a file with another name, then other directories.
    pub(super) fn find(directory: &Path, misnamed: Option<&str>) -> Option<Self> {
        let misnamed = misnamed.map(|name| Self::Misnamed(name.to_owned()));
        misnamed.or_else(|| Some(Self::Directory(nearby(directory)?)))
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Misnamed(name) => {
                format!("rename {name} to {FILE_NAME}: files of other names are not read")
            }
            Self::Directory(directory) => {
                format!("did you mean the directory '{directory}'? It has an {FILE_NAME} file")
            }
        }
    }
}

/// The directory with an MLproject file that is nearest: one level down, then up to two levels up, but not out of
/// a Git repository.
fn nearby(directory: &Path) -> Option<String> {
    let has_file = |directory: &Path| find_file(directory).is_ok_and(|found| found.file.is_some());
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let mut below: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && has_file(&directory.join(name)))
        .collect();
    below.sort_by_key(|name| (name != FILE_NAME, name.clone()));
    if let Some(name) = below.into_iter().next() {
        return Some(name);
    }
    let mut above = directory.to_owned();
    for path in ["..", "../.."] {
        if above.join(".git").exists() {
            return None;
        }
        above = above.parent()?.to_owned();
        if has_file(&above) {
            return Some(path.to_owned());
        }
    }
    None
}

/// Whether a file's name seems to be meant for an MLproject file: `MLproject.yaml.txt`, `ML_project`, `MLprojekt`.
fn is_misnamed(name: &str) -> bool {
    let meant = "mlproject";
    let lower = name.to_ascii_lowercase();
    let mut stem = lower.as_str();
    while let Some((before, extension)) = stem.rsplit_once('.')
        && WRONG_EXTENSIONS.contains(&extension)
    {
        stem = before;
    }
    let letters = stem.replace(['-', '_', '.', ' '], "");
    // "myproject" is a name like any other.
    !is_script(name)
        && letters.starts_with("ml")
        && letters.len().abs_diff(meant.len()) <= 1
        && (letters == meant || nearest(&letters, [meant]).is_some())
}

/// Looks for the MLproject file, whose name may be written in any case. Of several the exact name
/// comes first, then the alphabet's order.
pub(crate) fn find_file(directory: &Path) -> io::Result<FoundFile> {
    let exact = directory.join(FILE_NAME);
    if exact.is_file() {
        return Ok(FoundFile {
            file: Some(exact),
            ..FoundFile::default()
        });
    }
    let mut candidates = Vec::new();
    let mut found = FoundFile::default();
    for entry in std::fs::read_dir(directory)? {
        let Ok(name) = entry?.file_name().into_string() else {
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            // A dangling link must be an error, not be overlooked.
            "mlproject" if !directory.join(&name).is_dir() => candidates.push(name),
            lower if lower != "mlproject" && is_misnamed(&name) && directory.join(&name).is_file() => {
                found.misnamed = found.misnamed.max(Some(name));
            }
            _ => {}
        }
    }
    candidates.sort_by_key(|name| (name != FILE_NAME, name.clone()));
    let mut candidates = candidates.into_iter();
    found.file = candidates.next().map(|name| directory.join(name));
    found.others = candidates.collect();
    Ok(found)
}

/// The name of a project without an MLproject file: the directory's.
pub(super) fn project_name(directory: &Path) -> Option<String> {
    let absolute = std::path::absolute(directory).ok()?;
    let normal = absolute.canonicalize().unwrap_or(absolute);
    Some(normal.file_name()?.to_string_lossy().into_owned())
}

/// Whether the name is that of a script that can be an entry point.
pub(super) fn is_script(name: &str) -> bool {
    extension(name).is_some()
}

/// The command that runs a script; `None` for any other name. `shell` runs `.sh` files, `bash`
/// if it is unknown or empty.
pub(super) fn script_command(name: &str, shell: Option<&str>) -> Option<String> {
    let quoted = quote(name);
    match extension(name)? {
        "py" => Some(format!("python {quoted}")),
        "sh" => {
            let shell = shell.filter(|shell| !shell.is_empty()).unwrap_or("bash");
            Some(format!("{shell} {quoted}"))
        }
        _ => Some(format!(
            "Rscript -e \"mlflow::mlflow_source({})\" --args",
            r_text_in_double_quotes(name)
        )),
    }
}

/// The scripts in the directory of a script, as paths that could be named in its place; for any
/// other name those in the project's directory itself. Sorted.
pub(super) fn scripts_beside(directory: &Path, name: &str) -> Vec<String> {
    let folder = match name.rsplit_once('/') {
        Some((folder, _)) if is_script(name) => format!("{folder}/"),
        _ => String::new(),
    };
    let Ok(entries) = std::fs::read_dir(directory.join(&folder)) else {
        return Vec::new();
    };
    let mut scripts: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_script(name))
        .map(|name| format!("{folder}{name}"))
        .collect();
    scripts.sort();
    scripts
}

/// The scripts in a directory and below it, as paths from there. Sorted; hidden directories, and those of
/// environments and packages, are left out.
pub(super) fn scripts(directory: &Path) -> Vec<String> {
    let mut scripts = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(directory.join(&folder)) else {
            continue;
        };
        for entry in entries.flatten() {
            let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else {
                continue;
            };
            let path = format!("{folder}{name}");
            if kind.is_dir() {
                let is_foreign = name.starts_with('.')
                    || FOREIGN_DIRECTORIES.contains(&name.as_str())
                    || entry.path().join("pyvenv.cfg").exists()
                    || entry.path().join("conda-meta").exists();
                if !is_foreign {
                    folders.push(path + "/");
                }
            } else if is_script(&name) && entry.path().is_file() {
                scripts.push(path);
            }
        }
    }
    scripts.sort_by_key(|path| (path.matches('/').count(), path.clone()));
    scripts
}

/// The script's extension, which a name that only begins with a dot does not have.
fn extension(name: &str) -> Option<&'static str> {
    let extension = Path::new(name.rsplit('/').next()?).extension()?;
    SCRIPT_EXTENSIONS.into_iter().find(|known| extension == *known)
}

/// The name as a text of R, inside a shell's double quotes.
fn r_text_in_double_quotes(name: &str) -> String {
    let r_text = format!("'{}'", name.replace('\\', "\\\\").replace('\'', "\\'"));
    let mut escaped = String::with_capacity(r_text.len());
    for character in r_text.chars() {
        if matches!(character, '\\' | '"' | '$' | '`') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misnamed_files_are_found() {
        for name in [
            "MLproject.yaml",
            "MLproject.yml",
            "mlproject.txt",
            "MLproject.yaml.txt",
            "MLproject.md",
            "ML_project",
            "ml-project",
            "ML project.yml",
            "MLprojects",
            "MLprojekt",
            "MLporject",
        ] {
            assert!(is_misnamed(name), "{name}");
        }
        for name in [
            "myproject",
            "myproject.yaml",
            "mlproject.py",
            "ml",
            "mlflow.db",
            "mlruns",
            "project",
        ] {
            assert!(!is_misnamed(name), "{name}");
        }
    }

    #[test]
    fn scripts_have_commands() {
        for (name, shell, expected) in [
            ("train.py", None, Some("python train.py")),
            ("src/a b.py", None, Some("python 'src/a b.py'")),
            ("run.sh", None, Some("bash run.sh")),
            ("run.sh", Some(""), Some("bash run.sh")),
            ("run.sh", Some("/bin/zsh"), Some("/bin/zsh run.sh")),
            (
                "train.R",
                None,
                Some("Rscript -e \"mlflow::mlflow_source('train.R')\" --args"),
            ),
            (
                "it's $x.R",
                None,
                Some("Rscript -e \"mlflow::mlflow_source('it\\\\'s \\$x.R')\" --args"),
            ),
            ("train.r", None, None),
            ("train.PY", None, None),
            (".py", None, None),
            ("src/.py", None, None),
            ("a.py/", None, None),
            ("main", None, None),
            ("", None, None),
        ] {
            assert_eq!(script_command(name, shell).as_deref(), expected, "{name}");
        }
    }
}
