//! What a directory says without an MLproject file: where that file would be, the environment by
//! its usual file names, and scripts as entry points.

use std::io;
use std::path::{Path, PathBuf};

use super::entry_point::quote;

/// The name of a project's file, and the one that is looked for first.
pub(crate) const FILE_NAME: &str = "MLproject";
/// The extensions of scripts that are entry points by themselves.
const SCRIPT_EXTENSIONS: [&str; 3] = ["py", "sh", "R"];

/// Directories whose scripts are not the project's own.
const FOREIGN_DIRECTORIES: [&str; 4] = ["node_modules", "__pycache__", "site-packages", "mlruns"];

/// What the search for a project's file found.
#[derive(Debug, Default)]
pub(crate) struct FoundFile {
    pub(crate) file: Option<PathBuf>,
    /// The names of others that could be it too.
    pub(crate) others: Vec<String>,
    /// A file with an extension too many.
    pub(crate) misnamed: Option<String>,
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
            // A link that leads nowhere is taken too, so that it is an error and not overlooked.
            "mlproject" if !directory.join(&name).is_dir() => candidates.push(name),
            "mlproject.yaml" | "mlproject.yml" => found.misnamed = found.misnamed.max(Some(name)),
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
/// where it is unknown or empty.
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
