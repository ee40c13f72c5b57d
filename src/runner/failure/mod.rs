//! Why an entry point on this machine may have failed, as far as that can be found out afterwards: what it writes goes
//! to the terminal and is not read.

mod command;
mod memory;
mod module;
mod program;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use self::command::simple_commands;
use self::memory::MemoryKills;
use super::CreatedRun;
use crate::backend::LaunchPlan;
use crate::environment::{EnvManager, PreparedEnv};
use crate::process::{ProgramCall, ProgramExit};
use crate::project::ProjectEnvironment;

/// How long the search may take: the run has ended.
const PATIENCE: Duration = Duration::from_secs(5);

/// Files that list packages and are not used by themselves.
const REQUIREMENTS: [&str; 2] = ["requirements.txt", "pyproject.toml"];

/// What is left to go by when an entry point has failed.
pub(super) struct Traces {
    /// The entry point's command, without what enters its environment.
    command: String,
    environment: PreparedEnv,
    directory: PathBuf,
    variables: Vec<(String, String)>,
    packages: Packages,
    /// The memory that `docker run` was told to give the container.
    container_memory: Option<String>,
    /// Whether the project's files are a copy, so that a change there is lost.
    is_copy: bool,
    kills: MemoryKills,
    /// The last lines that the entry point wrote to standard error, if they were kept.
    last_lines: String,
}

/// Where the entry point's packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Packages {
    /// From this machine, as the user asked for; the project may have an environment file.
    Machine { unused_file: Option<String> },
    /// From this file.
    File(String),
    /// There are none: the environment has only Python.
    None,
}

impl Traces {
    /// What will help if the entry point fails. `None` for one that runs elsewhere.
    pub(super) fn new(created: &CreatedRun, launch: &LaunchPlan) -> Option<Self> {
        let plan = &created.plan;
        if !plan.backend.runs_here() {
            return None;
        }
        let memory = plan.request.docker_args.iter();
        let memory = memory.filter(|(name, _)| name == "memory" || name == "m");
        Some(Self {
            command: launch.command.clone(),
            environment: launch.environment.clone(),
            directory: launch.directory.clone(),
            variables: launch.variables.clone(),
            packages: Packages::of(created),
            container_memory: memory.filter_map(|(_, value)| value.clone()).next_back(),
            is_copy: plan.work_dir.fetched().is_some(),
            kills: MemoryKills::so_far(),
            last_lines: String::new(),
        })
    }

    /// Reads the end of the file with what the entry point wrote to standard error.
    pub(super) fn read_errors(&mut self, file: &Path) -> io::Result<()> {
        const LAST: u64 = 64 * 1024;
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST)))?;
        let mut end = Vec::new();
        file.take(LAST).read_to_end(&mut end)?;
        self.last_lines = String::from_utf8_lossy(&end).into_owned();
        Ok(())
    }

    /// What the person may do about this end; `None` if nothing is known.
    pub(super) async fn hint(&self, exit: ProgramExit) -> Option<String> {
        let found = timeout(PATIENCE, self.find(exit)).await;
        found.ok().flatten()
    }

    async fn find(&self, exit: ProgramExit) -> Option<String> {
        const SIGKILL: ProgramExit = ProgramExit::Signal(9);
        if exit == SIGKILL || exit == ProgramExit::Code(137) {
            return Some(self.kills.hint(self.container_memory.as_deref()));
        }
        // What a container has and lacks cannot be seen from here.
        if self.environment.container.is_some() {
            return None;
        }
        match exit {
            ProgramExit::Code(code @ (126 | 127)) => Some(self.program_hint(code).await),
            ProgramExit::Code(2) if let Some(hint) = self.missing_script() => Some(hint),
            ProgramExit::Code(_) => match self.missing_module().await {
                Some(module) => Some(self.packages.hint_for(&module, self.requirements())),
                None => self.unused_requirements(),
            },
            ProgramExit::Signal(_) => None,
        }
    }

    /// The calls of programs in the entry point's command, as far as they can be told.
    fn calls(&self) -> Vec<Call> {
        let mut directory = self.directory.clone();
        let mut calls = Vec::new();
        for words in simple_commands(&self.command) {
            if words[0] != "cd" {
                let directory = directory.clone();
                calls.push(Call { words, directory });
                continue;
            }
            match words.as_slice() {
                [_, to] if is_literal(to) && to != "-" => directory.push(to),
                // Where the rest of the command runs is not known.
                _ => break,
            }
        }
        // What the shell expands first is not known either.
        calls.retain(|call| is_literal(&call.words[0]));
        calls
    }

    /// A program that sees what the entry point's command saw: its environment and variables.
    fn probe(&self, command: &str, directory: &Path) -> ProgramCall {
        ProgramCall::new("bash")
            .argument("-c")
            .argument(self.environment.command(command))
            .argument("bash")
            .variables(self.variables.iter().cloned())
            .directory(directory)
    }

    /// The project's file that lists packages and was not used.
    fn requirements(&self) -> Option<&'static str> {
        REQUIREMENTS
            .into_iter()
            .find(|name| self.directory.join(name).is_file())
    }

    fn unused_requirements(&self) -> Option<String> {
        let file = self.requirements().filter(|_| self.packages == Packages::None)?;
        Some(format!(
            "the project has no environment file, so the packages in {file} were not installed; if they are needed, \
             add `--requirements {file}`"
        ))
    }
}

/// A call of a program, and the directory that it is called in.
struct Call {
    words: Vec<String>,
    directory: PathBuf,
}

/// Whether the shell takes the word as it is.
fn is_literal(word: &str) -> bool {
    !word.contains(['$', '*', '?', '~', '['])
}

impl Packages {
    fn of(created: &CreatedRun) -> Self {
        let plan = &created.plan;
        let file = match &plan.project_environment {
            ProjectEnvironment::Python { file } => file.clone(),
            ProjectEnvironment::Conda { file } => Some(file.clone()),
            ProjectEnvironment::Docker(_) => None,
        };
        let file = file.and_then(|file| Some(file.file_name()?.to_string_lossy().into_owned()));
        match (plan.environment.manager, file) {
            (EnvManager::Local, unused_file) => Self::Machine { unused_file },
            (_, Some(file)) => Self::File(file),
            (EnvManager::Uv, None) if plan.work_dir.path().join("uv.lock").exists() => {
                Self::File("pyproject.toml".to_owned())
            }
            (_, None) => Self::None,
        }
    }

    /// What to do about a Python module that is not installed.
    fn hint_for(&self, module: &str, requirements: Option<&str>) -> String {
        let missing = format!("the Python module '{module}' is not installed");
        match (self, requirements) {
            (
                Self::Machine {
                    unused_file: Some(file),
                },
                _,
            ) => format!(
                "{missing} on this machine; leave out --env-manager local, and the run gets the packages in {file}"
            ),
            (Self::Machine { .. }, Some(file)) => format!(
                "{missing} on this machine; replace --env-manager local with `--requirements {file}`, or install it \
                 yourself"
            ),
            (Self::Machine { .. }, None) => format!(
                "{missing} on this machine; install its package, or leave out --env-manager local and list the \
                 packages in a python_env.yaml"
            ),
            (Self::File(file), _) => format!("{missing} in the run's environment; add its package to {file}"),
            (Self::None, Some(file)) => format!(
                "{missing}: the project has no environment file, so its environment has only Python; add \
                 `--requirements {file}`"
            ),
            (Self::None, None) => format!(
                "{missing}: the project has no environment file, so its environment has only Python; list the \
                 packages in a python_env.yaml, or use those of this machine with `--env-manager local`"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_module_s_hint_names_the_file_at_hand() {
        let machine = |file: Option<&str>| Packages::Machine {
            unused_file: file.map(str::to_owned),
        };
        for (packages, requirements, part) in [
            (machine(Some("conda.yaml")), None, "leave out --env-manager local"),
            (
                machine(None),
                Some("requirements.txt"),
                "`--requirements requirements.txt`",
            ),
            (machine(None), None, "list the packages in a python_env.yaml"),
            (Packages::File("conda.yaml".to_owned()), None, "to conda.yaml"),
            (
                Packages::None,
                Some("pyproject.toml"),
                "add `--requirements pyproject.toml`",
            ),
            (Packages::None, None, "`--env-manager local`"),
        ] {
            let hint = packages.hint_for("pandas", requirements);
            assert!(
                hint.starts_with("the Python module 'pandas' is not installed"),
                "{hint}"
            );
            assert!(hint.contains(part), "{hint}");
        }
    }
}
