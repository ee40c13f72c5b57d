//! The environment of a new project: by the files that the directory has, else by the imports of its scripts.

use std::path::Path;
use std::str::FromStr;

use pep440_rs::{Operator, Version, VersionSpecifiers};

use super::error::ScaffoldError;
use super::imports::Packages;
use super::mlproject::scalar;
use super::request::{EnvironmentChoice, NewFile};
use crate::project::quote;

/// The names that a conda environment file may have, the usual one first.
const CONDA_FILES: [&str; 4] = ["environment.yml", "environment.yaml", "conda.yaml", "conda.yml"];
const PYTHON_ENV: &str = "python_env.yaml";
const REQUIREMENTS: &str = "requirements.txt";
const PYPROJECT: &str = "pyproject.toml";
/// The Python of conda environments and images if nothing names another one.
const USUAL_PYTHON: &str = "3.12";

/// What the MLproject file says about the environment, and the files for it.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// Lines for the MLproject file.
    pub(super) lines: Vec<String>,
    pub(super) files: Vec<NewFile>,
    /// Files of the directory that are used as they are.
    pub(super) uses: Vec<String>,
    pub(super) notes: Vec<String>,
    /// The image that must be built first.
    pub(super) image: Option<String>,
    /// Whether uv must be named as the manager.
    pub(super) needs_uv: bool,
}

/// What the environment is made of.
pub(super) struct Ingredients<'a> {
    pub(super) directory: &'a Path,
    pub(super) choice: EnvironmentChoice,
    pub(super) project: &'a str,
    pub(super) packages: &'a Packages,
    /// The version of the Python on PATH.
    pub(super) installed: Option<&'a str>,
}

/// Where the packages come from.
enum Origin {
    /// A requirements file of the directory.
    Requirements,
    /// The list in pyproject.toml.
    Pyproject(Vec<String>),
    /// The project itself is a package.
    Package,
    Imports,
}

/// Decides about the environment.
///
/// # Errors
/// A file of the directory that decides about it cannot be read.
pub(super) fn decide(ingredients: &Ingredients<'_>) -> Result<Environment, ScaffoldError> {
    let directory = ingredients.directory;
    let has = |name: &str| directory.join(name).is_file();
    let conda_file = CONDA_FILES.into_iter().find(|name| has(name));
    let pyproject = Pyproject::read(directory)?;
    let mut environment = Environment {
        needs_uv: ingredients.choice == EnvironmentChoice::Uv,
        ..Environment::default()
    };
    let mut use_file = |key: &str, name: &str| {
        environment.lines.push(format!("{key}: {name}"));
        environment.uses.push(name.to_owned());
    };
    match ingredients.choice {
        EnvironmentChoice::ByFiles | EnvironmentChoice::Uv if has(PYTHON_ENV) => {
            use_file("python_env", PYTHON_ENV);
            return Ok(environment);
        }
        EnvironmentChoice::ByFiles | EnvironmentChoice::Uv | EnvironmentChoice::Conda
            if conda_file.is_some() =>
        {
            use_file("conda_env", conda_file.unwrap_or_default());
            return Ok(environment);
        }
        EnvironmentChoice::ByFiles | EnvironmentChoice::Uv if has("uv.lock") && pyproject.is_some() => {
            environment.uses.push("uv.lock".to_owned());
            environment.needs_uv = true;
            return Ok(environment);
        }
        _ => {}
    }
    let origin = match pyproject.as_ref() {
        _ if has(REQUIREMENTS) => Origin::Requirements,
        Some(pyproject) if pyproject.is_package => Origin::Package,
        Some(pyproject) if pyproject.has_project => Origin::Pyproject(pyproject.dependencies.clone()),
        _ => Origin::Imports,
    };
    match &origin {
        Origin::Requirements => environment.uses.push(REQUIREMENTS.to_owned()),
        Origin::Package => environment.uses.push(PYPROJECT.to_owned()),
        Origin::Pyproject(_) => environment.notes.push(format!(
            "the dependencies are a copy of those in {PYPROJECT}, which has no [build-system] to install them by"
        )),
        Origin::Imports => {}
    }
    let python = python_version(ingredients, pyproject.as_ref(), &mut environment.notes);
    match ingredients.choice {
        EnvironmentChoice::ByFiles | EnvironmentChoice::Uv => {
            environment.lines.push(format!("python_env: {PYTHON_ENV}"));
            let text = python_env(&origin, ingredients.packages, python.as_deref());
            environment.files.push(NewFile::new(PYTHON_ENV, text));
        }
        EnvironmentChoice::Conda => {
            environment.lines.push("conda_env: conda.yaml".to_owned());
            let text = conda(&origin, ingredients, python.as_deref());
            environment.files.push(NewFile::new("conda.yaml", text));
        }
        EnvironmentChoice::Docker => docker(&mut environment, &origin, ingredients, python.as_deref()),
    }
    Ok(environment)
}

/// The lines of a requirements file, and those that are only remarks.
fn requirements(origin: &Origin, packages: &Packages) -> (Vec<String>, Vec<String>) {
    match origin {
        Origin::Requirements => (vec![format!("-r {REQUIREMENTS}")], Vec::new()),
        Origin::Package => (vec![".".to_owned()], Vec::new()),
        Origin::Pyproject(dependencies) => (dependencies.clone(), Vec::new()),
        Origin::Imports => (packages.needed.clone(), packages.optional.clone()),
    }
}

/// The lines as items of a YAML list with this indentation.
fn items(origin: &Origin, packages: &Packages, indent: &str) -> String {
    let (lines, optional) = requirements(origin, packages);
    let lines = lines.iter().map(|line| format!("{indent}- {}\n", scalar(line)));
    let optional = optional
        .iter()
        .map(|line| format!("{indent}# - {line}  (the scripts only try to import it)\n"));
    lines.chain(optional).collect()
}

fn heading(origin: &Origin) -> &'static str {
    match origin {
        Origin::Imports => {
            "# The packages that the scripts import. Add versions to repeat runs exactly: numpy==2.1.3\n"
        }
        Origin::Pyproject(_) => "# The dependencies of pyproject.toml.\n",
        Origin::Requirements | Origin::Package => "",
    }
}

fn python_env(origin: &Origin, packages: &Packages, python: Option<&str>) -> String {
    let mut text = heading(origin).to_owned();
    if let Some(python) = python {
        text.push_str(&format!("python: \"{python}\"\n"));
    }
    text + &dependencies(&items(origin, packages, "  "))
}

fn dependencies(items: &str) -> String {
    if items.lines().any(|line| line.trim_start().starts_with('-')) {
        format!("dependencies:\n{items}")
    } else {
        format!("dependencies: []\n{items}")
    }
}

fn conda(origin: &Origin, ingredients: &Ingredients<'_>, python: Option<&str>) -> String {
    let mut text = heading(origin).to_owned();
    text.push_str(&format!(
        "name: {}\nchannels:\n  - conda-forge\ndependencies:\n",
        scalar(ingredients.project)
    ));
    let python = python.unwrap_or(USUAL_PYTHON);
    let is_exact = python.starts_with(|first: char| first.is_ascii_digit());
    let python = format!("{}{python}", if is_exact { "=" } else { "" });
    text.push_str(&format!("  - {}\n", scalar(&format!("python{python}"))));
    let items = items(origin, ingredients.packages, "      ");
    if !items.is_empty() {
        text.push_str(&format!("  - pip\n  - pip:\n{items}"));
    }
    text
}

fn docker(
    environment: &mut Environment,
    origin: &Origin,
    ingredients: &Ingredients<'_>,
    python: Option<&str>,
) {
    let directory = ingredients.directory;
    let base = format!(
        "python:{}-slim",
        python
            .and_then(minor_of)
            .unwrap_or_else(|| USUAL_PYTHON.to_owned())
    );
    let (lines, _) = requirements(origin, ingredients.packages);
    let has_file = directory.join("Dockerfile").is_file();
    let image = if has_file || !lines.is_empty() {
        image_name(ingredients.project)
    } else {
        base.clone()
    };
    environment
        .lines
        .push(format!("docker_env:\n  image: {}", scalar(&image)));
    if has_file {
        environment.uses.push("Dockerfile".to_owned());
        environment
            .uses
            .retain(|name| name != REQUIREMENTS && name != PYPROJECT);
    } else if !lines.is_empty() {
        let install = match origin {
            Origin::Requirements => {
                format!("COPY {REQUIREMENTS} .\nRUN pip install --no-cache-dir -r {REQUIREMENTS}\n")
            }
            Origin::Package => "COPY . .\nRUN pip install --no-cache-dir .\n".to_owned(),
            Origin::Pyproject(_) | Origin::Imports => {
                let words: Vec<_> = lines.iter().map(|line| quote(line)).collect();
                format!(
                    "RUN pip install --no-cache-dir \\\n    {}\n",
                    words.join(" \\\n    ")
                )
            }
        };
        let text = format!(
            "# The image has the packages; mlrun adds the project's files for each run.\nFROM {base}\nWORKDIR /install\n{install}"
        );
        environment.files.push(NewFile::new("Dockerfile", text));
    }
    environment.image = (has_file || !lines.is_empty()).then_some(image);
    if [PYTHON_ENV]
        .into_iter()
        .chain(CONDA_FILES)
        .any(|name| directory.join(name).is_file())
    {
        environment
            .notes
            .push("the environment file of the directory is not used: a Docker project has its packages in the image".to_owned());
    }
}

/// A name for an image: lower case, and only what such names may have. Not the project's own, which mlrun and MLflow
/// give to the image that they make of this one.
fn image_name(project: &str) -> String {
    let is_part = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let name: String = project
        .to_lowercase()
        .chars()
        .map(|letter| if is_part(letter) { letter } else { '-' })
        .collect();
    let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [] => "project-base".to_owned(),
        words => format!("{}-base", words.join("-")),
    }
}

/// The Python that the environment gets, as an environment file names it.
fn python_version(
    ingredients: &Ingredients<'_>,
    pyproject: Option<&Pyproject>,
    notes: &mut Vec<String>,
) -> Option<String> {
    let is_number = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_digit()) && Version::from_str(text).is_ok()
    };
    if let Ok(text) = std::fs::read_to_string(ingredients.directory.join(".python-version")) {
        let lines = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim());
        let named = lines
            .filter(|line| !line.is_empty())
            .map(|line| line.trim_start_matches("cpython-"))
            .next();
        match named {
            Some(version) if is_number(version) => return Some(version.to_owned()),
            Some(other) => notes.push(format!(
                ".python-version names '{}', which is not a version",
                other.escape_debug()
            )),
            None => {}
        }
    }
    let installed = ingredients.installed.filter(|version| is_number(version));
    let Some(required) = pyproject.and_then(|pyproject| pyproject.requires_python.as_deref()) else {
        return installed.and_then(minor_of);
    };
    let Ok(range) = VersionSpecifiers::from_str(required) else {
        notes.push(format!(
            "requires-python in {PYPROJECT} is '{}', which is not a range of versions",
            required.escape_debug()
        ));
        return installed.and_then(minor_of);
    };
    let fits = |version: &&str| Version::from_str(version).is_ok_and(|version| range.contains(&version));
    if let Some(installed) = installed.filter(fits) {
        return minor_of(installed);
    }
    let least = range.iter().find(|specifier| {
        matches!(
            specifier.operator(),
            Operator::GreaterThanEqual | Operator::TildeEqual | Operator::Equal | Operator::EqualStar
        )
    });
    least.and_then(|specifier| minor_of(&specifier.version().to_string()))
}

/// `3.12` of `3.12.4`.
fn minor_of(version: &str) -> Option<String> {
    let mut numbers = version
        .trim_start_matches(|letter: char| !letter.is_ascii_digit())
        .split('.');
    let (major, minor) = (numbers.next()?, numbers.next()?);
    let minor: String = minor.chars().take_while(char::is_ascii_digit).collect();
    (!minor.is_empty()).then(|| format!("{major}.{minor}"))
}

/// What a pyproject.toml says about a project's environment.
struct Pyproject {
    has_project: bool,
    is_package: bool,
    dependencies: Vec<String>,
    requires_python: Option<String>,
}

impl Pyproject {
    fn read(directory: &Path) -> Result<Option<Self>, ScaffoldError> {
        let cannot_read = || ScaffoldError::new(format!("cannot read '{PYPROJECT}'"), "");
        let text = match std::fs::read_to_string(directory.join(PYPROJECT)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot_read().caused_by(error)),
        };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            ScaffoldError::new(
                format!("{PYPROJECT}:{line}: {}", error.message()),
                "correct the file; `uv lock` reads it too",
            )
        })?;
        let project = table.get("project").and_then(toml::Value::as_table);
        let texts = |value: &toml::Value| {
            let items = value.as_array().into_iter().flatten();
            items
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        Ok(Some(Self {
            has_project: project.is_some_and(|project| project.contains_key("dependencies")),
            is_package: table.contains_key("build-system"),
            dependencies: project
                .and_then(|project| project.get("dependencies").map(texts))
                .unwrap_or_default(),
            requires_python: project
                .and_then(|project| project.get("requires-python")?.as_str())
                .map(str::to_owned),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_have_valid_names() {
        for (project, expected) in [
            ("wine", "wine-base"),
            ("My Project_2", "my-project-2-base"),
            ("é", "project-base"),
            ("", "project-base"),
        ] {
            assert_eq!(image_name(project), expected);
        }
    }

    #[test]
    fn versions_come_from_files_first() {
        for (file, pyproject, installed, expected) in [
            (None, None, Some("3.11.7"), Some("3.11")),
            (None, None, Some("3"), None),
            (None, None, None, None),
            (Some("3.10.4\n"), None, Some("3.11.7"), Some("3.10.4")),
            (Some("# comment\ncpython-3.9\n"), None, None, Some("3.9")),
            (Some("miniconda3-latest"), None, Some("3.11.7"), Some("3.11")),
            (None, Some(">=3.10"), Some("3.11.7"), Some("3.11")),
            (None, Some(">=3.12,<4"), Some("3.11.7"), Some("3.12")),
            (None, Some("==3.9.*"), Some("3.11.7"), Some("3.9")),
            (None, Some("three"), Some("3.11.7"), Some("3.11")),
        ] {
            let directory = tempfile::tempdir().unwrap();
            if let Some(text) = file {
                std::fs::write(directory.path().join(".python-version"), text).unwrap();
            }
            if let Some(range) = pyproject {
                let text = format!("[project]\nrequires-python = \"{range}\"\n");
                std::fs::write(directory.path().join(PYPROJECT), text).unwrap();
            }
            let ingredients = Ingredients {
                directory: directory.path(),
                choice: EnvironmentChoice::ByFiles,
                project: "x",
                packages: &Packages::default(),
                installed,
            };
            let pyproject = Pyproject::read(directory.path()).unwrap();
            let version = python_version(&ingredients, pyproject.as_ref(), &mut Vec::new());
            assert_eq!(version.as_deref(), expected, "{file:?} {installed:?}");
        }
    }
}
