//! What programs write while they build an environment or an image: all of it goes to a log file, what a person
//! needs of it to the terminal, and the end of it into the error of a program that fails.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, PipeReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::EnvironmentError;
use super::steps::Steps;
use super::tool_line;
use crate::events::{Build, BuildDisplay, Event, Progress};
use crate::process::{ProcessError, ProgramCall};
use crate::quantity;

/// How many lines of a program that failed are shown.
const SHOWN: usize = 40;
/// How many lines are kept to find what the failure is about: conda writes a long report after pip's error.
const KEPT: usize = 1000;
const REDRAW: Duration = Duration::from_secs(1);
const RECOUNT: Duration = Duration::from_millis(100);

/// The output of one build.
pub(super) struct BuildOutput<'a> {
    progress: &'a dyn Progress,
    display: BuildDisplay,
    what: What,
    /// `Building environment mlflow-9d31`.
    title: String,
    begun: Instant,
    log: Option<PathBuf>,
    state: Mutex<State>,
}

/// What is built.
pub(super) struct What {
    /// What happens to it, and what has happened to it in the end: `Building`, `Built`.
    pub(super) verbs: (&'static str, &'static str),
    /// `environment mlflow-9d31`.
    pub(super) name: String,
    /// What it consists of: `package`.
    pub(super) unit: &'static str,
    /// The directory of the environment, whose packages are counted.
    pub(super) directory: Option<PathBuf>,
}

impl What {
    pub(super) fn environment(short_name: &str, directory: &Path) -> Self {
        Self {
            verbs: ("Building", "Built"),
            name: format!("environment {short_name}"),
            unit: "package",
            directory: Some(directory.to_owned()),
        }
    }

    /// The environment's name, as its directory has it.
    fn environment_name(&self) -> Option<&str> {
        self.directory.as_deref()?.file_name()?.to_str()
    }
}

#[derive(Default)]
struct State {
    log: Option<File>,
    /// The last lines of the program that runs, or ran last.
    story: VecDeque<String>,
    /// How many lines that were.
    lines: usize,
    steps: Steps,
    /// When the packages were counted last.
    counted: Option<Instant>,
    /// Whether the beginning was reported.
    is_announced: bool,
}

impl<'a> BuildOutput<'a> {
    /// For a build that begins now. Its output replaces that of the last one in the file `log`.
    pub(super) fn begin(what: What, log: Option<PathBuf>, progress: &'a dyn Progress) -> Self {
        let file = log.as_ref().and_then(|path| match create(path) {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "the log of a build cannot be written");
                None
            }
        });
        Self {
            progress,
            display: progress.build_display(),
            title: format!("{} {}", what.verbs.0, what.name),
            what,
            begun: Instant::now(),
            log: log.filter(|_| file.is_some()),
            state: Mutex::new(State {
                log: file,
                ..State::default()
            }),
        }
    }

    /// Begins a part of the build. `line` says so if no live line does; it may be empty.
    pub(super) fn step(&self, step: &str, line: &str) {
        match self.display {
            BuildDisplay::Live => {
                step.clone_into(&mut self.state().steps.now);
                self.draw();
            }
            BuildDisplay::Lines if !line.is_empty() => self.announce(line),
            BuildDisplay::Lines | BuildDisplay::Hidden => {}
        }
    }

    /// Says that a part of the build begins; the first line also says it to programs.
    fn announce(&self, line: &str) {
        let is_first = !std::mem::replace(&mut self.state().is_announced, true);
        match self.what.environment_name().filter(|_| is_first) {
            Some(environment) => self
                .progress
                .event(&Event::EnvironmentBuildStarted { environment }, line),
            None => self.progress.info(line),
        }
    }

    /// Says something that is worth a line of its own.
    pub(super) fn info(&self, line: &str) {
        self.progress.info(line);
    }

    /// Runs a program to its end. The error of one that failed has the end of its output if that was not shown.
    pub(super) async fn run(
        &self,
        call: &ProgramCall,
        renamed: &(dyn Fn(&str) -> String + Sync),
    ) -> Result<(), ProcessError> {
        self.run_from(call, None, self.display == BuildDisplay::Lines, renamed)
            .await
    }

    /// As [`run`](Self::run), for a program that may read `input`, and whose lines are shown if `shows`.
    pub(super) async fn run_from(
        &self,
        call: &ProgramCall,
        input: Option<PipeReader>,
        shows: bool,
        renamed: &(dyn Fn(&str) -> String + Sync),
    ) -> Result<(), ProcessError> {
        self.begin_program(call);
        let mut on_line = |line: &str| {
            let line = renamed(line);
            if self.take(&line) && shows {
                self.progress.program_line(&line);
            }
        };
        let ended = match input {
            Some(input) => call.stream_from(input, &mut on_line).await,
            None => call.stream(&mut on_line).await,
        };
        ended.map_err(|mut error| {
            if let ProcessError::Failed { last_lines, .. } | ProcessError::AsksTerminal { last_lines, .. } =
                &mut error
            {
                *last_lines = if shows { Vec::new() } else { self.last_lines() };
            }
            error
        })
    }

    fn begin_program(&self, call: &ProgramCall) {
        let mut state = self.state();
        state.story.clear();
        state.lines = 0;
        state.write(&format!("$ {}", call.command_line()));
    }

    /// Takes a line. Gives whether it is worth showing.
    fn take(&self, line: &str) -> bool {
        let mut state = self.state();
        state.write(line);
        if self.display == BuildDisplay::Live
            && let Some(meaning) = tool_line::meaning(line)
        {
            state.steps.note(meaning, || self.packages());
        }
        let is_shown = !tool_line::is_noise(line);
        if is_shown {
            state.lines += 1;
            state.story.push_back(line.to_owned());
            if state.story.len() > KEPT {
                state.story.pop_front();
            }
        }
        drop(state);
        self.draw();
        is_shown
    }

    /// The end of what the last program wrote.
    pub(super) fn story(&self) -> Vec<String> {
        self.state().story.iter().cloned().collect()
    }

    /// The same for an error, with the number of the lines before it.
    fn last_lines(&self) -> Vec<String> {
        let is_blank = |line: &String| line.trim().is_empty();
        let story = self.story();
        let last = story.len().saturating_sub(SHOWN);
        let mut lines: Vec<String> = story.into_iter().skip(last).skip_while(is_blank).collect();
        while lines.last().is_some_and(is_blank) {
            lines.pop();
        }
        let left_out = self.state().lines.saturating_sub(SHOWN);
        if left_out > 0 {
            lines.insert(
                0,
                format!("({} before these)", quantity::counted(left_out as u64, "line")),
            );
        }
        lines
    }

    /// Shows from time to time how far the build has come, without an end.
    pub(super) async fn redrawn(&self) -> Infallible {
        loop {
            self.draw();
            tokio::time::sleep(REDRAW).await;
        }
    }

    /// Carries out a part of the build, and shows how far it has come.
    pub(super) async fn redrawn_while<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            done = work => done,
            never = self.redrawn() => match never {},
        }
    }

    fn draw(&self) {
        if self.display != BuildDisplay::Live {
            return;
        }
        let mut state = self.state();
        // Counting reads directories, and a program may write thousands of lines.
        if state.counted.is_none_or(|counted| counted.elapsed() >= RECOUNT) {
            state.counted = Some(Instant::now());
            state.steps.count(|| self.packages());
        }
        let steps = &state.steps;
        self.progress.build(Build {
            what: &self.title,
            step: &steps.now,
            done: steps.done,
            total: steps.total,
            unit: self.what.unit,
            elapsed: self.begun.elapsed(),
        });
    }

    /// Says that the build is done.
    pub(super) fn finish(&self) {
        let packages = match self.packages() {
            0 => String::new(),
            packages => format!(" ({})", quantity::counted(packages, self.what.unit)),
        };
        let elapsed = self.begun.elapsed();
        let What { verbs, name, .. } = &self.what;
        let line = format!("{} {name}{packages} in {}", verbs.1, quantity::duration(elapsed));
        match self.what.environment_name() {
            Some(environment) => {
                let duration = elapsed.as_secs_f64();
                let event = Event::EnvironmentBuildEnded {
                    environment,
                    duration,
                };
                self.progress.event(&event, &line);
            }
            None => self.progress.info(&line),
        }
    }

    fn packages(&self) -> u64 {
        self.what.directory.as_deref().map_or(0, packages_in)
    }

    /// The error of the build, with where the rest of the output is.
    pub(super) fn explained(&self, error: EnvironmentError) -> EnvironmentError {
        let error = match error {
            EnvironmentError::Process(cause) => {
                let hint = cause.hint().unwrap_or_default();
                EnvironmentError::new(format!("cannot build {}", self.what.name), hint).caused_by(cause)
            }
            error => error,
        };
        match self.where_the_rest_is() {
            Some(hint) => error.with_hint(&hint),
            None => error,
        }
    }

    /// The hint that names the log, if it holds anything.
    pub(super) fn where_the_rest_is(&self) -> Option<String> {
        let log = self.log.as_ref().filter(|_| self.state().lines > 0)?;
        Some(format!("the whole output is in {}", log.display()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, line: &str) {
        if let Some(log) = &mut self.log
            && writeln!(log, "{line}").is_err()
        {
            // A full disk fails the build itself, if it must.
            self.log = None;
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    File::create(path)
}

/// How many packages an environment has: those of conda, and those that pip or uv has installed.
fn packages_in(environment: &Path) -> u64 {
    let names = |directory: PathBuf| {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.path())
    };
    let has_extension =
        |path: &PathBuf, extension: &str| path.extension().is_some_and(|found| found == extension);
    let of_conda = names(environment.join("conda-meta")).filter(|path| has_extension(path, "json"));
    let of_conda = of_conda.count();
    let is_of_conda = |path: &PathBuf| {
        of_conda > 0
            && fs::read(path.join("INSTALLER")).is_ok_and(|installer| installer.trim_ascii() == b"conda")
    };
    let of_pip = names(environment.join("lib"))
        .flat_map(|python| names(python.join("site-packages")))
        .filter(|path| has_extension(path, "dist-info") && !is_of_conda(path));
    (of_conda + of_pip.count()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Silent;

    #[tokio::test]
    async fn the_output_goes_to_the_log_and_its_end_into_the_error() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("a/build.log");
        let what = What {
            verbs: ("Building", "Built"),
            name: "x".into(),
            unit: "package",
            directory: None,
        };
        let output = BuildOutput::begin(what, Some(log.clone()), &Silent);
        let script = "seq 100; echo 'Activate with: x'; exit 3";
        let call = ProgramCall::new("sh").arguments(["-c", script]);
        let error = output.run(&call, &str::to_owned).await.unwrap_err();
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.starts_with("$ sh -c "), "{text}");
        assert!(text.ends_with("\n100\nActivate with: x\n"), "{text}");
        let message = error.to_string();
        assert!(
            message.contains("code 3\n  (60 lines before these)\n  61\n"),
            "{message}"
        );
        assert!(message.ends_with("\n  100"), "{message}");
        let explained = output.explained(error.into());
        assert_eq!(explained.to_string(), "cannot build x");
        assert_eq!(
            explained.hint().unwrap(),
            format!("the whole output is in {}", log.display())
        );
    }
}
