//! What a new project is made of, and writing it.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::arguments::{Item, Kind, Parameter, Remark};
use super::command_line;
use super::environment::{self, Ingredients};
use super::error::ScaffoldError;
use super::imports::{self, Packages};
use super::mlproject::{self, NewEntryPoint};
use super::python::Source;
use super::request::{NewFile, ScaffoldRequest};
use super::scripts;
use crate::project::{FILE_NAME, find_file};

/// The script of a project that has none.
const SAMPLE: &str = r#""""A first script: replace it with your own work."""

import argparse

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float, default=0.5, help="a number from 0 to 1")
args = parser.parse_args()

# mlrun has created the run and recorded alpha.
with mlflow.start_run():
    score = 1 - (args.alpha - 0.3) ** 2
    mlflow.log_metric("score", score)
    print(f"score: {score:.3f}")
"#;
const SAMPLE_NAME: &str = "train.py";

/// A project that is to be written, or has been.
#[derive(Debug)]
pub(crate) struct Scaffold {
    pub(crate) directory: PathBuf,
    pub(crate) files: Vec<NewFile>,
    /// Files of the directory that the project uses as they are.
    pub(crate) uses: Vec<String>,
    /// The names of the entry points and of their scripts.
    pub(crate) entry_points: Vec<(String, String)>,
    /// The parameters that a run of the first entry point must be given.
    pub(crate) required: Vec<String>,
    /// What a person should know about lines of the scripts.
    pub(crate) remarks: Vec<Remark>,
    /// What a person should know about the rest.
    pub(crate) notes: Vec<String>,
    /// Scripts that Python itself will refuse, as it seems.
    pub(crate) warnings: Vec<String>,
    /// The image that must be built first.
    pub(crate) image: Option<String>,
    /// Whether uv must be named as the manager.
    pub(crate) needs_uv: bool,
}

impl Scaffold {
    /// Decides what the project is, and writes nothing.
    ///
    /// # Errors
    /// The directory has a project already, or something in it cannot be read.
    pub(crate) fn plan(request: &ScaffoldRequest) -> Result<Self, ScaffoldError> {
        let directory = &request.directory;
        refuse_existing(directory)?;
        let name = request.name.clone().unwrap_or_else(|| directory_name(directory));
        let Found {
            entry_points,
            packages,
            sample,
            warnings,
        } = Found::look(request)?;
        let environment = environment::decide(&Ingredients {
            directory,
            choice: request.choice,
            project: &name,
            packages: &packages,
            installed: request.installed_python.as_deref(),
        })?;
        let text = mlproject::text(&name, &environment.lines, &entry_points);
        let mut files = vec![NewFile::new(FILE_NAME, text)];
        files.extend(sample);
        files.extend(environment.files);
        let first = entry_points
            .first()
            .into_iter()
            .flat_map(NewEntryPoint::parameters);
        Ok(Self {
            directory: directory.clone(),
            files,
            uses: environment.uses,
            required: first
                .filter(|parameter| parameter.default.is_none())
                .map(|parameter| parameter.name.clone())
                .collect(),
            remarks: entry_points.iter().flat_map(remarks_of).collect(),
            notes: environment.notes,
            warnings,
            image: environment.image,
            needs_uv: environment.needs_uv,
            entry_points: entry_points
                .into_iter()
                .map(|point| (point.name, point.script))
                .collect(),
        })
    }

    /// Writes the files. None that is there is changed.
    ///
    /// # Errors
    /// A file is there already, or cannot be written. Those that were written before it are removed again.
    pub(crate) fn write(&self) -> Result<(), ScaffoldError> {
        let cannot_write = |path: &Path| {
            ScaffoldError::new(
                format!("cannot write '{}'", path.display()),
                "name a directory that you can write to",
            )
        };
        fs::create_dir_all(&self.directory)
            .map_err(|error| cannot_write(&self.directory).caused_by(error))?;
        let mut written = Vec::new();
        for file in &self.files {
            let path = self.directory.join(&file.name);
            let opened = OpenOptions::new().write(true).create_new(true).open(&path);
            let result = opened.and_then(|mut opened| {
                written.push(path.clone());
                opened.write_all(file.text.as_bytes())
            });
            if let Err(error) = result {
                for path in &written {
                    // What cannot be removed either is named by the error.
                    let _ = fs::remove_file(path);
                }
                return Err(cannot_write(&path).caused_by(error));
            }
        }
        Ok(())
    }
}

/// What the scripts say.
struct Found {
    entry_points: Vec<NewEntryPoint>,
    packages: Packages,
    /// The script of a project that has none.
    sample: Option<NewFile>,
    warnings: Vec<String>,
}

impl Found {
    fn look(request: &ScaffoldRequest) -> Result<Self, ScaffoldError> {
        let directory = &request.directory;
        let mut warnings = Vec::new();
        let (sources, others) = if !request.scripts.is_empty() {
            scripts::named(directory, &request.scripts)?
        } else if directory.is_dir() {
            let (sources, mut problems) = scripts::find(directory)?;
            if sources.is_empty() && !problems.is_empty() {
                return Err(problems.swap_remove(0));
            }
            warnings.extend(
                problems
                    .iter()
                    .map(|problem| format!("{}; it is left out", problem.with_cause())),
            );
            (sources, Vec::new())
        } else {
            Default::default()
        };
        if sources.is_empty() && others.is_empty() {
            scripts::refuse_others(directory)?;
            return Self::sample(directory, warnings);
        }
        let mut modules = Vec::new();
        let mut entry_points = Vec::new();
        for source in &sources {
            warnings.extend(syntax_warning(source));
            let local = imports::local_modules(directory, source);
            entry_points.push((source.path.clone(), command_line::read(source, &local)));
            modules.extend(local);
        }
        entry_points.extend(others.into_iter().map(|script| (script, Vec::new())));
        Ok(Self {
            entry_points: named(entry_points),
            packages: imports::packages(directory, sources.iter().chain(&modules)),
            sample: None,
            warnings,
        })
    }

    /// A script to begin with.
    fn sample(directory: &Path, warnings: Vec<String>) -> Result<Self, ScaffoldError> {
        if directory.join(SAMPLE_NAME).exists() {
            return Err(ScaffoldError::new(
                format!("'{SAMPLE_NAME}' is not a script that does something"),
                "name the script that starts the work with --from",
            ));
        }
        let alpha = Parameter {
            name: "alpha".to_owned(),
            option: Some("--alpha".to_owned()),
            kind: Kind::Float,
            default: Some("0.5".to_owned()),
            description: "a number from 0 to 1".to_owned(),
        };
        Ok(Self {
            entry_points: named(vec![(SAMPLE_NAME.to_owned(), vec![Item::Parameter(alpha)])]),
            packages: Packages {
                needed: vec!["mlflow".to_owned()],
                ..Packages::default()
            },
            sample: Some(NewFile::new(SAMPLE_NAME, SAMPLE)),
            warnings,
        })
    }
}

/// A project that is there already is left alone.
fn refuse_existing(directory: &Path) -> Result<(), ScaffoldError> {
    let metadata = match fs::metadata(directory) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(
                ScaffoldError::new(format!("cannot read '{}'", directory.display()), "").caused_by(error),
            );
        }
    };
    if !metadata.is_dir() {
        return Err(ScaffoldError::new(
            format!("'{}' is a file, not a directory", directory.display()),
            format!(
                "name the directory of the project, and the script with --from: mlrun init --from {}",
                crate::project::quote(&directory.to_string_lossy())
            ),
        ));
    }
    let found = find_file(directory).map_err(|error| {
        ScaffoldError::new(format!("cannot read the directory '{}'", directory.display()), "")
            .caused_by(error)
    })?;
    if let Some(file) = found.file {
        return Err(ScaffoldError::new(
            format!("'{}' exists already", file.display()),
            format!(
                "`mlrun lint {}` checks it; remove it to start anew",
                scripts::shell(directory)
            ),
        ));
    }
    match found.misnamed {
        Some(misnamed) => Err(ScaffoldError::new(
            format!("'{}' exists already", directory.join(&misnamed).display()),
            format!("rename it to {FILE_NAME}, or remove it to start anew"),
        )),
        None => Ok(()),
    }
}

fn directory_name(directory: &Path) -> String {
    let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let normal = absolute.canonicalize().unwrap_or(absolute);
    let name = normal.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "project".to_owned())
}

fn syntax_warning(source: &Source) -> Option<String> {
    let line = source.first_error()?;
    Some(format!(
        "{}:{line}: this is not valid Python; what init read of the file may be incomplete",
        source.path
    ))
}

/// Entry points with their names: the first is `main`, the others are called like their scripts.
fn named(scripts: Vec<(String, Vec<Item>)>) -> Vec<NewEntryPoint> {
    let mut entry_points: Vec<NewEntryPoint> = Vec::new();
    for (script, items) in scripts {
        let stem = Path::new(&script)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        let mut name = if entry_points.is_empty() { "main" } else { &*stem }.to_owned();
        if entry_points.iter().any(|other| other.name == name) {
            name = script.clone();
        }
        let items = without_repeated_names(items);
        entry_points.push(NewEntryPoint { name, script, items });
    }
    entry_points
}

/// Each name once: two options of one name, as those of two parsers, cannot both be a parameter.
fn without_repeated_names(items: Vec<Item>) -> Vec<Item> {
    let mut names = HashSet::new();
    let is_new = |item: &Item| match item {
        Item::Remark(_) => true,
        Item::Parameter(parameter) => names.insert(parameter.name.clone()),
    };
    items.into_iter().filter(is_new).collect()
}

fn remarks_of(entry_point: &NewEntryPoint) -> Vec<Remark> {
    let remarks = entry_point.items.iter().filter_map(|item| match item {
        Item::Remark(remark) => Some(remark.clone()),
        Item::Parameter(_) => None,
    });
    remarks.collect()
}
