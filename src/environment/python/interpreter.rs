//! Finding a Python of the asked version: on PATH, then uv's, then pyenv's; then one that uv or pyenv
//! gets.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::probe::{self, Interpreter, KnownVersion};
use super::version::Version;
use crate::environment::EnvironmentError;
use crate::events::Progress;
use crate::process::{ProgramCall, program_on_path, programs_on_path};

/// What is asked for where nothing asks for a version and PATH has no Python either.
const ANY: &str = "3";

/// The version that an environment gets whose file names none: that of the Python on PATH, as
/// `mlflow run` takes the Python that it runs in.
pub(super) async fn default_version() -> Result<(String, Option<KnownVersion>), EnvironmentError> {
    for name in ["python3", "python"] {
        for program in programs_on_path(name) {
            if let Some(known) = probe::version_of(&program).await? {
                return Ok((known.version.to_string(), Some(known)));
            }
        }
    }
    Ok((ANY.to_owned(), None))
}

/// Finds or gets a Python of this version that can make virtual environments.
///
/// # Errors
/// There is none, and there is no way to get it.
pub(super) async fn find(asked: &str, progress: &dyn Progress) -> Result<Interpreter, EnvironmentError> {
    let version = Version::parse(asked);
    let mut tried = Vec::new();
    if let Some(version) = &version
        && let Some(found) = on_path(version, &mut tried).await?
    {
        return Ok(found);
    }
    let uv = program_on_path("uv");
    let pyenv = program_on_path("pyenv");
    if let Some(uv) = &uv
        && let Some(found) = of_uv(uv, asked, &mut tried).await?
    {
        return Ok(found);
    }
    if let Some((pyenv, version)) = pyenv.as_ref().zip(version.as_ref())
        && let Some(found) = of_pyenv(pyenv, version, &mut tried).await?
    {
        return Ok(found);
    }
    if let Some(uv) = &uv {
        progress.info(&format!("Installing Python {asked} with uv"));
        let call = ProgramCall::new(uv).arguments(["python", "install", asked]);
        match call.stream(&mut |line| progress.program_line(line)).await {
            Ok(()) => {
                if let Some(found) = of_uv(uv, asked, &mut tried).await? {
                    return Ok(found);
                }
            }
            Err(error) => tried.push(format!("uv cannot install it: {error}")),
        }
    } else {
        tried.push("uv is not installed".to_owned());
    }
    if let Some((pyenv, version)) = pyenv.as_ref().zip(version.as_ref()) {
        match install_with_pyenv(pyenv, version, progress).await {
            Ok(()) => {
                if let Some(found) = of_pyenv(pyenv, version, &mut tried).await? {
                    return Ok(found);
                }
            }
            Err(reason) => tried.push(format!("pyenv cannot install it: {reason}")),
        }
    } else if pyenv.is_none() {
        tried.push("pyenv is not installed".to_owned());
    }
    Err(EnvironmentError::NoPython {
        version: asked.to_owned(),
        tried,
    })
}

async fn on_path(asked: &Version, tried: &mut Vec<String>) -> Result<Option<Interpreter>, EnvironmentError> {
    let mut seen = HashSet::new();
    for name in asked.program_names() {
        for program in programs_on_path(&name) {
            if !seen.insert(program.canonicalize().unwrap_or_else(|_| program.clone())) {
                continue;
            }
            if let Some(found) = usable(&program, asked, tried).await? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// The interpreter, if it is of the asked version and complete; why not is noted.
async fn usable(
    program: &Path,
    asked: &Version,
    tried: &mut Vec<String>,
) -> Result<Option<Interpreter>, EnvironmentError> {
    let Some(found) = probe::ask(program).await? else {
        return Ok(None);
    };
    if !found.version.is_meant_by(asked) {
        tried.push(format!("{} is {}", program.display(), found.version));
        return Ok(None);
    }
    if !found.has_venv {
        tried.push(format!(
            "{} is {}, but has no venv or ensurepip module (Debian keeps them in the package python3-venv)",
            program.display(),
            found.version
        ));
        return Ok(None);
    }
    Ok(Some(found))
}

async fn of_uv(
    uv: &Path,
    asked: &str,
    tried: &mut Vec<String>,
) -> Result<Option<Interpreter>, EnvironmentError> {
    let call = ProgramCall::new(uv)
        .arguments(["python", "find", asked])
        .variable("UV_PYTHON_DOWNLOADS", "never");
    let Ok(answer) = call.capture().await else {
        return Ok(None);
    };
    let program = PathBuf::from(answer.text().trim());
    let Some(found) = probe::ask(&program).await? else {
        return Ok(None);
    };
    if found.has_venv {
        return Ok(Some(found));
    }
    tried.push(format!("{} has no venv or ensurepip module", program.display()));
    Ok(None)
}

/// The newest of the versions that pyenv has installed.
async fn of_pyenv(
    pyenv: &Path,
    asked: &Version,
    tried: &mut Vec<String>,
) -> Result<Option<Interpreter>, EnvironmentError> {
    let Ok(root) = ProgramCall::new(pyenv).argument("root").capture().await else {
        return Ok(None);
    };
    let versions = Path::new(root.text().trim()).join("versions");
    let mut installed: Vec<Version> = std::fs::read_dir(&versions)
        .into_iter()
        .flatten()
        .filter_map(|entry| Version::parse(entry.ok()?.file_name().to_str()?))
        .filter(|version| version.is_meant_by(asked))
        .collect();
    installed.sort();
    for version in installed.iter().rev() {
        let program = versions.join(version.to_string()).join("bin/python");
        if let Some(found) = usable(&program, asked, tried).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

async fn install_with_pyenv(pyenv: &Path, asked: &Version, progress: &dyn Progress) -> Result<(), String> {
    let as_text = |error: crate::process::ProcessError| error.to_string();
    let version = if asked.is_whole() {
        asked.clone()
    } else {
        let list = ProgramCall::new(pyenv)
            .arguments(["install", "--list"])
            .capture()
            .await
            .map_err(as_text)?;
        list.text()
            .lines()
            .filter_map(|line| Version::parse(line.trim()))
            .filter(|version| version.is_whole() && version.is_meant_by(asked))
            .max()
            .ok_or_else(|| format!("it knows no version {asked}"))?
    };
    progress.info(&format!("Installing Python {version} with pyenv"));
    ProgramCall::new(pyenv)
        .arguments(["install", "--skip-existing", &version.to_string()])
        .stream(&mut |line| progress.program_line(line))
        .await
        .map_err(as_text)
}
