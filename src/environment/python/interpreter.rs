//! Finding a Python of the asked version: on PATH, then uv's, then pyenv's; then one that uv or pyenv
//! gets.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::probe::{self, Interpreter, KnownVersion};
use super::version::{PythonRequest, Version};
use crate::env_vars::{self, UV_MANAGED_PYTHON, UV_OFFLINE, UV_PYTHON_DOWNLOADS, UV_PYTHON_PREFERENCE};
use crate::environment::cache::BuildCalls;
use crate::environment::{EnvManager, EnvironmentError};
use crate::process::{ProcessError, ProgramCall, program_on_path, programs_on_path};

/// Noted if a search for a Python could have used uv.
const NO_UV: &str = "uv is not installed";
/// How long a Python may take to say what it is, where it is only listed.
const PATIENCE: Duration = Duration::from_millis(1500);
/// The version to look for if none is requested and PATH has no Python.
const ANY: &str = "3";

pub(in crate::environment) fn uv_is_installed() -> bool {
    program_on_path("uv").is_some()
}

/// Whether uv was told to take none but the Pythons that it has installed itself.
pub(super) fn uv_wants_its_own() -> bool {
    is_set(UV_MANAGED_PYTHON)
        || env_vars::non_empty(UV_PYTHON_PREFERENCE).is_some_and(|preference| preference == "only-managed")
}

fn is_set(name: &str) -> bool {
    env_vars::non_empty(name).is_some_and(|value| value != "0" && value != "false")
}

/// The version that an environment gets whose file names none: that of the Python on PATH, as
/// `mlflow run` takes the Python that it runs in.
pub(in crate::environment) async fn default_version()
-> Result<(String, Option<KnownVersion>), EnvironmentError> {
    for name in ["python3", "python"] {
        for program in programs_on_path(name) {
            if let Some(known) = probe::version_of(&program).await? {
                return Ok((known.version.to_string(), Some(known)));
            }
        }
    }
    Ok((ANY.to_owned(), None))
}

/// A Python that PATH leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PythonOnPath {
    pub(crate) program: PathBuf,
    /// Nothing where it does not answer.
    pub(crate) version: Option<String>,
    /// Whether it can make virtual environments by itself.
    pub(crate) has_venv: bool,
}

/// The Pythons on PATH, each once, asked at the same time.
pub(in crate::environment) async fn on_path() -> Vec<PythonOnPath> {
    let any = PythonRequest::any();
    let mut seen = HashSet::new();
    let programs = any.program_names().into_iter();
    let programs = programs
        .flat_map(|name| programs_on_path(&name))
        .filter(|program| is_plain_shim(program) != Some(false))
        .filter(|program| seen.insert(program.canonicalize().unwrap_or_else(|_| program.clone())));
    let asked = programs.map(|program| async {
        let answer = timeout(PATIENCE, probe::ask(&program)).await;
        (program, answer.ok().and_then(Result::ok).flatten())
    });
    // Other names of an interpreter, such as those of pyenv, are not another one.
    let mut interpreters = HashSet::new();
    let answers = join_all(asked).await.into_iter();
    answers
        .filter(|(_, found)| {
            found
                .as_ref()
                .is_none_or(|found| interpreters.insert(found.path.clone()))
        })
        .map(|(program, found)| PythonOnPath {
            version: found.as_ref().map(|found| found.version.to_string()),
            has_venv: found.is_some_and(|found| found.has_venv),
            program,
        })
        .collect()
}

/// Of a program in pyenv's directory of shims: whether its name has no version. The others lead to the same
/// interpreters or to none, and each takes long to say so.
fn is_plain_shim(program: &Path) -> Option<bool> {
    let is_shim = program.parent()?.ends_with("shims");
    is_shim.then(|| program.ends_with("python3") || program.ends_with("python"))
}

/// A Python for an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FoundPython {
    Here(Interpreter),
    /// uv or pyenv know it and can get it.
    CanBeInstalled,
}

/// Finds a Python for an environment that `manager` makes. Changes nothing and needs no network.
pub(super) async fn find(
    request: &PythonRequest,
    manager: EnvManager,
) -> Result<FoundPython, EnvironmentError> {
    let is_by_uv = manager == EnvManager::Uv;
    // uv brings its own.
    let mut search = Search::new(request, !is_by_uv);
    // Which of several uv takes is for uv to say; else what PATH leads to comes first.
    let takes_others = !(is_by_uv && uv_wants_its_own());
    let mut found = None;
    if is_by_uv {
        found = search.of_uv().await?;
    }
    if found.is_none() && takes_others {
        found = search.on_path().await?;
    }
    if found.is_none() && !is_by_uv {
        found = search.of_uv().await?;
    }
    if found.is_none() && takes_others {
        found = search.of_pyenv().await?;
    }
    if let Some(interpreter) = found {
        return Ok(FoundPython::Here(interpreter));
    }
    // Both are asked: what each says is shown.
    let by_uv = search.can_uv_install().await;
    // uv takes a Python that it can run; it asks no pyenv for one.
    let by_pyenv = !is_by_uv && search.can_pyenv_install().await;
    if by_uv || by_pyenv {
        return Ok(FoundPython::CanBeInstalled);
    }
    Err(no_python(&request.to_string(), &search.tried))
}

/// The error if there is no Python of the requested version; `tried` says what was found instead, and what is
/// missing.
pub(super) fn no_python(version: &str, tried: &[String]) -> EnvironmentError {
    let lines = tried
        .iter()
        .map(|line| format!("\n  {}", line.replace('\n', "\n  ")));
    let lines: String = lines.collect();
    let way_out = if tried.iter().any(|line| line == NO_UV) {
        "or install uv (https://docs.astral.sh/uv) or pyenv (https://github.com/pyenv/pyenv): mlrun then \
         downloads it"
    } else {
        "or change the version in the environment file"
    };
    EnvironmentError::new(
        format!("Python {version} not found{lines}"),
        format!("install Python {version} and put it on PATH, {way_out}"),
    )
}

/// Gets a Python that is not there, by uv, else by pyenv.
pub(super) async fn install(
    request: &PythonRequest,
    calls: &BuildCalls<'_>,
) -> Result<Interpreter, EnvironmentError> {
    let mut search = Search::new(request, true);
    if let Some(uv) = &search.uv {
        calls.output.step(
            &format!("downloading Python {request}"),
            &format!("Installing Python {request} with uv"),
        );
        let call = ProgramCall::new(uv).arguments(["python", "install", &request.for_programs()]);
        match calls.run(call).await {
            Ok(()) => {
                if let Some(found) = search.of_uv().await? {
                    return Ok(found);
                }
            }
            Err(error) => search.tried.push(format!("uv cannot install it: {error}")),
        }
    } else {
        search.tried.push(NO_UV.to_owned());
    }
    match search.install_with_pyenv(calls).await {
        Ok(()) => {
            if let Some(found) = search.of_pyenv().await? {
                return Ok(found);
            }
        }
        Err(reason) => search.tried.push(reason),
    }
    Err(no_python(&request.to_string(), &search.tried))
}

/// A search for a Python, with what it has met so far.
struct Search<'a> {
    request: &'a PythonRequest,
    /// Whether it must be able to make virtual environments.
    needs_venv: bool,
    uv: Option<PathBuf>,
    pyenv: Option<PathBuf>,
    /// What was found instead, and what is not there.
    tried: Vec<String>,
}

impl<'a> Search<'a> {
    fn new(request: &'a PythonRequest, needs_venv: bool) -> Self {
        Self {
            request,
            needs_venv,
            uv: program_on_path("uv"),
            pyenv: program_on_path("pyenv"),
            tried: Vec::new(),
        }
    }

    async fn on_path(&mut self) -> Result<Option<Interpreter>, EnvironmentError> {
        let mut seen = HashSet::new();
        for name in self.request.program_names() {
            for program in programs_on_path(&name) {
                if !seen.insert(program.canonicalize().unwrap_or_else(|_| program.clone())) {
                    continue;
                }
                if let Some(found) = self.usable(&program).await? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// The interpreter, if it is of the asked version and complete; why not is noted.
    async fn usable(&mut self, program: &Path) -> Result<Option<Interpreter>, EnvironmentError> {
        let Some(found) = probe::ask(program).await? else {
            return Ok(None);
        };
        if !self.request.allows(&found.version) {
            self.tried
                .push(format!("{} is {}", program.display(), found.version));
            return Ok(None);
        }
        Ok(self.complete(program, found))
    }

    /// The interpreter, unless it lacks what it needs.
    fn complete(&mut self, program: &Path, found: Interpreter) -> Option<Interpreter> {
        if found.has_venv || !self.needs_venv {
            return Some(found);
        }
        self.tried.push(format!(
            "{} is {}, but its venv or ensurepip module is missing (on Debian and Ubuntu, install python3-venv)",
            program.display(),
            found.version
        ));
        None
    }

    /// The one that uv finds, also without a network.
    async fn of_uv(&mut self) -> Result<Option<Interpreter>, EnvironmentError> {
        let Some(uv) = &self.uv else {
            return Ok(None);
        };
        let call = ProgramCall::new(uv)
            // Not that of a virtual environment, which may be gone tomorrow.
            .arguments(["python", "find", "--system", &self.request.for_programs()])
            .variable(UV_PYTHON_DOWNLOADS, "never");
        let Ok(answer) = call.capture().await else {
            return Ok(None);
        };
        let program = PathBuf::from(answer.text().trim());
        let found = probe::ask(&program).await?;
        Ok(found.and_then(|found| self.complete(&program, found)))
    }

    /// The newest of the versions that pyenv has installed.
    async fn of_pyenv(&mut self) -> Result<Option<Interpreter>, EnvironmentError> {
        let Some(pyenv) = &self.pyenv else {
            return Ok(None);
        };
        let Ok(root) = ProgramCall::new(pyenv).argument("root").capture().await else {
            return Ok(None);
        };
        let versions = Path::new(root.text().trim()).join("versions");
        let mut installed: Vec<Version> = std::fs::read_dir(&versions)
            .into_iter()
            .flatten()
            .filter_map(|entry| Version::parse(entry.ok()?.file_name().to_str()?))
            .filter(|version| self.request.allows(version))
            .collect();
        installed.sort();
        for version in installed.iter().rev() {
            let program = versions.join(version.to_string()).join("bin/python");
            if let Some(found) = self.usable(&program).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether uv knows where to get it. The list is part of uv.
    async fn can_uv_install(&mut self) -> bool {
        let Some(uv) = &self.uv else {
            self.tried.push(NO_UV.to_owned());
            return false;
        };
        let is_forbidden = env_vars::non_empty(UV_PYTHON_DOWNLOADS).is_some_and(|value| value == "never")
            || is_set(UV_OFFLINE);
        if is_forbidden {
            self.tried.push(format!(
                "uv is not allowed to download it ({UV_PYTHON_DOWNLOADS} or {UV_OFFLINE} is set)"
            ));
            return false;
        }
        let call = ProgramCall::new(uv).arguments([
            "python",
            "list",
            "--only-downloads",
            "--offline",
            &self.request.for_programs(),
        ]);
        match call.capture().await {
            Ok(list) if list.text().trim().is_empty() => {
                self.tried.push("uv cannot download this version".to_owned());
                false
            }
            // Older versions of uv have no such list: the installation will show it.
            _ => true,
        }
    }

    /// Whether pyenv knows how to build it.
    async fn can_pyenv_install(&mut self) -> bool {
        let problem = self.version_of_pyenv().await.err();
        self.tried.extend(problem.clone());
        problem.is_none()
    }

    /// pyenv, and the version that it would build.
    async fn version_of_pyenv(&self) -> Result<(&PathBuf, Version), String> {
        let pyenv = self.pyenv.as_ref().ok_or("pyenv is not installed")?;
        let list = ProgramCall::new(pyenv)
            .arguments(["install", "--list"])
            .capture()
            .await
            .map_err(pyenv_cannot)?;
        let newest = list
            .text()
            .lines()
            .filter_map(|line| Version::parse(line.trim()))
            .filter(|version| version.is_whole() && self.request.allows(version))
            .max();
        let version = newest.ok_or_else(|| format!("pyenv cannot build version {}", self.request))?;
        Ok((pyenv, version))
    }

    async fn install_with_pyenv(&self, calls: &BuildCalls<'_>) -> Result<(), String> {
        let (pyenv, version) = self.version_of_pyenv().await?;
        calls.output.step(
            &format!("downloading Python {version}"),
            &format!("Installing Python {version} with pyenv"),
        );
        let call = ProgramCall::new(pyenv).arguments(["install", "--skip-existing", &version.to_string()]);
        calls.run(call).await.map_err(pyenv_cannot)
    }
}

fn pyenv_cannot(error: ProcessError) -> String {
    format!("pyenv cannot install it: {error}")
}
