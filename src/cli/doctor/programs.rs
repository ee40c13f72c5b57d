//! The programs that mlrun starts for those who need them.

use std::path::{Path, PathBuf};

use futures_util::future::{BoxFuture, FutureExt as _, join_all};

use super::check::{Check, PATIENCE, State, bounded};
use crate::backend;
use crate::cli::report::Failure;
use crate::cli::version;
use crate::env_vars;
use crate::environment::{self, Engine, PythonOnPath};
use crate::process::{ProgramCall, program_on_path};

/// This program, and whether `mlflow` starts it.
pub(super) fn own() -> Vec<Check> {
    let commit = version::short_commit().map(|(commit, date)| format!(" ({commit}, {date})"));
    let program = std::env::current_exe()
        .and_then(|program| program.canonicalize())
        .ok();
    let place = program.as_ref().map(|program| format!(", {}", program.display()));
    let detail = [
        version::VERSION.to_owned(),
        commit.unwrap_or_default(),
        place.unwrap_or_default(),
    ]
    .concat();
    let mlflow = match program_on_path("mlflow") {
        None => Check::missing(
            "mlflow",
            "not on PATH; a link called mlflow to mlrun takes `mlflow run` over",
        ),
        Some(mlflow) => {
            let is_own = program.is_some() && mlflow.canonicalize().ok() == program;
            let what = if is_own { "a link to mlrun" } else { "not mlrun" };
            Check::ok("mlflow", format!("{} ({what})", mlflow.display()))
        }
    };
    vec![Check::ok("mlrun", detail), mlflow]
}

/// The Pythons on PATH.
pub(super) async fn pythons() -> Vec<Check> {
    let found = environment::pythons_on_path().await;
    if found.is_empty() {
        let hint = "install Python 3, or uv (https://docs.astral.sh/uv), which mlrun then uses to get it";
        return vec![Check::missing("python", "none on PATH").with_hint(hint.to_owned())];
    }
    let (found, silent): (Vec<_>, Vec<_>) = found.into_iter().partition(|python| python.version.is_some());
    let mut checks: Vec<Check> = found.into_iter().map(python).collect();
    if !silent.is_empty() {
        let is_of_pyenv = silent
            .iter()
            .all(|python| python.program.to_string_lossy().contains("/shims/"));
        let programs: Vec<String> = silent
            .iter()
            .map(|python| python.program.display().to_string())
            .collect();
        let detail = format!("{}: no answer as of a Python 3", programs.join(", "));
        let hint =
            is_of_pyenv.then(|| "choose a version that pyenv has installed: pyenv global 3.12".to_owned());
        checks.push(Check::problem("python", detail).with_hint(hint));
    }
    checks
}

fn python(found: PythonOnPath) -> Check {
    let program = found.program.display();
    let version = found.version.unwrap_or_default();
    let lack = if found.has_venv {
        ""
    } else {
        ", without venv or ensurepip (on Debian: apt install python3-venv)"
    };
    Check::ok("python", format!("{version}, {program}{lack}"))
}

/// All other programs, asked at the same time.
pub(super) async fn others() -> Vec<Check> {
    let checks: Vec<(&str, BoxFuture<'_, Check>)> = vec![
        (
            "uv",
            on_path(
                "uv",
                &["--version"],
                "makes Python environments quickly, and gets Pythons",
            )
            .boxed(),
        ),
        (
            "pyenv",
            on_path("pyenv", &["--version"], "builds Pythons that are not installed").boxed(),
        ),
        ("conda", conda().boxed()),
        (
            "git",
            on_path("git", &["--version"], "fetches projects by SSH or with LFS").boxed(),
        ),
        (
            "git-lfs",
            on_path("git-lfs", &["version"], "fetches large files of Git projects").boxed(),
        ),
        ("docker", docker().boxed()),
        ("kubernetes", kubernetes().boxed()),
        (
            "slurm",
            on_path("sbatch", &["--version"], "submits jobs to Slurm").boxed(),
        ),
    ];
    let checks = checks.into_iter().map(|(name, check)| async move {
        let check = bounded(name, PATIENCE, check).await;
        Check {
            name: name.to_owned(),
            ..check
        }
    });
    join_all(checks).await
}

async fn on_path(name: &str, arguments: &[&str], purpose: &str) -> Check {
    match program_on_path(name) {
        Some(program) => answering(name, &program, arguments).await,
        None => Check::missing(name, format!("not on PATH; {name} {purpose}")),
    }
}

/// What the program says about its version.
async fn answering(name: &str, program: &Path, arguments: &[&str]) -> Check {
    let call = ProgramCall::new(program).arguments(arguments.iter().copied());
    match call.capture().await {
        Ok(answer) => {
            let version = first_version(&answer.text()).unwrap_or_else(|| "of an unknown version".to_owned());
            Check::ok(name, format!("{version}, {}", program.display()))
        }
        Err(error) => Check::failed(name, error).in_short(),
    }
}

/// The first word that begins with a digit: `2.39.5` of `git version 2.39.5`, `3.3.0` of `git-lfs/3.3.0`.
fn first_version(text: &str) -> Option<String> {
    let words = text.split(|letter: char| letter.is_whitespace() || "/,()".contains(letter));
    let mut versions =
        words.filter(|word| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.'));
    versions.next().map(str::to_owned)
}

async fn conda() -> Check {
    match environment::conda_program() {
        Ok(program) => {
            let check = answering("conda", &program, &["--version"]).await;
            let file = program.file_name().unwrap_or_default();
            match check.state {
                State::Ok if file != "conda" => Check {
                    detail: format!("{} {}", file.display(), check.detail),
                    ..check
                },
                _ => check,
            }
        }
        // One that a variable names must be there.
        Err(error) if names_conda() => Check::failed("conda", error),
        Err(_) => Check::missing(
            "conda",
            "none of conda, mamba and micromamba is on PATH; they make conda environments",
        ),
    }
}

fn names_conda() -> bool {
    [
        env_vars::MLFLOW_CONDA_HOME,
        env_vars::CONDA_EXE,
        env_vars::MLFLOW_CONDA_CREATE_ENV_CMD,
    ]
    .into_iter()
    .any(|name| env_vars::non_empty(name).is_some())
}

async fn docker() -> Check {
    let engine = match Engine::find() {
        Ok(engine) => engine,
        Err(error) if env_vars::non_empty(env_vars::MLRUN_DOCKER_CMD).is_some() => {
            return Check::failed("docker", environment::EnvironmentError::from(error));
        }
        Err(_) => {
            return Check::missing(
                "docker",
                "none of docker, podman and nerdctl is on PATH; they run Docker projects",
            );
        }
    };
    let program = engine.program();
    let place = program_on_path(program).unwrap_or_else(|| PathBuf::from(program));
    match engine.call(["version"]).capture().await {
        Ok(answer) => {
            let text = answer.text();
            let server = text.split_once("Server").map_or(&*text, |(_, server)| server);
            let version = server
                .lines()
                .find_map(|line| line.trim().strip_prefix("Version:"));
            let version = version.map_or("of an unknown version", str::trim);
            Check::ok(
                "docker",
                format!("{version}, {}, its daemon answers", place.display()),
            )
        }
        Err(error) => Check::failed("docker", error).in_short().with_hint(format!(
            "start the daemon, or get access to it; `{program} version` must succeed"
        )),
    }
}

async fn kubernetes() -> Check {
    let home = env_vars::non_empty(env_vars::HOME).map(|home| Path::new(&home).join(".kube/config"));
    let is_named = [env_vars::KUBECONFIG, env_vars::KUBERNETES_SERVICE_HOST]
        .into_iter()
        .any(|name| env_vars::non_empty(name).is_some());
    if !is_named && !home.is_some_and(|file| file.exists()) {
        return Check::missing("kubernetes", "no kubeconfig; the backend kubernetes needs one");
    }
    // A program that the kubeconfig names for credentials is waited for without a pause for others.
    let runtime = tokio::runtime::Handle::current();
    let look = tokio::task::spawn_blocking(move || runtime.block_on(backend::look_at_cluster()));
    match look.await {
        Ok(Ok(cluster)) => Check::ok("kubernetes", cluster),
        Ok(Err(error)) => Check::failed("kubernetes", Failure::from(error)),
        Err(_) => Check::problem("kubernetes", "the check itself failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_answers() {
        for (text, expected) in [
            ("uv 0.8.22 (ade2bdbd2 2025-09-23)", Some("0.8.22")),
            ("git version 2.39.5", Some("2.39.5")),
            ("git-lfs/3.3.0 (GitHub; linux amd64; go 1.19.8)", Some("3.3.0")),
            ("slurm-wlm 22.05.8", Some("22.05.8")),
            ("1.5.8\n", Some("1.5.8")),
            ("", None),
        ] {
            assert_eq!(first_version(text).as_deref(), expected, "{text}");
        }
    }
}
