//! The rest of MLflow: mlrun called as `mlflow` hands the commands that it lacks over to the next `mlflow`
//! on `PATH`.

use std::collections::hash_map::DefaultHasher;
use std::ffi::{OsStr, OsString};
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::report::Failure;
use crate::env_vars;
use crate::process::programs_on_path;

/// The name under which mlrun stands in for MLflow.
pub(super) const NAME: &str = "mlflow";

/// The command that both have, and that mlrun is there for.
const RUN: &str = "run";

/// MLflow's other commands, of all versions since 1.0.
pub(super) const COMMANDS: [&str; 30] = [
    "agent",
    "ai-commands",
    "artifacts",
    "assistant",
    "autolog",
    "azureml",
    "crypto",
    "datasets",
    "db",
    "demo",
    "deployments",
    "doctor",
    "experiments",
    "gateway",
    "gc",
    "mcp",
    "migrate-filestore",
    "models",
    "pipelines",
    "recipes",
    "rfunc",
    "runs",
    "sagemaker",
    "scorers",
    "server",
    "sklearn",
    "skills",
    "traces",
    "ui",
    "prompts",
];

/// How many programs may hand a command line over to each other.
const DEEPEST: usize = 16;

/// Whether mlrun is called by this word to stand in for MLflow.
pub(super) fn is_name(program: &OsStr) -> bool {
    Path::new(program).file_name() == Some(OsStr::new(NAME))
}

/// Whether MLflow has this command and mlrun is not its replacement.
pub(super) fn has_command(name: &str) -> bool {
    COMMANDS.contains(&name)
}

/// What to do about a command of MLflow.
const INSTALL: &str = "install MLflow for its other commands: pip install mlflow";

/// The failure for a command of MLflow that was asked of mlrun under its own name.
pub(super) fn no_such_command(name: &str) -> Failure {
    let hint = if other_programs(&[]).is_empty() {
        INSTALL.to_owned()
    } else {
        format!("MLflow has it: mlflow {name} …")
    };
    Failure::usage(format!(
        "mlrun has no command '{name}': of MLflow's commands it has only `run`"
    ))
    .with_hint(hint)
}

/// Replaces this process by MLflow itself if that is who should carry the command line out. Returns if
/// mlrun should.
///
/// # Errors
/// There is no MLflow, or it cannot be started.
pub(super) fn hand_over(words: &[OsString], is_own: impl Fn(&str) -> bool) -> Result<(), Failure> {
    if !words.first().is_some_and(|program| is_name(program)) {
        return Ok(());
    }
    let command = command_of(&words[1..]);
    if command
        .as_deref()
        .is_some_and(|command| command == RUN || (is_own(command) && !has_command(command)))
    {
        return Ok(());
    }
    let trail = Trail::of(&words[1..]);
    let Some(program) = other_programs(&trail.programs)
        .into_iter()
        .next()
        .filter(|_| !trail.is_too_long())
    else {
        // Its own help and version are better than none.
        return match command {
            Some(command) if !is_own(&command) => Err(Failure::usage(format!(
                "cannot find MLflow for `mlflow {command}`: this `mlflow` is mlrun, which has only `run`, and no other \
                 one is on PATH"
            ))
            .with_hint(INSTALL)),
            _ => Ok(()),
        };
    };
    let error = Command::new(&program)
        .args(&words[1..])
        .env(env_vars::MLRUN_HANDED_OVER, trail.with(&program).to_variable())
        .exec();
    Err(Failure::caused_by(
        error,
        format!("cannot start {}", program.display()),
    ))
}

/// The first word that is not an option of `mlflow` itself. Nothing if there is none, or if it cannot be
/// told from the value of an option that mlrun does not know.
fn command_of(words: &[OsString]) -> Option<String> {
    let mut words = words.iter().map(|word| word.to_string_lossy());
    loop {
        let word = words.next()?;
        match word.as_ref() {
            "--env-file" => drop(words.next()),
            "--" => return words.next().map(String::from),
            option if option.starts_with("--env-file=") => {}
            option if option.starts_with('-') => return None,
            _ => return Some(word.into_owned()),
        }
    }
}

/// The programs called `mlflow` on `PATH` that are neither this one nor among those that were tried.
fn other_programs(tried: &[PathBuf]) -> Vec<PathBuf> {
    let identity = |path: &Path| {
        path.metadata()
            .ok()
            .map(|metadata| (metadata.dev(), metadata.ino()))
    };
    let own = std::env::current_exe().ok().and_then(|path| identity(&path));
    let mut programs = programs_on_path(NAME);
    programs.retain(|program| identity(program) != own && !tried.contains(program));
    programs
}

/// The programs that this command line was handed over to already. A wrapper on `PATH` may lead back
/// here.
#[derive(Debug, PartialEq, Eq)]
struct Trail {
    /// How often any command line was handed over on the way to this process.
    length: usize,
    /// Tells command lines apart.
    words: u64,
    programs: Vec<PathBuf>,
}

impl Trail {
    /// What the environment says about these words.
    fn of(words: &[OsString]) -> Self {
        let mut hasher = DefaultHasher::new();
        words.hash(&mut hasher);
        Self::read(
            &env_vars::non_empty(env_vars::MLRUN_HANDED_OVER).unwrap_or_default(),
            hasher.finish(),
        )
    }

    fn read(variable: &str, words: u64) -> Self {
        let mut parts = variable.split(':');
        let length = parts.next().and_then(|length| length.parse().ok()).unwrap_or(0);
        let is_same = parts.next().and_then(|words| words.parse().ok()) == Some(words);
        // MLflow itself may have started other command lines, which it has to be found for again.
        let programs = parts.filter(|_| is_same).map(PathBuf::from).collect();
        Self {
            length,
            words,
            programs,
        }
    }

    fn is_too_long(&self) -> bool {
        self.length >= DEEPEST
    }

    fn with(mut self, program: &Path) -> Self {
        self.length += 1;
        self.programs.push(program.to_owned());
        self
    }

    fn to_variable(&self) -> OsString {
        let mut text = OsString::from(format!("{}:{}", self.length, self.words));
        for program in &self.programs {
            text.push(":");
            text.push(program);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_found_behind_the_options_of_the_program() {
        for (line, expected) in [
            ("ui", Some("ui")),
            ("--env-file x ui --port 1", Some("ui")),
            ("--env-file=x run .", Some("run")),
            ("-- run .", Some("run")),
            ("--version", None),
            ("--new-option run ui", None),
            ("-h", None),
            ("", None),
        ] {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(command_of(&words).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_trail_belongs_to_one_command_line() {
        let first = Trail::read("", 7).with(Path::new("/a/mlflow"));
        let variable = first.to_variable().into_string().unwrap();
        assert_eq!(variable, "1:7:/a/mlflow");
        assert_eq!(Trail::read(&variable, 7), first);
        let other = Trail::read(&variable, 8);
        assert_eq!((other.length, other.programs.len()), (1, 0));
        assert!(Trail::read("16:7:/a/mlflow", 8).is_too_long());
    }
}
