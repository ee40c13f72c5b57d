//! Which scripts of a directory become entry points.

use std::path::{Component, Path, PathBuf};

use super::error::ScaffoldError;
use super::imports;
use super::python::{Source, children};
use crate::nearest::nearest;
use crate::project::{Project, quote};
use crate::quantity;

/// The names of scripts that start a project, the likeliest first.
const FIRST: [&str; 4] = ["main.py", "train.py", "run.py", "app.py"];
/// Python files that no one runs as a script of a project.
const NEVER: [&str; 5] = ["setup.py", "conftest.py", "__init__.py", "noxfile.py", "tasks.py"];

/// The scripts of a directory that do something when they are run, the likeliest start first; and remarks on those
/// that could not be read.
pub(super) fn find(directory: &Path) -> Result<(Vec<Source>, Vec<ScaffoldError>), ScaffoldError> {
    let names = python_files(directory)?;
    let mut problems = Vec::new();
    let mut sources = Vec::new();
    for name in names {
        match Source::read(directory, &name) {
            Ok(source) => sources.push(source),
            Err(error) => problems.push(error),
        }
    }
    let imported: Vec<String> = sources
        .iter()
        .flat_map(imports::of)
        .map(|import| format!("{}.py", import.top()))
        .collect();
    let is_script = |source: &Source| {
        has_main_guard(source) || !imported.contains(&source.path) && does_something(source)
    };
    if sources.iter().any(is_script) {
        sources.retain(is_script);
    } else {
        // Files that only define something: one with the name of a start is meant as one.
        sources.retain(|source| FIRST.contains(&source.path.as_str()));
    }
    Ok((sources, problems))
}

/// A directory whose work is somewhere else than in its own Python scripts does not get a sample beside it.
///
/// # Errors
/// It has scripts in its folders, scripts for a shell or R, or notebooks.
pub(super) fn refuse_others(directory: &Path) -> Result<(), ScaffoldError> {
    let scripts = Project::load(directory)
        .map(|project| project.scripts())
        .unwrap_or_default();
    let is_work = |script: &String| {
        let name = script.rsplit('/').next().unwrap_or(script);
        !NEVER.contains(&name) && !is_test(name)
    };
    let scripts: Vec<String> = scripts.into_iter().filter(is_work).collect();
    let refused = |hint: String| {
        let message = format!(
            "'{}' itself has no Python script that could be run",
            directory.display()
        );
        Err(ScaffoldError::new(message, hint))
    };
    if let Some(first) = scripts.first() {
        let others = match scripts.len() {
            1 => String::new(),
            count => format!(" (it has {})", quantity::counted(count as u64 - 1, "more script")),
        };
        return refused(format!(
            "name the script that starts the work: --from {}{others}",
            quote(first)
        ));
    }
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    match names.find(|name| name.ends_with(".ipynb")) {
        Some(notebook) => refused(format!(
            "make a script of the notebook: jupyter nbconvert --to script {}",
            quote(&notebook)
        )),
        None => Ok(()),
    }
}

fn is_test(name: &str) -> bool {
    name.starts_with("test_") || name.ends_with("_test.py")
}

/// The names of the directory's own Python files, in their order.
fn python_files(directory: &Path) -> Result<Vec<String>, ScaffoldError> {
    let cannot_read = |error| {
        ScaffoldError::new(format!("cannot read the directory '{}'", directory.display()), "")
            .caused_by(error)
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(cannot_read)? {
        let Ok(name) = entry.map_err(cannot_read)?.file_name().into_string() else {
            continue;
        };
        let is_python = name.ends_with(".py") && !name.starts_with('.');
        if is_python && !is_test(&name) && !NEVER.contains(&name.as_str()) && directory.join(&name).is_file()
        {
            names.push(name);
        }
    }
    names.sort_by_key(|name| {
        let place = FIRST.iter().position(|first| first == name);
        (place.unwrap_or(FIRST.len()), name.clone())
    });
    Ok(names)
}

/// `if __name__ == "__main__":`
fn has_main_guard(source: &Source) -> bool {
    source.statements().into_iter().any(|statement| {
        let condition = statement.child_by_field_name("condition");
        statement.kind() == "if_statement"
            && condition.is_some_and(|condition| {
                let text = source.text(condition);
                text.contains("__name__") && text.contains("__main__")
            })
    })
}

/// Whether the module itself does more than define: calls something for its effect, loops, opens files.
fn does_something(source: &Source) -> bool {
    source
        .statements()
        .into_iter()
        .any(|statement| match statement.kind() {
            "for_statement" | "while_statement" | "with_statement" | "print_statement" => true,
            "expression_statement" => children(statement)
                .first()
                .is_some_and(|expression| ["call", "await"].contains(&expression.kind())),
            _ => false,
        })
}

/// The scripts that were asked for: those in Python, which are read, and others.
pub(super) fn named(
    directory: &Path,
    scripts: &[PathBuf],
) -> Result<(Vec<Source>, Vec<String>), ScaffoldError> {
    let (mut sources, mut others): (Vec<Source>, Vec<String>) = Default::default();
    for script in scripts {
        let path = path_below(directory, script)?;
        let extension = Path::new(&path).extension().and_then(std::ffi::OsStr::to_str);
        let is_known = sources.iter().any(|source| source.path == path) || others.contains(&path);
        match extension {
            _ if is_known => {}
            Some("py") => sources.push(Source::read(directory, &path)?),
            Some("sh" | "R") => others.push(path),
            _ => {
                return Err(ScaffoldError::new(
                    format!(
                        "'{}' is not a script that can be an entry point",
                        script.display()
                    ),
                    "name a .py, .sh or .R file; of a notebook, `jupyter nbconvert --to script` makes one",
                ));
            }
        }
    }
    Ok((sources, others))
}

/// The path of a script below the project's directory.
fn path_below(directory: &Path, script: &Path) -> Result<String, ScaffoldError> {
    let in_project = directory.join(script);
    let is_plain = script
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if let Some(path) = script.to_str().filter(|_| is_plain && in_project.is_file()) {
        return Ok(path.trim_start_matches("./").to_owned());
    }
    let file = if in_project.is_file() {
        in_project
    } else {
        script.to_owned()
    };
    if !file.is_file() {
        let what = if file.is_dir() {
            "is a directory"
        } else {
            "does not exist"
        };
        let (near, place) = (find(directory).ok(), directory.display());
        let names: Vec<String> = near
            .into_iter()
            .flat_map(|(sources, _)| sources)
            .map(|source| source.path)
            .collect();
        let typed = script.to_string_lossy();
        let hint = match nearest(&typed, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean '{near}'?"),
            None if names.is_empty() => {
                format!("'{place}' has no Python scripts; without --from, init writes one")
            }
            None => format!("'{place}' has: {}", names.join(", ")),
        };
        return Err(ScaffoldError::new(
            format!("the script '{}' {what}", script.display()),
            hint,
        ));
    }
    let real = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    let below = real(&file).ok().zip(real(directory).ok());
    let below =
        below.and_then(|(file, directory)| Some(file.strip_prefix(directory).ok()?.to_str()?.to_owned()));
    below.ok_or_else(|| {
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        ScaffoldError::new(
            format!(
                "the script '{}' is not in the project's directory '{}'",
                script.display(),
                directory.display()
            ),
            format!(
                "make the project where the script is: mlrun init {} --from {}",
                shell(parent.unwrap_or(Path::new("."))),
                shell(Path::new(file.file_name().unwrap_or_default()))
            ),
        )
    })
}

/// A path as one types it in a shell.
pub(super) fn shell(path: &Path) -> String {
    quote(&path.to_string_lossy()).into_owned()
}
